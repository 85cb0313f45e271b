"""Where the boxes, clusters and arrows of a picture go: layers from top to bottom, cluster by cluster.

Each cluster is laid out by itself, inner ones first, and stands in the one around it as one wide box.
An arrow that passes layers or borders gets a lane of its own there, so that none runs over a box.
Layers are by the longest path, the order within them by barycentres, and places within that order by
least squares. See Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures" (1981).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from wfc.compiler.emit.picture import Box, Cluster, Picture

GAP_X, GAP_Y, LANE, PAD, HEAD = 22.0, 34.0, 10.0, 14.0, 24.0
"""Between neighbours, between layers, beside an arrow's lane, inside a cluster, and for its title."""

SWEEPS = 12

Point: TypeAlias = tuple[float, float]
Size: TypeAlias = tuple[float, float]


@dataclass(slots=True)
class Rect:
    """A place on the canvas, in pixels from its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Layout:
    """Where things are: boxes and clusters by key, and for each arrow the ends of its straight parts."""

    rects: dict[str, Rect]
    paths: list[list[Point]]
    width: float
    height: float


@dataclass(slots=True)
class _Item:
    """A box, a cluster or an arrow's lane in a layer; `ports` tell where arrows meet it, if not in
    the middle."""

    key: str
    width: float
    height: float
    ports: dict[int, float] = field(default_factory=dict)
    x: float = 0.0
    layer: int = 0

    def port(self, arrow: int) -> float:
        """Where this arrow meets it, from its left side."""
        return self.ports.get(arrow, self.width / 2)


@dataclass(slots=True)
class _Block:
    """A cluster that is laid out. `lanes` are, by arrow, the items that it passes, top to bottom;
    `tops` and `heights` are those of its layers."""

    cluster: Cluster
    items: dict[str, _Item]
    lanes: dict[int, list[_Item]]
    ends: dict[int, tuple[_Item | None, _Item | None]]
    tops: list[float] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def layout(
    picture: Picture, size: Callable[[Box], Size], title: Callable[[Cluster], float], row: float
) -> Layout:
    """Lay a picture out; `size` and `title` measure what is written, `row` is the width to fill."""
    placer = _Placer(picture, size, title)
    x = y = depth = width = 0.0
    for cluster in picture.clusters:
        block = placer.arrange(cluster)
        if x and x + block.width > row:
            x, y, depth = 0.0, y + depth + GAP_Y, 0.0
        placer.put(block, x, y, 0)
        width, depth = max(width, x + block.width), max(depth, block.height)
        x += block.width + GAP_X
    return Layout(placer.rects, placer.paths(), width, y + depth)


class _Placer:
    def __init__(
        self, picture: Picture, size: Callable[[Box], Size], title: Callable[[Cluster], float]
    ) -> None:
        self.arrows = picture.arrows
        self.size = size
        self.title = title
        self.blocks: dict[str, _Block] = {}
        self.rects: dict[str, Rect] = {}
        self._pieces: dict[int, list[tuple[int, list[Point]]]] = {}

    # ------------------------------------------------------------------ one cluster

    def arrange(self, cluster: Cluster) -> _Block:
        """Lay out a cluster and all in it, without saying where it stands."""
        items = {box.key: _Item(box.key, *self.size(box)) for box in cluster.boxes}
        home = {box.key: box.key for box in cluster.boxes}
        for inner in cluster.clusters:
            block = self.arrange(inner)
            ports = {i: self._crossing(block, i) for i in block.lanes if None in block.ends[i]}
            items[inner.key] = _Item(inner.key, block.width, block.height, ports)
            home.update((box.key, inner.key) for box in inner.all_boxes())
        ends = {}
        for i, (start, end, _) in enumerate(self.arrows):
            a, b = home.get(start), home.get(end)
            if (a or b) and a != b:
                ends[i] = (items[a] if a else None, items[b] if b else None)
        block = _Block(cluster, items, {}, ends)
        self.blocks[cluster.key] = block
        layers = _lanes(block, _layers(block))
        _order(layers, block)
        _places(layers, block)
        self._measure(block, layers)
        return block

    @staticmethod
    def _crossing(block: _Block, arrow: int) -> float:
        """Where an arrow crosses the border of a cluster, from the cluster's left side."""
        start, _ = block.ends[arrow]
        lane = block.lanes[arrow]
        item = lane[0] if start is None else lane[-1]
        return item.x + item.port(arrow)

    def _measure(self, block: _Block, layers: list[list[_Item]]) -> None:
        left = min((item.x for layer in layers for item in layer), default=0.0)
        for layer in layers:
            for item in layer:
                item.x += PAD - left
        right = max((item.x + item.width for layer in layers for item in layer), default=0.0)
        block.width = max(right + PAD, self.title(block.cluster) + 2 * PAD)
        shift = (block.width - right - PAD) / 2
        y = HEAD + PAD / 2
        for layer in layers:
            for item in layer:
                item.x += shift
            height = max((item.height for item in layer), default=0.0)
            block.tops.append(y)
            block.heights.append(height)
            y += height + GAP_Y
        block.height = y - GAP_Y + PAD if layers else HEAD + PAD

    # ------------------------------------------------------------------ on the canvas

    def put(self, block: _Block, x: float, y: float, depth: int) -> None:
        """Put a cluster and all in it at its place."""
        self.rects[block.cluster.key] = Rect(x, y, block.width, block.height)
        for key, item in block.items.items():
            top = y + block.tops[item.layer]
            spare = block.heights[item.layer] - item.height
            top += spare / 2
            if key in self.blocks:
                self.put(self.blocks[key], x + item.x, top, depth + 1)
            else:
                self.rects[key] = Rect(x + item.x, top, item.width, item.height)
        for arrow, lane in block.lanes.items():
            start, end = block.ends[arrow]
            points: list[Point] = []
            for item in lane:
                across = x + item.x + item.port(arrow)
                top = y + block.tops[item.layer]
                points += [(across, top)] if item is not start else []
                points += [(across, top + block.heights[item.layer])] if item is not end else []
            # From the innermost cluster outwards, over the one that holds both ends, and inwards again.
            rank = -depth if end is None else depth if start is None else 0
            self._pieces.setdefault(arrow, []).append((rank, points))

    def paths(self) -> list[list[Point]]:
        """Each arrow from the border of its first box to that of its last."""
        out = []
        for i, (start, end, _) in enumerate(self.arrows):
            a, b = self.rects[start], self.rects[end]
            points = [p for _, piece in sorted(self._pieces.get(i, [])) for p in piece]
            first, last = (a.x + a.width / 2, a.y + a.height), (b.x + b.width / 2, b.y)
            out.append([first, *points, last])
        return out


