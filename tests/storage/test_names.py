"""Names and keys: what passes is harmless as a file name and in a message."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfc.runtime.names import BadName, check_key, check_name, is_name
from wfc.runtime.storage_errors import StorageError

GOOD = ["a", "0", "A.b-c_d", "run-2026-01-31", "x" * 128, "a..b", "CON"]
BAD = [
    "", ".", "..", ".a", "-a", "_a", "a/b", "/a", "a\\b", "a b", "a\n", "\na", "a\0", "é", "١",
    "x" * 129, "a:b", "~", "a*", "$a", "%2e", "a\u202eb",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    assert check_name(name, "run") == name
    assert check_key(f"{name}/{name}") == f"{name}/{name}"


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name: str) -> None:
    with pytest.raises(BadName, match="no name for a signal") as caught:
        check_name(name, "signal")
    assert isinstance(caught.value, StorageError)
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["", "/", "a/", "/a", "a//b", "a/../b", "../a", "a/.", "a/b/c/d/e", *BAD[3:8]]
)
def test_bad_keys(key: str) -> None:
    if key == "a/b":
        return
    with pytest.raises(BadName):
        check_key(key)


@pytest.mark.parametrize("thing", [None, 1, b"a", ["a"]])
def test_other_things(thing: object) -> None:
    assert not is_name(thing)
    with pytest.raises(BadName):
        check_name(thing, "run")  # type: ignore[arg-type]
    with pytest.raises(BadName):
        check_key(thing)  # type: ignore[arg-type]


@given(st.text(max_size=20))
def test_a_name_is_one_harmless_path_component(text: str) -> None:
    if is_name(text):
        assert os.path.normpath(os.path.join("store", text)) == f"store/{text}"
        assert text.isascii()
        assert text.isprintable()


def test_long_names_are_shown_short() -> None:
    with pytest.raises(BadName) as caught:
        check_name("/" * 10_000, "run")
    assert len(str(caught.value)) < 250
