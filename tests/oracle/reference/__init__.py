"""The reference: a naive, sequential interpreter of the language, straight over the syntax tree.

It shares nothing with the compiler, the plan, the expression evaluator or the engine, so that a
mistake made there is not made here too. Whatever timing may decide is made explicit:

- A frame in which several calls fail may report any of their failures: an `Outcome` that failed
  holds the *set* of errors that are possible.
- The calls of a frame that failed, and those of the members of a `wait` that nobody needed, may or
  may not have been made: `Outcome.must` and `Outcome.may` tell the two kinds apart.
- Which members of a `wait` are ready first is asked of a `WaitPolicy`, so that a real run can be
  compared given the splits that it made.

Statements are evaluated in their order, one after the other. A failed call does not stop the
evaluation: its value becomes a broken cell, and everything that does not need it goes on, as it
would in a real run, where independent calls run side by side.
"""

from tests.oracle.reference.cells import Cell as Cell
from tests.oracle.reference.cells import ErrorView as ErrorView
from tests.oracle.reference.cells import Remainder as Remainder
from tests.oracle.reference.cells import ResultView as ResultView
from tests.oracle.reference.cells import WaitValue as WaitValue
from tests.oracle.reference.cells import attempt as attempt
from tests.oracle.reference.cells import check_copy as check_copy
from tests.oracle.reference.cells import copy as copy
from tests.oracle.reference.cells import gather as gather
from tests.oracle.reference.cells import join as join
from tests.oracle.reference.interpreter import evaluate as evaluate
from tests.oracle.reference.interpreter import with_deep_stack as with_deep_stack
from tests.oracle.reference.outcome import ANY as ANY
from tests.oracle.reference.outcome import UNREACHABLE as UNREACHABLE
from tests.oracle.reference.outcome import CallRecord as CallRecord
from tests.oracle.reference.outcome import Error as Error
from tests.oracle.reference.outcome import FailuresError as FailuresError
from tests.oracle.reference.outcome import Outcome as Outcome
from tests.oracle.reference.outcome import Trace as Trace
from tests.oracle.reference.outcome import UnsupportedError as UnsupportedError
from tests.oracle.reference.splits import Replayed as Replayed
from tests.oracle.reference.splits import Split as Split
from tests.oracle.reference.splits import WaitPolicy as WaitPolicy
from tests.oracle.reference.splits import WaitView as WaitView
from tests.oracle.reference.splits import check_split as check_split
from tests.oracle.reference.splits import in_order as in_order
