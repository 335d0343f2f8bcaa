# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Each task is done once, by a process that goes on to its neighbour, and no process is idle while another has much left."""
from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.task_order import TaskOrder


def play(weights, processes):
    """Return the batches of each process in their order, and when each process has ended, a weight of 1 taking 1."""
    order = TaskOrder(weights, processes)
    done = {number: [] for number in range(processes)}
    ends = [0] * processes
    due = [(0, number) for number in range(processes)]
    while due:
        now, number = heapq.heappop(due)
        batch = order.take(number)
        if batch:
            done[number].append(batch)
            ends[number] = now + sum(weights[task] for task in batch)
            heapq.heappush(due, (ends[number], number))
    return done, ends


@given(st.lists(st.integers(0, 10**7), max_size=300), st.integers(1, 9))
def test_each_task_is_done_once_and_all_end_together(weights, processes):
    done, ends = play(weights, processes)
    tasks = [task for batches in done.values() for batch in batches for task in batch]
    assert sorted(tasks) == list(range(len(weights)))
    most = max(max(weights, default=0), sum(weights) // (processes * 64))
    assert max(ends, default=0) - min(ends, default=0) <= most + 1


def test_a_process_goes_on_with_the_neighbour():
    done, _ends = play([1000] * 1000, 4)
    for batches in done.values():
        jumps = sum(first[-1] + 1 != second[0] for first, second in zip(batches, batches[1:]))
        assert len(batches) > 50 and jumps <= 10


def test_light_tasks_are_given_out_together_and_heavy_ones_alone():
    order = TaskOrder([5_000_000, *[1] * 100, 5_000_000], 2)
    assert [order.take(0), order.following(0)] == [range(1), range(1, 33)]
    assert order.take(0) == range(1, 33)
    assert order.following(0) == range(33, 65)


def test_what_follows_is_unknown_once_another_has_it():
    order = TaskOrder([1, 1, 1], 2)
    assert (order.take(0), order.following(0)) == (range(1), range(1, 2))
    assert order.take(1) == range(2, 3)
    assert (list(order.following(1)), order.following(0)) == ([], range(1, 2))
    assert order.take(1) == range(1, 2)
    assert not order.following(0) and not order.take(0)
    assert not TaskOrder([], 3).take(0)