# -------------------------------------------------------------------------------- layers, orders


def _layers(block: _Block) -> list[list[_Item]]:
    """The items by the longest path that leads to each; one that feeds only one stands close to it."""
    after: dict[str, list[str]] = {key: [] for key in block.items}
    before: dict[str, list[str]] = {key: [] for key in block.items}
    for start, end in block.ends.values():
        if start is not None and end is not None:
            after[start.key].append(end.key)
            before[end.key].append(start.key)
    missing = {key: len(given) for key, given in before.items()}
    ready = [key for key, count in missing.items() if not count]
    done: list[str] = []
    while ready:
        key = ready.pop(0)
        done.append(key)
        for follower in after[key]:
            missing[follower] -= 1
            block.items[follower].layer = max(
                block.items[follower].layer, block.items[key].layer + 1
            )
            if not missing[follower]:
                ready.append(follower)
    entered = {end.key for start, end in block.ends.values() if start is None and end is not None}
    for key in reversed(done):
        if after[key] and not before[key] and key not in entered:
            block.items[key].layer = min(block.items[k].layer for k in after[key]) - 1
    lowest = max((item.layer for item in block.items.values()), default=0)
    for inner in block.cluster.clusters:
        if inner.kind == "finally":
            block.items[inner.key].layer = lowest + 1
    layers: list[list[_Item]] = [
        [] for _ in range(1 + max((i.layer for i in block.items.values()), default=-1))
    ]
    for item in block.items.values():
        layers[item.layer].append(item)
    return layers


def _lanes(block: _Block, layers: list[list[_Item]]) -> list[list[_Item]]:
    """Give each arrow its lane: an item in every layer that it passes."""
    for i, (start, end) in block.ends.items():
        first = start.layer + 1 if start is not None else 0
        last = end.layer if end is not None else len(layers)
        lane = [] if start is None else [start]
        for layer in range(first, last):
            item = _Item(f"{i}@{layer}", LANE, 0.0, layer=layer)
            layers[layer].append(item)
            lane.append(item)
        block.lanes[i] = lane if end is None else [*lane, end]
    return layers


