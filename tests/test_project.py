"""What travels with a run: what is imported by name, and what may be looked up beside it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wfc.runtime import project
from wfc.runtime.copies import pack, unpack
from wfc.runtime.project import NameTakenError, Project


def write(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def travels(root: Path, *modules: tuple[str, str]) -> list[str]:
    found = Project(root)
    for module, beside in modules:
        found.add(module, beside)
    files = found.files()
    assert unpack(pack(files)) == files
    return [file.name for file in files]


def test_python_beside_the_spec_and_the_data_of_packages(tmp_path: Path) -> None:
    write(tmp_path, "steps.py", "plug.py", "pkg/__init__.py", "pkg/t.txt", "pkg/my-pages/a.html")
    write(tmp_path, "names/space/module.py", "names/space/t.txt")
    assert travels(tmp_path, ("steps", ".")) == [
        "names/space/module.py", "names/space/t.txt", "pkg/__init__.py", "pkg/my-pages/a.html",
        "pkg/t.txt", "plug.py", "steps.py",
    ]  # fmt: skip


def test_what_is_no_module_stays(tmp_path: Path) -> None:
    write(tmp_path, "steps.py", "orders.csv", "data/a.csv", ".wfc/x.py", ".git/x.py", ".hidden.py")
    write(
        tmp_path, "env/pyvenv.cfg", "env/lib/x.py", "pkg/x.py", "pkg/__pycache__/x.pyc", "pkg/.env"
    )
    write(tmp_path, "my-notes/x.py", "my-script.py", "node_modules/x/y.py", "wfc/x.py")
    assert travels(tmp_path, ("steps", ".")) == ["pkg/x.py", "steps.py"]


def test_a_file_with_the_name_of_a_module_of_pythons_own_counts_when_it_is_imported(
    tmp_path: Path,
) -> None:
    write(tmp_path, "steps.py", "queue.py", "calendar.py")
    assert travels(tmp_path, ("steps", ".")) == ["steps.py"]
    write(tmp_path, "steps.py", text="def f(): import calendar")
    assert travels(tmp_path, ("steps", ".")) == ["calendar.py", "steps.py"]


def test_of_the_root_what_is_imported_and_its_modules(tmp_path: Path) -> None:
    """A spec in a large repository does not take all of it along."""
    write(tmp_path, "flows/steps.py", text="from lib import shared")
    write(
        tmp_path, "lib/__init__.py", "lib/shared.py", "lib/plugins/one.py", "lib/t.txt", "plug.py"
    )
    write(tmp_path, "flows/extra.py", "tests/test_it.py", "tests/__init__.py")
    assert travels(tmp_path, ("steps", "flows")) == [
        "extra.py", "lib/__init__.py", "lib/plugins/one.py", "lib/shared.py", "lib/t.txt", "plug.py",
        "steps.py",
    ]  # fmt: skip


def test_specs_in_several_folders_keep_what_each_one_imports(tmp_path: Path) -> None:
    write(tmp_path, "steps.py", text="import util")
    write(tmp_path, "lib/checks.py", "lib/util.py", "util.py")
    found = Project(tmp_path)
    found.add("checks", "lib")
    found.add("steps", ".")
    origins = {file.name: file.origin for file in found.files()}
    assert origins["util.py"] == str(tmp_path / "util.py"), "not the one that nobody imports"
    assert origins["checks.py"] == str(tmp_path / "lib/checks.py")
    write(tmp_path, "lib/checks.py", text="import util")
    with pytest.raises(NameTakenError, match="two modules are called 'util' in one run"):
        travels(tmp_path, ("checks", "lib"), ("steps", "."))


def test_folders_that_contain_themselves(tmp_path: Path) -> None:
    write(tmp_path, "steps.py", "pkg/x.py")
    (tmp_path / "pkg/again").symlink_to(tmp_path / "pkg")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    assert travels(tmp_path, ("steps", ".")) == ["pkg/x.py", "steps.py"]


def test_what_is_too_large_is_told_and_found_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(project, "LARGEST", 10)
    monkeypatch.setattr(project, "MOST_DATA", 15)
    monkeypatch.setattr(project, "MOST_FILES", 6)
    write(tmp_path, "steps.py", "pkg/__init__.py", "pkg/zz1.py", "pkg/zz2.py", "pkg/zz3.py")
    write(tmp_path, "pkg/a.bin", "pkg/b.bin", text="x" * 8)
    write(tmp_path, "pkg/c.bin", text="x" * 11)
    found = Project(tmp_path)
    found.add("steps", ".")
    with caplog.at_level(logging.WARNING):
        files = {file.name: file for file in found.files()}
    assert {name for name, file in files.items() if file.data is None} == {"pkg/b.bin", "pkg/c.bin"}
    assert "pkg/zz3.py" not in files
    few, large = (record.getMessage() for record in caplog.records)
    assert "of 7 files beside the spec 6 travel" in few
    assert f"{tmp_path}/pkg/b.bin (0.0 MB), {tmp_path}/pkg/c.bin (0.0 MB)" in large


def test_a_large_folder_without_python_is_not_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "MOST_BARE", 5)
    write(tmp_path, "steps.py", *(f"data/part{i}/{j}.csv" for i in range(4) for j in range(4)))
    write(tmp_path, "data/part3/late.py", "other/module.py")
    assert travels(tmp_path, ("steps", ".")) == ["other/module.py", "steps.py"]
