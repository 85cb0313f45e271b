"""A statement as lines: on one where it fits, otherwise one item of a bracket on each line."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from wfc.dsl.spacing import CLOSE, OPEN, VALUE_END, Leaf, spaced
from wfc.dsl.tokens import Comment, Token

LINE_LENGTH = 100
"""Lines are broken where they would be longer, in characters."""

INDENT = "    "

_LISTS = VALUE_END | {"WAIT", "WITH", "AFTER", "IMPORT", "FOR"}
"""What stands before the parentheses of arguments, parameters, options and names."""


@dataclass
class Item:
    """What stands between two commas; `leading` and `trailing` are the comments round it."""

    nodes: list[Leaf | Group] = field(default_factory=list)
    leading: list[str] = field(default_factory=list)
    trailing: str = ""


@dataclass
class Group:
    """A pair of brackets. `comma` says that a comma stood before the closing one.

    `kind`: "list" takes a comma at its end; "subscript", "comprehension" and "parentheses" do not.
    """

    open: Leaf
    before: str
    items: list[Item] = field(default_factory=list)
    close: Leaf | None = None
    kind: str = "list"
    comma: bool = False
    opening: str = ""
    closing: list[str] = field(default_factory=list)

    forced: bool = False
    """Whether it is broken even where it would fit: for a comment, or a comma at the end."""

    flat: str = ""
    """All of it on one line."""


def comment_text(text: str) -> str:
    """A comment with a blank after its `#`."""
    body = text.lstrip("#")
    return (
        f"# {body}" if len(text) - len(body) == 1 and body[:1] not in ("", " ", "!", ":") else text
    )


def broken_into_lines(parts: list[Token | Comment], depth: int) -> list[str]:
    """The lines of a statement, with the comments that stand between its tokens."""
    return _render(_nested(parts), depth)


# ------------------------------------------------------------------------------------ nesting


def _nested(parts: list[Token | Comment]) -> list[Leaf | Group]:
    """The tokens with their brackets nested, and each comment where it can stay."""
    leaves = iter(spaced([part for part in parts if isinstance(part, Token)]))
    root: list[Leaf | Group] = []
    stack: list[Group] = []
    before = ""
    for part in parts:
        if isinstance(part, Comment):
            if stack:
                _place(stack[-1], comment_text(part.text), part.own_line)
            continue
        leaf = next(leaves)
        if leaf.type in CLOSE and stack:
            _finish(stack.pop(), leaf)
        elif leaf.type == "COMMA" and stack and not _between_targets(stack[-1]):
            stack[-1].items.append(Item())
        else:
            node = Group(leaf, before) if leaf.type in OPEN else leaf
            if stack:
                _add(stack[-1], node)
            else:
                root.append(node)
            if isinstance(node, Group):
                stack.append(node)
        before = leaf.type
    return root


def _add(group: Group, node: Leaf | Group) -> None:
    if not group.items:
        group.items.append(Item())
    item = group.items[-1]
    if item.nodes and item.trailing:
        # A comment in the middle of an item moves before it.
        item.leading.append(item.trailing)
        item.trailing = ""
    item.leading += group.closing
    group.closing = []
    item.nodes.append(node)


def _between_targets(group: Group) -> bool:
    """Whether a comma here stands between the names of a comprehension's `for`."""
    for node in reversed(group.items[-1].nodes if group.items else []):
        if isinstance(node, Leaf) and node.type in ("FOR", "IN"):
            return node.type == "FOR"
    return False


def _place(group: Group, text: str, own_line: bool) -> None:
    if own_line:
        group.closing.append(text)
    elif not group.items:
        if group.opening:
            group.closing.append(text)
        group.opening = group.opening or text
    else:
        after_comma = not group.items[-1].nodes
        item = group.items[-2] if after_comma else group.items[-1]
        if not item.trailing:
            item.trailing = text
        elif after_comma:
            group.closing.append(text)
        else:
            item.leading.append(item.trailing)
            item.trailing = text


