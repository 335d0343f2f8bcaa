# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The merge of a backup's layers gives each key once, of the stream that wins, whatever the batches are; small batches are joined."""
from __future__ import annotations

import random

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.mvcc import larger_batches, merge


def batches(chosen, rows):
    """Rows, sorted by key, as batches of columns; some have no row."""
    while rows:
        size = chosen.choice([0, 1, 2, 7, 100])
        if size:
            yield tuple(map(list, zip(*rows[:size])))
        else:
            yield tuple([] for _column in rows[0])
        rows = rows[size:]


@pytest.mark.parametrize("versions", [False, True])
@pytest.mark.parametrize("streams", [0, 1, 2, 3, 12])
def test_random_streams(streams, versions):
    chosen = random.Random(streams)
    for _ in range(60):
        most = chosen.choice([5, 40, 1000])
        content = []
        for number in range(streams):
            keys = sorted({b"%04d" % chosen.randrange(most) for _ in range(chosen.choice([0, 1, 30, 200]))})
            content.append([(key, *([b"%d" % chosen.randrange(4)] if versions else []), b"%d" % number) for key in keys])
        wanted: dict = {}
        for rows in content:
            for row in rows:
                if row[0] not in wanted or (versions and row[1] > wanted[row[0]][1]):
                    wanted[row[0]] = row
        merged = list(merge([batches(chosen, rows) for rows in content]))
        assert all(len({len(column) for column in batch}) == 1 and batch[0] for batch in merged)
        assert [row for batch in merged for row in zip(*batch)] == [wanted[key] for key in sorted(wanted)]


def test_a_run_of_one_stream_is_passed_on_whole():
    long = [b"%04d" % number for number in range(1000)]
    first, second = (long, long), ([b"2", b"3"], [b"x", b"y"])
    assert list(merge([iter([second]), iter([first])])) == [(long, long), ([b"2", b"3"], [b"x", b"y"])]


@pytest.mark.parametrize(("sizes", "joined"), [
    ([1, 1, 1], [3]), ([4, 4, 4], [12]), ([9, 9], [18]), ([3, 12, 1], [3, 12, 1]), ([12], [12]), ([], []), ([6] * 5, [12, 12, 6]),
])
def test_small_batches_are_joined(sizes, joined):
    numbers = iter(range(1000))
    parts = [[b"%08d" % next(numbers) for _ in range(size)] for size in sizes]
    found = list(larger_batches(((keys, keys) for keys in parts), 10, 1 << 20))
    assert [len(keys) for keys, _values in found] == joined
    assert [key for keys, _values in found for key in keys] == [key for keys in parts for key in keys] == [value for _keys, values in found for value in values]


def test_large_values_are_not_joined():
    half = ([b"0"], [b"x" * 25])
    assert list(larger_batches([half, half], 10, 50)) == [half, half]
    large = ([b"2"], [b"x" * 100])
    assert list(larger_batches([([b"1"], [b"v"]), large, ([b"3"], [b"w"]), ([b"4"], [b"w"])], 10, 50)) == [([b"1"], [b"v"]), large, ([b"3", b"4"], [b"w", b"w"])]
