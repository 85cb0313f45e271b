"""What programs are made of: the task functions, how large a program may be, and what is written of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

INT, STR, BOOL = "int", "str", "bool"
INTS, STRS, DICT = "list[int]", "list[str]", "dict[str, int]"
TYPES = (INT, STR, INTS, STRS, DICT)


@dataclass(frozen=True, slots=True)
class Fn:
    """A task function: how it is called; `fails` where it may raise."""

    name: str
    params: tuple[str, ...]
    returns: str
    names: tuple[str, ...]
    fails: bool = False
    optional: int = 0


FUNCTIONS = (
    Fn("add", (INT, INT), INT, optional=1, names=("a", "b")),
    Fn("neg", (INT,), INT, names=("a",)),
    Fn("mul", (INT, INT), INT, optional=1, names=("a", "b")),
    Fn("clip", (INT, INT, INT), INT, optional=2, names=("a", "low", "high")),
    Fn("size", (STR,), INT, names=("s",)),
    Fn("total", (INTS,), INT, names=("xs",)),
    Fn("fail_if", (INT, INT), INT, fails=True, optional=1, names=("a", "limit")),
    Fn("lookup", (DICT, STR), INT, fails=True, names=("d", "key")),
    Fn("is_even", (INT,), BOOL, names=("a",)),
    Fn("below", (INT, INT), BOOL, optional=1, names=("a", "b")),
    Fn("text", (INT,), STR, names=("a",)),
    Fn("echo", (STR,), STR, names=("s",)),
    Fn("join", (STRS, STR), STR, optional=1, names=("xs", "sep")),
    Fn("refuse", (STR, STR), STR, fails=True, optional=1, names=("s", "why")),
    Fn("listing", (INT,), INTS, names=("n",)),
    Fn("pair", (INT, INT), INTS, names=("a", "b")),
    Fn("words", (INTS,), STRS, names=("xs",)),
    Fn("keyed", (INTS,), DICT, names=("xs",)),
)
GROWN = (
    Fn("later", (INT, INT), INT, optional=1, names=("a", "b")),
    Fn("stairs", (INT,), INT, names=("n",)),
    Fn("fetched", (INT,), INT, names=("a",)),
    Fn("each", (INTS,), INTS, names=("xs",)),
    Fn("try_later", (INT, INT), INT, fails=True, optional=1, names=("a", "limit")),
)
EXTRA = ("merge", "both", "flat", "hold", "use", "Held")
AGAIN = 'max_retries=4, retry_exceptions=["FlakyError"]'
OPTIONS = ("num_cpus=0.5", "priority=1", 'name="step"', AGAIN, AGAIN, f"{AGAIN}, backoff=10ms")


@dataclass(frozen=True, slots=True)
class Knobs:
    """How large, and what may occur. `splits`: results may depend on how waits end."""

    workflows: int = 3
    statements: int = 5
    depth: int = 2
    calls: int = 120
    failing: int = 25
    waits: bool = True
    splits: bool = False
    timers: bool = True
    recursion: bool = True
    modifiers: bool = True
    imports: bool = True
    graphs: bool = True
    lists: bool = True


USUAL = Knobs()
SMALL = Knobs(workflows=2, statements=3, depth=1, calls=40)
LARGE = Knobs(workflows=5, statements=8, depth=3, calls=400)


@dataclass(frozen=True, slots=True)
class Program:
    """A generated program: its specs by path, the parameters, and the signals that it needs."""

    files: dict[str, str]
    params: dict[str, Any]
    signals: dict[str, list[Any]] = field(default_factory=dict)
    entry: str = "main"

    def __str__(self) -> str:
        parts = [f"--- {path}\n{text}" for path, text in self.files.items()]
        return "\n".join([*parts, f"--- params {self.params} signals {self.signals}"])


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow that is written already, and how it may be called."""

    name: str
    params: tuple[tuple[str, str], ...]
    optional: int
    returns: str
    cost: int
    fails: bool
    waits: bool
    pending: bool = False


@dataclass(slots=True)
class Var:
    """A name in scope."""

    name: str
    type: str
    call: bool = False