def _finish(group: Group, close: Leaf) -> None:
    group.close = close
    if group.items and not group.items[-1].nodes:
        group.items.pop()
        group.comma = True
    alone = len(group.items) == 1
    if alone and any(isinstance(n, Leaf) and n.type == "FOR" for n in group.items[0].nodes):
        group.kind = "comprehension"
    elif group.open.type == "LSQB" and group.before in VALUE_END:
        group.kind = "subscript"
    elif group.open.type == "LPAR" and group.before not in _LISTS and alone:
        group.kind = "tuple" if group.comma else "parentheses"
    comments = group.opening or group.closing
    group.forced = (
        bool(comments)
        or (group.comma and group.kind == "list")
        or any(
            item.leading
            or item.trailing
            or any(isinstance(n, Group) and n.forced for n in item.nodes)
            for item in group.items
        )
    )
    inside = ",".join("".join(_gap(n) + _text(n) for n in item.nodes) for item in group.items)
    comma = "," if _keeps_comma(group) else ""
    group.flat = f"{group.open.text}{inside}{comma}{close.gap}{close.text}"


# ------------------------------------------------------------------------------------ layout


def _render(nodes: list[Leaf | Group], depth: int) -> list[str]:
    groups = [node for node in nodes if isinstance(node, Group) and (node.items or node.forced)]
    broken = [group for group in groups if group.forced]
    left = sorted((g for g in groups if not g.forced), key=lambda g: -len(_flat([g])))
    if not broken:
        flat = INDENT * depth + _flat(nodes)
        if not left or _fits(flat):
            return [flat]
        broken.append(left.pop(0))
    while True:
        lines, outer = _assembled(nodes, depth, broken)
        if not left or all(_fits(line) for line in outer):
            return lines
        broken.append(left.pop(0))


def _fits(line: str) -> bool:
    return all(len(part) <= LINE_LENGTH for part in line.split("\n"))


def _flat(nodes: list[Leaf | Group]) -> str:
    """The nodes on one line, without the blank before the first."""
    return "".join((_gap(node) if index else "") + _text(node) for index, node in enumerate(nodes))


def _gap(node: Leaf | Group) -> str:
    return node.open.gap if isinstance(node, Group) else node.gap


def _text(node: Leaf | Group) -> str:
    return node.flat if isinstance(node, Group) else node.text


def _keeps_comma(group: Group) -> bool:
    """Whether the comma at the end makes a tuple of what would else be one value."""
    return group.comma and len(group.items) == 1 and group.kind in ("tuple", "subscript")


def _assembled(
    nodes: list[Leaf | Group], depth: int, broken: list[Group]
) -> tuple[list[str], list[str]]:
    """All lines, and those of them that are not inside of a broken bracket."""
    lines: list[str] = []
    outer: list[str] = []
    current = INDENT * depth
    for index, node in enumerate(nodes):
        gap = _gap(node) if index else ""
        if not isinstance(node, Group) or not any(node is group for group in broken):
            current += gap + _flat([node])
            continue
        outer.append(current + gap + node.open.text)
        lines.append(outer[-1] + (f"  {node.opening}" if node.opening else ""))
        lines += _inside(node, depth + 1)
        assert node.close is not None
        current = INDENT * depth + node.close.text
    return [*lines, current], [*outer, current]


def _inside(group: Group, depth: int) -> list[str]:
    lines: list[str] = []
    prefix = INDENT * depth
    for index, item in enumerate(group.items):
        lines += [prefix + text for text in item.leading]
        for piece in _pieces(group, item):
            lines += _render(piece, depth)
        last = index == len(group.items) - 1
        if not last or group.kind == "list" or _keeps_comma(group):
            lines[-1] += ","
        if item.trailing:
            lines[-1] += f"  {item.trailing}"
    return lines + [prefix + text for text in group.closing]


def _pieces(group: Group, item: Item) -> list[list[Leaf | Group]]:
    """The parts of an item that take a line each: clauses of a comprehension, terms of a condition."""
    types = [node.type if isinstance(node, Leaf) else "" for node in item.nodes]
    if group.kind == "comprehension":
        first = types.index("FOR")
        cuts = [i for i, t in enumerate(types) if t == "FOR" or (t == "IF" and i > first)]
    elif group.kind == "parentheses" and "IF" not in types:
        word = "OR" if "OR" in types else "AND"
        cuts = [i for i, t in enumerate(types) if t == word]
    else:
        cuts = []
    edges = [0, *cuts, len(types)]
    return [item.nodes[a:b] for a, b in pairwise(edges) if a < b]
