# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From any source to a dump directory: the one export, which resumes where it was interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .._arrange.arrangement import AS_IN_SOURCE, Arrangement, arrange
from .._arrange.selection import Selection, select
from .._convert.computed import keep_unconvertible_as_data
from .._convert.database import convert_database
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._dump import dump_lock, stored_sizes
from .._dump.dump_key import ENCRYPTED_FOR, DumpKey
from .._dump.journal import ExportJournal, forget_journal, has_journal, unfinished_identity
from .._dump.key_check import require_key_of_dump
from .._dump.manifest import ColumnEntry, DatabaseEntry, TableEntry, is_complete, read_manifest, source_facts
from .._dump.removed_rows import rows_removed
from .._dump.task_result import TaskResult
from .._dump.written_chunks import WrittenChunks
from .._model.catalog import Catalog
from .._model.conversion_policies import DEFAULT_POLICIES, TEXT, ConversionPolicies
from .._model.findings import Finding
from .._model.object_names import object_names
from .._model.postgres_limits import LIMITS
from .._model.results import IF_KNOWN
from .._model.table_source import TableSource, table_sources
from .._sources.descriptors.cluster_leftovers import STATISTICS
from .._sources.source import FinishedTask, MomentGoneError, ReadRequest, Source
from .._system.progress import ReportProgress
from .._values.value_policies import STOP_ALL, ValuePolicies
from .room import require_room_for_dump
from .value_findings import Results, mark_foreign_keys_not_valid, value_findings
from .workers import ExportJob, run_tasks
from .write_dump import DumpContent, write_dump

_AS_OF = "as_of"
"""The key of an identity that holds the moment which the source chose."""


@dataclass(frozen=True)
class ExportOptions:
    """What to export of a source, and how. All but ``parallelism`` and ``rows_needed`` make another dump."""

    chunk_rows: int
    """About how many rows a chunk holds."""
    selection: Selection = field(default_factory=Selection)
    parallelism: int = 1
    """The number of processes."""
    keep_passwords: bool = False
    """Whether to keep the roles' SCRAM verifiers, in a private file of the dump."""
    rows_needed: bool = True
    """False: a dump whose rows were removed on purpose is complete, too."""
    arrangement: Arrangement = AS_IN_SOURCE
    """The names in PostgreSQL."""
    policies: ValuePolicies = STOP_ALL
    """For values that PostgreSQL cannot hold."""
    conversion: ConversionPolicies = DEFAULT_POLICIES
    """How constructs with two possible conversions are converted."""
    key: Optional[DumpKey] = None
    """Encrypts the dump."""

    def identity(self) -> dict[str, Any]:
        """Return JSON values that distinguish a dump with these options from another one of the same source."""
        return {
            "chunk_rows": self.chunk_rows,
            "include": list(self.selection.include),
            "exclude": list(self.selection.exclude),
            "passwords": self.keep_passwords,
            **self.arrangement.identity(),
            **self.policies.identity(),
            **self.conversion.identity(),
            **({ENCRYPTED_FOR: self.key.recipient} if self.key else {}),
        }


@dataclass(frozen=True)
class ExportResult:
    """A complete dump."""

    changed: bool
    """False: it was complete already."""
    dump_dir: str
    databases: list[str]
    tables: int
    rows: int
    chunks: int
    seconds: float
    as_of: Optional[str] = field(metadata=IF_KNOWN)
    """The moment that the source chose, as its decimal timestamp; None for a source that has one moment only."""
    end_time: Optional[str] = field(metadata=IF_KNOWN)
    """The same moment in UTC, ISO 8601."""
    warnings: list[str] = field(default_factory=list)
    validated: bool = False
    """Whether the dump was validated in the same step, and that was recorded."""


@dataclass(frozen=True)
class ExportPlan:
    """What an export would do (check mode)."""

    dump_dir: str
    tables: int
    chunks: Optional[int] = field(metadata=IF_KNOWN)
    """None: the source would have to count its rows to know that."""
    as_of: Optional[str] = field(metadata=IF_KNOWN)
    """See ExportResult."""
    changed: bool = True


def export(
    source: Source[Any],
    dump_dir: str,
    options: ExportOptions,
    progress: Optional[ReportProgress] = None,
    check: bool = False,
    written: Optional[WrittenChunks] = None,
) -> Union[ExportResult, ExportPlan]:
    """Write the dump of a source.

    A complete dump of the same source and options is left as it is; an interrupted one resumes where it stopped,
    at the same moment; each only with the key that it was begun with. With ``check`` nothing is written. ``written``
    gets the chunks that were written now; each was read again. Raises MigrationError.
    """
    started = time.monotonic()
    require_key_of_dump(dump_dir, options.key)
    with _naming_the_dump(dump_dir), contextlib.ExitStack() as only_run:
        with source:
            wanted = {**source.identity(), **options.identity()}
            is_done = _is_there(dump_dir, wanted, options.rows_needed)
            if not check and (not is_done or has_journal(dump_dir)):
                only_run.enter_context(dump_lock.writing(dump_dir))
                # Another run may have ended meanwhile.
                is_done = _is_there(dump_dir, wanted, options.rows_needed)
                if is_done:
                    forget_journal(dump_dir)
            if is_done:
                return _result(dump_dir, changed=False, started=started)
            begun = unfinished_identity(dump_dir)
            as_of = source.choose_moment(begun.get(_AS_OF, "") if _is_same(begun, wanted) else "")
            catalog, tables = _chosen(source, options)
        request = ReadRequest(tables, options.policies, options.chunk_rows, options.parallelism)
        if check and source.counts_to_plan:
            return ExportPlan(dump_dir, len(tables), None, as_of or None)
        plan = source.plan(request)
        require_room_for_dump(dump_dir, plan)
        if check:
            return ExportPlan(dump_dir, len(tables), sum(bool(task.chunk) for task in plan.tasks), as_of or None)
        journal = ExportJournal(dump_dir, {**wanted, _AS_OF: as_of} if as_of else wanted, options.key)
        measured = _measured(source, catalog, tables)
        job = ExportJob(source, tables, dump_dir, measured, written or WrittenChunks(), options.key)
        done = run_tasks(job, plan.tasks, journal, options.parallelism, progress or (lambda state: None))
        content = _content(job, catalog, [done[task.key] for task in plan.tasks], journal, options.conversion)
        write_dump(dump_dir, content, options.keep_passwords, options.key)
        journal.remove()
    return _result(dump_dir, changed=True, started=started, warnings=journal.warnings)


