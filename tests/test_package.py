"""What is promised of the package as a whole: its surface, its imports, its two commands."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wfc

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("wfc", "dsl", "compiler", "runtime", "grammar")

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`, which may end it in good order."""
    end = "import atexit, sys; atexit.register(lambda: print(*sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{end}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_everything_public_is_there() -> None:
    for name in wfc.__all__:
        assert getattr(wfc, name) is not None
    assert wfc.__all__ == sorted(wfc.__all__)
    assert set(wfc.__all__) <= set(dir(wfc))
    with pytest.raises(AttributeError, match="nonsense"):
        wfc.nonsense  # noqa: B018


def test_import_brings_nothing_along() -> None:
    brought = loaded("import wfc")
    assert {m for m in brought if m.startswith("wfc")} == {"wfc"}
    assert not brought & {"ray", "pydantic", "sqlalchemy", "lark", "networkx", "typer"}


def test_a_task_function_that_uses_it_brings_no_engine_along() -> None:
    brought = loaded("import wfc; wfc.Pending, wfc.Result")
    assert not brought & {"ray", "sqlalchemy", "wfc.api", "wfc.compiler"}


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"ray", "pydantic", "sqlalchemy", "lark", "networkx", "wfc.specs", "rich"}),
        (["check", "examples/orders/orders.wf"], {"ray", "sqlalchemy", "cloudpickle", "asyncio"}),
        (["compile", "examples/orders/orders.wf"], {"ray", "sqlalchemy", "cloudpickle"}),
        (["fmt", "--check", "examples/drain/drain.wf"], {"ray", "sqlalchemy", "networkx"}),
    ],
)
def test_a_command_imports_what_it_needs(arguments: list[str], absent: set[str]) -> None:
    assert not loaded(f"import wfc.cli; sys.argv[1:] = {arguments!r}; wfc.cli.main()") & absent


def test_a_worker_imports_what_it_needs() -> None:
    brought = loaded("import wfc.runtime.executors.zygote, wfc.runtime.worker.runner")
    assert not brought & {"ray", "sqlalchemy", "lark", "networkx", "typer", "asyncio"}


def test_all_packages_are_packaged() -> None:
    found = {
        ".".join(("wfc", *(() if folder == "wfc" else (folder,)), *inner.parent.parts))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
        if not (inner := path.relative_to(ROOT / folder)).parent.is_symlink()
        and not any((ROOT / folder / p).is_symlink() for p in list(inner.parents)[:-1])
    }
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_all_imports_are_declared() -> None:
    names = {
        re.split(r"[\[<>=;]", d)[0].replace("-", "_") for d in PROJECT["project"]["dependencies"]
    }
    optional = {"yaml", "obstore"}  # imported only where they are asked for
    allowed = names | optional | set(sys.stdlib_module_names) | {"wfc", "tomllib"}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    assert not node.level, f"{path}: write wfc.…"
                    modules = [node.module or ""]
                for module in modules:
                    assert module.partition(".")[0] in allowed, f"{path} imports {module}"


def test_each_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    extras = PROJECT["project"]["optional-dependencies"]
    for requirement in (*PROJECT["project"]["dependencies"], *extras["test"], *extras["postgres"]):
        name = re.split(r"[\[<>=;]", requirement)[0]
        assert name in text or name.startswith("types-"), name


def commands() -> list[str]:
    """The two commands of the README."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    return [line for line in block[1].splitlines() if line and not line.startswith("#")]


def test_ci_runs_the_tests_as_the_readme_does() -> None:
    first, second = commands()
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert " && .venv/bin/wfc run examples/" in first
    test = second.rpartition(" && ")[2].removeprefix(".venv/bin/")
    assert test == "python -m pytest"
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert last == f'step "$bin/{test.replace(" ", chr(34) + " ", 1)}'


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
