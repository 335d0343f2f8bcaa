# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a backup's files to a dump directory: plans key ranges, decodes them in processes, proves completeness."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Optional

from .._arrange.arrangement import AS_IN_SOURCE, Arrangement, arrange
from .._arrange.selection import Selection, select
from .._convert.computed import keep_unconvertible_as_data
from .._dump.chunk_files import ChunkWriter, write_chunk
from .._dump.journal import ExportJournal
from .._dump.manifest import Chunk, ColumnEntry, RejectFile, TableEntry, is_complete, read_manifest
from .._dump.paths import chunk_path
from .._dump.removed_rows import rows_removed
from .._dump.summary import summarize
from .._model.catalog import Catalog, UnfinishedImport
from .._model.conversion_policies import DEFAULT_POLICIES, TEXT, ConversionPolicies
from .._model.findings import Finding
from .._model.json_form import from_json
from .._model.object_names import object_names
from .._model.object_numbers import object_numbers
from .._model.table_source import TableSource, table_sources
from .._sources.backup.coverage import files_of, prove, unread_ranges
from .._sources.backup.key_ranges import KeyRange, row_range, sequence_range
from .._sources.backup.reader import Backup, BackupRequest, open_backup
from .._sources.backup.row_decoder import RowDecoder, build_row_decoder
from .._sources.backup.source_catalog import find_leftovers, source_catalog
from .._sources.backup.values import decode_sequence_value
from .._sources.descriptors.cluster_leftovers import STATISTICS
from .._values.value_policies import STOP_ALL, ValuePolicies
from .room import COMPRESSION, require_room_for_dump
from .value_findings import chunk_problems, doubt_foreign_keys, value_findings
from .workers import Progress, run_tasks
from .write_dump import DumpContent, write_dump

DEFAULT_BYTES_PER_ROW = 150
COUNT_BYTES = 256 << 20
"""Uncompressed bytes of keys and values that one task without decoding reads."""


@dataclass(frozen=True)
class Task:
    """One range of keys: the rows of one chunk, or (without a chunk) bytes that are only counted."""

    start: bytes
    end: bytes
    table_id: int = 0
    chunk: int = 0
    counted: bool = True
    """False when another task counts the same bytes (interleaved tables share their root's range)."""
    weight: int = 0
    """About how many bytes of keys and values: the heaviest tasks start first, so that all processes end together."""

    @property
    def key(self) -> str:
        """What the journal calls this task."""
        return f"{self.table_id}/{self.chunk}/{self.start.hex()}-{self.end.hex()}"


@dataclass
class Plan:
    """What will be read, and for which tables."""

    catalog: Catalog
    sources: dict[int, TableSource]
    tasks: list[Task]
    read: list[KeyRange]
    imports: dict[int, UnfinishedImport]
    """By table id: what is no part of the table."""


