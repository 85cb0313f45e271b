"""The picture of a plan for Mermaid, which many viewers of Markdown draw."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler.emit.picture import Box, Cluster, picture
from wfc.plan.model import Plan

_SHAPES = {
    "call": ("[", "]"),
    "workflow": ("[[", "]]"),
    "expr": ("(", ")"),
    "wait": ("{{", "}}"),
    "exit": ("([", "])"),
    "join": ("((", "))"),
    "choice": ("{", "}"),
}


def mermaid(plan: Plan) -> str:
    """The plan as a Mermaid flowchart."""
    drawn = picture(plan)
    lines = ["flowchart TB"]
    for cluster in drawn.clusters:
        lines += _cluster(cluster, "  ")
    for start, end, what in drawn.arrows:
        arrow = "-.->" if what == "after" else "-->"
        label = f"|{_quoted(what)}|" if what else ""
        lines.append(f"  {start} {arrow}{label} {end}")
    lines.append("  classDef inplace stroke-width:3px")
    lines.append("  classDef unkept stroke-dasharray:4")
    return "\n".join(lines) + "\n"


def _cluster(cluster: Cluster, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph {cluster.key}[{_quoted(cluster.title)}]"
    for box in cluster.boxes:
        yield f"{indent}  {_box(box)}"
    for inner in cluster.clusters:
        yield from _cluster(inner, indent + "  ")
    yield f"{indent}end"


def _box(box: Box) -> str:
    left, right = _SHAPES[box.shape]
    name = "inplace" if box.inplace else "unkept" if not box.kept else ""
    return f"{box.key}{left}{_quoted(box.label)}{right}{':::' + name if name else ''}"


def _quoted(label: str) -> str:
    escaped = (
        label.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    )
    return '"' + escaped.replace("\n", " ") + '"'
