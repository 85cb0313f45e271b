"""wfc: declarative, durable workflows for Ray.

What `__all__` lists is supported, and nothing else. Everything is imported when it is first used,
so that `import wfc` is quick and a task function that uses it does not pay for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfc.api import (
        CodeChanged,
        ParameterError,
        Run,
        RunCancelled,
        RunFailed,
        RunInfo,
        RunInterrupted,
        Spec,
        SpecError,
        compile,
        get,
        load,
        resume,
        run,
        runs,
        start,
    )
    from wfc.dag import to_ray_dag
    from wfc.history import TaskInfo
    from wfc.plan.model import Plan
    from wfc.runtime.functions import FunctionsError
    from wfc.runtime.storage_errors import Owned, StorageError
    from wfc.runtime.values import ErrorInfo, Pending, Result, WaitResult
    from wfc.runtime.worker.dynamic import (
        attempt,
        call,
        cancel,
        continuation,
        receive,
        sleep,
        task_id,
        wait,
    )

__all__ = [
    "CodeChanged",
    "ErrorInfo",
    "FunctionsError",
    "Owned",
    "ParameterError",
    "Pending",
    "Plan",
    "Result",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunInfo",
    "RunInterrupted",
    "Spec",
    "SpecError",
    "StorageError",
    "TaskInfo",
    "WaitResult",
    "attempt",
    "call",
    "cancel",
    "compile",
    "continuation",
    "get",
    "load",
    "receive",
    "resume",
    "run",
    "runs",
    "sleep",
    "start",
    "task_id",
    "to_ray_dag",
    "wait",
]

_HOME = {
    "wfc.dag": ("to_ray_dag",),
    "wfc.history": ("TaskInfo",),
    "wfc.plan.model": ("Plan",),
    "wfc.runtime.functions": ("FunctionsError",),
    "wfc.runtime.storage_errors": ("Owned", "StorageError"),
    "wfc.runtime.values": ("ErrorInfo", "Pending", "Result", "WaitResult"),
    "wfc.runtime.worker.dynamic": (
        "attempt",
        "call",
        "cancel",
        "continuation",
        "receive",
        "sleep",
        "task_id",
        "wait",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("wfc-ray")
    if name not in __all__:
        raise AttributeError(f"module 'wfc' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF.get(name, "wfc.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
