"""Run a spec of the corpus, or a generated one, by any of the ways there are to run it.

A file of the corpus says in comments at its top what it takes and what comes out:

    # params: {"n": 3}             the parameters (Python literals throughout)
    # signals: {"go": [1, 2]}      payloads that are sent to it
    # expect: 42                   its value; tuples compare as lists
    # fails: ValueError: no | …    or the failures of which it reports one; `*` stands for anything
    # calls: {"add": 2}            how often these functions are called
    # faults: none, since …        its result would be another if a process were lost
"""

from __future__ import annotations

import ast as python
import importlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wfc
from tests.oracle.generate import Program
from tests.oracle.graphs import graphs, in_a_run
from tests.oracle.planned import evaluate_plan
from tests.oracle.reference import CallRecord, Error, Outcome, ResultView, evaluate
from wfc.compiler import compile_spec
from wfc.dsl import ast
from wfc.dsl.parser import parse
from wfc.plan.model import Plan

LIMIT = 60.0
"""Seconds after which a run of the corpus is taken to hang."""

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Ran:
    """How a run ended: its value, or the errors of which it had one; and the calls it made."""

    value: Any = None
    errors: frozenset[Error] = frozenset()
    calls: Counter[str] | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A program and what is expected of it."""

    name: str
    files: dict[str, str]
    entry_file: str
    params: dict[str, Any] = field(default_factory=dict)
    signals: dict[str, list[Any]] = field(default_factory=dict)
    expected: Ran | None = None
    folder: Path = FOLDER
    faults: bool = True

    def __str__(self) -> str:
        return self.name


def cases() -> list[Case]:
    """The whole corpus."""
    paths = sorted(FOLDER.glob("*.wf"))
    return [read_case(path) for path in paths if path.name != "lib.wf"]


def read_case(path: Path) -> Case:
    """A file of the corpus, with what its header says."""
    text = path.read_text(encoding="utf-8")
    head: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            break
        key, _, value = line[2:].partition(": ")
        head[key] = value.strip()
    errors = frozenset(
        Error(*part.strip().split(": ", 1)) for part in head.get("fails", "").split(" | ") if part
    )
    calls = Counter(python.literal_eval(head["calls"])) if "calls" in head else None
    expected = Ran(python.literal_eval(head.get("expect", "None")), errors, calls)
    return Case(
        path.stem,
        {path.name: text, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")},
        path.name,
        python.literal_eval(head.get("params", "{}")),
        python.literal_eval(head.get("signals", "{}")),
        expected,
        faults="faults" not in head,
    )


def case_of(program: Program, name: str = "generated") -> Case:
    """A generated program as a case; its expectation is what the reference makes of it."""
    return Case(name, dict(program.files), "main.wf", dict(program.params), dict(program.signals))


def parsed(files: Mapping[str, str]) -> dict[str, ast.Module]:
    """The syntax trees; raises `SyntaxError` with the diagnostics."""
    out: dict[str, ast.Module] = {}
    for name, text in files.items():
        module, diagnostics = parse(text, name)
        if module is None or diagnostics:
            raise SyntaxError(f"{name}: {diagnostics}")
        out[name] = module
    return out


def function(dotted: str) -> Callable[..., Any]:
    """The task function that a spec calls `tasks.add` or `odd.boom`."""
    module, _, name = dotted.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(f"tests.programs.{module}"), name)
    return found


def plain(value: Any) -> Any:
    """A value such that results of different ways to run compare equal."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, ResultView):
        return ("Result", value.ok, plain(value.value))
    if type(value).__name__ == "Result":
        return ("Result", value.ok, plain(value.value))
    return value


def reference(case: Case, modules: dict[str, ast.Module] | None = None, **options: Any) -> Outcome:
    """What the reference interpreter makes of a case."""
    with in_a_run():
        return evaluate(
            modules or parsed(case.files),
            "main",
            case.params,
            function,
            file=case.entry_file,
            signals=case.signals,
            graphs=graphs,
            **options,
        )


