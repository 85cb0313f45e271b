"""What the codes of the lowering and of the passes mean (for `wfc explain`): registered on import."""

from __future__ import annotations

from wfc.dsl.codes import register

NOT_LOWERED = "WF140"
ALWAYS_FAILS = "WF141"

register(
    NOT_LOWERED, "what the compiler cannot do here",
    "The program is well formed, and this part of it cannot be brought into a plan. The message says which; "
    "binding it to a name of its own, on a line of its own, usually helps.",
    "", "",
)  # fmt: skip
register(
    ALWAYS_FAILS, "an expression that always fails",
    "The expression has the same value whenever it is evaluated, and computing it raises. It is left as "
    "it is, because the program may never get there.",
    "", "from tasks import f\n\nworkflow main(n: int):\n    return f(n // 2)\n",
)  # fmt: skip
