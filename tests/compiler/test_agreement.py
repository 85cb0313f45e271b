"""What `check` lets through compiles and is started, and what it refuses is refused there too.

Over the examples, the corpus, programs of the generator, and mutations of them: of their text, and of
their expressions, which leaves more of them well formed. `WFC_MUTATIONS=10000` tries that many.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compiler.test_mutations import KINDS, SPECS, mutated
from tests.oracle.generate import program
from tests.oracle.source import Seeded
from wfc.compiler import check_spec, compile_spec
from wfc.compiler.pages import NOT_LOWERED
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.parser import parse

COUNT = int(os.environ.get("WFC_MUTATIONS", "160"))
PARTS = 4
CORPUS = SPECS[-1].parent

FORMS = (
    "wait(1 of {})", "wait(any of {}, timeout=5s)", "{}.pending", "{}.ready", "{}[0]", "[{}]", "[{}, {}]",
    "({})", "({} if {} else {})", "({} or {})", "[x_ for x_ in {}]", "[{} for x_ in range(2)]",
    "[{} for x_ in range(2) for y_ in range(2)]", "{{1: {}}}", "len({})", "({}).value", "({}) + ({})",
    "[wait(1 of x_).ready for x_ in {}]", "catch {}", "{} after ({})", "sum({})", "not {}", "-{}",
    "f'{{{}}}'", "[x_ for x_ in {} if {}]", "(lambda: {})", "secret({})", "inplace {}", "({},)",
)  # fmt: skip
STATEMENTS = (
    "cancel({})",
    "wait(1 of {})",
    "a_, b_ = wait(1 of {})",
    "a_, b_ = {}",
    "a_ = {}",
    "{}",
)


def errors(found: list[Diagnostic]) -> list[Diagnostic]:
    return [d for d in found if d.severity == "error"]


def disagreement(spec: Path, most: int = 100) -> str | None:
    """What `check` says and a compilation does not, or the other way round; `None` where they agree.
    So many workflows are compiled: the last ones, which call the others."""
    checked = errors(check_spec(spec))
    module = parse(spec.read_bytes(), spec.name).module
    declared = module.declarations if module is not None else ()
    names = [d.name for d in declared if isinstance(d, ast.WorkflowDecl)]
    for workflow in names[-most:] or ([None] if checked else []):
        for optimize in (True, False):
            made = compile_spec(spec, workflow, optimize=optimize)
            refused = errors(made.diagnostics)
            assert not any(d.code == NOT_LOWERED for d in refused), refused
            assert bool(refused) == (made.plan is None)
            if bool(refused) != bool(checked):
                return f"check: {checked}\ncompile {workflow} {optimize=}: {refused}"
    return None


# ------------------------------------------------------------------------ mutations of expressions


def pieces(node: Any) -> Iterator[ast.Expr | ast.TypeExpr | ast.Statement]:
    """The expressions, the types and the statements of a tree."""
    if isinstance(node, tuple):
        for part in node:
            yield from pieces(part)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, ast.Span):
        if hasattr(node, "span"):
            yield node
        for name in node.__dataclass_fields__:
            yield from pieces(getattr(node, name))


def cut(text: str, span: ast.Span) -> tuple[int, int]:
    """The place of a span in a text."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1


EXPRESSIONS = (
    ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.Comprehension, ast.ListExpr, ast.Wait,
    ast.Binary, ast.Conditional, ast.DictExpr, ast.TupleExpr, ast.FString,
)  # fmt: skip


def reformed(text: str, chance: random.Random) -> str:
    """The text of a spec with some of its expressions in other forms and places, and fewer types."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        module = parse(text, "x.wf").module
        if module is None:
            return text
        bodies = [d for d in module.declarations if isinstance(d, ast.WorkflowDecl)]
        every = [p for d in bodies for p in pieces(d)]
        kind = chance.choice(["type", "form", "form", "other", "statement"])
        params = [p for p in every if isinstance(p, ast.Parameter) and p.annotation is not None]
        exprs = [p for p in every if isinstance(p, EXPRESSIONS)]
        lines = [p for p in every if isinstance(p, (ast.Assign, ast.ExprStatement, ast.Return))]
        if kind == "type" and params:
            chosen = chance.choice(params)
            start, end = cut(text, chosen.span)
            text = text[:start] + chosen.name + text[end:]
        elif kind in ("form", "other") and exprs:
            start, end = cut(text, chance.choice(exprs).span)
            other = slice(*cut(text, chance.choice(exprs).span))
            form = chance.choice(FORMS) if kind == "form" else "{}"
            given = text[start:end] if kind == "form" else text[other]
            text = text[:start] + form.format(*[given] * form.count("{}")) + text[end:]
        elif kind == "statement" and exprs and lines:
            near = chance.choice(lines)
            start, end = cut(text, near.span)
            given = text[slice(*cut(text, chance.choice(exprs).span))]
            new = chance.choice(STATEMENTS).format(given) + "\n" + " " * (near.span.column - 1)
            text = text[:start] + new + text[start:]
    return text


# ------------------------------------------------------------------------ tests


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Copies of the folders that have specs."""
    made = {}
    for folder in {path.parent for path in SPECS}:
        made[folder] = tmp_path_factory.mktemp("specs") / folder.name
        kept = shutil.ignore_patterns("__pycache__", "*.csv", ".wfc")
        shutil.copytree(folder, made[folder], ignore=kept)
    return made


def test_specs() -> None:
    for spec in SPECS:
        found = disagreement(spec)
        assert found is None, f"{spec}: {found}"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_mutations(part: int, copies: dict[Path, Path]) -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(part, COUNT, PARTS):
        chance = random.Random(seed)
        origin = chance.choice(SPECS)
        spec, text = copies[origin.parent] / origin.name, origin.read_text()
        if chance.random() < 0.2:
            spec, text = copies[CORPUS] / "generated.wf", program(Seeded(seed)).files["main.wf"]
        if spec.name != "generated.wf" and chance.random() < 0.2:
            data = mutated(origin, chance.choice(KINDS), chance)
        else:
            data = reformed(text, chance).encode()
        spec.write_bytes(data)
        try:
            found = disagreement(spec, most=1)
            verdicts[bool(errors(check_spec(spec)))] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed} of {origin.name}\n{data!r}") from error
        finally:
            spec.write_text(text)
        assert found is None, f"seed {seed} of {origin.name}: {found}\n{data.decode()}"
    # It would be no test if all were right, or all wrong.
    assert min(verdicts[True], verdicts[False]) > COUNT / PARTS / 10, verdicts
