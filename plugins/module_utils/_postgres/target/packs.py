# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Dividing what is sent to a server: a round trip for each item would take too long, all at once too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def in_packs(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield the items in packs of this size; the last one may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
