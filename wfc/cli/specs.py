"""`wfc check`, `compile`, `fmt`, `explain`: what reads specs and runs nothing."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wfc.cli.out import diagnostics, print_json, reported, say, stop, usage
from wfc.errors import USAGE, SpecError


def check(paths: Sequence[Path], *, strict: bool, form: str) -> None:
    """The command."""
    from wfc.specs import check as find

    if form not in ("text", "json"):
        usage(f"--format is text or json, not {form!r}")
    failed = False
    rows: list[object] = []
    with reported():
        for path in paths:
            found = find(path, strict=strict)
            failed |= any(d.severity == "error" for d in found.diagnostics)
            if form == "json":
                from wfc.dsl.render import to_json

                rows += to_json(found.diagnostics)
            else:
                diagnostics(found.diagnostics, found.sources)
        if form == "json":
            print_json(rows)
        elif not failed:
            say("ok: " + ", ".join(map(str, paths)))
        stop(USAGE if failed else 0)


def compile(
    target: str,
    *,
    emit: str | None,
    output: Path | None,
    explain: bool,
    optimize: bool,
    strict: bool,
) -> None:
    """The command."""
    from wfc.compiler.emit import FORMS, STATIC
    from wfc.compiler.emit import emit as written
    from wfc.plan.unroll import NotStatic
    from wfc.specs import compile_path, split_target

    forms = (*FORMS, *STATIC)
    if emit is not None and emit not in forms:
        usage(f"--emit is one of {', '.join(forms)}, not {emit!r}")
    with reported():
        plan, done = compile_path(*split_target(target), optimize=optimize, strict=strict)
        diagnostics(done.diagnostics, done.sources)
        if explain:
            from wfc.compiler.explain import explain as text_of

            sys.stdout.write(text_of(done.decisions))
        if emit or output or not explain:
            try:
                _write(written(done, emit or "plan"), output)
            except NotStatic as found:
                from wfc.compiler.emit.ray import refusal

                raise SpecError([refusal(plan, found)], done.sources) from None


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        usage(f"cannot write {output}: {error.strerror}")


def fmt(paths: Sequence[Path], *, check: bool, diff: bool) -> None:
    """The command."""
    from wfc.dsl.format import FormatError, format_source

    changed = failed = False
    with reported():
        for path in paths:
            try:
                before = path.read_bytes()
            except OSError as error:
                usage(f"cannot read {path}: {error.strerror}")
            try:
                after = format_source(before, str(path))
            except FormatError as error:
                diagnostics(error.diagnostics, {str(path): before.decode("utf-8", "replace")})
                failed = True
                continue
            if after.encode() != before:
                changed = True
                _changed(path, before.decode(), after, check=check, diff=diff)
        stop(USAGE if failed or (changed and check) else 0)


def _changed(path: Path, before: str, after: str, *, check: bool, diff: bool) -> None:
    if diff:
        lines = difflib.unified_diff(
            before.splitlines(True), after.splitlines(True), str(path), f"{path} (formatted)"
        )
        sys.stdout.writelines(lines)
    if check:
        say(f"would reformat {path}")
    elif not diff:
        _replace(path, after)
        say(f"reformatted {path}")


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(path.stat().st_mode & 0o777)
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        usage(f"cannot write {path}: {error.strerror}")


def explain(code: str) -> None:
    """The command."""
    from wfc.compiler import explained  # noqa: F401 - registers the compiler's codes
    from wfc.dsl.codes import explain as page_of

    with reported():
        try:
            sys.stdout.write(page_of(code.strip()))
        except KeyError:
            usage(f"there is no code {code!r}; codes look like WF012")
