"""The order in which a spec sees a value: the one place where expressions and fan-outs iterate.

Python orders a set by hashes, which differ between processes, and by the history of the set. A spec
must see one order wherever, and however often, an expression is evaluated. So a set has the order of
its content: texts, bytes and integers are sorted, all others go by what they are pickled as, without
what is an accident in that (shared parts, sets in sets). Nothing has to be recorded for it, and tasks
get plain sets. Elements with the same content stand in any order: nobody can tell them apart.

An object of a class with an `__iter__` or `__str__` of its own may go over a set inside. Of it there
is made a copy whose sets keep that order, and the copy is asked.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

PLAIN = frozenset({int, float, complex, bool, type(None), str, bytes, bytearray, range})
_NATIVE = PLAIN | {list, tuple, dict}
_SORTED = ({str}, {bytes}, {int})
_SET_ITER = (set.__iter__, frozenset.__iter__)
_MAX_ITEMS = 10_000_000
"""Of a value with more items than this the copy's are given as they come."""


def iterate(value: Any) -> Iterable[Any]:
    """What goes over the items of `value` in its one order. Raises what iterating raises."""
    kind = type(value)
    if kind in _NATIVE:
        items: Iterable[Any] = value
        return items
    if isinstance(value, set | frozenset) and kind.__iter__ in _SET_ITER:
        return _ordered(value)
    if not isinstance(getattr(kind, "__iter__", kind.__getattribute__), FunctionType) and (
        not isinstance(getattr(kind, "__getitem__", None), FunctionType)
    ):
        items = value
        return items
    copy = _copy(value)
    items = value if copy is value else _originals(value, copy)
    return items


def text(value: Any, convert: Callable[[Any], str]) -> str:
    """`convert(value)`, a text, in which sets stand in their order. Raises what `convert` raises."""
    kind = type(value)
    if kind in PLAIN or (kind in (list, tuple) and PLAIN.issuperset(map(type, value))):
        return convert(value)
    return convert(_copy(value))


def _ordered(items: set[Any] | frozenset[Any]) -> list[Any]:
    found = list(set.__iter__(items) if isinstance(items, set) else frozenset.__iter__(items))
    if len(found) < 2:
        return found
    if set(map(type, found)) in _SORTED:
        return sorted(found)
    return sorted(found, key=_key)


def _originals(value: Any, copy: Any) -> Iterable[Any]:
    """The items of `value` in the order of those of `copy`, so that they are the very objects."""
    wanted = iter(copy)
    items = list(islice(wanted, _MAX_ITEMS))
    if len(items) == _MAX_ITEMS:
        rest: Iterator[Any] = iter(copy)
        return rest
    own: dict[bytes, list[Any]] = {}
    for item in value:
        own.setdefault(_key(item), []).append(item)
    for same in own.values():
        same.reverse()
    out = []
    for item in items:
        same = own.get(_key(item), [])
        out.append(same.pop() if same else item)
    return out


# ------------------------------------------------------------------------------ the key of an item


def _key(item: Any) -> bytes:
    """What an element is ordered by: the same in each process that has an element of this content."""
    name = f"{type(item).__module__}.{type(item).__qualname__}:".encode()
    for fast in (True, False):  # `fast`: without references to parts met before; knows no cycles
        try:
            file = io.BytesIO()
            pickler = _KeyPickler(file, 5)
            pickler.fast = fast
            pickler.dump(item)
            return name + file.getvalue()
        except Exception:  # whatever it is that pickling it raises
            continue
    return name  # it cannot leave this process, where the set keeps its order


class _KeyPickler(pickle.Pickler):
    """Pickles sets by their keys, in order, and what has a name by that."""

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _NATIVE:
            return None
        if isinstance(obj, set | frozenset) and kind.__iter__ in (*_SET_ITER, _Keeps.__iter__):
            name = getattr(kind, "plain", kind)
            return (
                name.__qualname__,
                sorted(map(_key, obj)),
                {k: v for k, v in getattr(obj, "__dict__", {}).items() if k != "order"},
            )
        if isinstance(obj, type | FunctionType):
            return f"{obj.__module__}.{obj.__qualname__}"
        return obj.__name__ if isinstance(obj, ModuleType) else None


# ------------------------------------------------------------------- copies whose sets keep an order


class _Keeps:
    """Mixed into a class of sets: goes over its elements in the order `order`."""

    order: list[Any]
    plain: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self.order)

    def __repr__(self) -> str:
        if self.plain.__repr__ not in (set.__repr__, frozenset.__repr__):
            said: str = self.plain.__repr__(self)
            return said
        inside = ", ".join(map(repr, self.order))
        if self.plain is set:
            return f"{{{inside}}}" if inside else "set()"
        return f"{self.plain.__name__}({f'{{{inside}}}' if inside else ''})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = {k: v for k, v in self.__dict__.items() if k != "order"}
        return (self.plain, (self.order,), state) if state else (self.plain, (self.order,))


def _keeping(plain: type, order: list[Any], state: dict[str, Any]) -> Any:
    kind = type(plain.__name__, (_Keeps, plain), {"plain": plain, "__module__": plain.__module__})
    if issubclass(plain, frozenset):
        made: Any = frozenset.__new__(kind, order)
    else:
        made = set.__new__(kind)
        set.update(made, order)
    made.__dict__.update(state, order=order)
    return made


def _copy(value: Any) -> Any:
    """`value`, or a copy of it whose sets keep their order if it has any inside.

    What cannot be copied is given as it is: it cannot leave its process either.
    """
    if _is_array(type(value)):
        return value
    file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    try:
        pickler = _CopyPickler(file, 5, buffer_callback=buffers.append)
        pickler.dump(value)
        if not pickler.sets:
            return value
        return _CopyUnpickler(pickler.shared, file.getvalue(), buffers).load()
    except Exception:  # whatever it is that pickling it raises
        return value


def _is_array(kind: type) -> bool:
    """Whether objects of a class keep their data in arrays: they have an order of their own."""
    return hasattr(kind, "__array__") or hasattr(kind, "__arrow_c_stream__")


class _CopyPickler(pickle.Pickler):
    """Pickles sets as lists in order, and refers to what need not be copied."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sets = 0
        self.shared: list[Any] = []

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _NATIVE:
            return None
        if isinstance(obj, set | frozenset) and kind.__iter__ in _SET_ITER:
            self.sets += 1
            return self._share(kind), _ordered(obj), getattr(obj, "__dict__", {})
        if isinstance(obj, type | FunctionType | ModuleType) or _is_array(kind):
            return self._share(obj)
        return None

    def _share(self, obj: Any) -> int:
        self.shared.append(obj)
        return len(self.shared) - 1


class _CopyUnpickler(pickle.Unpickler):
    def __init__(self, shared: list[Any], data: bytes, buffers: list[pickle.PickleBuffer]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._shared = shared

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, int):
            return self._shared[pid]
        kind, order, state = pid
        return _keeping(self._shared[kind], order, state)