def export_backup(
    request: BackupRequest,
    dump_dir: str,
    selection: Selection,
    chunk_rows: int,
    parallelism: int,
    progress: Optional[Progress] = None,
    check: bool = False,
    keep_passwords: bool = False,
    rows_needed: bool = True,
    arrangement: Arrangement = AS_IN_SOURCE,
    policies: ValuePolicies = STOP_ALL,
    conversion: ConversionPolicies = DEFAULT_POLICIES,
) -> dict:
    """Write the dump of a backup and return its summary: ``changed``, ``dump_dir``, ``rows``, ``tables``, ``seconds``,
    ``warnings``.

    ``chunk_rows`` is about how many rows a chunk holds, ``parallelism`` the number of processes. A complete dump of
    the same backup and selection is left as it is; one that was broken off goes on where it stopped. With ``check``
    nothing is written. ``keep_passwords`` keeps the roles' SCRAM verifiers in a private file of the dump.
    Without ``rows_needed`` a dump whose rows were removed on purpose is complete too. ``arrangement`` gives new names.
    ``policies`` are for values that PostgreSQL cannot hold, ``conversion`` for what has two counterparts. Other names
    and policies make another dump. Raises MigrationError.
    """
    started = time.monotonic()
    backup = open_backup(request)
    plan = make_plan(backup, selection, chunk_rows, arrangement, conversion)
    identity = {
        "cluster_id": backup.info["cluster_id"],
        "end_time": list(backup.end_time),
        "chunk_rows": chunk_rows,
        "include": list(selection.include),
        "exclude": list(selection.exclude),
        "passwords": keep_passwords,
        **arrangement.identity(),
        **policies.identity(),
        **conversion.identity(),
    }
    usable = is_complete(dump_dir) and not (rows_needed and rows_removed(dump_dir))
    if usable and read_manifest(dump_dir).source.get("identity") == identity:
        return summarize(dump_dir, changed=False, started=started)
    if check:
        return {
            "changed": True,
            "dump_dir": dump_dir,
            "tables": len(plan.sources),
            "chunks": sum(bool(task.chunk) for task in plan.tasks),
        }
    require_room_for_dump(dump_dir, _needed_bytes(backup, plan))
    journal = ExportJournal(dump_dir, identity)
    _Worker.backup, _Worker.sources, _Worker.dump_dir, _Worker.decoders, _Worker.policies = (
        backup,
        plan.sources,
        dump_dir,
        {},
        policies,
    )
    _Worker.imports = plan.imports
    results = run_tasks(plan.tasks, _run_task, journal, parallelism, progress or (lambda state: None))
    tally: dict[int, int] = {}
    for result in results.values():
        for file_id, size in result["tally"].items():
            tally[int(file_id)] = tally.get(int(file_id), 0) + size
    findings = [*backup.findings, *plan.catalog.findings, STATISTICS, *prove(backup, plan.read, tally)]
    _write_dump(backup, plan, dump_dir, results, identity, journal.seconds, findings, keep_passwords, conversion)
    journal.remove()
    return {**summarize(dump_dir, changed=True, started=started), "warnings": journal.warnings}


def make_plan(
    backup: Backup,
    selection: Selection,
    chunk_rows: int,
    arrangement: Arrangement = AS_IN_SOURCE,
    conversion: ConversionPolicies = DEFAULT_POLICIES,
) -> Plan:
    """Choose the tables and cut their key ranges into chunks."""
    found = source_catalog(backup)
    find_leftovers(backup, found)
    chosen = select(found, selection)
    catalog = arrange(chosen, arrangement)
    keep_unconvertible_as_data(catalog, conversion)
    names = object_names(chosen, catalog, object_numbers(chosen)) if conversion.object_identifiers == TEXT else {}
    sources = {
        source.table.id: source
        for database in catalog.databases
        for source in table_sources(database, names.get(database.id))
    }
    tasks, read = [], []
    for source in sources.values():
        start, end = row_range(source.table)
        interleaved = bool(source.table.primary_index.interleave_ancestors)
        bounds = (
            [start, *backup.split(start, end, chunk_rows * _row_bytes(backup, start, end)), end]
            if backup.files(start, end)
            else []
        )
        tasks += [
            Task(
                bounds[number],
                bounds[number + 1],
                source.table.id,
                number + 1,
                not interleaved,
                _bytes(backup, start, end) // (len(bounds) - 1),
            )
            for number in range(len(bounds) - 1)
        ]
        if not interleaved:
            read.append((start, end))
    for database in catalog.databases:
        for sequence in database.sequences:
            start, end = sequence_range(sequence)
            sequence.value = _sequence_value(backup, start, end)
            tasks.append(Task(start, end))
            read.append((start, end))
    for start, end in unread_ranges(backup, read):
        bounds = [start, *backup.split(start, end, COUNT_BYTES), end]
        tasks += [Task(bounds[number], bounds[number + 1]) for number in range(len(bounds) - 1)]
    return Plan(catalog, sources, tasks, read, found.unfinished_imports)


def _bytes(backup: Backup, start: bytes, end: bytes) -> int:
    return sum(entry.data_size or 0 for entry in backup.files(start, end))


