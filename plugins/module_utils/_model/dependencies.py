# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The order in which objects are made that depend on each other."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

_T = TypeVar("_T", bound=Hashable)


def in_order(needs: Mapping[int, Iterable[int]]) -> list[int]:
    """Return the keys of ``needs`` sorted so that each comes after the keys that it needs; among several possible ones
    the lowest comes first.

    In a circle (routines may call each other) the dependency on its lowest number is ignored.
    """
    graph = {number: {other for other in others if other in needs} for number, others in sorted(needs.items())}
    sorter = _sorter_without_circles(graph)
    result: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
        result.append(heapq.heappop(ready))
        sorter.done(result[-1])
    return result


def in_groups(needs: Mapping[_T, Iterable[_T]]) -> list[set[_T]]:
    """Return the keys of ``needs`` in groups, each of which needs earlier groups only. Keys in a circle, and keys that
    need one of those, are in no group. Everything that is needed must be a key."""
    sorter = TopologicalSorter(needs)
    with contextlib.suppress(CycleError):  # the sorter gives what does not wait for it
        sorter.prepare()
    groups: list[set[_T]] = []
    while ready := sorter.get_ready():
        groups.append(set(ready))
        sorter.done(*ready)
    return groups


def _sorter_without_circles(graph: dict[int, set[int]]) -> TopologicalSorter[int]:
    while True:
        sorter = TopologicalSorter(graph)
        try:
            sorter.prepare()
        except CycleError as error:
            circle = error.args[1]  # each number is needed by the following one; the last one is the first one again
            lowest = circle.index(min(circle))
            graph[circle[lowest + 1]].remove(circle[lowest])
        else:
            return sorter
