"""What can be said of a Ray cluster without importing ray: where it is, and how much fits on it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wfc.runtime.work import Shape

_CURRENT = "ray_current_cluster"
"""The file in which `ray start` leaves the address of this machine's cluster."""


def find_address(address: str | None) -> str | None:
    """The cluster to join: the given one, `RAY_ADDRESS`, a local one of this user that answers, or
    `None`: start a private one. Raises nothing; whether a named one answers is seen on connecting."""
    named = address or os.environ.get("RAY_ADDRESS")
    if named and named not in ("auto", "local"):
        return named
    if named == "local":
        return None
    found = _local()
    if found is None and named == "auto":
        return "auto"
    return found


def ray_folder() -> Path:
    """Where Ray keeps what is temporary on this machine."""
    named = os.environ.get("RAY_TMPDIR")
    if not named and sys.platform.startswith("linux"):
        named = os.environ.get("TMPDIR")
    return Path(named or "/tmp") / "ray"


def _local() -> str | None:
    file = ray_folder() / _CURRENT
    try:
        if hasattr(os, "getuid") and file.stat().st_uid != os.getuid():
            return None
        address = file.read_text().strip()
        host, _, port = address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.5):
            return address
    except (OSError, ValueError):
        return None


def same_place(one: str, other: str) -> bool:
    """Whether two addresses, `host:port` each, are one: by name, by number, or as two of this machine."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if port != other_port:
        return False
    found, others = _numbers(host), _numbers(other_host)
    return host == other_host or bool(found & others) or (_is_here(found) and _is_here(others))


def _numbers(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return set()


def _is_here(numbers: Iterable[str]) -> bool:
    """Whether one of the addresses is this machine's: only there can something listen on it."""
    for number in numbers:
        family = socket.AF_INET6 if ":" in number else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.bind((number, 0))
            return True
    return False


def task_options(shape: Shape) -> dict[str, Any]:
    """A shape as the options of a Ray task."""
    options: dict[str, Any] = {"num_cpus": shape.num_cpus}
    if shape.num_gpus:
        options["num_gpus"] = shape.num_gpus
    if shape.memory:
        options["memory"] = shape.memory
    if shape.resources:
        options["resources"] = dict(shape.resources)
    if shape.accelerator_type:
        options["accelerator_type"] = shape.accelerator_type
    if shape.runtime_env:
        options["runtime_env"] = json.loads(shape.runtime_env)
    if shape.scheduling_strategy:
        options["scheduling_strategy"] = shape.scheduling_strategy
    if shape.label_selector:
        options["label_selector"] = dict(shape.label_selector)
    return options


def claims(shape: Shape) -> dict[str, float]:
    """What a task of this shape takes of a node, by the names of Ray's resources."""
    need = {"CPU": shape.num_cpus, "GPU": shape.num_gpus, "memory": float(shape.memory)}
    need.update(dict(shape.resources))
    if shape.accelerator_type:
        need[f"accelerator_type:{shape.accelerator_type}"] = 0.001
    return {name: amount for name, amount in need.items() if amount > 0}


def fits(shape: Shape, nodes: Iterable[Mapping[str, Any]]) -> int:
    """How many tasks of a shape the nodes (as `ray.nodes()` gives them) can run at the same time.

    A shape that claims nothing gets four tasks per CPU, and 16 at least: each is a process.
    """
    need = claims(shape)
    total, cpus = 0, 0.0
    for node in nodes:
        if not node.get("Alive"):
            continue
        have = node.get("Resources", {})
        labels = node.get("Labels") or {}
        if any(labels.get(name) != value for name, value in _plain(shape.label_selector)):
            continue
        cpus += have.get("CPU", 0.0)
        if need:
            total += min(int(have.get(name, 0.0) / amount + 1e-6) for name, amount in need.items())
    return total if need else max(16, int(4 * cpus))


def _plain(selector: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The conditions that are simple equalities; the others are left to Ray."""
    return [
        (name, value)
        for name, value in selector
        if value and value.isascii() and value[0].isalnum() and "(" not in value
    ]
