# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes the files of large backups block by block, as CockroachDB v22.1 writes them: RocksDB tables of 128 KiB blocks with a restart every 16 keys."""
from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import cramjam
import numpy

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "unit" / "rows")]

import building

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table

BLOCK_BYTES = 128 << 10
RESTART_INTERVAL = 16
ROWS_A_FILE = 100_000
_SNAPPY, _PLAIN = 1, 0
_CRC32C = 1
_SET = (1).to_bytes(8, "little")
Point = tuple[bytes, bytes, bytes]
"""Key, version and value."""


@dataclass(frozen=True)
class Block:
    """A data block before it is compressed. ``data_size`` is the length of all keys and values, as a manifest counts them."""

    first_key: bytes
    last_engine_key: bytes
    content: bytes
    rows: int
    data_size: int


def blocks(points: Iterable[Point], most_rows: int = ROWS_A_FILE) -> Iterator[Block]:
    """Cut sorted points into blocks of about BLOCK_BYTES, and of at most so many rows."""
    part: list[Point] = []
    size = 0
    for point in points:
        part.append(point)
        size += len(point[0]) + len(point[2])
        if size >= BLOCK_BYTES or len(part) == most_rows:
            yield _block(part, size)
            part, size = [], 0
    if part:
        yield _block(part, size)


def _block(points: list[Point], size: int) -> Block:
    entries = [(building.engine_key(key, stamp) + _SET, value) for key, stamp, value in points]
    return Block(points[0][0], entries[-1][0], _entries(entries), len(points), size)


def _entries(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return the content of a block: prefix-compressed entries and the places of the restarts."""
    out, restarts, previous = bytearray(), [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % RESTART_INTERVAL:
            limit = min(len(key), len(previous))
            while shared < limit and key[shared] == previous[shared]:
                shared += 1
        else:
            restarts.append(len(out))
        out += building.varint(shared) + building.varint(len(key) - shared) + building.varint(len(value)) + key[shared:] + value
        previous = key
    return bytes(out) + b"".join(place.to_bytes(4, "little") for place in [*restarts, len(restarts)])


def extrapolated(first: Block, second: Block, number: int) -> Block:
    """Return the block that follows ``first`` (0) and ``second`` (1) as that of ``number``: each byte grows by the same step from one to the next."""
    parts = {name: _extrapolated(getattr(first, name), getattr(second, name), number) for name in ("first_key", "last_engine_key", "content")}
    return replace(first, **parts)


def _extrapolated(first: bytes, second: bytes, number: int) -> bytes:
    start, following = (numpy.frombuffer(data, numpy.uint8) for data in (first, second))
    return (start + (following - start) * numpy.uint8(number)).tobytes()


def write_files(directory: pathlib.Path, table: Table, content: Iterable[Block], rows_a_file: int = ROWS_A_FILE) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Cut a table's blocks into files whose spans follow each other, and write them; yield the rows of each and its field of the manifest."""
    start, end = index_span(table.id, table.primary_index.id)
    part: list[Block] = []
    number = rows = 0
    for block in content:
        if rows >= rows_a_file:
            yield rows, write_file(directory, f"data/{table.id}-{number}.sst", (start, block.first_key), part)
            start, part, number, rows = block.first_key, [], number + 1, 0
        part.append(block)
        rows += block.rows
    yield rows, write_file(directory, f"data/{table.id}-{number}.sst", (start, end), part)


def write_file(directory: pathlib.Path, path: str, bounds: tuple[bytes, bytes], content: Iterable[Block]) -> tuple[int, bytes]:
    """Write one data file of a layer; return its field of the manifest."""
    target = directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    index, rows, size = [], 0, 0
    with open(target, "wb") as file:
        for block in content:
            index.append((block.last_engine_key, _append(file, _SNAPPY, bytes(cramjam.snappy.compress_raw(block.content)))))
            rows, size = rows + block.rows, size + block.data_size
        index_handle = _append(file, _PLAIN, _entries(index))
        properties = _append(file, _PLAIN, _entries([(b"rocksdb.num.entries", building.varint(rows))]))
        meta = _append(file, _PLAIN, _entries([(b"rocksdb.properties", properties)]))
        file.write((bytes((_CRC32C,)) + meta + index_handle).ljust(41, b"\0") + (2).to_bytes(4, "little") + bytes.fromhex(building.MAGIC["rocksdb"]))
    counts = building.message((1, size), (2, rows))
    return 4, building.message((1, building.span(*bounds)), (2, path.encode()), (6, counts))


def _append(file: BinaryIO, kind: int, stored: bytes) -> bytes:
    """Write a stored block; return its handle."""
    handle = building.varint(file.tell()) + building.varint(len(stored))
    stored += bytes((kind,))
    file.write(stored + building.checksum(_CRC32C, stored))
    return handle


def index_span(table: int, index: int) -> tuple[bytes, bytes]:
    """Return the bounds of an index's keys."""
    return building.unsigned(table) + building.unsigned(index), building.unsigned(table) + building.unsigned(index + 1)
