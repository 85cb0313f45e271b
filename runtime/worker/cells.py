"""Objects to values and back, inside a worker: what travels inline, what is stored, what is copied.

A *cell* is how a worker holds a result that it has to report: the object itself where that is of
a plain immutable type (many of these are packed into one `Column`), and a value otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any, Protocol, TypeAlias, TypeVar

from wfc.runtime.codec import (
    Buffer,
    HoldsReference,
    alive_in,
    decode,
    decode_buffer,
    encode,
    encode_buffers,
    rebuilt,
)
from wfc.runtime.references import Alive, Unfetched, fetch, is_gone, is_reference, place
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import (
    INLINE_LIMIT,
    MISSING,
    Bound,
    Caught,
    Chunk,
    Column,
    Hollow,
    Inline,
    Pairs,
    Part,
    Pending,
    Result,
    Rows,
    Stored,
    Transient,
    Value,
    Waited,
    WaitResult,
)
from wfc.runtime.valuestore import ValueStore, new_key
from wfc.runtime.worker.errors import Fleeting, Unpicklable, Unresolved, dotted
from wfc.runtime.worker.shared import Courier

Cell: TypeAlias = Any

_T = TypeVar("_T")

IMMUTABLE = frozenset({int, float, complex, bool, type(None), str, bytes})
SCALARS = frozenset({int, float, complex, bool, type(None)})
VALUES = frozenset({Inline, Stored, Transient, Bound, Hollow, Rows, Pairs, Waited, Caught, Part})

_SHORT = 1024
"""A string or tuple item of up to this many characters is packed without a second look."""

_PACKED_LIMIT = 1 << 20
"""Above this a packed column is looked at for single large elements."""

_BULKY = 4 << 20
"""Bytes from which a value is written while the executor copies it: that takes a fifth less time."""


FLEETING = 0
"""The size of what lives in a Ray cluster: it is a handle to something."""


class Large(Courier, Protocol):
    """The executor's own fast way to large values, beside the value store."""

    def put_large(self, value: Any) -> Any:
        """A handle to `value` for other processes, or `None` when there is no such way."""

    def get_large(self, handle: Any, size: int) -> Any:
        """A fresh (or read-only) object, of so many bytes; raises any exception when it is gone."""


