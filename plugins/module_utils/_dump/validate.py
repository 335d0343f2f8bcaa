# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Checking a dump by itself: every file there, whole, and with the rows the manifest says."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from .._errors import MigrationError
from .._model.results import ValidateResult
from .._system.progress import Progress, ReportProgress
from .._values.row_checksum import encoded_checksums
from .chunk_files import READ_BYTES, ChunkReader, open_chunk
from .manifest import Chunk, DatabaseEntry, Manifest, TableEntry, read_catalog, read_manifest
from .paths import CATALOG
from .rejected_rows import read_rejects


def validate_dump(dump_dir: str, parallelism: int = 1, progress: Optional[ReportProgress] = None) -> ValidateResult:
    """Read every file of a dump and compare it with the manifest.

    Each chunk's SHA-256 and rows are checked, its row checksum too unless the table has computed columns (their text is
    not in the chunk). Raises ConfigurationError when there is no complete dump, MigrationError when its manifest is
    unusable.
    """
    started = time.monotonic()
    manifest = read_manifest(dump_dir)
    problems = [
        *_catalog_problems(dump_dir, manifest),
        *_file_problems(dump_dir, manifest),
        *_reject_problems(dump_dir, manifest),
    ]
    work = [(table, chunk) for database in manifest.databases for table in database.tables for chunk in table.chunks]
    rows = done = 0
    with ThreadPoolExecutor(parallelism) as pool:
        for found, text in pool.map(lambda item: _check_chunk(dump_dir, *item), work):
            rows += found
            done += 1
            if text:
                problems.append(text)
            if progress:
                progress(Progress(done, len(work), rows, "validate"))
    tables = [table for database in manifest.databases for table in database.tables]
    return ValidateResult(
        problems=problems,
        tables=len(tables),
        chunks=len(work),
        rows=rows,
        rejected=sum(table.rejected for table in tables),
        bytes=sum(chunk.bytes for _table, chunk in work),
        seconds=round(time.monotonic() - started, 3),
    )


def _catalog_problems(dump_dir: str, manifest: Manifest) -> list[str]:
    problems = []
    for entry in manifest.databases:
        try:
            read_catalog(dump_dir, entry)
        except MigrationError as error:
            problems.append(str(error))
    return problems


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


def _reject_problems(dump_dir: str, manifest: Manifest) -> list[str]:
    problems = []
    for table in (table for entry in manifest.databases for table in entry.tables):
        for file in table.rejects:
            try:
                read_rejects(os.path.join(dump_dir, table.rejects_directory, file.file), file)
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


def _check_chunk(dump_dir: str, table: TableEntry, chunk: Chunk) -> tuple[int, str]:
    """Return the rows found and what is wrong ("" when nothing is)."""
    path = os.path.join(dump_dir, table.directory, chunk.file)
    try:
        with open_chunk(path) as reader:
            rows, checksum = _read_rows(reader)
            reader.verify(chunk)
    except MigrationError as error:
        return 0, str(error)
    if rows != chunk.rows:
        return rows, f"the dump's chunk {path} has {rows} rows, the manifest says {chunk.rows}"
    if not table.computed and str(checksum) != chunk.checksum:
        return rows, f"the dump's chunk {path} has the row checksum {checksum}, the manifest says {chunk.checksum}"
    return rows, ""


def _read_rows(reader: ChunkReader) -> tuple[int, int]:
    rows, checksum, rest = 0, 0, b""
    while True:
        data = reader.read(READ_BYTES)
        *lines, rest = (rest + data).split(b"\n")
        rows += len(lines)
        checksum += encoded_checksums(lines)
        if not data:
            return rows + bool(rest), checksum
