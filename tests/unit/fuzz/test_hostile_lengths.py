# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What claims to be much is checked against the bytes that are there, before anything is made of it: an error of ours, in linear time."""
from __future__ import annotations

import gzip
import struct

import cramjam
import pytest
import zstandard
from building import message, row_key, span, sst, time, unsigned, varint, version
from fuzzing.limits import bounded
from fuzzing.reader import File
from stored_forms import json_document, leb, msb, row_value, sized_value, tag

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.compression import decompress
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.encoding import digit_count, digits
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable import (
    columnar_block_arrays,
    columnar_blocks,
    metadata_blocks,
    range_keys,
    row_block_arrays,
    row_blocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.table import Table, named
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Family,
    Index,
    IndexColumn,
    SqlType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Table as CatalogTable,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    build_row_decoder,
)

MIB = 1 << 20
INT, TEXT, DECIMAL, JSON = SqlType("int", 20, 64), SqlType("string", 25), SqlType("decimal", 1700), SqlType("json", 3802)
KEY = unsigned(53) + b"\x89\x89\x88"


def decode(kind: SqlType, value: bytes, key: bytes = KEY, key_kind: SqlType = INT) -> bytes:
    table = CatalogTable(
        53, "t", 1, [Column(1, "k", key_kind), Column(2, "v", kind)], Index(1, "primary", True, [IndexColumn(1)]), families=[Family(0, "primary", [1, 2])])
    return b"".join(block.text for block in build_row_decoder(table, {}, "db.public.t").rows([([key], [value])]))


def array(header: bytes, kind: int, count: int, rest: bytes = b"") -> bytes:
    return row_value([(2, 13, sized_value(header + tag(0, kind) + msb(count) + rest))])


def decimal(size: int) -> bytes:
    return b"\x34\x8a" + b"\x01" * size


def number(body: bytes) -> bytes:
    return leb(len(body)) + body


