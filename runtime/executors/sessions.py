"""The folders that private Rays leave: one for each, with logs and sockets, in Ray's temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

_MARK = "wfc-"
"""Begins the names of the files that tell whose process, by its number, has a private Ray."""


def mark(folder: Path) -> None:
    """Tell, before it starts, that this process's Ray in the temporary folder is a private one."""
    with contextlib.suppress(OSError):  # Ray will say what is wrong with that folder
        folder.mkdir(mode=0o777, parents=True, exist_ok=True)
        (folder / f"{_MARK}{os.getpid()}").touch()


def tidy(folder: Path, session: str | None, *, gone: bool = False) -> None:
    """Delete the session folder of this process's private Ray, which has ended, and those of
    processes that were killed. One that is `gone` may still be written to: the next one tidies up."""
    import psutil  # a run on any other Ray needs none of it

    if session is not None:
        _remove(Path(session))
    if not gone:
        (folder / f"{_MARK}{os.getpid()}").unlink(missing_ok=True)
    for marked in folder.glob(f"{_MARK}*"):
        pid = marked.name.removeprefix(_MARK)
        with contextlib.suppress(OSError):
            if (
                pid.isdigit()
                and marked.stat().st_uid == os.getuid()
                and not psutil.pid_exists(int(pid))
            ):
                for left in folder.glob(f"session_*_{pid}"):
                    _remove(left)
                marked.unlink(missing_ok=True)


def _remove(session: Path) -> None:
    shutil.rmtree(session, ignore_errors=True)
    latest = session.parent / "session_latest"
    with contextlib.suppress(OSError):
        if os.readlink(latest) == str(session):
            latest.unlink()
