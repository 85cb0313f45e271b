"""A real PostgreSQL server in a temporary folder, on a unix socket, for the tests of the journal."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def find_binaries() -> Path | None:
    """The folder of the newest installed server, or `None`."""
    found = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    found.sort(key=lambda path: [int(part) for part in path.parent.name.split(".")])
    asked = shutil.which("pg_config")
    if asked:
        done = subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False)
        found.insert(0, Path(done.stdout.strip()))
    usable = [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]
    return usable[-1] if usable else None


class Server:
    """A server of our own. The server refuses to run as root: then it runs as another user."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="wfc-pg-"))
        self.user = _unprivileged()
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", "data", "-U", "wfc", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    def url(self, schema: str = "public") -> str:
        """The URL of the server; tables are made in `schema`, which is made if need be."""
        self._run("psql", "-qXc", f"CREATE SCHEMA IF NOT EXISTS {schema}", *self._where())
        return f"postgresql://wfc@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = open(self.folder / "log", "ab")  # noqa: SIM115 - the server keeps it
        with log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", "data", "-k", self.folder, "-h", "", "-N", "60"],
                cwd=self.folder,
                user=self.user,
                stdout=log,
                stderr=log,
                env=_environment(),
            )
        # `pg_isready` itself waits; each try ends as soon as there is an answer.
        while self._process.poll() is None:
            asked = [self.binaries / "pg_isready", "-q", "-t", "1", *self._where(database=False)]
            if subprocess.run(asked, check=False, env=_environment()).returncode == 0:
                return
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._run("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-w")
            self._process.wait()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def _where(self, *, database: bool = True) -> list[str]:
        where = ["-h", str(self.folder), "-U", "wfc"]
        return [*where, "-d", "postgres"] if database else where

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            cwd=self.folder,
            user=self.user,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _unprivileged() -> int | None:
    """The user to run the server as, when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise RuntimeError("no unprivileged user to run PostgreSQL as")
