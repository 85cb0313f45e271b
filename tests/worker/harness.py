"""Runs works in this process, with a value store in a temporary folder."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import wfc.runtime.codec  # noqa: F401
from wfc.plan.model import Plan
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.seal import KEY_BYTES, Sealer
from wfc.runtime.values import MISSING, Bound, Column, Inline, Rows, load_inline
from wfc.runtime.work import Done, Failed, Program, Report, Work
from wfc.runtime.worker.runner import Runner

KEY = bytes(KEY_BYTES)


def runner(plan: Plan, functions: Mapping[str, Callable[..., Any]], **more: Any) -> Runner:
    program = Program("run1", plan.to_json().encode(), b"", "", KEY, "d")
    folder = None
    if "store" not in more:
        folder = tempfile.TemporaryDirectory(prefix="wfc-test-")
        more["store"] = FolderValues(folder.name, Sealer(KEY))
    made = Runner(program, functions=functions, **more)
    if folder is not None:
        weakref.finalize(made, folder.cleanup)
    return made


def value(obj: Any) -> Any:
    return obj if isinstance(obj, Bound | Rows | Inline) else Inline(obj=obj)


def work(graph: str, env: Mapping[str, Any] | None = None, **more: Any) -> Work:
    more.setdefault("path", graph)
    for name in ("graph_of", "n"):
        more.pop(name, None)
    if "nodes" in more:
        more["nodes"] = tuple(more["nodes"])
    items = more.pop("items", None)
    if items is not None:
        chunk: Any = Column(None, len(items), list(items))
        more.update(items=Rows([chunk]), indices=range(len(items)))
    return Work(more.pop("id", 7), graph, env={k: value(v) for k, v in (env or {}).items()}, **more)


def run(made: Runner, *works: Work) -> list[Report]:
    return [report for reports in made.run(works) for report in reports]


def columns(reports: list[Report]) -> dict[str, list[Any]]:
    """The columns of all `Done` reports of one work, decoded."""
    out: dict[str, list[Any]] = {}
    for report in reports:
        assert not isinstance(report, Failed), report.error
        if not isinstance(report, Done):
            continue
        for name, chunk in report.columns.items():
            out.setdefault(name, []).extend(decoded(chunk))
    return out


def decoded(chunk: Any) -> list[Any]:
    if isinstance(chunk, Column):
        return list(chunk.load())
    return [
        v if v is MISSING or not isinstance(v, Inline | Rows) else load_inline(v) for v in chunk
    ]


def result(made: Runner, one: Work) -> Any:
    (value,) = columns(run(made, one))["="]
    return value


def failure(reports: list[Report]) -> Failed:
    (failed,) = [r for r in reports if isinstance(r, Failed)]
    return failed


def of(kind: type, reports: list[Report]) -> list[Any]:
    return [r for r in reports if isinstance(r, kind)]