class NoLarge:
    """For executors that have only the value store."""

    def put_large(self, value: Any) -> Any:
        """Gives `None`."""
        return None

    def get_large(self, handle: Any, size: int) -> Any:
        """Raises `LookupError`."""
        raise LookupError("no such value")

    def keep(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """Raises `StorageError`."""
        raise StorageError(f"value {key} cannot be stored: there is no way to the run's owner")

    def fetch(self, key: str, size: int, seal: bytes) -> memoryview:
        """Raises `StorageError`."""
        raise StorageError(f"value {key} cannot be read: there is no way to the run's owner")


class ValueGone(Exception):  # noqa: N818 - what is the case
    """A value that a work needs is not there any more."""


def is_plain(value: Any) -> bool:
    """Whether nobody can change the object, so that all may share it."""
    kind = type(value)
    return kind in IMMUTABLE or (kind is tuple and IMMUTABLE.issuperset(map(type, value)))


def own_copy(value: Any) -> Any:
    """A copy that shares nothing that can be changed. What lives in a Ray cluster cannot be copied: it
    is the same in the copy. Raises `Unpicklable`."""
    kind = type(value)
    if kind in IMMUTABLE:
        return value
    if kind is list or kind is tuple:
        if IMMUTABLE.issuperset(map(type, value)):
            return value[:]
    elif kind is dict and all(IMMUTABLE.issuperset(map(type, p)) for p in (value, value.values())):
        return value.copy()
    try:
        try:
            data = encode(value, references=False)
        except (Alive, HoldsReference):
            return rebuilt(value, fetched=False)
    except Exception as error:
        raise Unpicklable(
            f"{_article(value)} cannot be given to a plain call, which works on a copy: {_why(error)}. "
            "Call it `inplace`, so that it gets the object itself"
        ) from None
    return decode(data)


def given(value: Any) -> Any:
    """An argument as Ray gives it: for a reference its object, anything else as it is. Raises
    `Unresolved`."""
    if is_reference(value):
        try:
            return fetch(value)
        except Unfetched as error:
            raise Unresolved(error.error) from None
    return value


_PICKLE: set[type] = set()
_HOLDERS = {list, tuple, set, frozenset, dict}


def stays(value: Any) -> bool:
    """Whether an object cannot be pickled. Of a type of which one could, no other is tried."""
    kind = type(value)
    if kind in IMMUTABLE:
        return False
    if kind in _HOLDERS:
        parts = value.values() if kind is dict else value
        kinds = set(map(type, parts)) - IMMUTABLE
        if kinds & _HOLDERS:
            return any(map(stays, parts))
        return any(stays(next(p for p in parts if type(p) is k)) for k in kinds)
    if kind not in _PICKLE:
        try:
            encode_buffers(value, references=False)
        except HoldsReference:
            return False
        except Exception:  # whatever it is that pickling it raises
            return True
        _PICKLE.add(kind)
    return False


class Source:
    """A value of the environment: `fresh()` gives a copy of one's own, `very()` the shared object."""

    __slots__ = ("_load", "_very", "value")

    def __init__(self, value: Value, load: Callable[[Value], Any]) -> None:
        self.value = value
        self._load = load
        self._very: Any = MISSING

    def fresh(self) -> Any:
        """An object that nobody else has."""
        return self._load(self.value)

    def very(self) -> Any:
        """The one object of this process."""
        if self._very is MISSING:
            self._very = self._load(self.value)
        return self._very


class Cells:
    """Makes cells of results and objects of values, for one run. What is pickled in up to `inline`
    bytes travels with the reports."""

    def __init__(
        self,
        run_id: str,
        store: Callable[[], ValueStore],
        large: Large,
        inline: int = INLINE_LIMIT,
    ) -> None:
        self._run_id = run_id
        self._store = store
        self._large = large
        self._inline = inline
        self.homes: dict[int, dict[str, Any]] = {}

    # ------------------------------------------------------------------ objects to values

    def settle(self, value: Any, durable: bool = True) -> tuple[Any, Cell]:
        """A result and its cell. Where it holds references to objects of Ray, it is another object,
        with these in their place: a reference lives no longer than the process that made it. Raises
        `Unpicklable`, or `StorageError` when it cannot be stored."""
        if _packs(value):
            return value, value
        try:
            return value, self.value(value, durable)
        except HoldsReference:
            value = _resolved(value)
        return value, self.value(value, durable)

    def cell(self, value: Any, durable: bool = True) -> Cell:
        """The cell of a result, as `settle`."""
        return self.settle(value, durable)[1]

    def argument(self, value: Any, durable: bool = True) -> Cell:
        """The cell of what a call is to be given, as `settle`; but references to objects of Ray in it
        are references again for the task."""
        if _packs(value):
            return value
        try:
            return self.value(value, durable)
        except HoldsReference:
            return self.value(value, durable, references=True)

    def value(self, value: Any, durable: bool = True, references: bool = False) -> Value:
        """The value of an object, as `cell`. Raises `HoldsReference` too, unless there may be
        `references` in it."""
        large = NoLarge() if references else self._large  # there, a reference would stay what it is
        try:
            if not _looks_large(value):
                data = encode(value, references=references)
                if len(data) <= self._inline or type(value) is Pending:  # the engine has to see it
                    return Inline(data)
            buffers = encode_buffers(value, references=references)
        except HoldsReference:
            raise
        except Exception as error:
            if isinstance(error, Alive) and not durable and not references:
                return self._fleeting(value, error)
            raise _unpicklable(value, error) from None
        size = sum(map(len, buffers))
        if size <= self._inline:
            return Inline(encode(value))
        if not durable:
            handle = large.put_large(value)
            return Inline(encode(value)) if handle is None else Transient(handle, size)
        key, store = new_key(self._run_id), self._store()
        if size < _BULKY:
            size, seal = store.put(key, buffers)
            return Stored(key, size, seal, dotted(type(value)), large.put_large(value))
        written = _meanwhile(lambda: store.put(key, buffers))
        handle = large.put_large(value)
        size, seal = written()
        return Stored(key, size, seal, dotted(type(value)), handle)

    def _fleeting(self, value: Any, error: Alive) -> Value:
        """What lives in a Ray cluster, for other processes there. Raises `Fleeting` where there is no
        way to them, and `HoldsReference`."""
        if _resolved(value) is not value:
            raise HoldsReference
        try:
            handle = self._large.put_large(value)
        except Exception as second:  # it holds what cannot leave its process, too
            raise _unpicklable(value, second) from None
        if handle is None:
            raise _unpicklable(value, error)
        return Transient(handle, FLEETING)

    def pack(self, column: list[Cell]) -> Chunk:
        """A column of cells as it is reported."""
        kinds = set(map(type, column))
        if kinds.isdisjoint(VALUES):
            packed = Column(None, len(column), column)
            if len(column) == 1 or len(packed.data) <= _PACKED_LIMIT:
                return packed
        return [
            cell if type(cell) in VALUES or cell is MISSING else self._unpacked(cell)
            for cell in column
        ]

    def _unpacked(self, cell: Cell) -> Value:
        return self.value(cell) if _looks_large(cell) else Inline(obj=cell)

    # ------------------------------------------------------------------ values to objects

    def load(self, value: Value) -> Any:
        """A fresh object of a value (but `Bound`: the very one). Raises `ValueGone` when it is
        gone, `Unpicklable` when it is in another process for good, `StorageError` when what is
        stored is damaged."""
        if isinstance(value, Inline):
            found = value._object
            return found if found is not MISSING and is_plain(found) else decode(value.data)
        if isinstance(value, Rows):
            return self._rows(value)
        if isinstance(value, Pairs):
            return dict(self._rows(value.rows))
        if isinstance(value, Waited):
            ready = self._rows(value.ready)
            return WaitResult(ready, value.pending, value.failed, value.timed_out)
        if isinstance(value, Caught):
            return Result(ok=True, value=self.load(value.value))
        if isinstance(value, Part):
            return value.of(self.load(value.value))
        if isinstance(value, Stored):
            return self._stored(value)
        if isinstance(value, Transient):
            try:
                found = self._large.get_large(value.handle, value.size)
            except Exception as error:
                raise ValueGone(_why(error)) from None
            if value.size == FLEETING and any(map(is_gone, alive_in(found))):
                raise ValueGone("it has ended with the process that made it")
            return found
        if isinstance(value, Bound):
            if value.home not in self.homes:
                raise Unpicklable(
                    f"{value.key} cannot be pickled, and lives in another process than what else is "
                    "used with it. Make them in one: by `inplace` calls that are given one another"
                )
            try:
                return self.homes[value.home][value.key]
            except KeyError:
                raise ValueGone(f"no {value.key} in the home {value.home}") from None
        raise ValueGone("it was not kept")

    def _rows(self, rows: Rows) -> list[Any]:
        out: list[Any] = []
        for chunk in rows.chunks:
            if isinstance(chunk, Column):
                items = chunk.load()
                shared = IMMUTABLE.issuperset(map(type, items)) or all(map(is_plain, items))
                out.extend(items if shared else decode(chunk.data))
            else:
                out.extend([self.load(item) for item in chunk])
        return out

    def _stored(self, value: Stored) -> Any:
        if value.handle is not None:
            try:
                return self._large.get_large(value.handle, value.size)
            except Exception:
                pass
        return decode_buffer(self._store().get(value.key, value.size, value.seal))

    def items(self, rows: Rows) -> list[Cell]:
        """The elements of a slice: objects where they are plain, values otherwise."""
        out: list[Cell] = []
        for chunk in rows.chunks:
            if isinstance(chunk, Column):
                items = chunk.load()
                if IMMUTABLE.issuperset(map(type, items)):
                    out.extend(items)
                else:
                    out.extend([i if is_plain(i) else Inline(obj=i) for i in items])
            else:
                out.extend(chunk)
        return out


def _meanwhile(call: Callable[[], _T]) -> Callable[[], _T]:
    """Have `call` made by another thread, which mostly waits for the disk; the function given back
    waits for it, and gives what it gave or raises what it raised."""
    done: list[_T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(call())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="wfc-write", daemon=True)
    thread.start()

    def end() -> _T:
        thread.join()
        if failed:
            raise failed[0]
        return done[0]

    return end


def _packs(value: Any) -> bool:
    """Whether an object is its own cell: plain and short."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind is str or kind is bytes:
        return len(value) <= _SHORT
    return kind is tuple and len(value) <= 16 and _short(value)


def _short(items: tuple[Any, ...]) -> bool:
    for item in items:
        kind = type(item)
        if kind not in SCALARS and not ((kind is str or kind is bytes) and len(item) <= _SHORT):
            return False
    return True


def _looks_large(value: Any) -> bool:
    """Whether it is worth while to encode with buffers from the start (else inline is tried first)."""
    kind = type(value)
    if kind is str or kind is bytes or kind is bytearray:
        return len(value) > INLINE_LIMIT
    if kind is int:
        return bool(value.bit_length() > 8 * INLINE_LIMIT)
    if kind in (list, tuple, dict):
        if len(value) > INLINE_LIMIT:
            return True
        parts = value.values() if kind is dict else value
        return any(_nbytes(part) > INLINE_LIMIT for part in parts)
    return _nbytes(value) > INLINE_LIMIT


def _nbytes(value: Any) -> int:
    kind = type(value)
    if kind in SCALARS:
        return 0
    if kind is str or kind is bytes:
        return len(value)
    size = getattr(kind, "nbytes", None) and getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0


def value_of(cell: Cell) -> Value:
    """A cell as a value of its own."""
    found: Value = cell if type(cell) in VALUES else Inline(obj=cell)
    return found


def unpicklable_result(error: Unpicklable, value: Any, task: str) -> str:
    """The message of an `UnpicklableResult`: what happened and what to do about it."""
    if isinstance(value, GeneratorType):
        return (
            f"{task} returned a generator, which cannot leave its process: return a list, or call it "
            "`nocheckpoint inplace` and use it in the same process only"
        )
    if isinstance(error, Fleeting):
        return (
            f"the result of {task} cannot be kept: {error}. Return what can be stored (its data, or a "
            "name to find it by), or call it `nocheckpoint`: then it is made again when it is gone. "
            "(With `--local`: `nocheckpoint inplace`, and what uses it `inplace`.)"
        )
    return (
        f"the result of {task} cannot be kept: {error}. Return something that can be pickled, or "
        "call it `nocheckpoint inplace` and use it in the same process only"
    )


def _resolved(value: Any) -> Any:
    """The value with what its references stand for in their place; the very one if it has none."""
    try:
        return rebuilt(value, fetched=True)
    except Exception as error:
        raise _unpicklable(value, error) from None


def _unpicklable(value: Any, error: Exception) -> Unpicklable:
    """What an error of pickling is told as."""
    if isinstance(error, Unfetched):
        return Unresolved(error.error)
    if isinstance(error, Alive):
        value = value.value if type(value) is Result and value.ok else value
        where = place(value, error.found)
        return Fleeting(f"{f'`result{where}`' if where else 'it'} is {error}")
    return Unpicklable(f"{_article(value)} cannot be pickled: {_why(error)}")


def _article(value: Any) -> str:
    if (
        type(value) is Result and value.ok
    ):  # of a `catch`: it is what the task returned that matters
        value = value.value
    return f"an object of type {dotted(type(value))}"


def _why(error: BaseException) -> str:
    if isinstance(error, StorageError):
        raise error
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__
