"""The codec: what is encoded comes back, and what is not ours is refused."""

from __future__ import annotations

import datetime
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfc.runtime import codec, references
from wfc.runtime.seal import CHUNK, Sealer
from wfc.runtime.storage_errors import CorruptValue
from wfc.runtime.values import Column, Inline, Stored

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.complex_numbers(allow_nan=False)
)
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text())
    ),
)


def joined(buffers: list[codec.Buffer]) -> bytes:
    return b"".join(buffers)


@given(OBJECTS)
def test_inline_round_trip(obj: Any) -> None:
    assert codec.decode(codec.encode(obj)) == obj
    assert Inline(Inline(obj=obj).data).load() == obj


@given(st.lists(OBJECTS))
def test_column_round_trip(items: list[Any]) -> None:
    assert Column(Column(None, len(items), items).data, len(items)).load() == items


@given(OBJECTS)
def test_buffers_round_trip(obj: Any) -> None:
    assert codec.decode_buffer(joined(codec.encode_buffers(obj))) == obj


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["u1", "f4", "f8", "c16", "O", "S3", "<U2", "M8[s]"]),
            st.lists(st.integers(0, 5), min_size=0, max_size=3),
            st.sampled_from(["C", "F", "strided"]),
        ),
        max_size=4,
    )
)
def test_arrays_round_trip(shapes: list[tuple[str, list[int], str]]) -> None:
    arrays = []
    for dtype, shape, order in shapes:
        size = int(np.prod(shape))
        array = np.arange(size).astype("i8" if dtype == "M8[s]" else dtype).astype(dtype)
        array = array.reshape(shape, order="F" if order == "F" else "C")
        arrays.append(array[::2] if order == "strided" and array.ndim else array)
    found = codec.decode_buffer(joined(codec.encode_buffers(arrays)))
    for array, back in zip(arrays, found, strict=True):
        assert array.dtype == back.dtype
        assert np.array_equal(array, back)


def test_plain_values_are_plain_pickles() -> None:
    """The fast path; it also needs nothing of ours to be read."""
    for obj in (1, "text", None, [1, {"a": (2.5, b"x")}], {3}):
        assert codec.encode(obj) == b"w1" + pickle.dumps(obj, 5)


def test_functions_travel_by_value() -> None:
    outer = 3
    scale: Callable[[int], int] = lambda x: outer * x  # noqa: E731
    assert codec.decode(codec.encode([scale]))[0](5) == 15
    assert codec.decode_buffer(joined(codec.encode_buffers(scale)))(5) == 15


def test_installed_classes_travel_by_name() -> None:
    assert b"cloudpickle" not in codec.encode(datetime.timedelta(1))


def test_large_objects_are_not_copied() -> None:
    array = np.zeros(1 << 20)
    text = bytes(1 << 20)
    buffers = codec.encode_buffers({"array": array, "bytes": text})
    assert any(buffer is text for buffer in buffers)
    (view,) = (b for b in buffers if isinstance(b, memoryview) and len(b) == array.nbytes)
    array[0] = 7
    assert view[:8] == np.float64(7).tobytes()


def test_views_are_aligned_and_read_only() -> None:
    arrays = [np.arange(3, dtype="u1"), np.arange(5.0), np.empty(0), np.arange(7.0)]
    data = joined(codec.encode_buffers(arrays))
    base = np.frombuffer(data, "u1").ctypes.data
    for array, back in zip(arrays, codec.decode_buffer(data), strict=True):
        assert np.array_equal(array, back)
        assert not back.flags.writeable
        if back.size:
            assert (back.ctypes.data - base) % 64 == 0


@pytest.mark.parametrize("data", [b"", b"w", b"w2" + pickle.dumps(1), b"\x80\x05N.", b"W1"])
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptValue, match="format"):
        codec.decode(data)
    with pytest.raises(CorruptValue, match="format"):
        codec.decode_buffer(data)


@pytest.mark.parametrize(("place", "value"), [(8, 2**63), (16, 2**63), (24, 2**62), (32, 2**62)])
def test_an_index_that_reaches_out_is_refused(place: int, value: int) -> None:
    """Sealed bytes do not come to this; a bug must not read what is beyond."""
    data = bytearray(joined(codec.encode_buffers(np.arange(1000.0))))
    data[place : place + 8] = value.to_bytes(8, "little")
    with pytest.raises(CorruptValue):
        codec.decode_buffer(data)


