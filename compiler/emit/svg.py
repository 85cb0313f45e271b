"""The picture of a plan as SVG, drawn without any other program.

Text stands in a fixed-width font, so that what fits here fits in every viewer.
"""

from __future__ import annotations

import itertools
import textwrap
import unicodedata
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from wfc.compiler.emit.layout import HEAD, Layout, Point, Rect, layout
from wfc.compiler.emit.picture import Box, Cluster, Picture, picture
from wfc.plan.model import Plan

FONT, TITLE, LINE = 12.0, 11.5, 16.0
WRAP = 34
"""Characters after which a label goes on in the next line."""

ROW = 1100.0
"""Workflows stand beside each other up to this width, in pixels."""

MARGIN = 12.0

STYLE = """
svg.wfc { background: #fff; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas,
  "DejaVu Sans Mono", "Liberation Mono", monospace; font-size: 12px; }
.wfc text { fill: #0f172a; }
.wfc .title { font-size: 11.5px; fill: #334155; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.wfc .head { font-weight: bold; font-size: 13px; fill: #0f172a; }
.wfc .frame { stroke-width: 1; }
.wfc .workflow > .frame { fill: #fff; stroke: #94a3b8; }
.wfc .map > .frame { fill: #eff6ff; stroke: #60a5fa; }
.wfc .branch > .frame { fill: #fffbeb; stroke: #d97706; stroke-dasharray: 6 3; }
.wfc .arm > .frame { fill: #fff; fill-opacity: 0.7; stroke: #a8a29e; stroke-dasharray: 2 3; }
.wfc .finally > .frame { fill: #f8fafc; stroke: #64748b; stroke-dasharray: 2 3; }
.wfc .region > .frame { fill: #ecfdf5; stroke: #10b981; }
.wfc .shape { fill: #fff; stroke: #334155; stroke-width: 1.2; }
.wfc .expr > .shape { fill: #f1f5f9; stroke: #cbd5e1; }
.wfc .join > .shape { fill: #e2e8f0; stroke: #94a3b8; }
.wfc .wait > .shape, .wfc .choice > .shape { fill: #fef3c7; stroke: #b45309; }
.wfc .exit > .shape { fill: #e0e7ff; stroke: #4338ca; }
.wfc .inplace > .shape { stroke: #047857; stroke-width: 2.4; }
.wfc .unkept > .shape { stroke-dasharray: 4 3; }
.wfc .arrow { fill: none; stroke: #475569; stroke-width: 1.2; }
.wfc .after { stroke-dasharray: 4 3; }
.wfc .note { font-size: 10.5px; fill: #475569; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
"""


def svg(plan: Plan) -> str:
    """The plan as one SVG element, with its styles and a legend of what occurs in it."""
    return draw(picture(plan))


def draw(drawn: Picture) -> str:
    """A picture as SVG. Boxes and clusters carry their key as `data-key`."""
    placed = layout(drawn, _size, _title_width, ROW)
    legend = _legend(drawn)
    below = LINE + 14 if legend else 0.0
    width = max(placed.width, sum(_width(word) + 46 for _, word in legend)) + 2 * MARGIN
    height = placed.height + below + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wfc" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-MARGIN:g} {-MARGIN:g} {width:.0f} {height:.0f}" '
        'role="img" aria-label="workflow">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="wfc-tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0.8 8 4 0 7.2z" fill="#475569"/></marker></defs>',
    ]
    for cluster in drawn.clusters:
        parts += _cluster(cluster, placed)
    for (_, _, what), path in zip(drawn.arrows, placed.paths, strict=True):
        parts += _arrow(path, what)
    for cluster in drawn.clusters:
        parts += [_title(inner, placed) for inner in cluster.all_clusters()]
        parts += (line for box in cluster.all_boxes() for line in _box(box, placed.rects[box.key]))
    parts += _draw_legend(legend, placed.height + 14)
    return "\n".join([*parts, "</svg>"]) + "\n"


# ------------------------------------------------------------------------------------- measuring


def _width(text: str, font: float = FONT) -> float:
    """The width of a text: no fixed-width font is wider than 0.62 of its size."""
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return wide * font * 0.62


