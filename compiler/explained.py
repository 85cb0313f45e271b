"""Registers the page of every code of the compiler, for `wfc explain` and for the documentation.

The checks import `wfc.compiler.codes` alone, so that a check does not pay for these texts.
"""

from __future__ import annotations

from wfc.compiler import pages  # noqa: F401 - registers those of the passes
from wfc.compiler.check import pages_calls, pages_names, pages_project, pages_types
from wfc.dsl.codes import CODES, register

PAGES = (*pages_project.PAGES, *pages_names.PAGES, *pages_calls.PAGES, *pages_types.PAGES)
"""Code, title, explanation, a wrong example and the right one beside it."""

for _page in PAGES:
    if _page[0] not in CODES:
        register(*_page)
