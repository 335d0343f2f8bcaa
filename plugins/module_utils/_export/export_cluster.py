# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a running CockroachDB to a dump directory, at one moment: reads the schema, has the rows read, proves their
number."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from .._model.finding_codes import FindingCode
from .._model.findings import Finding

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from .._arrange.arrangement import Arrangement, arrange
from .._arrange.selection import Selection, select
from .._convert.computed import keep_unconvertible_as_data
from .._dump.journal import ExportJournal, unfinished_identity
from .._dump.manifest import Chunk, ColumnEntry, RejectFile, TableEntry, is_complete, read_manifest
from .._dump.removed_rows import rows_removed
from .._dump.summary import summarize
from .._errors import CockroachError
from .._formats import timestamps
from .._model.catalog import Catalog
from .._model.conversion_policies import DEFAULT_POLICIES, TEXT, ConversionPolicies
from .._model.json_form import from_json
from .._model.object_names import object_names
from .._model.object_numbers import ObjectNumbers, object_numbers
from .._model.table_source import ObjectNames, TableSource, table_sources
from .._sources.cluster.cluster_identity import Age, identify, moment
from .._sources.cluster.kept_moment import (
    TableName,
    Zone,
    estimated_rows,
    estimated_seconds,
    not_known,
    read_zones,
    require_kept,
    zones_of,
)
from .._sources.cluster.range_export import Worker, plan, run_task
from .._sources.cluster.read_errors import passes, read_error
from .._sources.cluster.row_security import require_all_rows
from .._sources.cluster.row_stream import receive_texts
from .._sources.cluster.schema import ClosedSystemTablesError, read_catalog, read_sequence_values
from .._sources.cluster.shown_schema import read_shown_catalog
from .._sources.cluster.sql_connection import CockroachParameters, connect
from .._sources.descriptors.cluster_leftovers import STATISTICS
from .._sources.restore.restorable import release_findings
from .._values.value_policies import STOP_ALL, ValuePolicies
from .room import COMPRESSION, require_room_for_dump
from .value_findings import doubt_foreign_keys, value_findings
from .workers import Progress, run_tasks
from .write_dump import DumpContent, write_dump

_RESTORE = "restore"
_NUMBERS_NOT_KNOWN = Finding.of(
    FindingCode.OBJECT_NUMBERS_NOT_KNOWN,
    "all databases",
    "Object identifiers of tables, types, schemas and functions keep their numbers: CockroachDB gives new ones when "
    "it restores, and the backup's manifest, "
    "which knows the old ones, could not be read.",
    "Export the running cluster, or the backup's own files, to have names.",
)
_NUMBERS_OF_TEXT = Finding.of(
    FindingCode.OBJECT_NUMBERS_NOT_KNOWN,
    "all databases",
    "Object identifiers of tables, types, schemas and functions keep their numbers: the schema's text, from which "
    "this was read, does not tell them.",
    "Migrate a backup of this cluster to have names.",
)
_LOST_GRANTS = Finding.of(
    FindingCode.GRANTS_NOT_RESTORED,
    "all databases",
    "Owners and grants are not those of the source: CockroachDB brings them back with a whole cluster only.",
    "Use migration_source: backup, which reads them from the backup's files, or grant by hand.",
)


