"""What the runtime knows of a result: where it is, not what it is.

The engine handles these as tokens. Only small inline values are ever decoded in the coordinator,
and only where an expression needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wfc.plan.order import iterate

INLINE_LIMIT = 64 * 1024
"""Encoded values up to this many bytes travel with the messages and stand in the journal."""


MESSAGE_LIMIT = 10_000
"""Characters of what `fail(…)` says that are kept: an error always travels inline."""

REFERRING = b"wr"
"""How the encoding of a value begins in which there are references to objects of Ray: it is decoded for
tasks alone."""


class _Missing:
    """The sentinel for "nothing here": `None` is a perfectly good result."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Inline:
    """A small value: its encoded bytes, or the object itself, or both (each made when asked for).

    `encode`/`decode` are given by the codec (`wfc.runtime.codec`), so that this module, and the
    engine that uses it, stay free of it.
    """

    __slots__ = ("_data", "_object")

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]

    def __init__(self, data: bytes | None = None, obj: Any = MISSING) -> None:
        self._data = data
        self._object = obj

    @property
    def data(self) -> bytes:
        """The encoded bytes."""
        if self._data is None:
            self._data = Inline.encode(self._object)
        return self._data

    def load(self) -> Any:
        """The object; decoded once. Do not change it: it is shared."""
        if self._object is MISSING:
            self._object = Inline.decode(self._data)  # type: ignore[arg-type]
        return self._object

    def mentions(self, word: bytes) -> bool:
        """Whether the encoded bytes, where there are any, have `word` in them."""
        return self._data is not None and word in self._data

    def peek(self, word: bytes) -> Any:
        """The object if it is at hand, or if its encoding mentions `word`; otherwise `MISSING`."""
        if self._object is MISSING and not self.mentions(word):
            return MISSING
        return self.load()

    def __reduce__(self) -> Any:
        return (Inline, (self.data,))

    def __repr__(self) -> str:
        return (
            f"Inline({self._object!r})"
            if self._object is not MISSING
            else f"Inline({len(self._data or b'')} B)"
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A large value, durable in the value store under `key`; `size` in bytes, `seal` over its bytes.

    `handle` is the executor's own fast way to it (an object reference), never journaled.
    """

    key: str
    size: int
    seal: bytes
    type: str = ""
    handle: Any = field(default=None, compare=False, hash=False)


@dataclass(slots=True, unsafe_hash=True)
class Transient:
    """A large value that was not to be checkpointed: only in the executor's object store.

    `lost` is set where it is known to be gone from there: all who hold it have to have it remade.
    """

    handle: Any
    size: int
    lost: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Bound:
    """A value that lives in one process only: the table of the parked home `home`, under `key`."""

    home: int
    key: str


@dataclass(frozen=True, slots=True)
class Hollow:
    """Completed, but the value was not kept: it is made again if something needs it."""

    def __reduce__(self) -> str:
        return "HOLLOW"


HOLLOW = Hollow()


class Column:
    """Consecutive results of a fan-out, encoded together: `data` is one encoded list of `count`.

    The compact form of many tiny results; `get(i)` and `load()` decode it once.
    """

    __slots__ = ("_data", "_items", "count")

    def __init__(self, data: bytes | None, count: int, items: list[Any] | None = None) -> None:
        self._data = data
        self._items = items
        self.count = count

    @property
    def data(self) -> bytes:
        """The encoded list."""
        if self._data is None:
            self._data = Inline.encode(self._items)
        return self._data

    def load(self) -> list[Any]:
        """The objects."""
        if self._items is None:
            self._items = Inline.decode(self._data)  # type: ignore[arg-type]
        return self._items

    def __reduce__(self) -> Any:
        return (Column, (self.data, self.count))

    def __repr__(self) -> str:
        return f"Column({self.count})"


Value: TypeAlias = (
    "Inline | Stored | Transient | Bound | Hollow | Rows | Pairs | Waited | Caught | Part"
)

Chunk: TypeAlias = "Column | list[Value]"
"""Results of consecutive elements: packed, or one value each where some are large or not plain."""


class Rows:
    """A list value made of chunks in order (the joined result of a fan-out)."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = list(chunks)

    def __len__(self) -> int:
        return sum(c.count if isinstance(c, Column) else len(c) for c in self.chunks)

    def values(self) -> Iterator[Value]:
        """Each element as a value of its own."""
        for chunk in self.chunks:
            if isinstance(chunk, Column):
                for item in chunk.load():
                    yield Inline(obj=item)
            else:
                yield from chunk

    def __reduce__(self) -> Any:
        return (Rows, (self.chunks,))

    def __repr__(self) -> str:
        return f"Rows({len(self)})"


class Pairs:
    """A dict value made of rows of `(key, value)` pairs (the joined result of a dict comprehension)."""

    __slots__ = ("rows",)

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __reduce__(self) -> Any:
        return (Pairs, (self.rows,))

    def __repr__(self) -> str:
        return f"Pairs({len(self.rows)})"


class Waited:
    """The value of a `wait`, its ready results still wherever they are; see `WaitResult`."""

    __slots__ = ("failed", "pending", "ready", "timed_out")

    def __init__(
        self, ready: Rows, pending: Pending, failed: list[ErrorInfo], timed_out: bool
    ) -> None:
        self.ready = ready
        self.pending = pending
        self.failed = failed
        self.timed_out = timed_out

    def __reduce__(self) -> Any:
        return (Waited, (self.ready, self.pending, self.failed, self.timed_out))

    def __repr__(self) -> str:
        return f"Waited({self.ready!r}, {len(self.pending)} pending)"


@dataclass(frozen=True, slots=True)
class Split:
    """How a `wait` was decided: the members that are ready, and those that still run, by their indices;
    and which had failed, and how."""

    ready: tuple[int, ...]
    rest: tuple[int, ...]
    failed: tuple[tuple[int, ErrorInfo], ...]
    timed_out: bool


class Caught:
    """An ok `Result` round a value that may be anywhere; see `Result`."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return (Caught, (self.value,))

    def __repr__(self) -> str:
        return f"Caught({self.value!r})"


class Part:
    """Item `index` of a value that may be anywhere, and must have exactly `count` items."""

    __slots__ = ("count", "index", "value")

    def __init__(self, value: Value, index: int, count: int) -> None:
        self.value = value
        self.index = index
        self.count = count

    def of(self, items: Iterable[Any]) -> Any:
        """The item; `items` are those of the value. Raises `ValueError` when it has not that many, and
        `TypeError` when it has none."""
        found = list(iterate(items))
        if len(found) != self.count:
            raise ValueError(f"expected {self.count} values to unpack, got {len(found)}")
        return found[self.index]

    def __reduce__(self) -> Any:
        return (Part, (self.value, self.index, self.count))

    def __repr__(self) -> str:
        return f"Part({self.value!r}, {self.index}, {self.count})"


def held(value: Value) -> Iterator[Value]:
    """The values that one is made of, where these may be elsewhere."""
    if isinstance(value, Rows):
        for chunk in value.chunks:
            if not isinstance(chunk, Column):
                yield from chunk
    elif isinstance(value, Pairs):
        yield value.rows
    elif isinstance(value, Waited):
        yield value.ready
    elif isinstance(value, Caught | Part):
        yield value.value


def homes_of(value: Value) -> Iterator[int]:
    """The parked processes that hold some of a value, which cannot leave them."""
    if type(value) is Bound:
        yield value.home
    elif type(value) is not Inline:
        for part in held(value):
            yield from homes_of(part)


@dataclass(frozen=True, slots=True)
class Raised:
    """In `Work.known`: this step has failed for good, with this error."""

    error: ErrorInfo


def inline_size(value: Value) -> int | None:
    """Bytes that it takes to have the object at hand, or `None` when some of it is elsewhere."""
    if isinstance(value, Inline):
        if value._data is not None and value._data[:2] == REFERRING:
            return None
        return 64 if value._data is None else len(value._data)
    if isinstance(value, Rows):
        total = 0
        for chunk in value.chunks:
            if isinstance(chunk, Column):
                total += 8 * chunk.count if chunk._data is None else len(chunk._data)
                continue
            for item in chunk:
                size = inline_size(item)
                if size is None:
                    return None
                total += size
        return total
    if isinstance(value, Pairs):
        return inline_size(value.rows)
    if isinstance(value, Waited):
        return inline_size(value.ready)
    if isinstance(value, Caught | Part):
        return inline_size(value.value)
    return None


def load_inline(value: Value) -> Any:
    """The object of an inline value; raises `LookupError` when some of it is elsewhere."""
    if isinstance(value, Inline):
        return value.load()
    if isinstance(value, Rows):
        out: list[Any] = []
        for chunk in value.chunks:
            if isinstance(chunk, Column):
                out.extend(chunk.load())
            else:
                out.extend(load_inline(item) for item in chunk)
        return out
    if isinstance(value, Pairs):
        return dict(load_inline(value.rows))
    if isinstance(value, Waited):
        return WaitResult(load_inline(value.ready), value.pending, value.failed, value.timed_out)
    if isinstance(value, Caught):
        return Result(ok=True, value=load_inline(value.value))
    if isinstance(value, Part):
        return value.of(load_inline(value.value))
    raise LookupError(f"{value!r} is not at hand")


# ------------------------------------------------------- objects that specs and task functions see


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a task failed, in text that needs nothing of the user's code to be read.

    `type` is the exception's dotted class, `bases` those of its bases (for `retry_exceptions`),
    `traceback` starts at the user's function. `task` is the id of the instance, `where` the place in
    the spec (see `wfc.plan.model.Where`). `causes` are the ids of tasks whose failures led to this
    one: those of the members of a quorum that could not be reached.
    """

    type: str
    message: str
    traceback: str = ""
    bases: tuple[str, ...] = ()
    task: str = ""
    where: tuple[int, ...] | None = None
    attempts: int = 1
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What `catch call(…)` gives: `ok`, and either `value` or `error`."""

    ok: bool
    value: Any = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Handles of running calls: members `indices` of the fan-out or group `node` of scope `scope`.

    Passed to a task it is joined to a list of results; a Python parameter annotated `Pending[T]`
    receives it as it is.
    """

    scope: str
    node: str
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __class_getitem__(cls, item: Any) -> type[Pending]:
        return cls


@dataclass(frozen=True, slots=True)
class WaitResult:
    """What `wait(…)` gives, in the order of its members."""

    ready: Any
    pending: Pending
    failed: list[ErrorInfo]
    timed_out: bool