VALUES = {
    "an integer that does not end": (INT, row_value([(2, 3, b"\x80" * MIB)])),
    "an integer of a million groups": (INT, row_value([(2, 3, b"\x80" * MIB + b"\x01")])),
    "a length that does not end": (TEXT, row_value([(2, 6, b"\xff" * MIB)])),
    "a tag that does not end": (TEXT, row_value([(2, 6, b"\x01x")]) + b"\xff" * MIB),
    "a decimal of a million digits": (DECIMAL, row_value([(2, 5, number(decimal(MIB)))])),
    "a decimal in JSON": (JSON, row_value([(2, 15, sized_value((0x20000001).to_bytes(4, "big") + (0x20000000 | MIB + 6).to_bytes(4, "big") + number(decimal(MIB))))])),
    "an array that claims elements": (SqlType("array", element=INT), array(b"\x01", 3, 1 << 50)),
    "an array of nothing": (SqlType("array", element=SqlType("void", 2278)), array(b"\x01", 25, 1 << 40)),
    "an array that claims NULLs": (SqlType("array", element=INT), array(b"\x11", 3, 1 << 40, bytes(MIB))),
    "an array that claims one element more": (SqlType("array", element=INT), array(b"\x11", 3, 8 * MIB + 1, b"\xff" * MIB)),
    "bits": (SqlType("bit", 1562), row_value([(2, 17, msb(1 << 60))])),
    "JSON that reads its bytes again and again": (
        JSON, row_value([(2, 15, sized_value(
            (0x80000000 | 60_000).to_bytes(4, "big") + (struct.pack(">2I", 0x50000000 | MIB, 0x80000000)) * 30_000
            + json_document(["x" * (MIB - 8)])))])),
    "JSON that claims values": (JSON, row_value([(2, 15, sized_value(b"\x9f\xff\xff\xff"))])),
    "tuples in tuples of a column that is gone": (TEXT, row_value([(3, 16, (msb(1) + tag(0, 16)) * 100_000 + msb(0))])),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_claims_much(name):
    kind, value = VALUES[name]
    with bounded():
        try:
            decode(kind, value)
        except MigrationError:
            return
    assert name.startswith("tuples")


KEYS = {
    "a decimal of a million digits": (DECIMAL, b"\x34\xf6\xff" + b"\x03" * MIB + b"\0"),
    "text of a million zeros": (TEXT, b"\x12" + b"\0\xff" * MIB),
    "a document that claims values": (JSON, b"\x4b\xfd" + b"\x7f" * 8 + b"\x46" * MIB),
    "documents in documents": (JSON, b"\x4b\x89" * MIB),
    "bits without end": (SqlType("bit", 1562), b"\x3a" + b"\x89" * MIB),
    "an array without end": (SqlType("array", element=INT), b"\x3f" + b"\x01" * MIB),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_claims_much(name):
    kind, body = KEYS[name]
    with bounded(), pytest.raises(MigrationError):
        decode(TEXT, row_value([]), unsigned(53) + b"\x89" + body + b"\x88", kind)


def test_an_array_of_millions_of_nulls_is_read_in_linear_time():
    count = 4 * MIB
    with bounded():
        text = decode(SqlType("array", element=INT), array(b"\x11", 3, count, b"\xff" * (count // 8)))
    assert text == b"1\t{" + b"NULL," * (count - 1) + b"NULL}\n"


def test_the_longest_decimal_that_is_read_is_longer_than_postgresqls():
    with bounded(), pytest.raises(MigrationError, match="digits of 65537 bytes, more than PostgreSQL's numeric can hold"):
        decode(DECIMAL, row_value([(2, 5, number(b"\x34\xf8\x02\x00\x00" + b"\xff" * ((1 << 16) + 1)))]))
    with bounded(), pytest.raises(MigrationError, match="the decimal has more digits than PostgreSQL's numeric can hold"):
        decode(DECIMAL, row_value([(2, 5, number(b"\x34\xf8\x02\x68\x00" + b"\xff" * (1 << 16)))]))
    with bounded():
        text = decode(DECIMAL, row_value([(2, 5, number(b"\x34\xf8\x01\xd4\xc0" + (10 ** 119_999).to_bytes(49_829, "big").lstrip(b"\0")))]))
    assert text == b"1\t1" + b"0" * 119_999 + b"\n"


def columnar(rows: int, columns: list[tuple[int, bytes]], header: bytes = bytes(5), size: int = 0) -> bytes:
    place = len(header) + 7 + 5 * len(columns)
    table, body = b"", b""
    for kind, data in columns:
        table += struct.pack("<BI", kind, place + len(body))
        body += data
    return (header + struct.pack("<BHI", 1, len(columns), rows) + table + body + b"\0").ljust(size, b"\0")


def data_block(rows: int, size: int) -> bytes:
    """A columnar data block of constants: each column takes two bytes, whatever the number of rows."""
    return columnar(rows, [(4, b"\x04\0"), (2, b"\0"), (2, b"\0"), (3, b"\0"), (2, b"\x80" + (1).to_bytes(8, "little")), (2, b"\0"), (3, b"\0"), (1, b"\x01")], size=size)


def long_keys(count: int) -> bytes:
    """Entries whose keys each share all of the key before and add a byte: their keys have bytes by the square of their number."""
    entries = [varint(0) + varint(9) + b"\0" + b"k" * 9, *(varint(9 + number) + b"\x01\0k" for number in range(count))]
    return b"".join(entries) + bytes(4) + (1).to_bytes(4, "little")


def many_entries(count: int) -> bytes:
    """Entries after one restart point, each with the key of the first one."""
    return varint(0) + varint(9) + b"\0\0" + (1).to_bytes(8, "little") + b"\x09\0\0" * count + bytes(4) + (1).to_bytes(4, "little")


ROWS_OF_LARGE_BLOCK = 50_000_000
BLOCKS = {
    "more rows than bytes": lambda: data_block(ROWS_OF_LARGE_BLOCK, 670),
    "as many rows as bytes": lambda: data_block(5_000_000, 5_000_000),
    "offsets that go back and forth": lambda: columnar(
        100_000, [(3, b"\x04\0\0" + struct.pack("<2I", 0, 400_000) * 50_000 + bytes(4))] * 2, b"", 1_300_000),
    "keys that share much": lambda: columnar(
        500_000, [(4, b"\x13\x04" + bytes(2) + struct.pack("<I", 300_000) + struct.pack("<500001I", *[300_000 + row for row in range(500_001)]) + b"k" * 800_100)] * 5
        + [(2, b"\0"), (3, b"\0"), (1, b"\x01")]),
    "boundaries of range keys": lambda: columnar(1, [(3, b"\0"), (2, b"\0"), (2, b"\0"), (3, b"\0"), (3, b"\0")], b"\xff\xff\xff\xff", 400),
    "range keys that are named again and again": lambda: columnar(
        100_000, [(3, b"\0"), (2, b"\x04" + bytes(3) + struct.pack("<2I", 0, 100_000) * 50_000), (2, b"\x80" + (21).to_bytes(8, "little")), (3, b"\0"), (3, b"\0")],
        (100_000).to_bytes(4, "little"), 1_000_000),
    "zeros of a row block": lambda: bytes(4 * MIB),
    "keys that grow": lambda: long_keys(300_000),
    "entries after one restart point": lambda: many_entries(300_000),
    "entries of a large block": lambda: many_entries(3_000_000),
}
BLOCK_READERS = {
    "row_blocks.points": row_blocks.points,
    "row_blocks.versioned_points": row_blocks.versioned_points,
    "row_block_arrays.points": lambda data: row_block_arrays.points([data]),
    "columnar_blocks.points": columnar_blocks.points,
    "columnar_blocks.versioned_points": columnar_blocks.versioned_points,
    "columnar_block_arrays.points": lambda data: columnar_block_arrays.points([data]),
    "name_values": metadata_blocks.name_values,
    "index_entries of rows": lambda data: metadata_blocks.index_entries(data, False),
    "index_entries of columns": lambda data: metadata_blocks.index_entries(data, True),
    "range keys of rows": lambda data: range_keys.parse_range_keys(data, False),
    "range keys of columns": lambda data: range_keys.parse_range_keys(data, True),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_claims_much(name):
    data = BLOCKS[name]()
    for read in BLOCK_READERS.values():
        with bounded():
            try:
                with named("memory.sst"):
                    read(data)
            except MigrationError:
                continue


BOMBS = {
    "zstd that says its length": lambda size: (7, varint(size) + zstandard.compress(bytes(size))),
    "zstd that claims another length": lambda size: (7, varint(100) + zstandard.compress(bytes(size))),
    "zstd whose frame does not say its length": lambda size: (7, varint(100) + zstandard.ZstdCompressor(write_content_size=False).compress(bytes(size))),
    "snappy": lambda size: (1, bytes(cramjam.snappy.compress_raw(bytes(size)))),
    "snappy that claims a length": lambda size: (1, varint(size) + b"\0x"),
    "MinLZ": lambda size: (8, b"\0" + varint(size) + bytes((29 << 3, 34)) + bytes(64) + (b"\xfe\0\0" + (16 * MIB - 65).to_bytes(3, "little")) * (size // (16 * MIB))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_compressed_block_that_claims_much(name):
    kind, stored = BOMBS[name](600 * MIB)
    with bounded(), pytest.raises(MigrationError):
        decompress(kind, stored)


@pytest.mark.parametrize("name", ["zstd that says its length", "snappy"])
def test_a_block_of_one_row_as_large_as_cockroachdb_writes_it(name):
    kind, stored = BOMBS[name](64 * MIB)
    assert len(decompress(kind, stored)) == 64 * MIB


def test_a_table_whose_metadata_claims_much():
    points = [(row_key(60, 1, 1), version(5), b"value")]
    huge = row_blocks_of_names(200_000)
    data = sst(points, "pebble", 4, prefixed=True, meta_blocks=[(b"pebble.range_key", huge), (b"rocksdb.range_del", huge)], compress=lambda data: (7, varint(len(data)) + zstandard.compress(data)))
    with bounded(), pytest.raises(MigrationError):
        Table(File(data))


def row_blocks_of_names(count: int) -> bytes:
    return b"".join(b"\0\x20\0%032d" % number for number in range(count)) + bytes(4) + (1).to_bytes(4, "little")


@pytest.mark.parametrize("content", [
    bytes(100 * MIB), b"\x08\0" * (3 * MIB), b"\x22\0" * (3 * MIB), message((4, message((1, span(b"a", b"b")), (2, b"f")))) * 150_000,
    message((5, message((1, b"")))) * (5 * MIB // 2), message((3, span(b"a", b"b"))) * (5 * MIB // 2),
], ids=["zeros", "numbers", "empty files", "files", "descriptors", "spans"])
def test_a_manifest_that_claims_much(tmp_path, content):
    (tmp_path / "BACKUP_MANIFEST").write_bytes(gzip.compress(message((2, time(10 ** 18))) + content, 1, mtime=0))
    with bounded(), pytest.raises(MigrationError, match="BACKUP_MANIFEST"):
        open_backup(BackupRequest((str(tmp_path),)))


def test_the_digits_of_any_number_are_counted():
    for size in (0, 1, 14000, 14001, 20000, 300_000):
        for value in {max(0, (1 << size) + more) for more in (-1, 0, 1)}:
            assert digit_count(value) == len(digits(value))
    for exponent in (4214, 4215, 5000, 90_000):
        assert [digit_count(10**exponent + more) for more in (-1, 0, 1)] == [exponent, exponent + 1, exponent + 1]


def test_a_message_has_no_field_zero():
    with pytest.raises(MigrationError):
        protobuf.parse(b"\0\0")
