# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Checking a dump by itself: whether every file exists, is whole and has the rows that the manifest says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Optional

from .._errors import MigrationError
from .._model.catalog import Database
from .._model.postgres_limits import LIMITS
from .._model.results import ValidateResult
from .._system.memory import give_back_large_objects
from .._system.processes import in_processes
from .._system.progress import Progress, ReportProgress
from .._values.row_checksum import line_checksums
from . import stored_sizes
from .chunk_files import ChunkReader, open_chunk, read_lines
from .dump_key import DumpKey
from .manifest import Chunk, DatabaseEntry, Manifest, TableEntry, read_catalog, read_manifest_for_rows
from .paths import CATALOG
from .rejected_rows import read_rejects
from .written_chunks import WrittenChunks

_GROUP_BYTES, _GROUP_CHUNKS = 4 << 20, 64
"""The most text, and the most chunks, that a process checks before it says so."""


def validate_dump(
    dump_dir: str,
    parallelism: int = 1,
    progress: Optional[ReportProgress] = None,
    key: Optional[DumpKey] = None,
    written: Optional[WrittenChunks] = None,
) -> ValidateResult:
    """Read every file of a dump and compare it with the manifest; not the chunks that this process has ``written`` and
    read again.

    Each chunk's SHA-256 and rows are checked, its row checksum too unless the table has computed columns (their text is
    not in the chunk). The findings are what PostgreSQL's limits change, and what is too long for them.
    ``key`` is that of an encrypted dump. Raises ConfigurationError when there is no complete dump, or it needs another
    key, MigrationError when its manifest is unusable.
    """
    started = time.monotonic()
    give_back_large_objects()
    manifest = read_manifest_for_rows(dump_dir, key)
    catalogs, unreadable = _catalogs(dump_dir, manifest)
    problems = [
        *unreadable,
        *_file_problems(dump_dir, manifest),
        *_reject_problems(dump_dir, manifest, key),
    ]
    chunks = [
        _ChunkOfTable(table, chunk, wanted.get(table.id, []))
        for entry, database in catalogs
        for wanted in (stored_sizes.measured(database, entry) if database else {},)
        for table in entry.tables
        for chunk in table.chunks
    ]
    seen = written or WrittenChunks()
    left = [item for item in chunks if (item.table.id, item.chunk.file) not in seen.files]
    done = len(chunks) - len(left)
    rows = sum(item.chunk.rows for item in chunks) - sum(item.chunk.rows for item in left)
    sizes = dict(seen.sizes)
    found: dict[int, list[str]] = {}
    with in_processes(
        lambda group: _check_chunks(_Place(dump_dir, key), *group), list(_groups(left)), parallelism
    ) as results:
        for checked in results:
            rows += checked.rows
            done += checked.chunks
            found[checked.first] = checked.problems
            stored_sizes.merge(sizes, checked.sizes)
            if progress:
                progress(Progress(done, len(chunks), rows, "validate"))
    problems += [text for _first, texts in sorted(found.items()) for text in texts]
    tables = [table for database in manifest.databases for table in database.tables]
    return ValidateResult(
        problems=problems,
        findings=[item for item in manifest.findings if item.code in LIMITS] + stored_sizes.findings(sizes),
        tables=len(tables),
        chunks=len(chunks),
        rows=rows,
        rejected=sum(table.rejected for table in tables),
        bytes=sum(item.chunk.bytes for item in chunks),
        seconds=round(time.monotonic() - started, 3),
    )


def _catalogs(dump_dir: str, manifest: Manifest) -> tuple[list[tuple[DatabaseEntry, Optional[Database]]], list[str]]:
    """Return each database's entry with its catalog, None for one that cannot be read, and the reasons for these."""
    found: list[tuple[DatabaseEntry, Optional[Database]]] = []
    problems = []
    for entry in manifest.databases:
        try:
            found.append((entry, read_catalog(dump_dir, entry)))
        except MigrationError as error:
            found.append((entry, None))
            problems.append(str(error))
    return found, problems


