"""Random valid programs, as text: specs over the task functions of `tests/programs/tasks.py`.

`program(source, knobs)` writes one; `programs(knobs)` is the hypothesis strategy. What timing
decides does not show in the results of a program, unless `Knobs.splits` allows it: then its waits
have names, so that the splits of a real run can be fed to the reference interpreter.
"""

from tests.oracle.generate.parts import LARGE, SMALL, Knobs, Program
from tests.oracle.generate.writer import program, programs

__all__ = ["LARGE", "SMALL", "Knobs", "Program", "program", "programs"]
