# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Starting work as soon as everything that it needs has ended, the heaviest first."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from graphlib import TopologicalSorter
from typing import Any, Callable, TypeVar

Node = TypeVar("Node", bound=Hashable)


def run_by_needs(
    needs: Mapping[Node, Iterable[Node]],
    start: Callable[[Node], Future[Any]],
    weight: Callable[[Node], int],
    slots: int,
) -> Iterator[tuple[Node, Any]]:
    """Yield every node with its result as it ends; ``needs`` are the nodes that must have ended before a node begins.

    At most ``slots`` nodes are at work at a time. After the first error, which is raised, no further node is started.
    """
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    ready: list[tuple[int, int, Node]] = []
    order = itertools.count()
    running: dict[Future[Any], Node] = {}
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, (-weight(node), next(order), node))
        while ready and len(running) < slots:
            _weight, _order, node = heapq.heappop(ready)
            running[start(node)] = node
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            node = running.pop(future)
            result = future.result()
            sorter.done(node)
            yield node, result