def _file_problems(dump_dir: str, manifest: Manifest) -> list[str]:
    """Name files next to the chunks that the manifest does not know; missing chunks are named when they are read."""
    problems = []
    for entry in manifest.databases:
        wanted = _wanted_files(entry)
        for base in ("data", "rejects"):
            for directory, _directories, files in os.walk(os.path.join(dump_dir, entry.directory, base)):
                for name in sorted(files):
                    relative = os.path.relpath(os.path.join(directory, name), dump_dir)
                    if relative not in wanted:
                        problems.append(f"the manifest does not know the file {os.path.join(directory, name)}")
    return problems


def _reject_problems(dump_dir: str, manifest: Manifest, key: Optional[DumpKey]) -> list[str]:
    problems = []
    for table in (table for entry in manifest.databases for table in entry.tables):
        for file in table.rejects:
            try:
                read_rejects(os.path.join(dump_dir, table.rejects_directory, file.file), file, key)
            except MigrationError as error:
                problems.append(str(error))
    return problems


def _wanted_files(entry: DatabaseEntry) -> set[str]:
    chunks = {f"{table.directory}/{chunk.file}" for table in entry.tables for chunk in table.chunks}
    return (
        chunks
        | {f"{table.rejects_directory}/{file.file}" for table in entry.tables for file in table.rejects}
        | {f"{entry.directory}/{CATALOG}"}
    )


@dataclass(frozen=True)
class _Place:
    """Where the chunks are, and what decrypts them."""

    dump_dir: str
    key: Optional[DumpKey]


@dataclass(frozen=True)
class _ChunkOfTable:
    table: TableEntry
    chunk: Chunk
    measured: list[stored_sizes.Measured]


@dataclass
class _Checked:
    """What was read of some chunks, and a line for each that is wrong. ``first`` is the place of the first one."""

    first: int
    chunks: int
    rows: int = 0
    sizes: stored_sizes.Sizes = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _groups(chunks: list[_ChunkOfTable]) -> Iterator[tuple[int, list[_ChunkOfTable]]]:
    """Yield what a process does at a time, with the place of the first one: a chunk, or many small ones."""
    first = size = 0
    for number, item in enumerate(chunks):
        if size + item.chunk.text_bytes > _GROUP_BYTES or number - first == _GROUP_CHUNKS:
            if number > first:
                yield first, chunks[first:number]
            first, size = number, 0
        size += item.chunk.text_bytes
    if chunks[first:]:
        yield first, chunks[first:]


def _check_chunks(dump: _Place, first: int, chunks: list[_ChunkOfTable]) -> _Checked:
    checked = _Checked(first, len(chunks))
    for item in chunks:
        read, text = _check_chunk(dump, item.table, item.chunk, item.measured)
        checked.rows += read.rows
        stored_sizes.merge(checked.sizes, read.sizes)
        if text:
            checked.problems.append(text)
    return checked


@dataclass
class _Read:
    """What was read of a chunk."""

    rows: int = 0
    checksum: int = 0
    sizes: stored_sizes.Sizes = field(default_factory=dict)


def _check_chunk(
    dump: _Place, table: TableEntry, chunk: Chunk, wanted: list[stored_sizes.Measured]
) -> tuple[_Read, str]:
    """Return what was read and what is wrong with it ("" when nothing is)."""
    path = os.path.join(dump.dump_dir, table.directory, chunk.file)
    try:
        with open_chunk(path, dump.key) as reader:
            read = _read_rows(reader, wanted)
            reader.verify(chunk)
    except MigrationError as error:
        return _Read(), str(error)
    if read.rows != chunk.rows:
        return read, f"the dump's chunk {path} has {read.rows} rows, the manifest says {chunk.rows}"
    if not table.computed and str(read.checksum) != chunk.checksum:
        return read, f"the dump's chunk {path} has the row checksum {read.checksum}, the manifest says {chunk.checksum}"
    return read, ""


def _read_rows(reader: ChunkReader, wanted: list[stored_sizes.Measured]) -> _Read:
    found = _Read()
    for lines in read_lines(reader):
        found.rows += len(lines)
        found.checksum += line_checksums(lines)
        if wanted:
            stored_sizes.merge(found.sizes, stored_sizes.measure(lines, wanted))
        del lines
    return found
