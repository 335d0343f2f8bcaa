# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The merge of a backup's layers gives each key once, of the stream that wins, whatever the batches are."""
from __future__ import annotations

import random

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.mvcc import merge


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
