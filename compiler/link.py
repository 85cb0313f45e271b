"""Reads the files of a project, and ties their names to what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wfc.compiler import codes, options
from wfc.compiler.constants import Constants
from wfc.compiler.limits import MAX_CHAIN
from wfc.compiler.project import (
    SPECIALS,
    ConstantSymbol,
    Project,
    SpecModule,
    SpecSymbol,
    Symbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.signatures import (
    Broken,
    Found,
    Function,
    NoModule,
    NoName,
    NotCallable,
    PythonReader,
)
from wfc.compiler.suggest import did_you_mean
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.parser import MAX_BYTES, parse
from wfc.dsl.source import Source
from wfc.plan.expr import BUILTINS


def link(entry: Path, root: Path, overlay: dict[str, str]) -> Project:
    """See `wfc.compiler.project.load`; both paths are absolute."""
    return _Linker(entry, root, overlay).run()


class _Linker:
    def __init__(self, entry: Path, root: Path, overlay: dict[str, str]) -> None:
        self.root = root
        self.overlay = overlay
        self.wrong: list[Diagnostic] = []
        self.modules: dict[str, SpecModule] = {}
        self.open: list[tuple[SpecModule, ast.SpecImport | None]] = []
        self.reader = PythonReader(root)
        self.entry = self._read(entry, None)
        self.project = Project(root, self.entry, self.modules, self.wrong, self.reader)
        self.constants = Constants(self.project)

    def run(self) -> Project:
        """Visit the imports depth first, then declare, then resolve what refers to other names."""
        self._visit(self.entry, None)
        self._prefixes()
        for module in self.modules.values():
            self._declare(module)
        tasks = _Tasks(self)
        for module in self.modules.values():
            for symbol in list(module.symbols.values()):
                if isinstance(symbol, TaskSymbol) and symbol.decl is not None:
                    tasks.resolve(symbol)
                elif isinstance(symbol, WorkflowSymbol):
                    found, wrong = options.read(
                        self.constants, module, symbol.decl.options, "workflow"
                    )
                    self.wrong.extend(wrong)
                    symbol.checkpoint = found.pop("checkpoint", True)
                    symbol.options = found
        return self.project

    # ------------------------------------------------------------------ files

    def name_of(self, path: Path) -> str:
        """A spec's path relative to the root."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()

    def _read(self, path: Path, span: ast.Span | None) -> SpecModule:
        file = self.name_of(path)
        where = span or ast.Span(file, 1, 1, 1, 1)
        empty = ast.Module(file, None, (), ast.Span(file, 1, 1, 1, 1))
        text: str | bytes | None = self.overlay.get(file, self.overlay.get(path.as_posix()))
        problem = ""
        if text is None:
            text, problem = _text_of(path)
        if problem:
            message = f"cannot read `{file}`: {problem}"
            hint = did_you_mean(path.name, (p.name for p in sorted(path.parent.glob("*.wf"))))
            self.wrong.append(Diagnostic(codes.UNREADABLE, message, where, hint=hint))
            module = SpecModule(file, path, "", empty, broken=True)
        else:
            result = parse(text, file)
            self.wrong.extend(result.diagnostics)
            shown = Source.of(text, file).text
            module = SpecModule(file, path, shown, result.module or empty)
            module.broken = result.module is None
        self.modules[file] = module
        return module

    def _visit(self, module: SpecModule, via: ast.SpecImport | None) -> None:
        self.open.append((module, via))
        for declaration in module.ast.declarations:
            if isinstance(declaration, ast.SpecImport):
                target = self._import(module, declaration)
                module.imports[declaration.span] = target
        self.open.pop()

    def _import(self, module: SpecModule, node: ast.SpecImport) -> SpecModule | None:
        path = (module.path.parent / node.path).resolve()
        if Path(node.path).is_absolute() or not path.is_relative_to(self.root):
            text = f"the import of `{node.path}` leaves the project's root"
            hint = f"the root is the folder of the nearest {', '.join(('pyproject.toml', '.git', '.wfc'))}"
            self.wrong.append(
                Diagnostic(codes.IMPORT_OUTSIDE, text, node.path_span, "outside the root", hint)
            )
            return None
        file = self.name_of(path)
        for index, (opened, _) in enumerate(self.open):
            if opened.file == file:
                self._cycle(index, node)
                return None
        if file in self.modules:
            return self.modules[file]
        if len(self.open) > MAX_CHAIN:
            text = f"more than {MAX_CHAIN} specs import each other, one after the other"
            self.wrong.append(Diagnostic(codes.TOO_DEEP, text, node.span))
            return None
        if file not in self.overlay and path.as_posix() not in self.overlay and not path.is_file():
            near = (
                sorted(p.name for p in path.parent.glob("*.wf"))[:200]
                if path.parent.is_dir()
                else []
            )
            text = f"there is no file `{file}`"
            hint = self.constants.suggest(path.name, near)
            self.wrong.append(Diagnostic(codes.UNREADABLE, text, node.path_span, "not found", hint))
            return None
        found = self._read(path, node.path_span)
        self._visit(found, node)
        return found

    def _cycle(self, start: int, node: ast.SpecImport) -> None:
        ring = self.open[start:]
        names = " → ".join([*(m.file for m, _ in ring), ring[0][0].file])
        related = tuple(
            Label(via.span, f"`{m.file}` is imported here")
            for m, via in ring[1:]
            if via is not None
        )
        hint = "move what both need to a third spec"
        text = f"the imports form a cycle: {names}"
        self.wrong.append(
            Diagnostic(codes.IMPORT_CYCLE, text, node.span, "closes the cycle", hint, related)
        )

    def _prefixes(self) -> None:
        """Give each imported spec a prefix: its file's name, or its path where two are alike."""
        others = [m for m in self.modules.values() if m is not self.entry]
        stems = [_word(Path(m.file).stem) for m in others]
        taken: set[str] = set()
        for module, stem in zip(others, stems, strict=True):
            prefix = stem
            if stems.count(stem) > 1:
                parts = Path(module.file).with_suffix("").parts
                prefix = ".".join(_word(p) for p in parts)
            unique, number = prefix, 2
            while unique in taken:
                unique, number = f"{prefix}_{number}", number + 1
            taken.add(unique)
            module.prefix = unique

    # ------------------------------------------------------------------ declarations

    def _declare(self, module: SpecModule) -> None:
        for node in module.ast.declarations:
            match node:
                case ast.FromImport():
                    self._from_import(module, node)
                case ast.SpecImport(_, alias):
                    target = module.imports.get(node.span)
                    self._add(module, SpecSymbol(alias, module, node.span, target))
                case ast.TaskDecl(name, span):
                    self._add(module, TaskSymbol(module.key(name), name, module, span, None, node))
                case ast.WorkflowDecl(name, span):
                    self._add(module, WorkflowSymbol(module.key(name), name, module, span, node))
                case ast.ConstantDecl(target_name, value):
                    name, span = target_name.id, target_name.span
                    self._add(module, ConstantSymbol(module.key(name), name, module, span, value))

    def _add(self, module: SpecModule, symbol: Symbol) -> None:
        first = module.symbols.get(symbol.name)
        if first is not None:
            text = f"`{symbol.name}` is declared twice"
            related = (Label(first.span, "declared here first"),)
            self.wrong.append(
                Diagnostic(codes.DUPLICATE, text, symbol.span, "declared again", related=related)
            )
            return
        if symbol.name in BUILTINS or symbol.name in SPECIALS:
            text = f"`{symbol.name}` is a built-in of the language"
            hint = f"give it another name, such as `{symbol.name}_`"
            if (
                isinstance(symbol, (TaskSymbol, TypeSymbol))
                and getattr(symbol, "decl", None) is None
            ):
                hint = f"import it under another name: `… as {symbol.name}_`"
            self.wrong.append(Diagnostic(codes.RESERVED, text, symbol.span, "taken", hint))
        module.symbols[symbol.name] = symbol

    def search(self, module: SpecModule) -> tuple[Path, ...]:
        """Where Python modules beside a spec are looked for."""
        return options.search_path(self.constants, module)

    def _from_import(self, module: SpecModule, node: ast.FromImport) -> None:
        reported = False
        for item in node.names:
            found = self.reader.lookup(node.module, item.name, self.search(module))
            function, cls = None, None
            if isinstance(found, tuple):
                function, cls = found
                self._flaw(function, item.span)
            elif not (reported and isinstance(found, (NoModule, Broken))):
                self.report(found, node.module_span, item.span)
                reported = True
            task = TaskSymbol(module.key(item.alias), item.alias, module, item.span, function)
            made: Symbol = task
            if cls is not None:
                made = TypeSymbol(task.key, task.name, module, item.span, cls, task)
            self._add(module, made)

    def _flaw(self, function: Function, span: ast.Span) -> None:
        name = function.qualname
        related = _python_label(function.file, function.line, "defined here")
        if function.flaw == "async":
            text = f"`{name}` is an async function, which cannot be a task"
            hint = f"wrap it: `def {name}_sync(…): return asyncio.run({name}(…))`"
            self.wrong.append(Diagnostic(codes.ASYNC_TASK, text, span, "async", hint, related))
        elif function.flaw == "remote":
            what = "class" if function.is_class else "function"
            text = f"`{name}` is a Ray remote {what}, which cannot be called as a task"
            hint = "take `@ray.remote` away: its options go into `task … with (…)`"
            self.wrong.append(Diagnostic(codes.REMOTE_TASK, text, span, "remote", hint, related))

    def report(self, found: Found, module_span: ast.Span, name_span: ast.Span) -> None:
        """Report why a Python name cannot be used."""
        match found:
            case NoModule(name, known):
                hint = self.constants.suggest(name, known)
                hint = (
                    hint or "it is looked for beside the spec, in the project's root, and installed"
                )
                text = f"there is no Python module `{name}`"
                self.wrong.append(Diagnostic(codes.NO_MODULE, text, module_span, "not found", hint))
            case NoName(owner, wanted, file, known):
                related = _python_label(file, 1, "this file was read") if file else ()
                self.wrong.append(
                    Diagnostic(
                        codes.NO_FUNCTION,
                        f"{owner} has no `{wanted}`",
                        name_span,
                        "not found",
                        self.constants.suggest(wanted, known),
                        related,
                    )
                )
            case Broken(name, file, message, line, column):
                label = Label(ast.Span(file, line, column, line, column + 1), message)
                text = f"the Python module `{name}` is not valid Python: {message} ({file}:{line})"
                self.wrong.append(
                    Diagnostic(codes.PYTHON_SYNTAX, text, module_span, related=(label,))
                )
            case NotCallable(name, what, file, line):
                related = _python_label(file, line, "bound here")
                text = f"`{name}` is {what}, not a function or a class"
                hint = "a spec takes functions and classes from Python; a constant is written in the spec"
                self.wrong.append(
                    Diagnostic(codes.NO_CALLABLE, text, name_span, "not callable", hint, related)
                )

    def flaw(self, function: Function, span: ast.Span) -> None:
        """Report what makes a function unfit as a task."""
        self._flaw(function, span)


