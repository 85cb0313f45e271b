"""What a run is given from Python, as it can be stored: a reference to an object of Ray is the object."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from wfc.errors import ParameterError


def by_value(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run, with objects in place of the references to them, however deep these are
    and however long it takes until the objects are there.

    Raises `ParameterError` when an object cannot be had, or for what lives only in a Ray cluster.
    """
    if "ray" not in sys.modules:
        return dict(params)
    from wfc.runtime.codec import settled
    from wfc.runtime.references import Alive, Unfetched, place

    out: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in params.items():
        try:
            out[name] = settled(value)
        except Unfetched as error:
            problems.append(f"{name}: {error}")
        except Alive as error:
            problems.append(
                f"{name}{place(value, error.found)} is {error}: it cannot be stored with the run. Make "
                "it in a task, which is called `nocheckpoint`"
            )
    if problems:
        raise ParameterError(problems)
    return out