def _lines(label: str) -> list[str]:
    return textwrap.wrap(label, WRAP, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _size(box: Box) -> tuple[float, float]:
    lines = _lines(box.label)
    slant = 16.0 if box.shape in ("wait", "choice") else 0.0
    width = max(_width(line) for line in lines) + 20 + 2 * slant
    return max(width, 40.0), len(lines) * LINE + (8 if box.shape in ("expr", "join") else 14)


def _title_width(cluster: Cluster) -> float:
    return _width(cluster.title, 13.0 if cluster.kind == "workflow" else TITLE)


# --------------------------------------------------------------------------------------- drawing


def _cluster(cluster: Cluster, placed: Layout) -> Iterator[str]:
    rect = placed.rects[cluster.key]
    yield f'<g class="{cluster.kind}" data-key="{cluster.key}">'
    if cluster.kind == "map":  # one behind the other: there are many of them
        yield _frame(Rect(rect.x + 4, rect.y + 4, rect.width, rect.height))
    yield _frame(rect)
    for inner in cluster.clusters:
        yield from _cluster(inner, placed)
    yield "</g>"


def _title(cluster: Cluster, placed: Layout) -> str:
    """Over the arrows, which may pass below it."""
    rect = placed.rects[cluster.key]
    kind = "title head" if cluster.kind == "workflow" else "title"
    x, y = rect.x + 10, rect.y + HEAD - 8
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(cluster.title)}</text>'


def _frame(rect: Rect, radius: int = 6, kind: str = "frame") -> str:
    return (
        f'<rect class="{kind}" x="{rect.x:.1f}" y="{rect.y:.1f}" width="{rect.width:.1f}" '
        f'height="{rect.height:.1f}" rx="{radius}"/>'
    )


def _box(box: Box, rect: Rect) -> Iterator[str]:
    kinds = [box.shape, *(["inplace"] if box.inplace else []), *([] if box.kept else ["unkept"])]
    yield f'<g class="{" ".join(kinds)}" data-key="{box.key}">'
    if box.line:
        where = f"line {box.line}" + (f": {box.place}" if box.place else "")
        yield f"<title>{escape(where)}</title>"
    if box.shape in ("wait", "choice"):
        yield _hexagon(rect)
    else:
        radius = 3 if box.shape in ("call", "workflow") else min(12, int(rect.height / 2))
        yield _frame(rect, radius, "shape")
    if box.shape == "workflow":
        inner = Rect(rect.x + 3, rect.y + 3, rect.width - 6, rect.height - 6)
        yield _frame(inner, 2, "shape")
    lines = _lines(box.label)
    top = rect.y + rect.height / 2 - (len(lines) - 1) * LINE / 2 + 4
    for n, line in enumerate(lines):
        x, y = rect.x + rect.width / 2, top + n * LINE
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(line)}</text>'
    yield "</g>"


def _hexagon(rect: Rect) -> str:
    left, right, middle = rect.x, rect.x + rect.width, rect.y + rect.height / 2
    top, bottom = rect.y, rect.y + rect.height
    corners = [(left + 14, top), (right - 14, top), (right, middle), (right - 14, bottom),
               (left + 14, bottom), (left, middle)]  # fmt: skip
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon class="shape" points="{points}"/>'


def _arrow(path: list[Point], what: str) -> Iterator[str]:
    style = "arrow after" if what == "after" else "arrow"
    yield f'<path class="{style}" d="{_curve(path)}" marker-end="url(#wfc-tip)"/>'
    if what:
        x, y = path[-1]
        yield f'<text class="note" x="{x + 6:.1f}" y="{y - 8:.1f}">{escape(what)}</text>'


def _curve(path: list[Point]) -> str:
    """Straight down a lane, and in a curve from one lane to the next."""
    out = f"M{path[0][0]:.1f} {path[0][1]:.1f}"
    path = [path[0], *(b for a, b in itertools.pairwise(path) if a != b)]
    for (x1, y1), (x2, y2) in itertools.pairwise(path):
        if abs(x1 - x2) < 0.5:
            out += f"L{x2:.1f} {y2:.1f}"
        else:
            middle = (y1 + y2) / 2
            out += f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    return out


# ---------------------------------------------------------------------------------------- legend


def _legend(drawn: Picture) -> list[tuple[str, str]]:
    boxes = [box for cluster in drawn.clusters for box in cluster.all_boxes()]
    kinds = {c.kind for top in drawn.clusters for c in top.all_clusters()}
    found = (
        ("map", "a fan-out", "map" in kinds),
        ("branch", "a branch", "branch" in kinds),
        ("region", "in one process", "region" in kinds),
        ("inplace", "inplace", any(box.inplace for box in boxes)),
        ("unkept", "nocheckpoint", any(not box.kept for box in boxes)),
        ("workflow", "a workflow", any(box.shape == "workflow" for box in boxes)),
    )
    return [(kind, word) for kind, word, there in found if there]


def _draw_legend(legend: list[tuple[str, str]], y: float) -> Iterator[str]:
    x = 0.0
    for kind, word in legend:
        part = "frame" if kind in ("map", "branch", "region") else "shape"
        yield f"<g class={quoteattr(kind)}>{_frame(Rect(x, y, 20, 12), 3, part)}</g>"
        yield f'<text class="note" x="{x + 26:.1f}" y="{y + 10:.1f}">{escape(word)}</text>'
        x += _width(word) + 46
