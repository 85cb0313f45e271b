"""Checkpoint placement: what is not kept.

Needed for what a program means. `nocheckpoint` round a call of a workflow is kept on that call: the
frame inherits it, so that the same workflow may be called with and without. Stands behind inlining,
which has to hand it down to the calls that it puts in place.
"""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.explain import Notes


def place_checkpoints(program: ir.Program, notes: Notes) -> None:
    """Say which results are not kept, and which are waited for."""
    for workflow in program.workflows.values():
        for block in workflow.blocks():
            for node in ir.walk(block):
                if not isinstance(node, ir.Target) or node.checkpoint is True:
                    continue
                if node.checkpoint == "sync":
                    notes.did(f"wait for the checkpoint of `{node.id}` before going on", node.span)
                elif node.callee == "workflow":
                    what = f"the result of `{node.id}` nor of any step of `{node.target}`"
                    notes.left(f"keep {what}", node.span)
                else:
                    notes.left(
                        f"keep the result of `{node.id}`: made again if it is needed", node.span
                    )
