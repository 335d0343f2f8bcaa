# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The source that reads a running CockroachDB over SQL, at one moment: its tasks are ranges of the primary keys, and
row counts prove that it was read completely. A cluster that a backup was restored into is such a source, too."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ..._model.finding_codes import FindingCode
from ..._model.full_name import ALL_DATABASES

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import CockroachError
from ..._formats import timestamps
from ..._model.catalog import Catalog
from ..._model.findings import Finding
from ..._model.object_numbers import ObjectNumbers, object_numbers
from ..._model.table_source import TableSource, table_sources
from ..source import FinishedTask, OutputColumns, Plan, ReadRequest, Result, Source, TaskReading, WriteBlock
from .cluster_identity import Age, ClusterIdentity, identify, moment
from .kept_moment import (
    TableName,
    Zone,
    estimated_rows,
    estimated_seconds,
    not_known,
    read_zones,
    require_kept,
    zones_of,
)
from .range_reader import Moment, RangeReader, RangeTask
from .read_errors import passes, read_error
from .releases import release_findings
from .row_security import require_all_rows
from .row_stream import receive_texts
from .schema import ClosedSystemTablesError, read_catalog, read_sequence_values
from .shown_schema import read_shown_catalog
from .sql_connection import CockroachParameters, connect

CLUSTER, RESTORE = "cluster", "restore"
_NUMBERS_NOT_KNOWN = Finding.of(
    FindingCode.OBJECT_NUMBERS_NOT_KNOWN,
    ALL_DATABASES,
    "Object identifiers of tables, types, schemas and functions keep their numbers instead of becoming names: "
    "CockroachDB gives new ones when it restores, and the backup's manifest, which has the old ones, could not be "
    "read.",
)
_NUMBERS_OF_TEXT = Finding.of(
    FindingCode.OBJECT_NUMBERS_NOT_KNOWN,
    ALL_DATABASES,
    "Object identifiers of tables, types, schemas and functions keep their numbers instead of becoming names: the "
    "schema was read from SHOW CREATE, which does not show them.",
    "Migrate a backup of this cluster to have names.",
)
_LOST_GRANTS = Finding.of(FindingCode.GRANTS_NOT_RESTORED, ALL_DATABASES)


