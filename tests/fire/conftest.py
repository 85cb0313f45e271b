"""Projects that are hard on the machinery, and where their runs run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session", params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options that choose where a run runs."""
    if request.param == "local":
        return {"local": True}
    return {"address": request.getfixturevalue("ray_session")}
