# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The memory that a process keeps after objects were freed."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
"""glibc's malloc.h."""
_LARGE = 2 << 20


def give_back_large_objects() -> None:
    """Have the C library return memory of objects of 2 MiB and more to the system as soon as they are freed.

    By itself glibc does so with the first one only, and then keeps what one of that size has taken: rows of 32 MiB
    would cost a process twice their memory. Forks inherit it; other libraries have no such threshold.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE)
