"""Draws the pictures of the documentation from real runs: `python docs/images/capture.py`.

The live view, a failure, a diagnostic and a workflow, each as SVG (and as text, but for the workflow).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

import wfc
from wfc.watching import Rates, picture

HERE = Path(__file__).parent
DEMO = HERE / "demo"

# As rich draws it, but for its fonts, which a viewer would have to fetch.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def save(name: str, title: str, shown: Any) -> None:
    """Write something that `rich` can draw as `name.svg` and `name.txt`."""
    console = Console(record=True, width=88, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(shown)
    text = console.export_text(clear=False, styles=False)
    (HERE / f"{name}.txt").write_text(
        "\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8"
    )
    svg = console.export_svg(title=title, code_format=FRAME, unique_id=f"wfc-{name}")
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


class Watch:
    """Keeps the live view as it is when the run waits for nothing but the signal, and before."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._rates = Rates()
        self._began = 0.0
        self.best: Any = None
        self._score = 0

    def update(self, moment: Any) -> None:
        """The moment at which there is most to see is the one to keep."""
        self._began = self._began or moment.at
        self._rates.see(moment)
        score = sum(group.running > 0 for group in moment.groups) + len(moment.running)
        middle = moment.counts["done"] > 100 and self._rates("main/raw") != ""
        if middle and score > self._score:
            self._score = score
            self.best = picture(self._run_id, moment, self._rates, moment.at - self._began)

    def log(self, log: Any) -> None:
        """Nothing."""


def live(folder: Path) -> None:
    """The live view of a run under way."""
    seen = Watch("nightly")
    spec, store = folder / "nightly.wf", folder / ".wfc"
    run = wfc.start(spec, shops=600, local=True, store=store, run_id="nightly", observer=seen)
    while seen.best is None and not run.wait(0.2):
        pass
    run.interrupt()
    assert seen.best is not None, "the run was over too soon"
    save("live", "wfc run nightly.wf", seen.best)


def command(name: str, folder: Path, *arguments: str) -> None:
    """What a command prints on stderr, in a folder."""
    environ = {**os.environ, "FORCE_COLOR": "1"}
    environ.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-m", "wfc", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.replace(str(folder), "/home/ana/orders")
    save(name, "wfc " + " ".join(arguments), Text.from_ansi(said.strip("\n")))


def main() -> None:
    """Draw them all."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "orders"
        shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("__pycache__"))
        live(folder)
        day = "day=1999-12-31"
        command("failure", folder, "run", "nightly.wf", "-p", day, "--run-id", "past", "--local")
        command("diagnostic", folder, "check", "typos.wf")
    drawn = ["compile", str(DEMO / "nightly.wf"), "--emit", "svg", "-o", str(HERE / "workflow.svg")]
    subprocess.run([sys.executable, "-m", "wfc", *drawn], check=True)


if __name__ == "__main__":
    main()
