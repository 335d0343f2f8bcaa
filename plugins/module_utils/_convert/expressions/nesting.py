# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Room for nested expressions: CockroachDB writes ``a OR b OR c`` as ``(a OR b) OR c``, and sqlglot's parser calls
itself some twenty times for each pair of parentheses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CALLS = 10000
"""Enough for over 400 levels; Python 3.9 keeps as many calls in a stack of 8 MB, the usual size."""


@contextmanager
def room_for_nesting() -> Iterator[None]:
    """Context manager and decorator: Python allows as many nested calls as deep expressions need."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _CALLS))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
