"""A spec and all that it imports: files read and parsed, names declared, Python functions found.

`load` is the one entry. It never raises for a bad spec: what is wrong stands in
`Project.diagnostics`, and what could be read is there to be checked all the same, so that one run
of `check` shows the errors of every file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wfc.compiler.limits import deep
from wfc.dsl import ast
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic
from wfc.plan import expr

if TYPE_CHECKING:
    from wfc.compiler.signatures import Function, PythonReader
    from wfc.compiler.types import ClassRef

SPECIALS = ("sleep", "receive", "cancel", "fail", "secret")
"""Calls that the language itself gives a meaning to."""

ROOT_MARKERS = ("pyproject.toml", ".git", ".wfc")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A spec file: its path relative to the project's root (posix), and its text."""

    path: str
    text: str


@dataclass(eq=False, slots=True)
class SpecModule:
    """One `.wf` file. `file` is its path relative to the root, and the `file` of all its spans.

    `prefix` stands before the names of its tasks and workflows in the plan (empty for the entry).
    `broken` says that some of it could not be parsed, so that a missing name means little.
    `imports` are the specs that its imports reach (`None` where one failed).
    """

    file: str
    path: Path
    text: str
    ast: ast.Module
    prefix: str = ""
    symbols: dict[str, Symbol] = field(default_factory=dict)
    broken: bool = False
    imports: dict[Span, SpecModule | None] = field(default_factory=dict, repr=False)

    def key(self, name: str) -> str:
        """The name, unique in the plan, of what this module calls `name`."""
        return f"{self.prefix}.{name}" if self.prefix else name


@dataclass(eq=False, slots=True)
class TaskSymbol:
    """A Python callable as a task: an imported function or class, or a `task` declaration.

    `function` is `None` when it was not found (a diagnostic says so). `options` are plain JSON
    values, those of the tasks that it derives from included. `decl` is `None` for a plain import.
    """

    key: str
    name: str
    module: SpecModule
    span: ast.Span
    function: Function | None = None
    decl: ast.TaskDecl | None = None
    inplace: bool = False
    checkpoint: bool | Literal["sync"] = True
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class WorkflowSymbol:
    """A `workflow` declaration. `options` are plain JSON values."""

    key: str
    name: str
    module: SpecModule
    span: ast.Span
    decl: ast.WorkflowDecl
    checkpoint: bool | Literal["sync"] = True
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class ConstantSymbol:
    """`NAME = expression` at the top of a file."""

    key: str
    name: str
    module: SpecModule
    span: ast.Span
    expr: ast.Expr


@dataclass(eq=False, slots=True)
class TypeSymbol:
    """A Python class. It may be called too, as the task that makes a value: see `task`."""

    key: str
    name: str
    module: SpecModule
    span: ast.Span
    cls: ClassRef
    task: TaskSymbol


@dataclass(eq=False, slots=True)
class SpecSymbol:
    """The `y` of `import "x.wf" as y`; `target` is `None` where the import failed."""

    name: str
    module: SpecModule
    span: ast.Span
    target: SpecModule | None


@dataclass(frozen=True, slots=True)
class Builtin:
    """A name of the language: one of `expr.BUILTINS` (pure), or one of `SPECIALS`."""

    name: str

    @property
    def special(self) -> bool:
        """Whether it is `sleep receive cancel fail secret`."""
        return self.name in SPECIALS


Symbol: TypeAlias = TaskSymbol | WorkflowSymbol | ConstantSymbol | TypeSymbol | SpecSymbol


@dataclass(eq=False, slots=True)
class Project:
    """Everything that one entry spec reaches. `modules` is in order of discovery, entry first."""

    root: Path
    entry: SpecModule
    modules: dict[str, SpecModule]
    diagnostics: list[Diagnostic]
    reader: PythonReader

    @property
    def files(self) -> list[SourceFile]:
        """The spec files, entry first."""
        return [SourceFile(m.file, m.text) for m in self.modules.values()]

    def resolve(self, module: SpecModule, target: ast.Expr) -> Symbol | Builtin | None:
        """What a name or a dotted name of a spec stands for, local names apart; `None` if nothing."""
        if isinstance(target, ast.Name):
            found = module.symbols.get(target.id)
            if found is None and (target.id in expr.BUILTINS or target.id in SPECIALS):
                return Builtin(target.id)
            return found
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            spec = module.symbols.get(target.value.id)
            if isinstance(spec, SpecSymbol) and spec.target is not None:
                member = spec.target.symbols.get(target.name)
                return None if isinstance(member, SpecSymbol) else member
        return None

    def tasks(self) -> Iterator[TaskSymbol]:
        """Every task of every module, in order; a class is there as the task that makes it."""
        for module in self.modules.values():
            for symbol in module.symbols.values():
                if isinstance(symbol, TaskSymbol):
                    yield symbol
                elif isinstance(symbol, TypeSymbol):
                    yield symbol.task

    def workflows(self) -> Iterator[WorkflowSymbol]:
        """Every workflow of every module, in order."""
        for module in self.modules.values():
            for symbol in module.symbols.values():
                if isinstance(symbol, WorkflowSymbol):
                    yield symbol

    def imports(self) -> dict[tuple[str, str | None], None]:
        """The Python modules that names are taken of, each with its folder (see `Function.beside`), in
        the order in which Python would come to them: an imported spec's where it is imported."""
        found: dict[tuple[str, str | None], None] = {}
        seen: set[str] = set()

        def visit(module: SpecModule) -> None:
            if module.file in seen:
                return
            seen.add(module.file)
            for symbol in module.symbols.values():
                if isinstance(symbol, SpecSymbol) and symbol.target is not None:
                    visit(symbol.target)
                task = symbol.task if isinstance(symbol, TypeSymbol) else symbol
                if isinstance(task, TaskSymbol) and task.function is not None:
                    found[task.function.module, task.function.beside] = None

        visit(self.entry)
        return found

    def sources(self) -> dict[str, str]:
        """The text of every file that a span may point into, Python files included."""
        unread = {m.file for m in self.modules.values() if m.broken and not m.text}
        texts = {m.file: m.text for m in self.modules.values() if m.file not in unread}
        texts.update(self.reader.sources())
        return texts


def load(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    overlay: Mapping[str, str] | None = None,
) -> Project:
    """Read a spec and everything that it imports. Never raises for a bad spec.

    `root` is the project's root, which imports may not leave; by default the nearest folder at or
    above the spec with a `pyproject.toml`, `.git` or `.wfc`, else the spec's own folder. `overlay`
    gives the text of files that are open in an editor, by absolute path or relative to the root.
    """
    from wfc.compiler.link import link  # the linker needs the classes above

    entry = Path(os.path.abspath(path))
    base = Path(os.path.abspath(root)) if root is not None else find_root(entry.parent)
    with deep():
        return link(entry.resolve(), base.resolve(), dict(overlay or {}))


def find_root(folder: Path) -> Path:
    """The nearest folder at or above `folder` that marks a project, else `folder` itself."""
    for candidate in (folder, *folder.parents):
        if any((candidate / marker).exists() for marker in ROOT_MARKERS):
            return candidate
    return folder
