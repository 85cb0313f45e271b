"""Functions of a plan: found and checked before a run, the same classes in every process."""

from __future__ import annotations

import importlib
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wfc
from wfc.plan.model import CallNode, Graph, Plan, TaskDef, WorkflowDef
from wfc.runtime import importing
from wfc.runtime.copies import pack
from wfc.runtime.functions import Functions, FunctionsError, bundle, load


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave no shipped module behind."""
    yield
    leave()


def leave() -> None:
    """No module of any project is imported."""
    importing.activate(importing.open_code(pack([])))


ENV: dict[str, Any] = {"runtime_env": {"pip": ["only-there"]}}


def plan(root: Path, *tasks: tuple[str, str, str | None]) -> Plan:
    """A plan with tasks of these names, `module:qualname`s and folders."""
    main = WorkflowDef(name="main", params=[], body=Graph(nodes=[]), where=(0, 1, 1, 1, 1))
    defs = {}
    for name, target, beside in tasks:
        module, _, qualname = target.partition(":")
        defs[name] = TaskDef(
            name=name, module=module, qualname=qualname, beside=beside, where=(0, 2, 1, 2, 9)
        )
    return Plan(entry="main", tasks=defs, workflows={"main": main}, files=[], root=str(root))


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def test_functions_share_their_module_and_its_siblings(tmp_path: Path) -> None:
    write(
        tmp_path,
        jobs="""
            import helper
            SEEN = []
            def put(x): SEEN.append(helper.double(x))
            def get(): return SEEN
        """,
        helper="def double(x): return 2 * x",
    )
    found = load(bundle(plan(tmp_path, ("put", "jobs:put", "."), ("get", "jobs:get", "."))))
    found["put"](4)
    assert found["get"]() == [8]


def test_a_worker_needs_no_shared_folder_and_knows_the_same_classes(tmp_path: Path) -> None:
    write(
        tmp_path,
        shapes="""
            from dataclasses import dataclass
            @dataclass
            class Point:
                x: int
        """,
        jobs="""
            from shapes import Point
            def make(x): return Point(x)
            def late():
                from lib.deep import name
                return name()
            def check(p): return isinstance(p, Point)
        """,
        lib__deep="""
            from . import words
            def name(): return words.WORD
        """,
        lib__words="WORD = 'deep'",
    )
    tasks = [(name, f"jobs:{name}", ".") for name in ("make", "late", "check")]
    data = bundle(plan(tmp_path, *tasks))
    made = load(data)["make"](3)
    value = pickle.dumps(made)
    assert b"dataclass" not in value, "values name their class, they do not carry it"
    for file in tmp_path.rglob("*.py"):
        file.unlink()
    code = """
        import pickle, sys
        from wfc.runtime.functions import load
        data, value = pickle.load(sys.stdin.buffer)
        found = load(data)
        print(found["check"](pickle.loads(value)), found["late"](), found["make"](1))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        input=pickle.dumps((data, value)),
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.decode().split() == ["True", "deep", "Point(x=1)"]


def test_programs_that_take_turns_keep_their_own_modules(tmp_path: Path) -> None:
    bundles = []
    for name in ("one", "two"):
        write(
            tmp_path / name,
            jobs=f"class C: pass\ndef make(): return C()\ndef me(): return {name!r}",
        )
        tasks = [("make", "jobs:make", "."), ("me", "jobs:me", ".")]
        bundles.append(bundle(plan(tmp_path / name, *tasks)))
    first = load(bundles[0])
    value = first["make"]()
    second = load(bundles[1])
    assert (first["me"](), second["me"]()) == ("one", "two")
    load(bundles[0])
    assert type(pickle.loads(pickle.dumps(value))) is type(value)


def test_a_module_that_the_caller_imported_already_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, callers_jobs="class C: pass\ndef make(): return C()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "callers_jobs", raising=False)
    import callers_jobs  # type: ignore[import-not-found]

    found = load(bundle(plan(tmp_path, ("make", "callers_jobs:make", "."))))
    assert type(found["make"]()) is callers_jobs.C
    del sys.modules["callers_jobs"]