def _neighbours(block: _Block) -> dict[str, tuple[list[_Link], list[_Link]]]:
    """Of each item, what it is tied to above and below."""
    out: dict[str, tuple[list[_Link], list[_Link]]] = {}
    for i, lane in block.lanes.items():
        for upper, lower in itertools.pairwise(lane):
            out.setdefault(lower.key, ([], []))[0].append((upper, lower.port(i), upper.port(i)))
            out.setdefault(upper.key, ([], []))[1].append((lower, upper.port(i), lower.port(i)))
    return out


_Link: TypeAlias = tuple[_Item, float, float]
"""The neighbour, where the arrow meets the item itself, and where it meets the neighbour."""


def _order(layers: list[list[_Item]], block: _Block) -> None:
    """Order each layer so that few arrows cross: barycentres, down and up; the best order wins."""
    ties = _neighbours(block)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, ties)
    for sweep in range(SWEEPS):
        side = sweep % 2
        for layer in layers if side == 0 else reversed(layers):
            place = {item.key: n for around in layers for n, item in enumerate(around)}

            def wish(item: _Item, side: int = side, place: dict[str, int] = place) -> float:
                links = ties.get(item.key, ([], []))[side]
                if not links:
                    return float(place[item.key])
                return sum(place[o.key] + there / max(o.width, 1.0) for o, _, there in links) / len(
                    links
                )

            layer.sort(key=wish)
        found = _crossings(layers, ties)
        if found < fewest:
            best, fewest = [list(layer) for layer in layers], found
    layers[:] = best


def _crossings(layers: list[list[_Item]], ties: dict[str, tuple[list[_Link], list[_Link]]]) -> int:
    count = 0
    for upper, lower in itertools.pairwise(layers):
        place = {item.key: n for n, item in enumerate(lower)}
        ends: list[float] = []
        for item in upper:
            links = ties.get(item.key, ([], []))[1]
            given = sorted(
                (here, place[o.key] + there / max(o.width, 1.0)) for o, here, there in links
            )
            ends += [end for _, end in given]
        count += sum(a > b for n, a in enumerate(ends) for b in ends[n + 1 :])
    return count


# ---------------------------------------------------------------------------------------- places


def _places(layers: list[list[_Item]], block: _Block) -> None:
    """Put the items where their arrows are short, in the order that is given."""
    ties = _neighbours(block)
    for layer in layers:
        _spread(layer, [None] * len(layer))
    for sweep in range(2 * SWEEPS):
        side = sweep % 2
        for layer in layers if side == 0 else reversed(layers):
            wishes: list[float | None] = []
            for item in layer:
                above, below = ties.get(item.key, ([], []))
                links = (above or below) if side == 0 else (below or above)
                if sweep >= SWEEPS:
                    links = above + below
                at = [other.x + there - here for other, here, there in links]
                wishes.append(sum(at) / len(at) if at else None)
            _spread(layer, wishes)


def _spread(layer: list[_Item], wishes: list[float | None]) -> None:
    """Place the items of a layer, from left to right, as near to the wishes as their widths allow:
    the least squares, by pooling adjacent violators. What has no wish stays near the others."""
    known = [wish for wish in wishes if wish is not None]
    middle = sum(known) / len(known) if known else 0.0
    offsets, at = [], 0.0
    for n, item in enumerate(layer):
        offsets.append(at)
        after = layer[n + 1] if n + 1 < len(layer) else item
        at += item.width + (GAP_X if item.height and after.height else LANE)
    pools: list[tuple[float, float, int]] = []  # mean, weight and number of what moves together
    for wish, offset in zip(wishes, offsets, strict=True):
        weight = 0.01 if wish is None else 1.0
        mean, number = (middle if wish is None else wish) - offset, 1
        while pools and pools[-1][0] > mean:
            other, more, count = pools.pop()
            mean = (mean * weight + other * more) / (weight + more)
            weight, number = weight + more, number + count
        pools.append((mean, weight, number))
    places = (mean for mean, _, number in pools for _ in range(number))
    for item, mean, offset in zip(layer, places, offsets, strict=True):
        item.x = mean + offset
