# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""From a running CockroachDB to a dump directory, at one moment: plans key ranges, reads them in processes, proves the number of rows."""
from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, TypeVar

try:
    import psycopg2
    import tenacity
except ImportError:  # named by libraries.missing()
    psycopg2 = tenacity = None

from ..backup import timestamps
from ..catalog.arrangement import Arrangement, arrange
from ..catalog.cluster_leftovers import STATISTICS
from ..catalog.model import Catalog, Finding
from ..catalog.object_names import object_names
from ..catalog.object_numbers import ObjectNumbers, object_numbers
from ..catalog.selection import Selection, select
from ..catalog.table_source import ObjectNames, TableSource, table_sources
from ..convert.computed import keep_unconvertible_as_data
from ..convert.conversion_policies import DEFAULT_POLICIES, TEXT, ConversionPolicies
from ..dump import layout
from ..dump.changed_values import chunk_problems, doubt_foreign_keys, value_findings
from ..dump.chunk_files import ChunkWriter, write_chunk
from ..dump.export_journal import ExportJournal, unfinished_identity
from ..dump.rows import rows_removed
from ..dump.summary import summarize
from ..dump.task_pool import Progress, run_tasks
from ..dump.value_policies import STOP_ALL, ValuePolicies
from ..errors import CockroachError
from .connection import CockroachParameters, UnreachableError, cockroach_message, connect, is_lost, server_version
from .key_ranges import Bound
from .row_stream import TableReader, has_copy, receive_texts
from .row_texts import Row, RowTexts
from .schema import read_catalog, read_sequence_values

Result = TypeVar("Result")

_ATTEMPTS = 6
_LONGEST_PAUSE = 10
_SERIALIZATION_FAILURE = "40001"
_TOO_OLD = "replica GC threshold"
_RESTORE = "restore"
_NUMBERS_NOT_KNOWN = Finding(
    "object_numbers_not_known", "warning", "all databases",
    "Object identifiers of tables, types, schemas and functions keep their numbers: CockroachDB gives new ones when it restores, and the backup's manifest, "
    "which knows the old ones, could not be read.",
    "Export the running cluster, or the backup's own files, to have names.",
)
_LOST_GRANTS = Finding(
    "grants_not_restored", "warning", "all databases", "Owners and grants are not those of the source: CockroachDB brings them back with a whole cluster only.",
    "Use migration_source: backup, which reads them from the backup's files, or grant by hand.",
)


@dataclass(frozen=True)
class ExportRequest:
    """What to export. ``as_of``: empty means now; else anything that AS OF SYSTEM TIME takes.

    ``source_id`` names the content where the cluster is only a copy of it (a restored backup); empty means the cluster itself.
    ``kind`` is ``cluster`` or ``restore``; ``locations`` are for the report, without secrets.
    """

    dump_dir: str
    selection: Selection = field(default_factory=Selection)
    chunk_rows: int = 100000
    parallelism: int = 1
    as_of: str = ""
    kind: str = "cluster"
    source_id: str = ""
    locations: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What was found before, while the source was made."""
    grants_restored: bool = True
    """False: the cluster is a restored backup of databases or tables, which loses owners and grants."""
    keep_passwords: bool = False
    rows_needed: bool = True
    arrangement: Arrangement = field(default_factory=Arrangement)
    """The names in PostgreSQL."""
    policies: ValuePolicies = STOP_ALL
    """For values that PostgreSQL cannot hold; others make another dump."""
    conversion: ConversionPolicies = DEFAULT_POLICIES
    """For what has two counterparts in PostgreSQL; others make another dump."""
    object_numbers: Optional[ObjectNumbers] = None
    """Of a restored backup: the numbers that its objects had in the cluster that wrote the values. None: the cluster itself wrote them."""


@dataclass(frozen=True)
class Task:
    """One range of a table's primary key: the rows of one chunk."""

    table_id: int
    chunk: int
    start: Optional[Bound]
    end: Optional[Bound]
    weight: int

    @property
    def key(self) -> str:
        """What the journal calls this task."""
        return json.dumps([self.table_id, self.chunk, self.start, self.end], ensure_ascii=False)