def failure(root: Path, *tasks: tuple[str, str, str | None], **options: Any) -> list[str]:
    with pytest.raises(FunctionsError) as caught:
        bundle(plan(root, *tasks), **options)
    assert all(p.where is not None for p in caught.value.problems)
    return [f"{p.task}: {p.message}" for p in caught.value.problems]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, jobs="def fetch(): ...\nN = 1", broken="import jobs\n1 / 0")
    assert failure(
        tmp_path,
        ("a", "jobs:fetsh", "."),
        ("b", "jobs:N", "."),
        ("c", "broken:f", "."),
        ("d", "nowhere_at_all:f", None),
        ("e", "jobs:fetch", "."),
    ) == [
        "a: 'jobs' has no 'fetsh': did you mean 'fetch'?",
        "b: 'jobs.N' is not callable: it is a int",
        "c: importing 'broken' failed: ZeroDivisionError: division by zero",
        "d: importing 'nowhere_at_all' failed: "
        "ModuleNotFoundError: No module named 'nowhere_at_all'",
    ]


def test_an_import_error_shows_the_users_lines_alone(tmp_path: Path) -> None:
    write(tmp_path, broken="def f(): 1 / 0\nf()")
    with pytest.raises(FunctionsError) as caught:
        bundle(plan(tmp_path, ("c", "broken:f", ".")))
    trace = caught.value.problems[0].traceback
    assert trace.splitlines()[1].strip() == f'File "{tmp_path}/broken.py", line 2, in <module>'
    assert "importlib" not in trace
    assert "functions.py" not in trace


def test_two_modules_of_one_name(tmp_path: Path) -> None:
    write(tmp_path, jobs="def f(): ...", lib__jobs="def f(): ...")
    (message,) = failure(tmp_path, ("a", "jobs:f", "."), ("b", "jobs:f", "lib"))
    assert message.startswith("b: two modules are called 'jobs' in one run")


