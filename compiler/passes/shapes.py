"""What a call claims of the cluster while it runs: calls of equal shape can share a process."""

from __future__ import annotations

import json

from wfc.compiler import ir
from wfc.compiler.options import RESOURCES

_USUAL = {"num_cpus": 1, "num_gpus": 0, "memory": 0, "resources": {}, "runtime_env": {}}


def shape(node: ir.Target) -> str:
    """The resource options of a call as text, without those that are as usual."""
    claimed = {
        key: value
        for key, value in node.options.items()
        if key in RESOURCES and value is not None and value != _USUAL.get(key)
    }
    return json.dumps(claimed, sort_keys=True)


def describe(written: str) -> str:
    """A shape for people."""
    claimed = json.loads(written)
    return ", ".join(f"{k}={v!r}" for k, v in claimed.items()) or "the usual resources"
