"""Records of the engine: they come back, and nothing else is ever made from their bytes."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wfc.runtime import values as v
from wfc.runtime.journal.packing import RecordCodec
from wfc.runtime.storage_errors import CorruptRecord
from wfc.runtime.work import Dynamic, HopState


@dataclass(frozen=True, slots=True)
class Done:
    """A record as the engine's are."""

    path: str
    value: Any
    more: dict[str, Any] = field(default_factory=dict)
    at: float = 0.0
    note: str | None = None


CODEC = RecordCodec([Done])
ERROR = v.ErrorInfo("builtins.ValueError", "no", "trace", ("Exception",), "main/f", (1, 2, 3), 2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**70),
        2.5,
        "text\ud800",
        b"bytes",
        [1, (2, {"a": {3}, 4: frozenset({5})})],
        range(3, 100, 7),
        v.Stored("r1/0", 5, b"seal", "ndarray"),
        v.Stored("r1/0", 5, b"seal"),
        v.Bound(3, "k"),
        ERROR,
        v.Raised(ERROR),
        v.Pending("main", "f", (1, 2)),
        HopState(3, "f", "task", {}),
        Dynamic(b"{}", {}, {}, "digest"),
    ],
)
def test_round_trip(value: Any) -> None:
    record = Done("main", value, {"x": value}, 1.5, "note")
    assert CODEC.unpack(CODEC.pack(record)) == record


def test_singletons_stay_themselves() -> None:
    found = CODEC.unpack(CODEC.pack(Done("main", [v.MISSING, v.HOLLOW, v.Hollow()])))
    assert found.value[0] is v.MISSING
    assert found.value[1] is v.HOLLOW
    assert found.value[2] is v.HOLLOW


def test_values_stay_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    inline = v.Inline(b"w1 not even a pickle")
    column = v.Column(b"w1 neither", 7)
    rows = v.Rows([column, [inline, v.HOLLOW]])
    value = [inline, column, rows, v.Pairs(rows), v.Caught(inline)]
    found = CODEC.unpack(CODEC.pack(Done("main", value))).value
    assert found[0].data == inline.data
    assert (found[1].data, found[1].count) == (column.data, 7)
    assert (found[2].chunks[0].data, len(found[2])) == (column.data, 9)
    assert found[3].rows.chunks[1][0].data == inline.data
    assert found[4].value.data == inline.data


def test_waited() -> None:
    waited = v.Waited(v.Rows([]), v.Pending("main", "f", ()), [ERROR], timed_out=True)
    found = CODEC.unpack(CODEC.pack(waited))
    assert (found.pending, found.failed, found.timed_out) == (waited.pending, [ERROR], True)


def test_defaults_take_no_room_and_may_be_added() -> None:
    @dataclass
    class Done:
        path: str
        value: Any
        more: dict[str, Any] = field(default_factory=dict)
        at: float = 0.0
        note: str | None = None
        added: int = 7

    globals_of_old = CODEC.pack(globals()["Done"]("main", 1))
    assert b"note" not in globals_of_old
    assert len(globals_of_old) < 100
    found = RecordCodec([Done]).unpack(globals_of_old)
    assert (found.path, found.value, found.more, found.added) == ("main", 1, {}, 7)


def test_handles_of_executors_are_left_out() -> None:
    found = CODEC.unpack(CODEC.pack(v.Stored("r1/0", 5, b"seal", "t", handle=object())))
    assert found == v.Stored("r1/0", 5, b"seal", "t")
    assert found.handle is None


@pytest.mark.parametrize(
    "value",
    [object(), v.Transient(None, 3), Path("x"), len, os.system, type, object, ValueError("x")],
)
def test_nothing_else_is_packed(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot stand in a record"):
        CODEC.pack(Done("main", [value]))


class Evil:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_nothing_else_is_unpacked(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for payload in (
        pickle.dumps(Evil(marker), 5),
        pickle.dumps(Evil(marker), 0),
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cwfc.runtime.values\nTransient\n.",
        b"\x80\x05\x8c\x08builtins\x8c\x0erange.__class__\x93.",
        b"garbage",
        b"",
    ):
        with pytest.raises(CorruptRecord):
            CODEC.unpack(b"r1" + payload)
    assert not marker.exists()


def test_other_formats_are_refused() -> None:
    with pytest.raises(CorruptRecord, match="format"):
        CODEC.unpack(b"r2" + CODEC.pack(1)[2:])


def test_names_have_to_differ() -> None:
    with pytest.raises(ValueError, match="same name"):
        RecordCodec([Done, type("Done", (), {})])
