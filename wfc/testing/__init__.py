"""Workflows under test: in this process, in virtual time, with stubs in the place of tasks.

    from wfc.testing import Signal, crash_everywhere, run, takes

    def test_approved():
        ran = run("release.wf", {"service": "web"}, stubs={"deploy": lambda service: "done"},
                  signals=[Signal("approval", True, at=3600)])
        assert ran.result() == "done"

The engine and the interpreter of the workers are those of a real run. What is not real: the clock
(a `sleep(3d)` takes no time), the processes (all is this one, so a debugger works), the disk.
"""

from wfc.testing.lives import Signal, Stuck
from wfc.testing.runs import Ran, crash_everywhere, run
from wfc.testing.stubs import Call
from wfc.testing.virtual import takes

__all__ = ["Call", "Ran", "Signal", "Stuck", "crash_everywhere", "run", "takes"]
