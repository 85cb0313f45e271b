"""The command line. Everything is imported when a command needs it, so that help is instant."""

from __future__ import annotations


def main() -> None:
    """The `wfc` command."""
    from wfc.cli.app import app

    app(prog_name="wfc")