class _Tasks:
    """Resolves `task` declarations: through the tasks that they derive from, to a function."""

    def __init__(self, linker: _Linker) -> None:
        self.linker = linker
        self.done: set[TaskSymbol] = set()
        self.open: list[TaskSymbol] = []

    def resolve(self, symbol: TaskSymbol) -> None:
        """Give a task its function and options, those that it derives from first."""
        decl = symbol.decl
        if symbol in self.done or decl is None:
            return
        if symbol in self.open:
            ring = [*self.open[self.open.index(symbol) :], symbol]
            text = f"the task `{symbol.name}` is made of itself: {' → '.join(s.name for s in ring)}"
            self.linker.wrong.append(
                Diagnostic(codes.TASK_CYCLE, text, decl.target_span, "closes the cycle")
            )
            return
        if len(self.open) > MAX_CHAIN:
            text = f"more than {MAX_CHAIN} tasks derive from each other, one after the other"
            self.linker.wrong.append(Diagnostic(codes.TOO_DEEP, text, symbol.span))
            return
        self.open.append(symbol)
        base = self._base(symbol, decl)
        self.open.pop()
        self.done.add(symbol)
        inherited: dict[str, Any] = {}
        if base is not None:
            symbol.function = base.function
            symbol.inplace, symbol.checkpoint = base.inplace, base.checkpoint
            inherited = base.options
        given, wrong = options.read(
            self.linker.constants, symbol.module, decl.options, "task", inherited
        )
        self.linker.wrong.extend(wrong)
        symbol.checkpoint = given.pop("checkpoint", symbol.checkpoint)
        symbol.options = {**inherited, **given}
        symbol.inplace = symbol.inplace or decl.inplace
        if decl.nocheckpoint:
            symbol.checkpoint = False

    def _base(self, symbol: TaskSymbol, decl: ast.TaskDecl) -> TaskSymbol | None:
        """The task that this one derives from; a Python path is a task without options."""
        first, *rest = decl.target.split(".")
        target: ast.Expr = ast.Name(first, decl.target_span)
        for part in rest:
            target = ast.Attribute(target, part, decl.target_span, decl.target_span)
        found = self.linker.project.resolve(symbol.module, target)
        if isinstance(found, TypeSymbol):
            return found.task
        if isinstance(found, TaskSymbol):
            self.resolve(found)
            return found
        owner = symbol.module.symbols.get(first)
        if found is None and rest and not isinstance(owner, SpecSymbol):
            return self._python(symbol, decl)
        self._no_task(symbol, decl, found is not None)
        return None

    def _python(self, symbol: TaskSymbol, decl: ast.TaskDecl) -> TaskSymbol | None:
        search = self.linker.search(symbol.module)
        module, name = self.linker.reader.split(decl.target, search)
        found = self.linker.reader.lookup(module, name, search)
        if not isinstance(found, tuple):
            self.linker.report(found, decl.target_span, decl.target_span)
            return None
        function = found[0]
        self.linker.flaw(function, decl.target_span)
        return TaskSymbol(symbol.key, symbol.name, symbol.module, symbol.span, function)

    def _no_task(self, symbol: TaskSymbol, decl: ast.TaskDecl, exists: bool) -> None:
        module, name = symbol.module, decl.target
        owner = module.symbols.get(name.partition(".")[0])
        if isinstance(owner, SpecSymbol) and owner.target is None:
            return  # the import that failed is reported already
        if exists:
            text = f"`{name}` is not a task"
            label, hint = "expected a task or a Python function", ""
        else:
            text = f"there is no task `{name}`"
            scope = owner.target if isinstance(owner, SpecSymbol) and owner.target else module
            known = (
                n
                for n, s in scope.symbols.items()
                if isinstance(s, TypeSymbol)
                or (isinstance(s, TaskSymbol) and s.function is not None)
            )
            label = "not found"
            hint = self.linker.constants.suggest(name.rpartition(".")[2], known)
            hint = hint or "import the function, or name it by its Python path: `module.function`"
        self.linker.wrong.append(Diagnostic(codes.TASK_TARGET, text, decl.target_span, label, hint))


def _text_of(path: Path) -> tuple[bytes, str]:
    """A file's bytes, and why they cannot be had. No more is read than it takes to refuse a file."""
    try:
        if not path.is_file():
            return b"", "it is a folder" if path.is_dir() else "there is no such file"
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1), ""
    except OSError as error:
        return b"", (error.strerror or type(error).__name__).lower()
    except ValueError as error:
        return b"", str(error)


def _word(text: str) -> str:
    """A file's name as a part of a task's id."""
    return "".join(c if c.isalnum() or c == "_" else "_" for c in text) or "_"


def _python_label(file: str, line: int, text: str) -> tuple[Label, ...]:
    """A second label in a Python file, whose line is shown as far as it is known."""
    if not file or not file.endswith(".py") or Path(file).is_absolute() or not line:
        return ()
    return (Label(ast.Span(file, line, 1, line, 2), text),)
