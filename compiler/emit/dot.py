"""The picture of a plan for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler.emit.picture import Box, Cluster, picture
from wfc.plan.model import Plan

_SHAPES = {
    "call": "box",
    "workflow": "box3d",
    "expr": "plaintext",
    "wait": "hexagon",
    "exit": "oval",
    "join": "ellipse",
    "choice": "diamond",
}
_STYLES = {
    "workflow": 'style="rounded"',
    "map": 'style="rounded,filled" fillcolor="#eef4ff" peripheries=2',
    "branch": 'style="dashed"',
    "arm": 'style="dotted"',
    "finally": 'style="dotted"',
    "region": 'style="filled" fillcolor="#f1f8ec"',
}


def dot(plan: Plan) -> str:
    """The plan in the language of `dot`."""
    drawn = picture(plan)
    lines = ["digraph wfc {", '  rankdir="TB"; compound=true; fontname="sans-serif";']
    lines.append('  node [fontname="sans-serif"]; edge [fontname="sans-serif"];')
    for cluster in drawn.clusters:
        lines += _cluster(cluster, "  ")
    for start, end, what in drawn.arrows:
        style = ", style=dashed" if what == "after" else ""
        label = f" [label={_quoted(what)}{style}]" if what else ""
        lines.append(f"  {start} -> {end}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _cluster(cluster: Cluster, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph cluster_{cluster.key} {{"
    yield f"{indent}  label={_quoted(cluster.title)}; {_STYLES[cluster.kind]};"
    for box in cluster.boxes:
        yield f"{indent}  {_box(box)}"
    for inner in cluster.clusters:
        yield from _cluster(inner, indent + "  ")
    yield f"{indent}}}"


def _box(box: Box) -> str:
    styles = [name for name, on in (("bold", box.inplace), ("dashed", not box.kept)) if on]
    style = f' style="{",".join(styles)}"' if styles else ""
    return f"{box.key} [label={_quoted(box.label)} shape={_SHAPES[box.shape]}{style}];"


def _quoted(label: str) -> str:
    escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
