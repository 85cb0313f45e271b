"""What a task starts on Ray itself, tasks, actors, `ray.data`, has the project's modules too.

Ray pickles a function or a class of a module by its name alone, and the process that reads it may be one
that never ran anything of ours. So in our workers the names come with the project that they are of:
whoever reads one has the project first, from Ray's own table of keys if its node has no copy yet. What
that process starts is treated the same way.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from threading import local
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from wfc.runtime.importing import activate, active, code_of, known, lock, open_code

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMESPACE = b"wfc"
_published: set[str] = set()
_here = local()
_at_work = False
"""Whether a task of a run is under way in this process, which keeps its own project in place."""


def install() -> None:
    """In this process, from here on. Idempotent."""
    pickler: Any = sys.modules["ray"].cloudpickle.Pickler
    before = pickler.reducer_override
    if getattr(before, "wfc", False):
        return

    def reducer_override(self: Any, obj: Any) -> Any:
        reduced = before(self, obj)
        if getattr(_here, "quiet", False):
            return reduced
        return _with_code(obj, reduced)

    reducer_override.wfc = True  # type: ignore[attr-defined]
    pickler.reducer_override = reducer_override


@contextmanager
def unaccompanied() -> Iterator[None]:
    """For what is read by workers of the same run alone: they have the project."""
    _here.quiet = True
    try:
        yield
    finally:
        _here.quiet = False


@contextmanager
def at_work() -> Iterator[None]:
    """While tasks of a run are under way in this process: what they are given of another project's (by an
    actor that runs share, say) is looked for among their own modules, as Ray itself would."""
    global _at_work
    _at_work = True
    try:
        yield
    finally:
        _at_work = False


def _with_code(obj: Any, reduced: Any) -> Any:
    if isinstance(obj, ModuleType):
        name, path = obj.__name__, None
    elif isinstance(obj, (type, FunctionType)):
        name, path = obj.__module__, obj.__qualname__
    else:
        return reduced
    code = code_of(sys.modules.get(name))
    if code is None:
        return reduced
    if code.digest not in _published:
        if not _table()._internal_kv_exists(code.digest, namespace=_NAMESPACE):
            packed = zlib.compress(code.data, 1)
            _table()._internal_kv_put(code.digest, packed, namespace=_NAMESPACE)
        _published.add(code.digest)
    if path is None or reduced is NotImplemented:
        return named, (code.digest, name, path)
    make, args, *rest = (
        reduced  # by value, as what stands in a function: it may import when it runs
    )
    return made, (code.digest, make, *args), *rest


def named(digest: str, module: str, path: str | None) -> Any:
    """A module of a project, or what it has under a name."""
    _have(digest)
    found: Any = importlib.import_module(module)
    for part in path.split(".") if path else ():
        found = getattr(found, part)
    return found


def made(digest: str, make: Callable[..., Any], *args: Any) -> Any:
    """What is made of its parts, once the project is there."""
    _have(digest)
    return make(*args)


def _have(digest: str) -> None:
    """Have a project's modules in place. Raises `ImportError`."""
    with lock:
        present = active()
        if present is None or (present.digest != digest and not _at_work):
            code = known(digest)
            if code is None:
                data = _table()._internal_kv_get(digest, namespace=_NAMESPACE)
                if data is None:
                    raise ImportError(f"Ray has no modules of the project {digest} any more")
                code = open_code(zlib.decompress(data))
            activate(code, children=True)
    install()


def _table() -> Any:
    """Ray's table of keys and values, which every process of a cluster reaches."""
    return importlib.import_module("ray.experimental.internal_kv")