@dataclass(frozen=True)
class ClusterRequest:
    """What of a cluster to read. ``as_of``: empty means now; else anything that AS OF SYSTEM TIME takes.

    ``kind`` is ``cluster`` or ``restore``. ``source_id`` names the content where the cluster is only a copy of it (a
    restored backup); empty means the cluster itself. ``locations`` are for the report, without secrets.
    """

    as_of: str = ""
    kind: str = CLUSTER
    source_id: str = ""
    locations: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What was found before, while the cluster was made."""
    grants_restored: bool = True
    """False: the cluster is a restored backup of databases or tables, which has no owners and grants."""
    gc_check: bool = True
    """Whether to refuse an export that would last longer than the cluster keeps the rows of its moment."""
    object_numbers: Optional[ObjectNumbers] = None
    """Of a restored backup: the numbers that its objects had in the cluster that wrote the values. None: the cluster
    itself wrote them."""


class ClusterSource(Source[RangeTask]):
    """A cluster, see source.Source. ``with`` keeps a connection for its schema; rows have connections of their own."""

    counts_to_plan = True

    def __init__(self, parameters: CockroachParameters, request: Optional[ClusterRequest] = None) -> None:
        self._parameters = parameters
        self._request = request or ClusterRequest()
        self.kind = self._request.kind
        self._connection: Any
        self._cluster: ClusterIdentity
        self._as_of = ""
        self._from_text = False
        """Whether the schema was read from SHOW CREATE, so that ids in the catalog are not CockroachDB's."""
        self._originals: dict[int, TableSource] = {}
        self._age: Optional[Age] = None
        self._zones: Mapping[TableName, Zone] = {}
        self._found: list[Finding] = []
        self._reader: RangeReader
        self._rows: dict[int, int] = {}
        """How many rows CockroachDB counts, by table id."""

    def __enter__(self) -> ClusterSource:
        self._connection = connect(self._parameters)
        receive_texts(self._connection)
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def identity(self) -> dict[str, Any]:
        """Return the cluster's id, or what it is a copy of, and the moment as it was asked for."""
        self._cluster = identify(self._connection, self._parameters)
        return {
            "kind": self.kind,
            "source_id": self._request.source_id or self._cluster.cluster_id,
            "asked_as_of": self._request.as_of,
        }

    def choose_moment(self, begun: str) -> str:
        """Return the moment of an export that is resumed, else the asked one, else the cluster's present."""
        self._as_of = begun or moment(self._connection, self._request.as_of)
        return self._as_of

    def catalog(self) -> Catalog:
        """Read the descriptors and the system tables; where they are closed, what SHOW CREATE shows a member of
        admin."""
        request = self._request
        with self._reading_schema():
            try:
                return read_catalog(self._connection, self._as_of, request.grants_restored, self.kind == RESTORE)
            except ClosedSystemTablesError:
                self._from_text = True
                return read_shown_catalog(self._connection, self._parameters, self._as_of)

    def read_chosen(self, chosen: Catalog, parallelism: int) -> None:
        """Read the values of the sequences; refuse tables with hidden rows, and rows that will be removed too early as
        far as that can be estimated by now."""
        with self._reading_schema():
            for database in chosen.databases:
                read_sequence_values(self._connection, database, self._as_of)
            self._originals = {
                source.table.id: source for database in chosen.databases for source in table_sources(database)
            }
            require_all_rows(self._connection, self._originals.values())
        # A temporary CockroachDB keeps every moment.
        if self.kind != RESTORE and self._request.gc_check:
            self._age = Age(self._connection, self._as_of)
            self._require_kept(self._age, parallelism)

    def object_numbers(self, chosen: Catalog) -> tuple[ObjectNumbers, list[Finding]]:
        """Return the cluster's own numbers; those of the request where the cluster did not write the values."""
        own, given = object_numbers(chosen), self._request.object_numbers
        if self.kind != RESTORE and not self._from_text:
            return own, []
        findings = []
        if given is None:
            findings.append(_NUMBERS_OF_TEXT if self._from_text else _NUMBERS_NOT_KNOWN)
            given = ObjectNumbers()
        return ObjectNumbers(given.ids, tuple(dict.fromkeys(given.roles + own.roles))), findings

    def plan(self, request: ReadRequest) -> Plan[RangeTask]:
        """Count the rows of the tables and cut them into ranges; refuse rows that will be removed too early."""
        moment_read = Moment(self._cluster.cluster_id, self._as_of)
        self._reader = RangeReader(self._parameters, moment_read, request, self._originals)
        tasks, sizes = self._reader.plan()
        self._rows = {number: size.rows for number, size in sizes.items()}
        if self._age:
            seconds = estimated_seconds(sum(self._rows.values()), request.parallelism)
            require_kept(self._zones, self._age.seconds(), seconds)
        return Plan(tasks, text_bytes=sum(size.bytes for size in sizes.values()))

    def columns(self, table_id: int) -> OutputColumns:
        """Return the columns that are selected of a table."""
        texts = self._reader.texts[table_id]
        return OutputColumns(texts.columns, texts.computed)

    def retrying(self, task: RangeTask, action: Callable[[], Result]) -> Result:
        """Repeat the whole range after transactions that have to be retried and lost connections."""
        return self._reader.retrying(task.table_id, action)

    def read(self, task: RangeTask, write: WriteBlock) -> TaskReading:
        """Read a range, by COPY where the server has it, else page by page."""
        return self._reader.read(task, write)

    def prove(self, finished: Iterable[FinishedTask]) -> list[Finding]:
        """Compare the rows that the ranges of each table gave with the rows that CockroachDB counts."""
        read: Counter[int] = Counter()
        for task in finished:
            read[task.table_id] += task.rows
        for number, rows in self._rows.items():
            if read[number] != rows:
                raise CockroachError(
                    f"{self._reader.name(number)}: {read[number]} rows were read, CockroachDB counts {rows}: "
                    "the export cannot be trusted, please report this"
                )
        return [] if self._request.grants_restored else [_LOST_GRANTS]

    def findings(self) -> list[Finding]:
        """Return what was found before and while the schema was read, and what there is to say of the release."""
        own = release_findings(self._cluster.cluster_version) if self.kind != RESTORE else []
        return [*self._request.findings, *self._found, *own]

    def describe(self) -> dict[str, Any]:
        """Return the cluster, its release and the moment."""
        return {
            **dataclasses.asdict(self._cluster),
            "kind": self.kind,
            "locations": list(self._request.locations),
            "end_time": timestamps.iso(timestamps.parse(self._as_of)),
            "end_time_decimal": self._as_of,
            "grants_restored": self._request.grants_restored,
        }

    @contextlib.contextmanager
    def _reading_schema(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            raise read_error("the schema", self._parameters, error) from None

    def _require_kept(self, age: Age, parallelism: int) -> None:
        """Raise CockroachError when the zone configurations keep the rows for a shorter time than reading them will
        last, by CockroachDB's own estimates."""
        tables = [(source.database, source.schema, source.table.name) for source in self._originals.values()]
        try:
            zones = zones_of(tables, read_zones(self._connection))
            rows = estimated_rows(self._connection, dict.fromkeys(database for database, _schema, _table in tables))
        except psycopg2.Error as error:
            if passes(error):
                raise read_error("the zone configurations", self._parameters, error) from None
            self._found.append(not_known(error))
            return
        self._zones = zones
        require_kept(zones, age.seconds(), estimated_seconds(sum(rows.get(table, 0) for table in tables), parallelism))
