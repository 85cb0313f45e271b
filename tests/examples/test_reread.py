"""A `nocheckpoint` reader runs again on recovery, but only when its output is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wfc
from wfc import testing


def reads(page: Path) -> int:
    """How often the page was read."""
    return len(Path(f"{page}.reads").read_text().split())


def test_not_read_again_when_the_words_were_kept(
    start: Any, store: str, engine: dict[str, Any], tmp_path: Path
) -> None:
    page, shelf = tmp_path / "page.txt", tmp_path / "shelf"
    page.write_text("to be or not to be")
    with pytest.raises(wfc.RunFailed, match="No such file"):
        start("reread/reread.wf", run_id="r", page=str(page), shelf=str(shelf)).result(120)
    assert reads(page) == 1
    shelf.mkdir()
    assert wfc.resume("r", store=store, **engine).result(120) == str(shelf / "words.txt")
    assert (shelf / "words.txt").read_text() == "2 to\n2 be\n1 or\n"
    assert reads(page) == 1


def test_read_again_when_its_text_is_needed(
    start: Any, store: str, engine: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "page.txt"
    page.write_text("")
    with pytest.raises(wfc.RunFailed, match="the page is empty"):
        start("reread/reread.wf", run_id="r", page=str(page), shelf=str(tmp_path)).result(120)
    assert reads(page) == 1
    page.write_text("at last")
    assert wfc.resume("r", store=store, **engine).result(120) == str(tmp_path / "words.txt")
    assert reads(page) == 2


def test_what_is_read_again_is_what_is_needed(root: Path) -> None:
    def refuse(words: dict[str, int], shelf: str) -> str:
        raise FileNotFoundError(shelf)

    stubs = {"read_page": lambda page: "to be or not to be", "publish": refuse}
    spec, params = root / "examples/reread/reread.wf", {"page": "p", "shelf": "s"}
    failed = testing.run(spec, params, stubs=stubs)
    assert failed.status == "failed"
    mended = failed.resume(stubs={**stubs, "publish": lambda words, shelf: shelf})
    assert mended.result() == "s"
    assert [call.task for call in mended.calls] == ["publish"]