@dataclass(frozen=True)
class ExportRequest:
    """What to export. ``as_of``: empty means now; else anything that AS OF SYSTEM TIME takes.

    ``source_id`` names the content where the cluster is only a copy of it (a restored backup); empty means the cluster
    itself. ``kind`` is ``cluster`` or ``restore``; ``locations`` are for the report, without secrets.
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
    gc_check: bool = True
    """Whether to refuse an export that would last longer than the cluster keeps the rows of its moment."""
    object_numbers: Optional[ObjectNumbers] = None
    """Of a restored backup: the numbers that its objects had in the cluster that wrote the values. None: the cluster
    itself wrote them."""


def export_cluster(
    parameters: CockroachParameters, request: ExportRequest, progress: Optional[Progress] = None, check: bool = False
) -> dict:
    """Write the dump of a running CockroachDB; return its summary: ``changed``, ``dump_dir``, ``as_of``, ``rows``,
    ``tables``, ``seconds``, ``warnings``.

    A complete dump of the same source and selection is left as it is; one that was broken off goes on where it stopped,
    at the same moment. With ``check`` nothing is written. Raises MigrationError.
    """
    started = time.monotonic()
    findings: list[Finding] = []
    with _connected(parameters) as connection:
        cluster = identify(connection, parameters)
        wanted = _identity(request, cluster)
        usable = is_complete(request.dump_dir) and not (request.rows_needed and rows_removed(request.dump_dir))
        if usable and _same_source(read_manifest(request.dump_dir).source.get("identity", {}), wanted):
            return _summary(request, False, started)
        broken_off = unfinished_identity(request.dump_dir)
        identity = (
            broken_off if _same_source(broken_off, wanted) else dict(wanted, as_of=moment(connection, request.as_of))
        )
        catalog, sources, originals = _read_catalog(connection, parameters, request, identity["as_of"])
        # A temporary CockroachDB keeps every moment.
        age = Age(connection, identity["as_of"]) if request.kind != _RESTORE and request.gc_check else None
        zones = _zones(connection, parameters, originals, request, age, findings) if age else {}
    if check:
        return {"changed": True, "dump_dir": request.dump_dir, "as_of": identity["as_of"], "tables": len(sources)}
    Worker.prepare(
        parameters, cluster["cluster_id"], request.dump_dir, request.policies, sources, originals, identity["as_of"]
    )
    tasks, sizes = plan(request.chunk_rows, request.parallelism)
    if age:
        require_kept(
            zones, age.seconds(), estimated_seconds(sum(size.rows for size in sizes.values()), request.parallelism)
        )
    require_room_for_dump(request.dump_dir, sum(size.bytes for size in sizes.values()) // COMPRESSION)
    journal = ExportJournal(request.dump_dir, identity)
    results = run_tasks(tasks, run_task, journal, request.parallelism, progress or (lambda state: None))
    chunks: dict[int, list[dict]] = {}
    for task in tasks:
        chunks.setdefault(task.table_id, []).append(results[task.key])
    _prove(sources, chunks, {number: size.rows for number, size in sizes.items()})
    _write_dump(request, catalog, chunks, cluster, identity, journal.seconds, findings)
    journal.remove()
    return {**_summary(request, True, started), "warnings": journal.warnings}


def _zones(
    connection: Any,
    parameters: CockroachParameters,
    originals: dict[int, TableSource],
    request: ExportRequest,
    age: Age,
    findings: list[Finding],
) -> dict[TableName, Zone]:
    """Return the zone configurations of the tables. Raises CockroachError when their rows will be gone too early, as
    far as that can be estimated by now."""
    tables = [(source.database, source.schema, source.table.name) for source in originals.values()]
    try:
        zones = zones_of(tables, read_zones(connection))
        rows = estimated_rows(connection, dict.fromkeys(database for database, _schema, _table in tables))
    except psycopg2.Error as error:
        if passes(error):
            raise read_error("the zone configurations", parameters, error, request.dump_dir) from None
        findings.append(not_known(error))
        return {}
    require_kept(
        zones, age.seconds(), estimated_seconds(sum(rows.get(table, 0) for table in tables), request.parallelism)
    )
    return zones


def _identity(request: ExportRequest, cluster: dict) -> dict:
    """Return what tells this export's content from another's, but for the moment."""
    return {
        "kind": request.kind,
        "source_id": request.source_id or cluster["cluster_id"],
        "asked_as_of": request.as_of,
        "chunk_rows": request.chunk_rows,
        "include": list(request.selection.include),
        "exclude": list(request.selection.exclude),
        "passwords": request.keep_passwords,
        **request.arrangement.identity(),
        **request.policies.identity(),
        **request.conversion.identity(),
    }


def _same_source(identity: dict, wanted: dict) -> bool:
    return {name: value for name, value in identity.items() if name != "as_of"} == wanted


def _read_catalog(
    connection: Any,
    parameters: CockroachParameters,
    request: ExportRequest,
    as_of: str,
) -> tuple[Catalog, dict[int, TableSource], dict[int, TableSource]]:
    """Return the catalog with the names in PostgreSQL, its tables by id, and these with the names that CockroachDB
    knows."""
    from_text = False
    try:
        try:
            found = read_catalog(connection, as_of, request.grants_restored, request.kind == _RESTORE)
        except ClosedSystemTablesError:
            from_text = True
            found = read_shown_catalog(connection, parameters, as_of)
        chosen = select(found, request.selection)
        for database in chosen.databases:
            read_sequence_values(connection, database, as_of)
        originals = _sources(chosen, {})
        require_all_rows(connection, originals.values())
    except psycopg2.Error as error:
        raise read_error("the schema", parameters, error, request.dump_dir) from None
    catalog = arrange(chosen, request.arrangement)
    keep_unconvertible_as_data(catalog, request.conversion)
    return catalog, _sources(catalog, _object_names(chosen, catalog, request, from_text)), originals


def _object_names(chosen: Catalog, catalog: Catalog, request: ExportRequest, from_text: bool) -> dict[int, ObjectNames]:
    """``from_text``: the numbers in the catalog are not CockroachDB's."""
    if request.conversion.object_identifiers != TEXT:
        return {}
    own, given = object_numbers(chosen), request.object_numbers
    if request.kind != _RESTORE and not from_text:
        return object_names(chosen, catalog, own)
    if given is None:
        catalog.findings.append(_NUMBERS_OF_TEXT if from_text else _NUMBERS_NOT_KNOWN)
        given = ObjectNumbers()
    return object_names(chosen, catalog, ObjectNumbers(given.ids, tuple(dict.fromkeys(given.roles + own.roles))))