def export_cluster(parameters: CockroachParameters, request: ExportRequest, progress: Optional[Progress] = None, check: bool = False) -> dict:
    """Write the dump of a running CockroachDB; return its summary: ``changed``, ``dump_dir``, ``as_of``, ``rows``, ``tables``, ``seconds``, ``warnings``.

    A complete dump of the same source and selection is left as it is; one that was broken off goes on where it stopped, at the same moment.
    With ``check`` nothing is written. Raises MigrationError.
    """
    started = time.monotonic()
    with _connected(parameters) as connection:
        cluster = _cluster(connection)
        wanted = _identity(request, cluster)
        usable = layout.is_complete(request.dump_dir) and not (request.rows_needed and rows_removed(request.dump_dir))
        if usable and _same_source(layout.read_manifest(request.dump_dir).source.get("identity", {}), wanted):
            return _summary(request, False, started)
        broken_off = unfinished_identity(request.dump_dir)
        identity = broken_off if _same_source(broken_off, wanted) else dict(wanted, as_of=_moment(connection, request.as_of))
        catalog, sources, originals = _read_catalog(connection, parameters, request, identity["as_of"])
    if check:
        return {"changed": True, "dump_dir": request.dump_dir, "as_of": identity["as_of"], "tables": len(sources)}
    _Worker.prepare(parameters, cluster["cluster_id"], request, sources, originals, identity["as_of"])
    journal = ExportJournal(request.dump_dir, identity)
    tasks, counts = _plan(sources, request)
    results = run_tasks(tasks, _run_task, journal, request.parallelism, progress or (lambda state: None))
    chunks: dict[int, list[dict]] = {}
    for task in tasks:
        chunks.setdefault(task.table_id, []).append(results[task.key])
    _prove(sources, chunks, counts)
    _write_dump(request, catalog, chunks, cluster, identity)
    journal.remove()
    return {**_summary(request, True, started), "warnings": journal.warnings}


def _cluster(connection: Any) -> dict:
    with connection.cursor() as cursor:
        cursor.execute("SELECT crdb_internal.cluster_id()")
        return {"cluster_id": cursor.fetchone()[0], "cluster_version": server_version(connection)}


def _identity(request: ExportRequest, cluster: dict) -> dict:
    """Return what tells this export's content from another's, but for the moment."""
    return {
        "kind": request.kind, "source_id": request.source_id or cluster["cluster_id"], "asked_as_of": request.as_of, "chunk_rows": request.chunk_rows,
        "include": list(request.selection.include), "exclude": list(request.selection.exclude), "passwords": request.keep_passwords,
        **request.arrangement.identity(), **request.policies.identity(), **request.conversion.identity(),
    }


def _same_source(identity: dict, wanted: dict) -> bool:
    return {name: value for name, value in identity.items() if name != "as_of"} == wanted


def _moment(connection: Any, asked: str) -> str:
    """Return the moment as the decimal timestamp of the cluster's clock."""
    with connection.cursor() as cursor:
        if not asked:
            cursor.execute("SELECT cluster_logical_timestamp()")
            return cursor.fetchone()[0]
        try:
            cursor.execute("SELECT cluster_logical_timestamp() FROM (VALUES (1)) AS moment AS OF SYSTEM TIME %s", (asked,))
        except psycopg2.Error as error:
            raise CockroachError(f"as_of {asked!r} is not a moment that CockroachDB can read at: {cockroach_message(error)}") from None
        return cursor.fetchone()[0]


def _read_catalog(
    connection: Any, parameters: CockroachParameters, request: ExportRequest, as_of: str,
) -> tuple[Catalog, dict[int, TableSource], dict[int, TableSource]]:
    """Return the catalog with the names in PostgreSQL, its tables by id, and these with the names that CockroachDB knows."""
    try:
        chosen = select(read_catalog(connection, as_of, request.grants_restored, request.kind == _RESTORE), request.selection)
        for database in chosen.databases:
            read_sequence_values(connection, database, as_of)
    except psycopg2.Error as error:
        raise _refused("the schema", parameters, error) from None
    originals = _sources(chosen, {})
    catalog = arrange(chosen, request.arrangement)
    keep_unconvertible_as_data(catalog, request.conversion)
    return catalog, _sources(catalog, _object_names(chosen, catalog, request)), originals


