"""A worker whose value store fails: the call of a number, with an error, once or from then on."""

from __future__ import annotations

import os
from typing import Any

from tests.storage.faults import FaultyFiles
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.seal import Sealer
from wfc.runtime.work import Program
from wfc.runtime.worker.runner import Runner

VARIABLE = "WFC_TEST_FAULT"
"""`code:at:lasting`, for the processes that a test starts."""


def runner(program: Program, large: Any = None) -> Runner:
    """What runs batches in such a worker."""
    code, at, lasting = map(int, os.environ[VARIABLE].split(":"))
    files = FaultyFiles(code, at, lasting=bool(lasting))
    values = FolderValues(program.store, Sealer(program.seal_key), files=files)
    files.arm()
    return Runner(program, large, store=values)