def test_what_cannot_be_pickled_says_so() -> None:
    for encode in (codec.encode, codec.encode_buffers):
        with pytest.raises((TypeError, pickle.PicklingError)):
            encode(x for x in ())


class TestSeal:
    KEY = bytes(range(32))

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
    def test_where_buffers_end_does_not_show(self, data: bytes, cuts: list[int]) -> None:
        ends = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        parts = [data[a:b] for a, b in itertools.pairwise(ends)]
        sealer = Sealer(self.KEY)
        assert sealer.begin([data])() == sealer.begin(parts)()

    def test_chunks_and_threads_do_not_show(self) -> None:
        sealer = Sealer(self.KEY)
        data = np.random.default_rng(1).bytes(5 * CHUNK + 17)
        uneven = [data[: CHUNK - 1], data[CHUNK - 1 : 3 * CHUNK + 5], data[3 * CHUNK + 5 :]]
        seals = {sealer.begin(uneven, helpers=helpers)() for helpers in range(4)}
        assert seals == {sealer.begin([data])()}
        assert sealer.fits(data, seals.pop())

    @pytest.mark.parametrize("digest", [1, 2])
    def test_each_digest_is_read_anywhere(self, digest: int) -> None:
        seal = Sealer(self.KEY, digest=digest).begin([b"data"])()
        assert seal[0] == digest
        other = Sealer(self.KEY, digest=3 - digest)
        assert other.fits(b"data", seal)
        assert not other.fits(b"dato", seal)
        assert not other.fits(b"data", bytes((3 - digest,)) + seal[1:])

    def test_the_seals_of_format_one(self) -> None:
        """What is stored stays readable: these must never change."""
        assert Sealer(self.KEY).record("a", 1, b"c").hex() == SEALS[0]
        assert Sealer(self.KEY, digest=1).begin([b"abc"])().hex() == SEALS[1]
        assert Sealer(self.KEY, digest=2).begin([b"abc"])().hex() == SEALS[2]
        assert Sealer(self.KEY).key_id == SEALS[3]

    def test_parts_cannot_move(self) -> None:
        sealer = Sealer(self.KEY)
        seals = [
            sealer.record("ab", "c"),
            sealer.record("a", "bc"),
            sealer.record("abc"),
            sealer.record(b"abc"),
            sealer.record("abc", 0),
            sealer.record("abc", b""),
        ]
        assert len(set(seals)) == len(seals)

    def test_depends_on_the_key(self) -> None:
        assert not Sealer(bytes(32)).fits(b"abc", Sealer(self.KEY).begin([b"abc"])())
        assert Sealer(bytes(32)).record(b"") != Sealer(self.KEY).record(b"")

    def test_keys_of_another_length(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            Sealer(b"short")


SEALS = (
    "4973ee68d31c2332637651b419b6792f2348d7b5bd2880502ae1d5a3fe463083",
    "0190b89fff14db0ae09d1b51795d9425001b4774f6dcd0d6b896d4b9b78fa0080d",
    "02f32a51b14d807e01568180cf804711fdb57a79d9519a2cd5561f0798f0335bc3",
    "26c35a04942eb094",
)


def test_a_way_to_a_stored_value_is_not_stored() -> None:
    stored = Stored("key", 3, b"seal", "list", handle=object())
    assert codec.decode(codec.encode([stored])) == [stored]
    assert codec.decode(codec.encode([stored]))[0].handle is None


class Node:
    __slots__ = ("left", "right")

    def __init__(self, left: Any, right: Any = None) -> None:
        self.left = left
        self.right = right


def closure(found: Any) -> Any:
    return lambda: found


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (lambda found: found, ""),
        (lambda found: [1, {"a": (0, found)}], "[1]['a'][1]"),
        (lambda found: Node(1, [Node(found)]), ".right[0].left"),
        (lambda found: {(1, found): 2}, " (the key (1, <sought>))[1]"),
        (lambda found: ValueError("text", found), ".args[1]"),
        (closure, " (the variable 'found')"),
    ],
)
def test_the_place_of_what_cannot_be_stored(build: Callable[[Any], Any], place: str) -> None:
    class Sought:
        def __repr__(self) -> str:
            return "<sought>"

    found = Sought()
    root = build(found)
    if isinstance(root, list):
        root.append(root)
    assert references.place(root, found) == place


def test_a_place_that_is_not_found() -> None:
    assert references.place([1, [2]], object()) == ""