def _row_bytes(backup: Backup, start: bytes, end: bytes) -> int:
    rows = sum(entry.rows for entry in backup.files(start, end))
    return max(1, _bytes(backup, start, end) // rows) if rows else DEFAULT_BYTES_PER_ROW


def _sequence_value(backup: Backup, start: bytes, end: bytes) -> Optional[int]:
    for _keys, values in backup.scan(start, end, {}):
        for value in values:
            return decode_sequence_value(value)
    return None


def _needed_bytes(backup: Backup, plan: Plan) -> int:
    """Chunks compress about as well as the backup's own files; where their sizes are not known, as rows do."""
    return sum(
        entry.stored_size or (entry.data_size or 0) // COMPRESSION for entry in files_of(backup, plan.read).values()
    )


class _Worker:
    """What a worker process inherits from its parent by fork; set just before the pool starts."""

    backup: Backup
    sources: dict[int, TableSource]
    dump_dir: str
    decoders: dict[int, RowDecoder]
    policies: ValuePolicies
    imports: dict[int, UnfinishedImport]


def _run_task(task: Task) -> dict:
    tally: dict[int, int] = {}
    result = {"key": task.key, "table_id": task.table_id}
    if not task.table_id:
        _Worker.backup.count(task.start, task.end, tally)
    else:
        result.update(_write_chunk(task, tally))
    result["tally"] = tally if task.counted else {}
    return result


def _write_chunk(task: Task, tally: dict[int, int]) -> dict:
    source = _Worker.sources[task.table_id]
    decoder = _Worker.decoders.get(task.table_id)
    if decoder is None:
        decoder = _Worker.decoders[task.table_id] = build_row_decoder(
            source.table,
            source.user_types,
            source.name,
            _Worker.policies,
            source.object_names,
        )
    path = chunk_path(_Worker.dump_dir, source.database, source.schema, source.table.name, task.chunk)

    def fill(writer: ChunkWriter) -> None:
        for lines, computed in decoder.rows(
            _Worker.backup.scan(task.start, task.end, tally, _Worker.imports.get(task.table_id))
        ):
            writer.write(lines, computed)

    result = write_chunk(path, source.name, fill)
    return {**result, **chunk_problems(_Worker.dump_dir, source, task.chunk, decoder.problems)}


def _write_dump(
    backup: Backup,
    plan: Plan,
    dump_dir: str,
    results: dict[str, dict],
    identity: dict,
    seconds: float,
    findings: list[Finding],
    keep_passwords: bool,
    conversion: ConversionPolicies,
) -> None:
    chunks: dict[int, list[dict]] = {}
    for task in plan.tasks:
        if task.table_id:
            chunks.setdefault(task.table_id, []).append(results[task.key])
    databases = []
    for database in plan.catalog.databases:
        tables = []
        for source in [plan.sources[table.id] for table in database.tables]:
            decoder = build_row_decoder(source.table, source.user_types, source.name, object_names=source.object_names)
            tables.append(_entry(source, decoder.columns, decoder.computed, chunks.get(source.table.id, [])))
            findings += value_findings(source, chunks.get(source.table.id, []))
        findings += doubt_foreign_keys(database, chunks)
        databases.append((database, tables))
    source_info = dict(backup.info, kind="backup", identity=identity, export_seconds=seconds)
    write_dump(dump_dir, DumpContent(source_info, databases, plan.catalog.roles, findings, conversion), keep_passwords)


def _entry(source: TableSource, columns: Any, computed: Any, results: list[dict]) -> TableEntry:
    return TableEntry(
        source.table.id,
        source.schema,
        source.table.name,
        [ColumnEntry(column.name, column.escaped) for column in columns],
        [ColumnEntry(column.name, column.escaped) for column in computed],
        [from_json(Chunk, result["chunk"]) for result in results],
        rejects=[from_json(RejectFile, result["rejects"]) for result in results if result.get("rejects")],
    )
