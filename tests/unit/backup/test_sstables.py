# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Table formats and block encodings, by literal vectors and by tables made here."""
from __future__ import annotations

import struct

import cramjam
import pytest
import zstandard
from building import row_key, sst, varint, version

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    CorruptBackupError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.checksums import (
    block_checksum,
    masked_crc32c,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.compression import decompress
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.columnar_blocks import (
    ColumnarBlock,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.footer import parse_footer
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.range_keys import (
    RangeTombstone,
    parse_range_keys,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.table import Table


class File:
    name = "memory.sst"

    def __init__(self, data):
        self.data, self.size = data, len(data)

    def read(self, offset, length):
        return self.data[offset:offset + length]

    def read_again(self, offset, length, _problem):
        return self.read(offset, length)


POINTS = [(row_key(60, 1, number), version(number, number % 2), b"value %d" % number * (number % 5 * 40 + 1)) for number in range(1, 40)]


def snappy(data):
    return 1, bytes(cramjam.snappy.compress_raw(data))


def zstd(data):
    return 7, varint(len(data)) + zstandard.compress(data)


def minlz_stored(data):
    return 8, b"\0\0" + data


def minlz_literals(data):
    code = (29 << 3, len(data) - 30) if len(data) >= 30 else ((len(data) - 1) << 3, None)
    extra = b"" if code[1] is None else code[1].to_bytes(2, "little")
    return 8, b"\0" + varint(len(data)) + bytes((30 << 3 if extra else code[0],)) + extra + data


@pytest.mark.parametrize("compress", [snappy, zstd, minlz_stored, minlz_literals, lambda data: (8, snappy(data)[1])])
@pytest.mark.parametrize(("family", "number", "kind"), [
    ("leveldb", 0, 1), ("rocksdb", 2, 1), ("rocksdb", 2, 3), ("pebble", 1, 1), ("pebble", 2, 3), ("pebble", 3, 1), ("pebble", 4, 1)])
def test_row_tables(family, number, kind, compress):
    data = sst(POINTS, family, number, kind, compress, prefixed=number in (3, 4))
    table = Table(File(data))
    keys, values, versions = [], [], []
    for block in range(len(table.handles)):
        keys += table.points(block)[0]
        values += table.points(block)[1]
        versions += table.versioned_points(block)[1]
    assert list(zip(keys, versions, values)) == POINTS
    assert table.format == (family if family == "leveldb" else f"{family} v{number}")
    assert table.find(POINTS[5][0]) == 1


def test_two_level_index():
    table = Table(File(sst(POINTS, "pebble", 2, two_level=True)))
    assert [key for block in range(len(table.handles)) for key in table.points(block)[0]] == [key for key, _stamp, _value in POINTS]


def test_values_in_value_blocks():
    """A v4 value is either in place or a handle: length, block, offset."""
    table = Table(File(sst([(row_key(60, 1, 1), b"", b"\x80" + varint(3) + varint(0) + varint(5))], "pebble", 4)))
    with pytest.raises(CorruptBackupError, match="memory.sst"):
        table.points(0)
    table._value_blocks = [table.handles[0]]
    block = table._block(table.handles[0])
    assert table.points(0)[1] == [block[5:8]]


def test_a_value_block_is_read_once_for_all_its_values():
    handles = [(row_key(60, 1, number), b"", b"\x80" + varint(3) + varint(0) + varint(3 * number)) for number in range(1, 9)]
    file = File(sst(handles, "pebble", 4, block_entries=8))
    table = Table(file)
    table._value_blocks = [table.handles[0]]
    read, reads = file.read, []
    file.read = lambda offset, length: reads.append(offset) or read(offset, length)
    assert len(table.points(0)[1]) == 8
    assert len(reads) == 2


def test_filters_and_statistics_are_skipped_but_checked():
    blocks = [(b"fullfilter.rocksdb.BuiltinBloomFilter", b"filter"), (b"fullfilter.binaryfuse(8)", b"fuse"), (b"pebble.tiering_histogram", b"histogram")]
    data = sst(POINTS, "pebble", 4, prefixed=True, meta_blocks=blocks)
    assert len(Table(File(data)).handles) == 10
    with pytest.raises(CorruptBackupError, match="memory.sst: the checksum"):
        Table(File(data.replace(b"histogram", b"Histogram")))


def test_values_in_blob_files_are_refused():
    with pytest.raises(UnsupportedError, match="memory.sst: it keeps values in blob files"):
        Table(File(sst(POINTS, "pebble", 6, meta_blocks=[(b"pebble.blob_ref_index", b"index")])))


def test_another_key_schema_is_refused_by_name(fixtures_dir):
    file = min((fixtures_dir / "backups" / "modern-shaped" / "shop-v7").rglob("data/*.sst"))
    data = file.read_bytes()
    assert Table(File(data)).properties[b"pebble.colblk.schema"] == b"crdb1"
    with pytest.raises(UnsupportedError, match=r"memory.sst: .*schema 'crdb2', where only crdb1 is known"):
        Table(File(data.replace(b"crdb1", b"crdb2")), verify=False)


@pytest.mark.parametrize("number", [6])
def test_footer_with_a_checksum(number):
    tail = sst(POINTS, "pebble", number)[-61:]
    assert parse_footer(tail).name == f"pebble v{number}"
    for place in range(len(tail) - 57, len(tail)):
        with pytest.raises((CorruptBackupError, UnsupportedError)):
            parse_footer(tail[:place] + bytes((tail[place] ^ 16,)) + tail[place + 1:])


@pytest.mark.parametrize(("change", "error"), [
    (lambda data: data[:-8] + b"notmagic", CorruptBackupError), (lambda data: data[:-12] + b"\x09\0\0\0" + data[-8:], UnsupportedError),
    (lambda data: data[:-53] + b"\x02" + data[-52:], UnsupportedError), (lambda data: data[:-53] + b"\x00" + data[-52:], UnsupportedError),
    (lambda data: b"\0" + data, CorruptBackupError), (lambda data: data[:-53] + bytes(5) + data[-53:], CorruptBackupError)])
def test_tables_that_are_not_whole(change, error):
    with pytest.raises(error, match="memory.sst"):
        Table(File(change(sst(POINTS, "pebble", 2))))


def test_an_engine_operation_that_is_no_set():
    data = sst([(b"\xc4\x89\x88", version(1), b"")], block_entries=1)
    broken = Table(File(data), verify=False)
    broken.file.data = data.replace(b"\x01" + bytes(7), b"\x00" + bytes(7), 1)
    with pytest.raises(UnsupportedError, match="memory.sst: an entry has the engine operation 0"):
        broken.points(0)


def test_a_version_that_is_no_timestamp():
    with pytest.raises(UnsupportedError, match="version of 17 bytes"):
        Table(File(sst([(b"\xc4\x89\x88", bytes(17), b"x")]))).versioned_points(0)


def test_thirteen_byte_versions_lose_their_flag():
    table = Table(File(sst([(b"\xc4\x89\x88", version(5, 3) + b"\x01", b"x")])))
    assert table.versioned_points(0) == ([b"\xc4\x89\x88"], [version(5, 3)], [b"x"])
    assert table.points(0) == ([b"\xc4\x89\x88"], [b"x"])


def test_checksums():
    assert masked_crc32c(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert block_checksum(3, b"") == 0xEF46DB3751D8E999 & 0xFFFFFFFF
    with pytest.raises(UnsupportedError, match="checksum type 2"):
        block_checksum(2, b"")


@pytest.mark.parametrize(("stored", "content"), [
    (b"\0\0verbatim", b"verbatim"),
    (b"\0\x04" + bytes((3 << 3,)) + b"abcd", b"abcd"),
    # The last offset is 1 at first: a repeat of the last byte.
    (b"\0\x06" + bytes((0 << 3,)) + b"a" + bytes((4 << 3 | 4,)), b"aaaaaa"),
    # A copy of 4 bytes, 3 back; it reaches into itself.
    (b"\0\x07" + bytes((2 << 3,)) + b"abc" + bytes((1 | 0 << 2 | (2 & 3) << 6, 0)), b"abcabca"),
    # The same with an extra length byte: 18 + 2.
    (b"\0\x17" + bytes((2 << 3,)) + b"abc" + bytes((1 | 15 << 2 | (2 & 3) << 6, 0, 2)), (b"abc" * 8)[:23]),
    # A copy with a 16-bit offset (64 + 6), then again with the same offset.
    (b"\0\x4e" + bytes((29 << 3, 40)) + bytes(range(70)) + bytes((2 | 0 << 2, 6, 0)) + bytes((3 << 3 | 4,)), bytes(range(70)) + bytes(range(8))),
    # A copy of 64 + 36 bytes by an extra length byte.
    (b"\0\xaa\x01" + bytes((29 << 3, 40)) + bytes(range(70)) + bytes((2 | 61 << 2, 6, 0, 36)), (bytes(range(70)) * 3)[:170]),
    # Fused: two literals, then a copy of 5 bytes.
    (b"\0\x4d" + bytes((29 << 3, 40)) + bytes(range(70)) + bytes((3 | 1 << 3 | 1 << 5, 6, 0)) + b"XY", bytes(range(70)) + b"XY" + bytes(range(2, 7))),
])
def test_minlz_vectors(stored, content):
    assert decompress(8, stored) == content


def test_minlz_far_copy():
    start = bytes(number % 251 for number in range(70000))
    word = (7 | 2 << 3 | 3 << 5 | (70000 - 65536) << 11).to_bytes(4, "little")
    stored = b"\0" + varint(70009) + bytes((31 << 3,)) + (70000 - 30).to_bytes(3, "little") + start + word + b"XY"
    assert decompress(8, stored) == start + b"XY" + start[2:9]


@pytest.mark.parametrize("stored", [b"\0\x05\x18abc", b"\0\x04\x18ab", b"\0\x06\x00a\x41", b"\0\x06\x00a\x41\x05", b"\0\xff\xff\xff\xff\x7f\0"])
def test_damaged_minlz(stored):
    with pytest.raises(CorruptBackupError):
        decompress(8, stored)


@pytest.mark.parametrize(("kind", "stored"), [(1, b"\xff\xff\xff\xff\x0f"), (1, b"\x05\x00"), (7, b"\x05not zstd"), (7, zstd(b"abc")[1][1:])])
def test_damaged_compressed_blocks(kind, stored):
    with pytest.raises(CorruptBackupError):
        decompress(kind, stored)


def test_unknown_compression():
    with pytest.raises(UnsupportedError, match="compression type 4"):
        decompress(4, b"")


def columnar(rows, *columns, header=b""):
    """A columnar block; each column is (type, function from offset to bytes)."""
    table, content = b"", b""
    start = len(header) + 7 + 5 * len(columns)
    for kind, build in columns:
        table += struct.pack("<BI", kind, start + len(content))
        content += build(start + len(content))
    return header + struct.pack("<BHI", 1, len(columns), rows) + table + content + b"\0"


def uints(width, values, base=None):
    def build(offset):
        head = bytes((width | (0x80 if base is not None else 0),)) + (base.to_bytes(8, "little") if base is not None else b"")
        padding = -(offset + len(head)) % width if width else 0
        return head + bytes(padding) + b"".join(value.to_bytes(width, "little") for value in values)
    return build


def test_columnar_integers():
    block = ColumnarBlock(columnar(
        3, (2, uints(1, [1, 2, 3])), (2, uints(2, [0, 1, 65535], 10)), (2, uints(0, [], 7)), (2, uints(0, [])), (2, uints(8, [2 ** 63, 0, 1])),
        (2, uints(4, [9, 8, 7]))))
    assert [block.uints(number) for number in range(6)] == [[1, 2, 3], [10, 11, 65545], [7] * 3, [0] * 3, [2 ** 63, 0, 1], [9, 8, 7]]


def test_columnar_strings_and_booleans():
    words = struct.pack("<QQ", 0b10, 0)
    block = ColumnarBlock(columnar(
        3, (3, lambda offset: uints(1, [0, 1, 1, 3])(offset) + b"abc"), (1, lambda offset: b"\x01"),
        (1, lambda offset: b"\0" + bytes(-(offset + 1) % 8) + words)))
    assert block.strings(0) == [b"a", b"", b"bc"]
    assert block.bools(1) == [False] * 3
    assert block.bools(2) == [False, True, False]


def strings(values):
    def build(offset):
        ends = [sum(map(len, values[:count])) for count in range(len(values) + 1)]
        return uints(1, ends)(offset) + b"".join(values)
    return build


def keyspans(bounds, starts, rows):
    """A columnar block of range keys: rows are (trailer, suffix, value); those from starts[n] on apply between the bounds n and n + 1."""
    return columnar(
        len(rows), (3, strings([bound + b"\0" for bound in bounds])), (2, uints(1, starts)), (2, uints(2, [row[0] for row in rows])),
        (3, strings([row[1] for row in rows])), (3, strings([row[2] for row in rows])), header=len(bounds).to_bytes(4, "little"))


def test_range_tombstones_of_a_columnar_table():
    stamps = [version(9), version(5, 2), version(7)]
    header = bytes((0, 0, 0, 2, 101)) + bytes((0x08, 0x01))
    rows = [(21, stamp + bytes((len(stamp) + 1,)), content) for stamp, content in zip(stamps, (b"", header, b""))]
    block = keyspans([b"a", b"c", b"f", b"h"], [0, 2, 2, 3], rows)
    assert parse_range_keys(block, columnar=True) == [
        RangeTombstone(b"a", b"c", stamps[0]), RangeTombstone(b"a", b"c", stamps[1], len(header)), RangeTombstone(b"f", b"h", stamps[2])]


@pytest.mark.parametrize(("row", "words"), [
    ((20, version(9) + b"\x09", b""), "range key operation 20"), ((21, version(9) + b"\x08", b""), "no timestamp"), ((21, version(9) + b"\x09", b"value"), "holds a value")])
def test_range_keys_that_are_no_tombstones(row, words):
    with pytest.raises(UnsupportedError, match=words):
        parse_range_keys(keyspans([b"a", b"c"], [0, 1], [row]), columnar=True)


def test_columnar_keys_with_bundles_and_repeats():
    # Bundles of two rows: shared "k", bundle prefixes "a", "b"; an empty suffix repeats the row before, or is the bundle's prefix.
    ends = [1, 2, 3, 3, 4, 4, 5]
    block = ColumnarBlock(columnar(4, (4, lambda offset: b"\x01" + uints(1, ends)(offset + 1) + b"ka1b2")))
    assert block.prefixed(0) == [b"ka1", b"ka1", b"kb", b"kb2"]


@pytest.mark.parametrize("data", [b"", b"\x01\x00", columnar(3, (2, uints(8, [1])))[:-1], b"\x01\x05\0\x01\0\0\0"])
def test_cut_columnar_blocks(data):
    with pytest.raises(CorruptBackupError):
        ColumnarBlock(data).uints(0)


def test_unknown_columnar_forms():
    with pytest.raises(UnsupportedError, match="version 2"):
        ColumnarBlock(b"\x02" + bytes(20))
    with pytest.raises(UnsupportedError, match="3 bytes"):
        ColumnarBlock(columnar(1, (2, uints(3, [1])))).uints(0)


def test_footer_of_each_format(fixtures_dir):
    names = {"shop-v4": "pebble v4", "types-v5": "pebble v5", "shop-v7": "pebble v7"}
    for folder, name in names.items():
        tail = next((fixtures_dir / "backups" / "modern-shaped" / folder).rglob("filelist.sst")).read_bytes()[-61:]
        assert parse_footer(tail).name == name
