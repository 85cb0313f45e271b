"""What the callee of a call is, and what a `wait` looks after."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from tests.oracle.reference.names import (
    BUILTINS,
    SPECIAL,
    Functions,
    Import,
    Task,
    Workflow,
    arguments,
    dotted_name,
    name_of,
    walk,
    wants_handle,
)
from tests.oracle.reference.outcome import UnsupportedError
from wfc.dsl import ast


class Lookup:
    """Finds declarations of the specs. `modules` and `functions` are those of `Reference`."""

    modules: Mapping[str, ast.Module]
    functions: Functions
    names: dict[str, dict[str, Any]]

    def _declared(self, module: ast.Module) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for decl in module.declarations:
            if isinstance(decl, ast.FromImport):
                for item in decl.names:
                    out[item.alias] = f"{decl.module}.{item.name}"
            elif isinstance(decl, ast.SpecImport):
                folder = posixpath.dirname(module.file)
                out[decl.alias] = Import(posixpath.normpath(posixpath.join(folder, decl.path)))
            elif isinstance(decl, ast.TaskDecl):
                out[decl.name] = decl
            elif isinstance(decl, ast.WorkflowDecl):
                out[decl.name] = Workflow(decl, module.file)
            else:
                out[decl.name.id] = decl
        return out

    def _callee(self, func: Any, file: str) -> Task | Workflow | str:
        """What a call calls; built-ins and the like are given by name."""
        dotted = dotted_name(func)
        names = self.names[file]
        head, _, rest = dotted.partition(".")
        found = names.get(head)
        if found is None:
            if dotted in BUILTINS or dotted in SPECIAL:
                return dotted
            raise UnsupportedError(f"call of {dotted!r}")
        if isinstance(found, Import):
            return self._callee(name_of(rest, func.span), found.file)
        if isinstance(found, str):
            return Task(dotted, self.functions(found + ("." + rest if rest else "")))
        if isinstance(found, ast.TaskDecl):
            return self._task(found, file)
        if isinstance(found, Workflow):
            return found
        raise UnsupportedError(f"call of {dotted!r}")

    def _task(self, decl: ast.TaskDecl, file: str) -> Task:
        head, _, rest = decl.target.partition(".")
        found = self.names[file].get(head) if decl.name != head else None
        if isinstance(found, ast.TaskDecl):
            base = self._task(found, file)
            return Task(
                decl.name,
                base.fn,
                decl.inplace or base.inplace,
                decl.nocheckpoint or base.nocheckpoint,
            )
        if isinstance(found, str):
            fn = self.functions(found + ("." + rest if rest else ""))
        elif isinstance(found, Import):
            task = self._callee(name_of(rest, decl.target_span), found.file)
            assert isinstance(task, Task)
            return Task(
                decl.name,
                task.fn,
                decl.inplace or task.inplace,
                decl.nocheckpoint or task.nocheckpoint,
            )
        else:
            fn = self.functions(decl.target)
        return Task(decl.name, fn, decl.inplace, decl.nocheckpoint)

    def calls_something(self, node: Any, file: str) -> bool:
        """Whether an expression contains a call of a task or workflow, a `wait`, a `sleep`, …"""
        for part in walk(node):
            if isinstance(part, ast.Wait):
                return True
            if isinstance(part, ast.Call):
                callee = self._callee(part.func, file)
                if not isinstance(callee, str) or (callee in SPECIAL and callee != "secret"):
                    return True
        return False

    def _managed(self, workflow: Workflow) -> frozenset[str]:
        """Names of calls and fan-outs that a `wait` looks after: their failures are not the frame's.

        That is so when some handle of the name is used, and its joined value is not.
        """
        handled: set[str] = set()
        joined: set[str] = set()
        over: list[tuple[str | None, str]] = []
        # What single calls give: nobody goes over it before it is there.
        lists: set[str] = set()

        def names_in(node: Any) -> None:
            joined.update(part.id for part in walk(node) if isinstance(part, ast.Name))

        def visit(node: Any) -> None:
            if isinstance(node, ast.Wait):
                members = (
                    node.members.items
                    if isinstance(node.members, ast.ListExpr)
                    else (node.members,)
                )
                for member in members:
                    handle(member)
                visit(node.timeout)
                visit(node.quorum)
            elif isinstance(node, ast.Call):
                callee = self._callee(node.func, workflow.file)
                for slot, argument in arguments(node):
                    if callee == "cancel" or wants_handle(callee, slot):
                        handle(argument)
                    else:
                        visit(argument)
                visit(node.modifiers.after)
            elif isinstance(node, ast.Comprehension) and self.calls_something(node, workflow.file):
                chained(node, None)
            elif isinstance(node, ast.Name):
                joined.add(node.id)
            elif isinstance(node, ast.Assign):
                only = node.targets[0].id if len(node.targets) == 1 else None
                if isinstance(node.value, ast.Comprehension) and self.calls_something(
                    node.value, workflow.file
                ):
                    chained(node.value, only)
                elif only is not None and isinstance(node.value, ast.Name):
                    over.append((only, node.value.id))  # another name for the same calls
                else:
                    visit(node.value)
                    if only is not None and isinstance(node.value, ast.Call):
                        lists.add(only)
            elif isinstance(node, tuple):
                for item in node:
                    visit(item)
            elif hasattr(node, "__dataclass_fields__") and not isinstance(node, ast.Span):
                for name in node.__dataclass_fields__:
                    visit(getattr(node, name))

        def chained(node: ast.Comprehension, name: str | None) -> None:
            """A fan-out over a fan-out, element by element, joins it unless it is looked after."""
            first = node.generators[0]
            if isinstance(first.iterable, ast.Name) and first.iterable.id not in lists:
                over.append((name, first.iterable.id))
                visit((first.targets, first.conditions))
            else:
                visit(first)
            visit((node.generators[1:], node.key, node.value, node.modifiers))

        def handle(node: Any) -> None:
            if isinstance(node, ast.Name):
                handled.add(node.id)
            elif isinstance(node, ast.Comprehension) and self.calls_something(node, workflow.file):
                handled.add(f"at {node.span}")
                chained(node, f"at {node.span}")
            else:
                visit(node)

        visit(workflow.decl.body)
        handled |= {source for _name, source in over}
        while True:
            found = {s for name, s in over if name not in handled or name in joined} - joined
            if not found:
                break
            joined |= found
        return frozenset(handled - joined)