def _object_names(chosen: Catalog, catalog: Catalog, request: ExportRequest) -> dict[int, ObjectNames]:
    if request.conversion.object_identifiers != TEXT:
        return {}
    own, given = object_numbers(chosen), request.object_numbers
    if request.kind != _RESTORE:
        return object_names(chosen, catalog, own)
    if given is None:
        catalog.findings.append(_NUMBERS_NOT_KNOWN)
        given = ObjectNumbers()
    return object_names(chosen, catalog, ObjectNumbers(given.ids, tuple(dict.fromkeys(given.roles + own.roles))))


def _sources(catalog: Catalog, names: dict[int, ObjectNames]) -> dict[int, TableSource]:
    return {source.table.id: source for database in catalog.databases for source in table_sources(database, names.get(database.id))}


class _Worker:
    """What a worker process inherits from its parent by fork; set just before the pool starts."""

    parameters: CockroachParameters
    cluster_id: str
    dump_dir: str
    texts: dict[int, RowTexts]
    readers: dict[int, TableReader]
    sources: dict[int, TableSource]
    connection: Any = None
    """Of this process; made by the first task, and again after it is lost."""
    copies = False

    @classmethod
    def prepare(
        cls, parameters: CockroachParameters, cluster_id: str, request: ExportRequest, sources: dict[int, TableSource],
        originals: dict[int, TableSource], as_of: str,
    ) -> None:
        """Set what all workers share."""
        cls.cluster_id = cluster_id
        cls.parameters, cls.dump_dir, cls.sources, cls.connection = parameters, request.dump_dir, sources, None
        cls.texts = {number: RowTexts(source, request.policies) for number, source in sources.items()}
        cls.readers = {number: TableReader(originals[number], cls.texts[number].names(), as_of) for number in sources}


@contextlib.contextmanager
def _connected(parameters: CockroachParameters) -> Iterator[Any]:
    connection = connect(parameters)
    try:
        receive_texts(connection)
        yield connection
    finally:
        connection.close()


def _open_worker() -> Any:
    """Return a connection to the cluster that is exported. Raises CockroachError when another one answers by now."""
    connection = connect(_Worker.parameters)
    receive_texts(connection)
    if _cluster(connection)["cluster_id"] != _Worker.cluster_id:
        connection.close()
        raise CockroachError(f"another CockroachDB answers at {_Worker.parameters.place} than the one whose export was begun: start a new export of it")
    return connection