def _sources(catalog: Catalog, names: dict[int, ObjectNames]) -> dict[int, TableSource]:
    return {
        source.table.id: source
        for database in catalog.databases
        for source in table_sources(database, names.get(database.id))
    }


@contextlib.contextmanager
def _connected(parameters: CockroachParameters) -> Iterator[Any]:
    connection = connect(parameters)
    try:
        receive_texts(connection)
        yield connection
    finally:
        connection.close()


def _prove(sources: dict[int, TableSource], chunks: dict[int, list[dict]], counts: dict[int, int]) -> None:
    """Raise CockroachError unless the ranges of each table gave as many rows as the table has."""
    for number, source in sources.items():
        rows = sum(chunk["rows"] + chunk.get("rejects", {}).get("rows", 0) for chunk in chunks.get(number, []))
        if rows != counts[number]:
            raise CockroachError(
                f"{source.name}: {rows} rows were read, CockroachDB counts {counts[number]}: the export cannot be "
                "trusted, please report this"
            )


def _write_dump(
    request: ExportRequest,
    catalog: Catalog,
    chunks: dict[int, list[dict]],
    cluster: dict,
    identity: dict,
    seconds: float,
    found: list[Finding],
) -> None:
    databases = []
    own = release_findings(cluster["cluster_version"]) if request.kind != _RESTORE else []
    findings = [
        *request.findings,
        *found,
        *own,
        *catalog.findings,
        STATISTICS,
        *([] if request.grants_restored else [_LOST_GRANTS]),
    ]
    for database in catalog.databases:
        tables = [
            _entry(
                source,
                Worker.texts[source.table.id].columns,
                Worker.texts[source.table.id].computed,
                chunks.get(source.table.id, []),
            )
            for source in table_sources(database)
        ]
        findings += [
            finding
            for source in table_sources(database)
            for finding in value_findings(source, chunks.get(source.table.id, []))
        ]
        findings += doubt_foreign_keys(database, chunks)
        databases.append((database, tables))
    source_info = dict(
        cluster,
        kind=request.kind,
        locations=list(request.locations),
        end_time=timestamps.iso(timestamps.parse(identity["as_of"])),
        end_time_decimal=identity["as_of"],
        grants_restored=request.grants_restored,
        identity=identity,
        export_seconds=seconds,
    )
    write_dump(
        request.dump_dir,
        DumpContent(source_info, databases, catalog.roles, findings, request.conversion),
        request.keep_passwords,
    )


def _summary(request: ExportRequest, changed: bool, started: float) -> dict:
    source = read_manifest(request.dump_dir).source
    return dict(
        summarize(request.dump_dir, changed, started), as_of=source["end_time_decimal"], end_time=source["end_time"]
    )


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
