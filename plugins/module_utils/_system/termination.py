# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Ending a run that SIGTERM stops in the same way as one that Ctrl-C stops."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def ends_by_exception() -> Iterator[None]:
    """Context manager for the main thread: SIGTERM raises SystemExit in the block, so that what the block has begun
    elsewhere is ended with it."""
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