def _plan(sources: dict[int, TableSource], request: ExportRequest) -> tuple[list[Task], dict[int, int]]:
    """Return the tasks of all tables, and the tables' numbers of rows by id."""
    with ThreadPoolExecutor(request.parallelism) as pool:
        found = dict(zip(sources, pool.map(lambda number: _split(number, request.chunk_rows), sources)))
    tasks = []
    for number, (bounds, rows) in found.items():
        edges = [None, *bounds, None]
        tasks += [Task(number, chunk + 1, edges[chunk], edges[chunk + 1], rows // (len(bounds) + 1)) for chunk in range(len(bounds) + 1) if rows]
    return tasks, {number: rows for number, (_bounds, rows) in found.items()}


def _split(number: int, chunk_rows: int) -> tuple[list[Bound], int]:
    """Return the bounds between a table's chunks and its number of rows."""
    source, reader = _Worker.sources[number], _Worker.readers[number]

    def split() -> tuple[list[Bound], int]:
        with contextlib.closing(_open_worker()) as connection:
            rows = reader.count(connection)
            bounds: list[Bound] = []
            while (len(bounds) + 1) * chunk_rows < rows:
                bound = reader.next_bound(connection, bounds[-1] if bounds else None, chunk_rows)
                if bound is None:
                    break
                bounds.append(bound)
            return bounds, rows

    return _retried(source.name, split)


def _run_task(task: Task) -> dict:
    source, texts, reader = _Worker.sources[task.table_id], _Worker.texts[task.table_id], _Worker.readers[task.table_id]
    path = layout.chunk_path(_Worker.dump_dir, source.database, source.schema, source.table.name, task.chunk)

    def fill(writer: ChunkWriter) -> None:
        def consume(rows: list[Row]) -> None:
            writer.write(*texts.lines(rows))

        if _Worker.copies:
            reader.copy(_Worker.connection, task.start, task.end, consume)
        else:
            reader.pages(_Worker.connection, task.start, task.end, consume)

    def write() -> dict:
        if _Worker.connection is None or _Worker.connection.closed:
            _Worker.connection = _open_worker()
            _Worker.copies = has_copy(_Worker.connection)
        # What an attempt that failed has left.
        texts.problems.take()
        return {**write_chunk(path, source.name, fill), **chunk_problems(_Worker.dump_dir, source, task.chunk, texts.problems)}

    return dict(_retried(source.name, write), key=task.key, table_id=task.table_id)


def _retried(name: str, action: Callable[[], Result]) -> Result:
    """Call ``action`` again after errors that pass: transactions that have to be retried, connections that were lost."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passes), stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=0.5, max=_LONGEST_PAUSE), reraise=True,
    )
    try:
        return retrying(action)
    except psycopg2.Error as error:
        raise _refused(name, _Worker.parameters, error) from None
    except UnreachableError as error:
        raise UnreachableError(f"{name}: {error}; run again once it answers, finished chunks are kept") from None


def _passes(error: BaseException) -> bool:
    if isinstance(error, psycopg2.Error):
        return error.pgcode == _SERIALIZATION_FAILURE or is_lost(error)
    return isinstance(error, UnreachableError)


def _refused(name: str, parameters: CockroachParameters, error: Any) -> CockroachError:
    message = cockroach_message(error)
    if _passes(error):
        return UnreachableError(
            f"{name}: the connection to CockroachDB at {parameters.place} was lost ({message}); run again once it answers, finished chunks are kept"
        )
    if _TOO_OLD in message:
        return CockroachError(f"{name}: CockroachDB no longer keeps the rows of that moment ({message}): start a new export, or raise gc.ttlseconds")
    return CockroachError(f"{name}: CockroachDB refuses to be read: {message}")


def _prove(sources: dict[int, TableSource], chunks: dict[int, list[dict]], counts: dict[int, int]) -> None:
    """Raise CockroachError unless the ranges of each table gave as many rows as the table has."""
    for number, source in sources.items():
        rows = sum(chunk["rows"] + chunk.get("rejects", {}).get("rows", 0) for chunk in chunks.get(number, []))
        if rows != counts[number]:
            raise CockroachError(f"{source.name}: {rows} rows were read, CockroachDB counts {counts[number]}: the export cannot be trusted, please report this")


def _write_dump(request: ExportRequest, catalog: Catalog, chunks: dict[int, list[dict]], cluster: dict, identity: dict) -> None:
    databases = []
    findings = [*request.findings, *catalog.findings, STATISTICS, *([] if request.grants_restored else [_LOST_GRANTS])]
    for database in catalog.databases:
        tables = [
            layout.table_entry(
                source.table.id, source.schema, source.table.name, _Worker.texts[source.table.id].columns, _Worker.texts[source.table.id].computed,
                chunks.get(source.table.id, []),
            )
            for source in table_sources(database)
        ]
        findings += [finding for source in table_sources(database) for finding in value_findings(source, chunks.get(source.table.id, []))]
        findings += doubt_foreign_keys(database, chunks)
        databases.append((database, tables))
    source_info = dict(
        cluster, kind=request.kind, locations=list(request.locations), end_time=timestamps.iso(timestamps.parse(identity["as_of"])),
        end_time_decimal=identity["as_of"], grants_restored=request.grants_restored, identity=identity,
    )
    layout.write_dump(request.dump_dir, source_info, databases, catalog.roles, findings, request.keep_passwords, request.conversion)


def _summary(request: ExportRequest, changed: bool, started: float) -> dict:
    source = layout.read_manifest(request.dump_dir).source
    return dict(summarize(request.dump_dir, changed, started), as_of=source["end_time_decimal"], end_time=source["end_time"])
