"""The picture as SVG: what is in what, nothing over anything else, and every label within its box."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import ROOT
from wfc.compiler import compile_spec
from wfc.compiler.emit import emit
from wfc.compiler.emit.layout import Rect, layout
from wfc.compiler.emit.picture import Cluster, Picture, picture
from wfc.compiler.emit.svg import ROW, _lines, _size, _title_width, _width
from wfc.plan.model import Plan

EXAMPLES = sorted(ROOT.glob("examples/*/*.wf"))

RICH = """
from work import plan, fetch, clean, load, train, score, notify, publish, cleanup, page

workflow main(day: str, limit: int = 10, fast: bool = False):
    tables = plan(day)
    raw = [clean(fetch(t, day), limit=limit) for t in tables if t != "the one that is too large for all"]
    sizes = {t: load(t, day=day) for t in tables}
    if limit > 100 and not fast:
        model = train(raw)
        best = [[score(model, r, k) for k in range(3)] for r in raw]
    elif fast:
        model = train(raw[:3])
        best = [[score(model, raw[0], 0)]]
    else:
        model, best = [], []
    ok = catch publish(model, best, sizes)
    if not ok.ok:
        notify(ok.error)
        return fetch("nothing", day)
    approval = receive("approval", timeout=2d)
    sleep(5s)
    first, rest = wait(50% of raw, timeout=1m)
    done = ship(model, day, approval) after (approval)
    page(done, first)
    cancel(rest)
    return done
finally:
    cleanup(day)

workflow ship(model: Any, day: str, approval: Any):
    s = inplace load(model, day=day)
    t = inplace score(s, day, 1)
    if approval == "no":
        fail(f"refused <{day}> & \\"more\\"")
    continuation ship(t, day, approval)

workflow unused(day: str):
    return plan(day)
"""


NAMES = "plan, fetch, clean, load, train, score, notify, publish, cleanup, page, f, g, h"
WORK = "".join(f"def {name}(*args, **kwargs): ...\n" for name in NAMES.split(", "))


def plan_of(path: Path) -> Plan:
    done = compile_spec(path)
    assert done.plan is not None, done.diagnostics
    return done.plan


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rich") / "flow.wf"
    path.write_text(RICH)
    (path.parent / "work.py").write_text(WORK)
    return path


@pytest.fixture(params=[*(p.stem for p in EXAMPLES), "rich"])
def plan(request: pytest.FixtureRequest, rich: Path) -> Plan:
    return plan_of(next((p for p in EXAMPLES if p.stem == request.param), rich))


def inside(inner: Rect, outer: Rect) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width + 0.1
        and inner.y + inner.height <= outer.y + outer.height + 0.1
    )


def apart(a: Rect, b: Rect) -> bool:
    return (
        a.x + a.width <= b.x + 0.1
        or b.x + b.width <= a.x + 0.1
        or a.y + a.height <= b.y + 0.1
        or b.y + b.height <= a.y + 0.1
    )


def check_nesting(cluster: Cluster, rects: dict[str, Rect]) -> None:
    own = [*(b.key for b in cluster.boxes), *(c.key for c in cluster.clusters)]
    assert all(inside(rects[key], rects[cluster.key]) for key in own)
    assert all(apart(rects[a], rects[b]) for a, b in itertools.combinations(own, 2))
    for inner in cluster.clusters:
        check_nesting(inner, rects)


def lanes_cross(
    drawn: Picture, rects: dict[str, Rect], paths: list[list[tuple[float, float]]]
) -> list[str]:
    """The arrows of which a straight part runs over a box that is none of its ends."""
    found = []
    boxes = [b for c in drawn.clusters for b in c.all_boxes()]
    for (start, end, _), path in zip(drawn.arrows, paths, strict=True):
        for (x1, y1), (x2, y2) in itertools.pairwise(path):
            for box in boxes:
                r = rects[box.key]
                over = r.x < x1 < r.x + r.width and y1 < r.y + r.height - 1 and y2 > r.y + 1
                if x1 == x2 and box.key not in (start, end) and over:
                    found.append(f"{start} -> {end} over {box.label}")
    return found


def test_nothing_overlaps(plan: Plan) -> None:
    drawn = picture(plan)
    placed = layout(drawn, _size, _title_width, ROW)
    for cluster in drawn.clusters:
        check_nesting(cluster, placed.rects)
    tops = [placed.rects[c.key] for c in drawn.clusters]
    assert all(apart(a, b) for a, b in itertools.combinations(tops, 2))
    assert lanes_cross(drawn, placed.rects, placed.paths) == []
    assert all(path[0][1] < path[-1][1] for path in placed.paths), "all arrows point down"


def test_labels_fit(plan: Plan) -> None:
    drawn = picture(plan)
    placed = layout(drawn, _size, _title_width, ROW)
    for top in drawn.clusters:
        for box in top.all_boxes():
            assert max(map(_width, _lines(box.label))) + 16 <= placed.rects[box.key].width
        for cluster in top.all_clusters():
            assert _title_width(cluster) + 16 <= placed.rects[cluster.key].width


def test_it_is_whole_and_the_same_each_time(plan: Plan) -> None:
    from wfc.compiler.emit.svg import svg

    text = svg(plan)
    assert svg(plan) == text
    root = ET.fromstring(text)
    drawn = picture(plan)
    keys = {b.key for c in drawn.clusters for b in c.all_boxes()}
    keys |= {c.key for top in drawn.clusters for c in top.all_clusters()}
    assert {e.get("data-key") for e in root.iter() if e.get("data-key")} == keys
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\((?!#)", text)


def test_what_is_drawn_as_what(rich: Path) -> None:
    drawn = picture(plan_of(rich))
    assert [c.title for c in drawn.clusters] == [
        "main(day, limit, fast)",
        "ship(model, day, approval)",
    ], "the entry, and what it reaches"
    kinds = [c.kind for top in drawn.clusters for c in top.all_clusters()]
    assert [kinds.count(k) for k in ("map", "branch", "region", "finally")] == [4, 3, 1, 1]
    boxes = {b.label: b for c in drawn.clusters for b in c.all_boxes()}
    assert boxes["done: ship"].shape == "workflow"
    assert boxes["wait 50% of raw"].shape == "wait"
    assert boxes["t: score"].inplace
    assert boxes["clean"].place == "raw[*]/clean"
    assert boxes["sleep 5.0 s"].shape == "wait"
    assert 'fail f"refused <{day}> & \\"more\\""' in boxes


def test_the_command_writes_it(rich: Path) -> None:
    shown = emit(compile_spec(rich), "svg")
    assert "refused &lt;{day}&gt; &amp;" in shown


def test_a_region_that_something_stands_between_is_no_box(tmp_path: Path) -> None:
    path = tmp_path / "flow.wf"
    path.write_text(
        "from work import f, g, h\n\nworkflow main(n: int):\n    a = f(n)\n    b = inplace g(a)\n"
        "    c = h(b)\n    d = inplace g(b, c)\n    return d\n"
    )
    (tmp_path / "work.py").write_text(WORK)
    drawn = picture(plan_of(path))
    check_nesting(drawn.clusters[0], layout(drawn, _size, _title_width, ROW).rects)
    assert [b.inplace for b in drawn.clusters[0].all_boxes()].count(True) == 2
