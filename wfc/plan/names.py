"""What names of runs and signals look like."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""A name, as a whole."""

IN_WORDS = "1 to 128 letters, digits, '.', '_' and '-' (ASCII), the first a letter or a digit"
