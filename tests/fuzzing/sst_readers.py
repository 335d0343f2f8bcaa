# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The readers of SSTs: footers, blocks of each kind, compression, and whole files whose checksums are right again."""
from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import zstandard
from building import checksum, crc, row_block, row_key, sst, varint, version
from fuzzing.mutations import changed_bytes, overwritten_bytes
from fuzzing.reader import BACKUPS, File, Reader
from hypothesis import strategies as st

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.compression import decompress
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable import (
    columnar_block_arrays,
    columnar_blocks,
    metadata_blocks,
    range_keys,
    row_block_arrays,
    row_blocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.footer import parse_footer
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.sstable.table import Table, named

POINTS = [(row_key(60, 1, number), version(number, number % 2), b"value %d" % number * (number % 5 * 20 + 1)) for number in range(1, 40)]
_LARGE = 1 << 20
_ROW_FORMATS = (("leveldb", 0, 1), ("rocksdb", 2, 1), ("rocksdb", 2, 3), ("pebble", 2, 1), ("pebble", 4, 3))


def _row_tables() -> list[bytes]:
    made = [sst(POINTS, *table_format, prefixed=table_format[1] == 4) for table_format in _ROW_FORMATS]
    made.append(sst(POINTS, "pebble", 2, two_level=True))
    made.append(sst(POINTS[:3], range_keys=[(row_key(60, 1, 5), row_key(60, 1, 9), version(7)), (row_key(60, 1, 20), row_key(60, 1, 30), version(8, 1))]))
    return made


@functools.cache
def columnar_files() -> list[bytes]:
    """The smallest columnar files of real data."""
    found: dict[int, bytes] = {}
    for folder in ("types-v5", "shop-v7"):
        for path in sorted((BACKUPS / "modern-shaped" / folder).rglob("*.sst"), key=lambda path: path.stat().st_size)[:6]:
            found[path.stat().st_size] = path.read_bytes()
    return list(found.values())


def _read_footer(data: bytes) -> None:
    with named("memory.sst"):
        parse_footer(data)


def _footers() -> list[bytes]:
    return [data[-61:] for data in [*_row_tables(), *columnar_files()]]


def _with_checksum(tail: bytes) -> bytes:
    """Make the checksum of a footer of version 6 and later right."""
    number = int.from_bytes(tail[-12:-8], "little")
    if number not in (6, 7, 8) or len(tail) < 61:
        return tail
    size, place = (57, 41) if number == 6 else (61, 45)
    body = tail[-size:]
    return tail[:-size] + body[:place] + crc(body[:place] + body[place + 4:]).to_bytes(4, "little") + body[place + 4:]


def read_together_and_apart(blocks: list[bytes], together: Callable[[list[bytes]], Any], apart: Callable[[bytes], Any]) -> None:
    """Read blocks with numpy and one by one; raise what reading them one by one raises, and AssertionError if they differ."""
    found = together(blocks)
    try:
        with named("memory.sst"):
            parts = [apart(block) for block in blocks]
    except MigrationError:
        assert found is None, "a damaged block was read"
        raise
    if found is not None:
        assert (list(found[0]), list(found[1])) == ([key for part in parts for key in part[0]], [value for part in parts for value in part[1]])


def _read_row_block(data: bytes) -> None:
    good = row_block([(b"key%d\0" % number + (1).to_bytes(8, "little"), b"value") for number in range(9)], 4)
    for read in (row_blocks.versioned_points, row_blocks.entries):
        try:
            with named("memory.sst"):
                read(data)
        except MigrationError:
            continue
    read_together_and_apart([good, data, good], row_block_arrays.points, row_blocks.points)


def _row_block_seeds() -> list[bytes]:
    rng = random.Random(3)
    result = []
    for interval, count in ((16, 60), (1, 5), (1 << 32, 40), (16, 1)):
        keys = sorted(row_key(rng.randrange(60, 63), 1, rng.randrange(100_000), rng.randrange(9)) for _key in range(count))
        entries = [(key + b"\0" + stamp + (bytes((len(stamp) + 1,)) if stamp else b"") + (1).to_bytes(8, "little"), b"v" * rng.choice((0, 1, 9, 130, 300)))
                   for key, stamp in ((key, version(rng.randrange(1 << 60), rng.randrange(2))) for key in keys)]
        result.append(row_block(entries, interval))
    return result


def _read_columnar_block(data: bytes) -> None:
    try:
        with named("memory.sst"):
            columnar_blocks.versioned_points(data)
    except MigrationError:
        pass
    good = columnar_blocks_of_files()[0]
    read_together_and_apart([good, data], columnar_block_arrays.points, _columnar_points)


def _columnar_points(block: bytes) -> tuple[list[bytes], list[bytes]]:
    keys, values, external = columnar_blocks.points(block)
    if external:
        raise MigrationError("a value lies outside")
    return keys, values


@functools.cache
def columnar_blocks_of_files() -> list[bytes]:
    """Some data blocks, not too large."""
    tables = [Table(File(data)) for data in columnar_files()]
    blocks = [table._data_block(number) for table in tables for number in range(0, len(table.handles), 5)]
    return sorted((block for block in blocks if len(block) < 20_000), key=len)[:20]


def _read_metadata(data: bytes) -> None:
    last: Exception = MigrationError("nothing can read it")
    for read in (
        metadata_blocks.name_values, lambda block: metadata_blocks.index_entries(block, False), lambda block: metadata_blocks.index_entries(block, True),
        lambda block: range_keys.parse_range_keys(block, False), lambda block: range_keys.parse_range_keys(block, True),
        lambda block: metadata_blocks.value_blocks(block[3:], block[:3]),
    ):
        try:
            with named("memory.sst"):
                read(data)
        except MigrationError as error:
            last = error
    raise last


def _metadata_seeds() -> list[bytes]:
    result = []
    for data in [*_row_tables(), *columnar_files()]:
        table = Table(File(data))
        result += [table._block(table.footer.metaindex), table._block(table.footer.index)]
        for name, value in metadata_blocks.name_values(result[-2]).items():
            if name in (b"rocksdb.properties", b"pebble.range_key"):
                offset = 0
                numbers = []
                for _number in range(2):
                    number = shift = 0
                    while True:
                        byte = value[offset]
                        offset += 1
                        number |= (byte & 127) << shift
                        shift += 7
                        if byte < 128:
                            break
                    numbers.append(number)
                result.append(table._block((numbers[0], numbers[1])))
    result.append(bytes((1, 4, 4)) + b"".join(bytes((number,)) + struct.pack("<2I", number * 100, 90) for number in range(3)))
    return sorted({block for block in result if len(block) < 20_000})


def _read_compressed(data: bytes) -> None:
    with named("memory.sst"):
        decompress(data[0] if data else 0, data[1:])


def _compressed_seeds() -> list[bytes]:
    content = b"".join(b"row %d of a block;" % (number % 7) for number in range(100))
    snappy = bytes(cramjam.snappy.compress_raw(content))
    return [
        b"\1" + snappy, b"\x08" + snappy, b"\7" + varint(len(content)) + zstandard.compress(content), b"\7" + varint(len(content)) + zstandard.ZstdCompressor(
            write_content_size=False, write_checksum=True).compress(content),
        b"\x08\0\0" + content[:50], b"\x08\0" + varint(200 + 65) + bytes((29 << 3, 34)) + bytes(64) + b"\xfe\0\0" + (137).to_bytes(3, "little"),
        b"\x08\0" + varint(90) + bytes((29 << 3, 34)) + bytes(64) + b"\x3e\0\0" + b"\x44\0\0\0ab"[:6]]


def _read_sst(data: bytes) -> None:
    """Make all checksums right of a file whose blocks lie where they lay, and read everything in it."""
    table = Table(File(with_right_checksums(data)))
    for number in range(len(table.handles)):
        table.points(number)
        table.versioned_points(number)
    place = 0
    while place < len(table.handles):
        _points, place = table.points_of_blocks(place, len(table.handles), _LARGE)
    for key in (b"", b"\x80", *table.bounds[:3]):
        table.find(key)


def with_right_checksums(data: bytes) -> bytes:
    """Return a file of which only bytes were changed with the checksums of its blocks, where one of the seeds has them, and of its footer."""
    handles = _handles().get(len(data), ())
    changed = bytearray(data)
    for kind, offset, length in handles:
        changed[offset + length + 1:offset + length + 5] = checksum(kind, bytes(changed[offset:offset + length + 1]))
    return _with_checksum(bytes(changed))


@functools.cache
def _handles() -> dict[int, list[tuple[int, int, int]]]:
    """The blocks of the seeds, by the file's size, which no two have in common, with the kind of their checksum."""
    found = {}
    for data in _sst_seeds():
        table = Table(File(data))
        places, offset, end = [], 0, len(data) - table.footer.size
        lengths = dict([table.footer.metaindex, table.footer.index, *table.handles, *_other_handles(table)])
        while offset < end:
            places.append((table.footer.checksum, offset, lengths[offset]))
            offset += lengths[offset] + 5
        found[len(data)] = places
    return found


def _other_handles(table: Table) -> list[tuple[int, int]]:
    reads: list[tuple[int, int]] = []

    class Watched(File):
        def read(self, offset: int, length: int) -> bytes:
            reads.append((offset, length - 5))
            return super().read(offset, length)

    Table(Watched(table.file.data))
    return reads[1:]


def _sst_seeds() -> list[bytes]:
    return list({len(data): data for data in [*_row_tables(), *(data for data in columnar_files() if len(data) < 60_000)]}.values())


def readers() -> list[Reader]:
    """Return the readers of this file."""
    return [
        Reader("sst_footer", st.one_of(changed_bytes(_footers()), overwritten_bytes(_footers())).map(_with_checksum), _read_footer),
        Reader("row_block", changed_bytes(_row_block_seeds()), _read_row_block),
        Reader("columnar_block", st.one_of(changed_bytes(columnar_blocks_of_files()), overwritten_bytes(columnar_blocks_of_files())), _read_columnar_block),
        Reader("sst_metadata", changed_bytes(_metadata_seeds()), _read_metadata),
        Reader("compression", changed_bytes(_compressed_seeds()), _read_compressed),
        Reader("sst", overwritten_bytes(_sst_seeds()), _read_sst),
    ]
