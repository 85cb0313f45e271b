"""The modules beside a spec are files on the path, where Python itself looks things up: for the worker, for
the processes that a task starts, and for what it starts on Ray, on nodes without the spec's folder too."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import wfc
from wfc.api import Prepared
from wfc.launching import launcher
from wfc.runtime.values import Result

pytestmark = pytest.mark.slow

STEPS = """
    import importlib
    import importlib.resources
    import multiprocessing
    import os
    import pickle
    import pkgutil
    import subprocess
    import sys
    from concurrent.futures import ProcessPoolExecutor
    from dataclasses import dataclass
    from pathlib import Path

    import pkg
    import plugins

    @dataclass
    class Point:
        x: int

    def double(n: int) -> int:
        return 2 * n

    def moved(point: Point) -> Point:
        return Point(point.x + 1)

    def executor(method: str) -> list[int]:
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return list(pool.map(double, range(3)))

    def pool() -> Point:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            (point,) = pool.map(moved, [Point(1)])
        assert type(point) is Point
        return point

    def plugin() -> str:
        return importlib.import_module("plug").run()

    def found() -> list[str]:
        names = [name for _, name, _ in pkgutil.iter_modules(plugins.__path__)]
        return [importlib.import_module(f"plugins.{name}").NAME for name in names]

    def data() -> list[str]:
        files = importlib.resources.files
        return [
            (files("pkg") / "table.txt").read_text(),
            (files("pkg") / "templates" / "page.html").read_text(),
            (files("bare") / "table.txt").read_text(),
            pkgutil.get_data("pkg", "table.txt").decode(),
            (Path(pkg.__file__).parent / "table.txt").read_text(),
        ]

    def printed(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=True, cwd="/"
        )
        return done.stdout.strip()

    def command() -> list[str]:
        pickled = pickle.dumps(Point(4))
        return [
            printed("-m", "plug"),
            printed("-c", "import pkg.inner; print(pkg.inner.word())"),
            printed("-c", f"import pickle; print(pickle.loads({pickled!r}).x)"),
        ]

    def reloaded() -> int:
        return importlib.reload(importlib.import_module("pkg.inner")).COUNT
    """

SPEC = """
    from steps import executor, pool, plugin, found, data, command, reloaded

    workflow main():
        return {
            "spawn": catch executor("spawn"), "forkserver": catch executor("forkserver"),
            "fork": catch executor("fork"), "pool": catch pool(), "plugin": catch plugin(),
            "found": catch found(), "data": catch data(), "command": catch command(),
            "reloaded": catch reloaded(),
        }
    """


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())


def make(folder: Path) -> Path:
    """A project whose modules and data nobody could see in its text."""
    write(folder / "flow.wf", SPEC)
    write(folder / "steps.py", STEPS)
    write(
        folder / "plug.py", 'def run(): return "ran"\nif __name__ == "__main__": print("a script")'
    )
    write(folder / "pkg/__init__.py", "from .inner import word")
    write(folder / "pkg/inner.py", 'COUNT = 1\ndef word(): return "inner"')
    write(folder / "plugins/__init__.py", "")
    write(folder / "plugins/one.py", 'NAME = "first"')
    write(folder / "plugins/two.py", 'NAME = "second"')
    write(folder / "bare/module.py", "")
    for name in ("pkg/table.txt", "pkg/templates/page.html", "bare/table.txt"):
        write(folder / name, name)
    return folder / "flow.wf"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, engine: dict[str, Any]) -> Mapping[str, Result]:
    """One run on each engine; the folder is gone before a worker has seen it, as it is on other nodes."""
    folder = tmp_path_factory.mktemp("importable")
    prepared = Prepared(wfc.compile(make(folder / "project")))
    shutil.rmtree(folder / "project")
    launch = launcher(**engine)
    results: Mapping[str, Result] = prepared.start({}, launch, store=folder / "store").result(120)
    return results


EXPECTED = {
    "spawn": [0, 2, 4],
    "forkserver": [0, 2, 4],
    "fork": [0, 2, 4],
    "plugin": "ran",
    "found": ["first", "second"],
    "data": [
        "pkg/table.txt", "pkg/templates/page.html", "bare/table.txt", "pkg/table.txt", "pkg/table.txt"
    ],
    "command": ["a script", "inner", "4"],
    "reloaded": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_python_finds_the_modules_beside_the_spec(name: str, ran: Mapping[str, Result]) -> None:
    result = ran[name]
    assert (result.error, result.value) == (None, EXPECTED[name])


def test_classes_go_to_a_pool_and_come_back(ran: Mapping[str, Result]) -> None:
    result = ran["pool"]
    assert result.error is None
    assert (type(result.value).__name__, result.value.x) == ("Point", 2)


def test_where_the_folder_is_a_module_is_the_users_own_file(tmp_path: Path) -> None:
    """Whatever a task opens beside its own file is found, and a traceback names that file."""
    write(
        tmp_path / "flow.wf",
        """
        from steps import beside, fails

        workflow main():
            return [beside(), catch fails()]
        """,
    )
    write(
        tmp_path / "steps.py",
        """
        from pathlib import Path

        def beside() -> str:
            return (Path(__file__).parent / "any data.csv").read_text()

        def fails():
            raise ValueError("no")
        """,
    )
    write(tmp_path / "any data.csv", "1,2")
    text, failed = wfc.run(tmp_path / "flow.wf", store=tmp_path / "store", local=True)
    assert text == "1,2"
    assert f'File "{tmp_path}/steps.py", line 7, in fails' in failed.error.traceback


DEEP = """
    import ray
    import bare
    import helper

    class Value:
        def __init__(self, x: int) -> None:
            self.x = x

    def plus(x: int) -> int:
        return helper.K + x

    class Actor:
        def made(self, x: int) -> Value:
            return Value(plus(x))

    def started(cache: str) -> list:
        '''In processes that have run nothing of ours, with a cache of their own as another node has.'''
        options = {"num_cpus": 0, "runtime_env": {"env_vars": {"XDG_CACHE_HOME": cache}}}
        actor = ray.remote(Actor).options(**options).remote()
        value = ray.get(actor.made.remote(1))
        assert type(value) is Value, type(value)

        def local(value: Value) -> list:
            import late

            @ray.remote(num_cpus=0)
            def inner(value: Value) -> int:
                return helper.K + value.x

            return [late.K, bare.__name__, ray.get(inner.remote(value))]

        return [value.x, *ray.get(ray.remote(local).options(**options).remote(value))]
    """


@pytest.mark.ray
def test_what_a_task_starts_on_ray_has_the_modules_too(ray_session: str, tmp_path: Path) -> None:
    """Those of its own run, in processes that an earlier one has used. Also: a module that is only there in
    a task's `runtime_env` need not be here."""
    project, there, cache = tmp_path / "project", tmp_path / "there", tmp_path / "cache"
    write(there / "only_there.py", 'WORD = "there"')
    for k in (41, 100):
        write(
            project / "flow.wf",
            f"""
            from deep import started
            from other import elsewhere

            workflow main(cache: str):
                word = elsewhere() with (runtime_env={{"env_vars": {{"PYTHONPATH": "{there}"}}}})
                return [word, started(cache)]
            """,
        )
        write(project / "deep.py", DEEP)
        write(project / "helper.py", f"K = {k}")
        write(project / "late.py", "K = 42")
        write(project / "bare/module.py", "")
        write(project / "other.py", "import only_there\ndef elsewhere(): return only_there.WORD")
        prepared = Prepared(wfc.compile(project / "flow.wf"))
        shutil.rmtree(project)
        params = prepared.validate({"cache": str(cache)})
        run = prepared.start(params, launcher(address=ray_session), store=tmp_path / "store")
        assert run.result(120) == ["there", [k + 1, 42, "bare", 2 * k + 1]]
    assert len(list((cache / "wfc/code").iterdir())) == 2, "they had come there"
