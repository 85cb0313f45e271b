"""Which workflow a run starts with."""

from __future__ import annotations

from wfc.compiler import codes
from wfc.compiler.project import Project, WorkflowSymbol
from wfc.compiler.suggest import did_you_mean
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic, Label


def entry(project: Project, name: str | None = None) -> WorkflowSymbol | Diagnostic:
    """The workflow to run: the one named, else `main`, else the only one of the entry spec.

    A name may be the key of a workflow of an imported spec (`quality.check`) too.
    """
    module = project.entry
    own = {n: s for n, s in module.symbols.items() if isinstance(s, WorkflowSymbol)}
    span = ast.Span(module.file, 1, 1, 1, 1)
    if name is not None:
        by_key = {w.key: w for w in project.workflows()}
        if name in by_key:
            return by_key[name]
        text = f"there is no workflow `{name}` in `{module.file}`"
        hint = did_you_mean(name, by_key)
        if not hint and own:
            hint = f"it has {', '.join(f'`{n}`' for n in list(own)[:8])}"
        return Diagnostic(codes.UNKNOWN_ENTRY, text, span, hint=hint)
    if "main" in own:
        return own["main"]
    if len(own) == 1:
        return next(iter(own.values()))
    if not own:
        text = f"`{module.file}` has no workflow to run"
        return Diagnostic(codes.NO_ENTRY, text, span, hint="write `workflow main(): …`")
    first, *others = own.values()
    text = f"`{module.file}` has {len(own)} workflows and none is called `main`"
    hint = f"name the one to run, as `{module.file}:{first.name}`"
    related = tuple(Label(w.span, "this is another") for w in others[:4])
    return Diagnostic(codes.AMBIGUOUS_ENTRY, text, first.span, "this is one", hint, related)
