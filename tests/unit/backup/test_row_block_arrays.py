# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Row blocks read with numpy give what reading them entry by entry gives, or nothing: of whole, unusual and damaged blocks."""
from __future__ import annotations

import random

import pytest
from building import engine_key, row_block, row_key, version

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.packed_bytes import (
    PADDING,
    PackedBytes,
    are_ascending,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable import (
    row_block_arrays,
    row_blocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.key_ranges import row_range
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

SET = (1).to_bytes(8, "little")


def internal(key, stamp=b"", trailer=SET):
    return engine_key(key, stamp) + trailer


def block(chosen, rows, interval=16, sizes=(0, 5, 90, 127, 128, 300), walls=((0,), (7,), (4,))):
    """A block of keys and values of different lengths; ``walls`` are the times of which a key may have versions."""
    keys = sorted({row_key(60, *(chosen.randrange(1, 4) for _ in range(chosen.randrange(1, 5))), chosen.randrange(1, 1 << chosen.choice([3, 7, 16, 40]))) for _ in range(rows)})
    entries = [
        (internal(key, version(wall, wall % 2) if wall else b""), chosen.randbytes(chosen.choice(sizes)))
        for key in keys for wall in chosen.choice(walls)
    ]
    return row_block(entries, interval)


def one_by_one(blocks):
    keys, values = [], []
    for content in blocks:
        more = row_blocks.points(content)
        keys += more[0]
        values += more[1]
    return keys, values


def same(blocks):
    """Compare, and tell whether numpy has read the blocks."""
    found = row_block_arrays.points(blocks)
    try:
        keys, values = one_by_one(blocks)
    except (MigrationError, IndexError):
        assert found is None, "a damaged block was read"
        return False
    if found is None:
        return False
    assert (list(found[0]), list(found[1])) == (keys, values)
    assert are_ascending(found[0]) == all(first < second for first, second in zip(keys, keys[1:]))
    return True


@pytest.mark.parametrize("interval", [1, 2, 16, 1000])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_blocks_of_every_shape(interval, count):
    chosen = random.Random(interval * count)
    assert all(same([block(chosen, chosen.randrange(1, 60), interval) for _ in range(count)]) for _ in range(20))


@pytest.mark.parametrize("name", ["shop", "modern-shaped/shop-v4", "modern-shaped/shop-v7"])
def test_a_table_of_a_real_backup_is_read_so(fixtures_dir, name):
    backup = open_backup(BackupRequest((str(fixtures_dir / "backups" / name),)))
    tables = [table for database in build_catalog(backup.descriptors).databases for table in database.tables if table.name == "order_items"]
    batches = list(backup.scan(*row_range(tables[0]), {}))
    assert sum(len(keys) for keys, _values in batches) == 18000
    # The last blocks may be too few for numpy.
    assert sum(len(keys) for keys, values in batches if isinstance(keys, PackedBytes) and isinstance(values, PackedBytes)) > 10000


def test_several_versions_of_a_key():
    chosen = random.Random(3)
    assert {same([block(chosen, 3, 4, walls=[(9, 8), (7,)])]) for _ in range(20)} == {True, False}


def test_lengths_of_several_bytes():
    chosen = random.Random(4)
    assert same([block(chosen, 20, sizes=(1, 20000, 2_100_000)), block(chosen, 20)])
    long = [(internal(row_key(60, 1) + bytes([7]) * size + bytes([number])), b"v") for number, size in enumerate((3, 3, 40))]
    assert same([row_block(sorted(long), 2)])
    # Wider keys are left to the other reader.
    assert not same([row_block([(internal(row_key(60, 1) + bytes(200)), b"v")])])


@pytest.mark.parametrize(("entries", "read"), [
    ([(internal(b"\xc4\x89\x88"), b"")], True),
    ([(internal(b"\xc4\x89\x88", trailer=b"\x12" + bytes(7)), b"x")], False),
    ([(internal(b"\xc4\x89\x88", trailer=b"\x00" + bytes(7)), b"x")], False),
    # The second key shares more than the row's key: a part of the first one's version, which is cut off.
    ([(internal(b"\xc4\x89\x88", version(5)), b"new"), (internal(b"\xc4\x89\x88", version(4)), b"old")], False),
    ([(internal(b"\xc4\x89\x88", version(5, 1)), b"new"), (internal(b"\xc4\x89\x88", version(5, 2)), b"old")], False),
    ([], False),
])
def test_usual_and_unusual_entries(entries, read):
    assert same([row_block(entries)]) == read


def entry(shared, suffix, content):
    return bytes((shared, len(suffix), len(content))) + suffix + content


FIRST = entry(0, internal(b"\xc4\x89\x88", version(5)), b"v")


@pytest.mark.parametrize(("second", "restarts", "read"), [
    (entry(1, internal(b"\x8a\x88", version(5)), b"w"), [0], True),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [0, len(FIRST)], True),
    # A restart point whose key is not whole.
    (entry(1, internal(b"\x8a\x88", version(5)), b"w"), [0, len(FIRST)], False),
    # More is shared than there was.
    (entry(30, internal(b"\x8a\x88", version(5)), b"w"), [0], False),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [len(FIRST)], False),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [0, 0], False),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [0, len(FIRST), len(FIRST)], False),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [0, 2 * len(FIRST)], False),
    (entry(0, internal(b"\xc4\x8a\x88", version(5)), b"w"), [], False),
])
def test_restart_points_that_do_not_fit_the_entries(second, restarts, read):
    content = FIRST + second + b"".join(place.to_bytes(4, "little") for place in [*restarts, len(restarts)])
    assert len(one_by_one([content])[0]) == 2 and same([content]) == read