@contextlib.contextmanager
def _naming_the_dump(dump_dir: str) -> Iterator[None]:
    try:
        yield
    except MomentGoneError as error:
        raise MomentGoneError(
            f"{error}. If it ends with the same words they have: remove {dump_dir} and start the export at a later "
            "moment"
        ) from None


def _is_there(dump_dir: str, wanted: dict[str, Any], rows_needed: bool) -> bool:
    """Tell whether the directory holds the complete dump that is wanted."""
    if not is_complete(dump_dir) or (rows_needed and rows_removed(dump_dir)):
        return False
    return _is_same(read_manifest(dump_dir).identity, wanted)


def _is_same(identity: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return {name: value for name, value in identity.items() if name != _AS_OF} == wanted


def _chosen(source: Source[Any], options: ExportOptions) -> tuple[Catalog, dict[int, TableSource]]:
    """Return the catalog of what was chosen, as PostgreSQL will have it, and its tables by descriptor id."""
    chosen = select(source.catalog(), options.selection)
    source.read_chosen(chosen, options.parallelism)
    catalog = arrange(chosen, options.arrangement)
    keep_unconvertible_as_data(catalog, options.conversion)
    catalog.findings += _limits(catalog, options.conversion)
    names = {}
    if options.conversion.object_identifiers == TEXT:
        numbers, findings = source.object_numbers(chosen)
        catalog.findings += findings
        names = object_names(chosen, catalog, numbers)
    return catalog, {
        table.table.id: table
        for database in catalog.databases
        for table in table_sources(database, names.get(database.id))
    }


def _limits(catalog: Catalog, policies: ConversionPolicies) -> list[Finding]:
    """Return what the conversion finds because of PostgreSQL's limits, whichever server it is for. Raises
    UnsupportedError for what PostgreSQL cannot have, before any row is read."""
    options = ConvertOptions(policies=policies)
    conversions = [
        convert_database(database, catalog.roles, ServerFeatures(), options) for database in catalog.databases
    ]
    return [item for conversion in conversions for item in conversion.findings if item.code in LIMITS]


def _content(
    job: ExportJob,
    catalog: Catalog,
    results: list[TaskResult],
    journal: ExportJournal,
    conversion: ConversionPolicies,
) -> DumpContent:
    """Return what the dump holds besides its chunks. Raises MigrationError when the source proves that rows are
    missing."""
    source = job.source
    finished = (FinishedTask(result.table_id, result.rows_read, result.tally or {}) for result in results)
    findings = [*source.findings(), *catalog.findings, STATISTICS, *source.prove(finished)]
    by_table: Results = {}
    for result in results:
        if result.chunk:
            by_table.setdefault(result.table_id, []).append(result)
    databases = []
    for database in catalog.databases:
        tables = [job.tables[table.id] for table in database.tables]
        databases.append((database, [_entry(source, table, by_table.get(table.table.id, [])) for table in tables]))
        for table in tables:
            findings += value_findings(table, by_table.get(table.table.id, []), with_keys=not job.key)
        findings += mark_foreign_keys_not_valid(database, by_table)
    facts = source_facts(source.describe(), journal.identity, journal.seconds)
    return DumpContent(facts, databases, catalog.roles, findings, conversion)


def _measured(
    source: Source[Any], catalog: Catalog, tables: dict[int, TableSource]
) -> dict[int, list[stored_sizes.Measured]]:
    """Return what may be too long for PostgreSQL in the rows of each table, by descriptor id."""
    found: dict[int, list[stored_sizes.Measured]] = {}
    for database in catalog.databases:
        entries = [_entry(source, tables[table.id], []) for table in database.tables]
        found.update(stored_sizes.measured(database, DatabaseEntry(database.name, "", "", entries)))
    return found


def _entry(source: Source[Any], table: TableSource, results: list[TaskResult]) -> TableEntry:
    columns = source.columns(table.table.id)
    return TableEntry(
        table.table.id,
        table.schema,
        table.table.name,
        [ColumnEntry(column.name, column.escaped) for column in columns.loaded],
        [ColumnEntry(column.name, column.escaped) for column in columns.computed],
        [result.chunk for result in results if result.chunk],
        rejects=[result.rejects for result in results if result.rejects],
    )


def _result(dump_dir: str, changed: bool, started: float, warnings: Optional[list[str]] = None) -> ExportResult:
    manifest = read_manifest(dump_dir)
    tables = [table for database in manifest.databases for table in database.tables]
    as_of = manifest.identity.get(_AS_OF)
    return ExportResult(
        changed,
        dump_dir,
        [database.name for database in manifest.databases],
        tables=len(tables),
        rows=sum(table.rows for table in tables),
        chunks=sum(len(table.chunks) for table in tables),
        seconds=round(time.monotonic() - started, 3),
        as_of=as_of,
        end_time=manifest.end_time if as_of else None,
        warnings=warnings or [],
    )