def compiled(case: Case, optimize: bool = True, verify: bool = False) -> Plan:
    """The plan of a case; raises `SyntaxError` when the compiler refuses it."""
    with placed(case) as path:
        made = compile_spec(path, optimize=optimize, verify=verify)
    if made.plan is None:
        errors = [d for d in made.diagnostics if d.severity == "error"]
        raise SyntaxError("\n".join(f"{d.code} line {d.span.line}: {d.message}" for d in errors))
    return made.plan


@contextmanager
def placed(case: Case) -> Iterator[Path]:
    """The path of a case's spec, in a folder that has all that it imports."""
    if case.folder == FOLDER and (FOLDER / case.entry_file).exists():
        yield FOLDER / case.entry_file
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module in ("tasks.py", "odd.py", "grown.py"):
            shutil.copyfile(FOLDER / module, folder / module)
        for file, text in case.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        yield folder / case.entry_file


def _counted(*parts: Counter[CallRecord]) -> Counter[str]:
    calls: Counter[str] = Counter()
    for part in parts:
        for call, count in part.items():
            calls[call.name] += count
    return calls


def run_reference(case: Case, optimize: bool = True) -> Ran:
    outcome = reference(case)
    return Ran(plain(outcome.value), outcome.errors, _counted(outcome.must, outcome.may))


def run_plan(case: Case, optimize: bool = True) -> Ran:
    """The compiler's plan, by the naive interpreter."""
    plan = compiled(case, optimize, verify=True)
    with in_a_run():
        outcome = evaluate_plan(plan, case.params, function, signals=case.signals, graphs=graphs)
    calls = _counted(outcome.must, outcome.may)
    return Ran(plain(outcome.value), outcome.errors, calls, tuple(outcome.ids))


def run_for_real(case: Case, optimize: bool, **options: Any) -> Ran:
    """By `wfc.start`, with a store of its own. Signals are sent before anything waits for them."""
    with placed(case) as path, tempfile.TemporaryDirectory() as store:
        made = compile_spec(path, optimize=optimize)
        assert made.plan is not None
        run = wfc.start(made.plan, params=case.params, store=store, **options)
        for name, payloads in case.signals.items():
            for payload in payloads:
                run.send(name, payload)
        try:
            return Ran(plain(run.result(LIMIT)))
        except wfc.RunFailed as failed:
            return Ran(errors=frozenset({Error(failed.error.type, failed.error.message)}))
        finally:
            run.interrupt()


def run_local(case: Case, optimize: bool = True) -> Ran:
    """In a pool of processes of this machine."""
    return run_for_real(case, optimize, local=True)


def run_ray(case: Case, optimize: bool = True) -> Ran:
    """On the Ray that `RAY_ADDRESS` names."""
    return run_for_real(case, optimize)


ENGINES: dict[str, Callable[[Case, bool], Ran]] = {
    "reference": run_reference,
    "plan": run_plan,
    "local": run_local,
    "ray": run_ray,
}


def run_program(case: Case, engine: str = "reference", optimize: bool = True) -> Ran:
    """Run a case by one of `ENGINES`."""
    return ENGINES[engine](case, optimize)


def check(case: Case, ran: Ran, expected: Ran | None = None) -> None:
    """Raise `AssertionError` when a run did not end as it must."""
    expected = expected or case.expected
    assert expected is not None
    if expected.errors:
        assert ran.errors, f"{case}: should have failed, gave {ran.value!r}"
        for error in ran.errors:
            assert any(e.covers(error.type, error.message) for e in expected.errors), (
                f"{case}: failed with {error}, not with one of {set(expected.errors)}"
            )
    else:
        assert not ran.errors, f"{case}: failed with {set(ran.errors)}"
        assert plain(ran.value) == plain(expected.value), f"{case}: a wrong value"
    if expected.calls is not None and ran.calls is not None:
        found = {name: ran.calls[name] for name in expected.calls}
        assert found == dict(expected.calls), f"{case}: wrong numbers of calls"
