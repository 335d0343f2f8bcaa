# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Columnar blocks read with numpy give what reading them one by one gives, or nothing: of whole and of damaged blocks."""
from __future__ import annotations

import random
import struct

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.packed_bytes import are_ascending
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable import (
    columnar_block_arrays,
    columnar_blocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.table import Table


class File:
    def __init__(self, path):
        self.name, self.data = path.name, path.read_bytes()
        self.size = len(self.data)

    def read(self, offset, length):
        return self.data[offset:offset + length]

    def read_again(self, offset, length, _problem):
        return self.read(offset, length)


@pytest.fixture(name="blocks", scope="module", params=["types-v5", "shop-v7"])
def _blocks(request, fixtures_dir):
    tables = [Table(File(path)) for path in sorted((fixtures_dir / "backups" / "modern-shaped" / request.param).rglob("data/*.sst"))]
    return [table._block(handle) for table in tables for handle in table.handles[::7]]


def same(blocks):
    """Compare, and tell whether numpy has read the blocks."""
    found = columnar_block_arrays.points(blocks)
    keys, values = [], []
    try:
        for block in blocks:
            more_keys, more_values, external = columnar_blocks.points(block)
            keys += more_keys
            values += more_values
            if external:
                assert found is None
    except (MigrationError, IndexError, ValueError, struct.error):
        assert found is None, "a damaged block was read"
    if found is None:
        return False
    assert (list(found[0]), list(found[1])) == (keys, values)
    assert are_ascending(found[0]) == all(first < second for first, second in zip(keys, keys[1:]))
    return True


def test_real_blocks_alone_and_together(blocks):
    alone = [same([block]) for block in blocks]
    assert sum(alone) > 0.8 * len(alone) > 4
    usual = [block for block, read in zip(blocks, alone) if read]
    assert all(same(usual[place:place + 7]) for place in range(0, len(usual), 7))


def test_a_key_that_is_repeated(blocks):
    read = 0
    for block in blocks:
        table = columnar_blocks.ColumnarBlock(block, columnar_blocks.DATA_HEADER)
        place = table.column(columnar_blocks.KEY, columnar_blocks.PREFIX_BYTES)
        width = block[place + 1]
        if table.rows > 3 and block[place] and width in (1, 2) and same([block]):
            # The offsets after the block's prefix, the first bundle's and the first row's suffix.
            offset = -(-(place + 2) // width) * width + 3 * width
            repeated = block[:offset] + block[offset - width:offset] + block[offset + width:]
            assert not same([repeated])
            keys, _values, _external = columnar_blocks.points(repeated)
            assert keys[0] == keys[1]
            read += 1
    assert read


def test_damaged_blocks_are_left_to_the_other_reader_or_read_alike(blocks):
    chosen = random.Random(3)
    outcomes = set()
    whole = min(blocks, key=len)
    for block in sorted((block for block in blocks if len(block) > 1000), key=len)[:2]:
        table = columnar_blocks.ColumnarBlock(block, columnar_blocks.DATA_HEADER)
        places = [*(place + chosen.randrange(12) for _kind, place in table.columns), *range(7 + 5 * len(table.columns)), *(chosen.randrange(len(block)) for _ in range(60))]
        changes = [(place, chosen.choice([0, 1, 0x7F, 0xFF, block[place] ^ 1 << chosen.randrange(8)])) for place in places if place < len(block)]
        # How the numbers of each column are written, those of the keys after their first byte.
        changes += [(place + more, encoding) for _kind, place in table.columns for more in (0, 1) for encoding in (0, 1, 2, 3, 4, 8, 0x80, 0x81, 0x82)]
        for place, byte in changes:
            changed = bytearray(block)
            changed[place] = byte
            outcomes.add(same([whole, bytes(changed)]))
        for _ in range(20):
            outcomes.add(same([block[:chosen.randrange(len(block))], whole]))
    assert outcomes == {True, False}


def test_a_block_without_rows_is_left_to_the_other_reader(blocks):
    """Which says what else is wrong with it."""
    empty = bytearray(min(blocks, key=len))
    empty[columnar_blocks.DATA_HEADER + 3:columnar_blocks.DATA_HEADER + 7] = bytes(4)
    assert columnar_blocks.ColumnarBlock(bytes(empty), columnar_blocks.DATA_HEADER).rows == 0 and not same([bytes(empty)])
    empty[columnar_blocks.DATA_HEADER + 7 + 5 * columnar_blocks.TRAILER] = 0xFF
    assert not same([blocks[0], bytes(empty)])
