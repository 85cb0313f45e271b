"""Which box of the picture a task belongs to."""

from __future__ import annotations

from wfc.compiler.emit.picture import Box, Picture
from wfc.history import without_indices


class Places:
    """Finds the boxes of tasks by their ids. Tasks that another task returned belong to its box."""

    def __init__(self, drawn: Picture, entry: str) -> None:
        self._entry = entry
        self._boxes: dict[str, dict[str, Box]] = {}
        self._follow: dict[str, list[str]] = {}
        for cluster in drawn.clusters:
            name = cluster.place
            # Names of expressions may stand in another arm of a branch as names of calls.
            calls = ("call", "workflow", "exit")
            boxes = [box for box in cluster.all_boxes() if box.place and box.shape in calls]
            self._boxes[name] = {box.place: box for box in boxes}
            self._follow[name] = [
                box.workflow for box in boxes if box.shape == "exit" and box.workflow
            ]
        self._known: dict[str, str | None] = {}

    def key(self, task: str) -> str | None:
        """The key of the box of a task, `None` where there is none."""
        pattern = without_indices(task)
        if pattern not in self._known:
            head, _, rest = pattern.partition("/")
            self._known[pattern] = self._find(self._entry, head.endswith("~*"), rest.split("/"))
        return self._known[pattern]

    def _find(self, workflow: str, hopped: bool, parts: list[str]) -> str | None:
        """Where a path leads in a frame that began with a workflow, and may have gone on with others."""
        for name in self._reached(workflow) if hopped else [workflow]:
            boxes = self._boxes.get(name, {})
            for count in range(len(parts), 0, -1):
                last = parts[count - 1]
                here = "/".join([*parts[: count - 1], last.removesuffix("~*")])
                box = boxes.get(here)
                if box is None:
                    continue
                rest = parts[count:]
                deeper = None
                if rest and box.workflow:
                    deeper = self._find(box.workflow, last.endswith("~*"), rest)
                return deeper or box.key
        return None

    def _reached(self, workflow: str) -> list[str]:
        found = [workflow]
        for name in found:
            found += [n for n in self._follow.get(name, []) if n not in found]
        return found
