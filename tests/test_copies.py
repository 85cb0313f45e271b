"""A node's copy of a project: complete or not there, this user's alone, and mended when it is not whole."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from wfc.runtime import copies
from wfc.runtime.copies import File, digest_of, pack, place, unpack

FILES = [
    File("a.py", "/there/a.py", b"A = 1\n"),
    File("pkg/t.txt", "/there/pkg/t.txt", b"\x00\xff"),
]
DIGEST = digest_of(pack(FILES))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "cache/wfc/code"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


EXPECTED = {file.name: file.data for file in FILES}


def test_a_copy_is_made_once(cache: Path) -> None:
    folder = place(DIGEST, unpack(pack(FILES)))
    assert (folder, content(folder)) == (cache / DIGEST, EXPECTED)
    assert cache.stat().st_mode & 0o777 == 0o700
    made = (folder / "a.py").stat().st_ino
    assert place(DIGEST, FILES) == folder
    assert (folder / "a.py").stat().st_ino == made
    assert [path.name for path in cache.iterdir()] == [DIGEST]


def test_other_content_is_another_copy(tmp_path: Path) -> None:
    moved = [File(file.name, "/elsewhere", file.data) for file in FILES]
    other = [File(file.name, file.origin, file.data + b"#") for file in FILES if file.data]
    assert len({digest_of(pack(files)) for files in (FILES, moved, other)}) == 3


def test_a_copy_of_which_something_was_removed_is_made_again(cache: Path) -> None:
    """As what tidies up in folders for what is temporary does, file by file."""
    folder = place(DIGEST, FILES)
    (folder / "a.py").unlink()
    assert content(place(DIGEST, FILES)) == EXPECTED
    assert [path.name for path in cache.iterdir()] == [DIGEST]


def test_many_at_once(cache: Path) -> None:
    threads, found = [], []
    barrier = threading.Barrier(8)

    def one() -> None:
        barrier.wait()
        found.append(content(place(DIGEST, FILES)))

    for _ in range(8):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 8
    assert [path.name for path in cache.iterdir()] == [DIGEST]


def test_a_folder_that_others_can_write_to_is_not_used(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    temporary = tmp_path / f"tmp/wfc-{os.geteuid()}"
    assert place(DIGEST, FILES).parent == temporary / "code"
    (temporary / "code").rename(temporary / "moved")
    (temporary / "code").symlink_to(temporary / "moved")  # whose target anyone could exchange
    own = place(DIGEST, FILES)
    assert own.parent.name.startswith("wfc-code-")
    assert own.parent.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_written_the_next_folder_is_used(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    make = copies._make

    def full(folder: Path, files: list[File]) -> None:
        if folder.parent == cache:
            raise OSError(28, "No space left on device")
        make(folder, files)

    monkeypatch.setattr(copies, "_make", full)
    assert place(DIGEST, FILES).parent == tmp_path / f"tmp/wfc-{os.geteuid()}/code"


def test_copies_that_nobody_asks_for_go_away(cache: Path) -> None:
    old, used = place("old", FILES), place("used", FILES)
    for folder in (old, used):
        os.utime(folder, (0, time.time() - copies.UNUSED - 1))
    place("used", FILES)
    place("new", FILES)
    assert sorted(path.name for path in cache.iterdir()) == ["new", "used"]


def test_what_was_too_large_is_where_the_users_folder_is(tmp_path: Path) -> None:
    large = tmp_path / "weights.bin"
    large.write_bytes(b"x")
    files = [
        File("pkg/weights.bin", str(large), None),
        File("pkg/gone.bin", str(tmp_path / "gone"), None),
        File("bare/", str(tmp_path), None),
    ]
    folder = place("large", unpack(pack(files)))
    assert (folder / "pkg/weights.bin").read_bytes() == b"x"
    assert sorted(path.name for path in folder.rglob("*")) == ["bare", "pkg", "weights.bin"]
