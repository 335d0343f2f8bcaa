# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which task each process does next: the neighbour of its last one, as neighbours lie in the same files of a source."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Optional

_PARTS = 64
"""Light tasks are given out together, but never more than this part of a process's share."""
_MOST_TOGETHER = 32


class TaskOrder:
    """Each process goes through a stretch of its own. One that meets a task that is given out already begins in the
    middle of the heaviest stretch left, so that all end together."""

    def __init__(self, weights: Sequence[int], processes: int) -> None:
        """``weights`` are those of the tasks, which are called by their numbers from 0."""
        # A weight of 0 takes its time, too.
        self._sums = list(accumulate((weight + 1 for weight in weights), initial=0))
        self._light = self._sums[-1] // (processes * _PARTS)
        self._heavy = max(weights, default=0) + 1
        self._left = {0: len(weights)} if weights else {}
        """Start and end of the stretches that are not given out."""
        self._places: dict[int, int] = {}
        """Where each process goes on."""

    def take(self, process: int) -> range:
        """Return the tasks that a process does next, in their order; none when all are given out."""
        self._places.setdefault(process, -1)
        start = self._place(process)
        if start is None:
            return range(0)
        end = self._left.pop(start)
        stop = start + 1
        while stop < min(end, start + _MOST_TOGETHER) and self._sums[stop + 1] - self._sums[start] <= self._light:
            stop += 1
        if stop < end:
            self._left[stop] = end
        self._places[process] = stop
        return range(start, stop)

    def following(self, process: int) -> range:
        """Return the tasks that a process will most likely do after those that it has taken last."""
        place = self._places[process]
        end = min(self._left.get(place, place), place + _MOST_TOGETHER)
        # No more than that: it is fetched in vain if another process takes it.
        return range(place, bisect_right(self._sums, self._sums[place] + self._heavy, place, end + 1) - 1)

    def _place(self, process: int) -> Optional[int]:
        """Return where a process goes on, after having cut a stretch in two if it has none of its own."""
        place = self._places[process]
        if place in self._left or not self._left:
            return place if self._left else None
        start = max(self._left, key=lambda number: self._sums[self._left[number]] - self._sums[number])
        if start not in self._places.values():
            return start
        end = self._left[start]
        middle = bisect_left(self._sums, (self._sums[start] + self._sums[end]) / 2, start, end - 1)
        if middle > start:
            self._left[start], self._left[middle] = middle, end
        return middle