def test_allowed_modules_are_checked_by_their_real_names(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    write(
        tmp_path,
        jobs="from os import system as run\ndef f(): ...",
        evil=f"open({str(marker)!r}, 'w')",
    )
    tasks = ("f", "jobs:f", "."), ("run", "jobs:run", ".")
    assert failure(tmp_path, *tasks, allow=["jobs"]) == [
        "run: jobs.run is really posix.system, which is not among the allowed modules"
    ]
    assert failure(tmp_path, ("e", "evil:f", "."), allow=["jobs.*"]) == [
        "e: evil.f is not among the allowed modules"
    ]
    assert not marker.exists(), "a module that is not allowed was imported"
    bundle(plan(tmp_path, tasks[0]), allow=["jobs.f"])


def test_an_unchanged_module_that_imports_a_changed_one_is_imported_anew(tmp_path: Path) -> None:
    """In one process, as in a notebook or in a worker of Ray. What nothing changed in stays the same."""
    write(
        tmp_path,
        jobs="from helper import scale\ndef f(): return scale(1)",
        helper="def scale(x): return x",
        shapes="class C: pass\ndef make(): return C()",
    )
    tasks = plan(tmp_path, ("f", "jobs:f", "."), ("make", "shapes:make", "."))
    first = load(bundle(tasks))
    write(tmp_path, helper="def scale(x): return 2 * x")
    second = load(bundle(tasks))
    assert (first["f"](), second["f"]()) == (1, 2)
    assert type(first["make"]()) is type(second["make"]()), "an instance stays one"
    pickle.dumps(first["make"]())
    write(
        tmp_path,
        pkg__sub="N = 1",
        pkg____init__="",
        jobs="import pkg.sub\ndef f(): return pkg.sub.N",
    )
    third = load(bundle(tasks))
    assert third["f"]() == 1
    write(tmp_path, pkg__sub="N = 2")
    assert load(bundle(tasks))["f"]() == 2


def test_a_module_can_be_reloaded_by_who_edits_it(tmp_path: Path) -> None:
    """In a notebook: not the text that some run was started with, but that of now."""
    write(tmp_path, jobs="N = 1\ndef f(): return N")
    tasks = plan(tmp_path, ("f", "jobs:f", "."))
    load(bundle(tasks))
    module = sys.modules["jobs"]
    write(tmp_path, jobs="N = 22\ndef f(): return N")
    importlib.reload(module)
    assert module.f() == 22
    assert load(bundle(tasks))["f"]() == 22
    del sys.modules["jobs"]


def test_modules_are_imported_in_the_order_of_the_spec(tmp_path: Path) -> None:
    """Not of their names, nor of the tasks': a circle may have one good beginning."""
    (tmp_path / "lib.wf").write_text(
        "from zeta import z\n\nworkflow lib() -> int:\n    return z()\n"
    )

    def first(line: str) -> Functions:
        write(
            tmp_path,
            zeta=f"def z(): return 1\nclass Z: pass\nfrom alpha import a\n# {line}",
            alpha=f"from zeta import z\ndef a(): return z()\n# {line}",
        )
        rest = "from alpha import a\nfrom zeta import z as y\n\nworkflow main() -> int:\n    return a()\n"
        (tmp_path / "flow.wf").write_text(f"{line}\n{rest}")
        return load(bundle(wfc.compile(tmp_path / "flow.wf", "main")))

    for line in ("from zeta import z", "from zeta import Z", 'import "lib.wf" as lib'):
        assert first(line)["a"]() == 1
    with pytest.raises(FunctionsError, match="partially initialized module 'alpha'"):
        first("N = 1")


def test_what_a_task_imports_in_its_runtime_env_need_not_be_here(tmp_path: Path) -> None:
    write(
        tmp_path,
        there="import only_there\ndef f(): ...",
        wrong="def f(:",
        here="def f(): return 1",
    )
    call = CallNode(id="x", where=(0, 3, 1, 3, 9), target="a", callee="task", options=ENV)
    tasks = plan(tmp_path, ("a", "there:f", "."), ("b", "here:f", "."))
    tasks.workflows["main"].body.nodes.append(call)
    found = load(bundle(tasks), partial=True)
    assert found["b"]() == 1
    with pytest.raises(ImportError, match="No module named 'only_there'"):
        found["a"]()
    tasks.workflows["main"].body.nodes.append(call.model_copy(update={"id": "y", "options": {}}))
    with pytest.raises(FunctionsError, match="No module named 'only_there'"):
        bundle(tasks)  # one call has no environment
    tasks = plan(tmp_path, ("a", "there:f", "."), ("w", "wrong:f", "."))
    for task in tasks.tasks.values():
        task.options.update(ENV)  # a function that tasks call by its name
    with pytest.raises(FunctionsError) as caught:
        bundle(tasks)
    assert [p.task for p in caught.value.problems] == ["w"]
    with pytest.raises(FunctionsError, match="only_there"):
        bundle(plan(tmp_path, ("a", "there:f", ".")), allow=["there"])


def test_processes_that_a_worker_starts_find_the_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    monkeypatch.setattr(importing, "_children", False)
    data = []
    for name in ("one", "two"):
        write(tmp_path / name, jobs=f"NAME = {name!r}\ndef f(): ...")
        data.append(bundle(plan(tmp_path / name, ("f", "jobs:f", "."))))
        assert os.environ["PYTHONPATH"] == str(tmp_path / "mine"), "not those of a user's process"
    for each, name in ((0, "one"), (1, "two"), (0, "one")):
        load(data[each], children=True)
        code = "import jobs, os; print(jobs.NAME, os.environ['PYTHONPATH'].count(os.pathsep))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert done.stdout.decode().split() == [name, "1"], (
            "that of one project, and the user's own"
        )


def test_what_a_run_brought_along_is_not_there_for_the_next_check(tmp_path: Path) -> None:
    """In one process `check` and `run` say the same of a module that is gone."""
    write(tmp_path, jobs="def f() -> int: return 1", pkg____init__="", pkg__sub="def g(): ...")
    (tmp_path / "flow.wf").write_text(
        "from jobs import f\nfrom pkg.sub import g\n\nworkflow main() -> int:\n    return f()\n"
    )
    load(bundle(wfc.compile(tmp_path / "flow.wf")))
    (tmp_path / "jobs.py").unlink()
    shutil.rmtree(tmp_path / "pkg")
    with pytest.raises(wfc.SpecError) as caught:
        wfc.load(tmp_path / "flow.wf")
    assert [d.message for d in caught.value.diagnostics] == [
        "there is no Python module `jobs`",
        "there is no Python module `pkg.sub`",
    ]