def test_damaged_blocks_are_left_to_the_other_reader_or_read_alike():
    chosen = random.Random(11)
    outcomes = set()
    for _ in range(60):
        whole = [block(chosen, 12, 4, (0, 3, 130)) for _ in range(2)]
        for _ in range(12):
            place = chosen.randrange(len(whole[0])) if chosen.random() < 0.5 else len(whole[0]) - chosen.randrange(1, 30)
            changed = bytearray(whole[0])
            changed[place] = chosen.choice([0, 1, 0x7F, 0x80, 0xFF, changed[place] ^ 1 << chosen.randrange(8)])
            outcomes.add(same([bytes(changed), whole[1]]))
            outcomes.add(same([whole[1], bytes(changed)]))
        outcomes.add(same([whole[0][:chosen.randrange(len(whole[0]))], whole[1]]))
    assert outcomes == {True, False}


@pytest.mark.parametrize(("strings", "ascending"), [
    ([], True), ([b""], True), ([b"", b""], False), ([b"a"], True), ([b"a", b"b"], True), ([b"b", b"a"], False), ([b"a", b"a"], False), ([b"a", b"a\0"], True),
    ([b"a\0", b"a"], False), ([b"a\0", b"a\0\0"], True), ([b"a\0\0", b"a\0b"], True), ([b"", b"\0"], True), ([b"\0", b""], False), ([b"\x7f", b"\x80"], True),
    ([b"ab", b"b", b"ba", b"ba"], False),
])
def test_ascending(strings, ascending):
    packed = pack(strings)
    assert are_ascending(packed) == are_ascending(matrix(strings)) == ascending == all(first < second for first, second in zip(strings, strings[1:]))
    assert list(packed) == strings and list(packed[1:]) == strings[1:] and [packed[place] for place in range(len(strings))] == strings


@pytest.mark.parametrize("strings", [[b"abc", b"abd\0", b"b"], [b"x"], [b"", b"\0a"]])
def test_a_prefix_more_or_less(strings):
    for packed, wanted in ((matrix(strings), strings), (matrix(strings)[1:], strings[1:])):
        longer = packed.with_prefix(b"\xfe\x8a")
        assert list(longer) == [b"\xfe\x8a" + text for text in wanted] and list(longer.without_prefix(2)) == wanted
        assert list(packed.without_prefix(1)) == [text[1:] for text in wanted]
        if len(wanted) > 1:
            assert are_ascending(longer) and not are_ascending(longer.with_prefix(b"")[::-1])


def matrix(strings):
    """The strings with as much room for each."""
    import numpy as np

    width = max([1, *map(len, strings)])
    starts = np.arange(len(strings)) * width
    return PackedBytes(b"".join([text.ljust(width, b"\0") for text in strings]) + bytes(PADDING), starts, starts + [len(text) for text in strings], width)


def pack(strings):
    """The strings with something between them."""
    import numpy as np

    ends = np.cumsum([len(text) + 1 for text in strings], dtype=np.int64) - 1
    return PackedBytes(b"/".join([*strings, bytes(PADDING)]), ends - [len(text) for text in strings], ends)
