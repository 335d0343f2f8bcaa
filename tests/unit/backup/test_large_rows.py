# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rows of any size: their chunks are bounded by bytes, and no more than a few copies of one are held at a time."""
from __future__ import annotations

import tracemalloc

import pytest
from building import row_key, unsigned, value, version, write_layer

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import ChunkWriter
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Index,
    IndexColumn,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import TableSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import backup_source
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_request import (
    BackupRequest,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_source import BackupSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import ReadRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import STOP_ALL

ROW, ROWS = 8 << 20, 4
TABLE = Table(
    60, "t", 1, [Column(1, "id", SqlType("int", 20, 64), nullable=False), Column(2, "content", SqlType("string", 25))], Index(1, "primary", True, [IndexColumn(1)]),
)


def varint(number: int) -> bytes:
    """Most significant group first, as in values."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127 | 128)
    return bytes(reversed(groups))


@pytest.fixture(name="source", scope="module")
def _source(tmp_path_factory):
    """A backup of a few large rows, in one file of as many blocks."""
    text = b"abcdefgh" * (ROW // 8)
    stored = value("")[:4] + b"\x0a" + b"\x26" + varint(len(text)) + text
    points = [(row_key(60, 1, number), version(5), stored) for number in range(ROWS)]
    bounds = (unsigned(60) + unsigned(1), unsigned(60) + unsigned(2))
    directory = write_layer(tmp_path_factory.mktemp("backup"), None, (10 ** 18, 0), [("data/1.sst", bounds, points, {"block_entries": 1}, ())])
    with BackupSource(BackupRequest((str(directory),))) as source:
        yield source


def plan(source):
    return source.plan(ReadRequest({60: TableSource("db", "public", TABLE, {})}, STOP_ALL, 100_000, 1)).tasks


def test_a_chunk_has_so_many_bytes_at_most(source, monkeypatch):
    assert [task.chunk for task in plan(source) if task.chunk] == [1]
    monkeypatch.setattr(backup_source, "CHUNK_BYTES", 2 * ROW)
    assert [task.chunk for task in plan(source) if task.chunk] == [1, 2]


def test_few_copies_of_a_row_are_held(source, tmp_path):
    [task] = [task for task in plan(source) if task.chunk]
    with ChunkWriter(str(tmp_path / "1.copy.zst")) as writer:
        source.read(task, writer.write)
    assert writer.chunk.rows == ROWS and writer.chunk.text_bytes == ROWS * (ROW + 3)
    tracemalloc.start()
    try:
        with ChunkWriter(str(tmp_path / "2.copy.zst")) as writer:
            source.read(task, writer.write)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # As it is stored, its block, and its text in the making.
    assert peak <= 5 * ROW, f"{peak / ROW:.1f} rows"
    assert held <= 2 * ROW, f"{held / ROW:.1f} rows"
