# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What CockroachDB finds in a backup (SHOW BACKUP), and which part of it is to be restored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._arrange.selection import Selection, select
from ..._errors import ConfigurationError
from ..._formats import timestamps
from ..._model.catalog import Catalog, Database, Function, Schema, Table, UserType

CLUSTER, DATABASES, TABLES = "cluster", "database", "table"
TableName = tuple[str, str, str]
"""Database, schema, table."""

_TABLE_KINDS = ("table", "view", "sequence")


@dataclass(frozen=True)
class Contents:
    """``objects`` (database, schema, name, kind) are those of the layer that ends at ``end_time``.

    ``rows`` and ``size`` (bytes) by database are sums over the layers until then, as CockroachDB counts them.
    """

    objects: tuple[tuple[str, str, str, str], ...]
    end_time: str
    whole_cluster: bool
    rows: Mapping[str, int] = field(default_factory=dict)
    size: Mapping[str, int] = field(default_factory=dict)

    def databases(self) -> list[str]:
        """Return the databases' names, also of empty ones, in the backup's order; not ``system``."""
        names = [name if kind == "database" else database for database, _schema, name, kind in self.objects]
        return [name for name in dict.fromkeys(names) if name and name != "system"]


@dataclass(frozen=True)
class Plan:
    """What to restore. ``databases`` are restored whole, ``tables`` one by one into ``created`` databases."""

    coverage: str
    databases: tuple[str, ...] = ()
    tables: tuple[TableName, ...] = ()

    @property
    def created(self) -> tuple[str, ...]:
        """The databases that have to be made before their tables can be restored."""
        return tuple(dict.fromkeys(database for database, _schema, _table in self.tables))

    @property
    def names(self) -> tuple[str, ...]:
        """All databases that the restore makes."""
        return tuple(dict.fromkeys((*self.databases, *self.created)))


def read_contents(columns: Sequence[str], rows: Iterable[Sequence[Any]], as_of: str) -> Contents:
    """Understand the result of SHOW BACKUP, whose columns differ from release to release, at the time ``as_of`` (empty:
    the newest)."""
    records = [dict(zip(columns, row)) for row in rows]
    ends = sorted({str(record["end_time"]) for record in records})
    if not ends:
        raise ConfigurationError("the backup holds nothing")
    wanted = timestamps.parse(as_of) if as_of else None
    end = next((end for end in ends if wanted and timestamps.parse(end) >= wanted), ends[-1])
    objects, counts, sizes = [], dict[str, int](), dict[str, int]()
    for record in records:
        entry = _object(record)
        if str(record["end_time"]) == end:
            objects.append(entry)
        if entry[0] != "system" and entry[3] in _TABLE_KINDS and str(record["end_time"]) <= end:
            counts[entry[0]] = counts.get(entry[0], 0) + int(record.get("rows") or 0)
            sizes[entry[0]] = sizes.get(entry[0], 0) + int(record.get("size_bytes") or 0)
    return Contents(tuple(objects), end, any(record.get("is_full_cluster") for record in records), counts, sizes)


def _object(record: Mapping[str, Any]) -> tuple[str, str, str, str]:
    # v20.1 has database_name and table_name only.
    name = record.get("object_name", record.get("table_name")) or ""
    kind = record.get("object_type") or "table"
    schema = record.get("parent_schema_name") or "public"
    return record["database_name"] or "", schema, name, kind


def choose(
    contents: Contents, selection: Selection, cluster_is_empty: bool, complete: Optional[frozenset[str]]
) -> Plan:
    """Decide between the whole cluster, databases and tables.

    Tables are restored one by one where the backup holds no more of their database, or where a pattern of ``include``
    names tables. A database of which something is excluded is restored whole: without its partners many a table could
    not be restored.

    ``complete`` are the databases that the backup holds as such (not only some of their tables), None when that is not
    known. Raises ConfigurationError when a pattern names nothing, or nothing is left.
    """
    everything = not selection.include and not selection.exclude
    if everything and contents.whole_cluster and cluster_is_empty:
        return Plan(CLUSTER, databases=tuple(_holding(contents)))
    chosen = select(_catalog(contents), selection)
    if not chosen.databases:
        raise ConfigurationError("the backup holds no database that could be restored")
    databases, tables = [], list[TableName]()
    for database in chosen.databases:
        is_complete = contents.whole_cluster or complete is None or database.name in complete
        if is_complete and not _names_tables(selection, database.name):
            databases.append(database.name)
        else:
            schemas = {schema.id: schema.name for schema in database.schemas}
            tables += [(database.name, schemas[table.schema_id], table.name) for table in database.tables]
    return Plan(TABLES if tables else DATABASES, tuple(databases), tuple(tables))


def _names_tables(selection: Selection, database: str) -> bool:
    return any(pattern.count(".") > 1 and pattern.startswith(f"{database}.") for pattern in selection.include)


def _holding(contents: Contents) -> list[str]:
    return [database.name for database in select(_catalog(contents), Selection()).databases]


def _catalog(contents: Contents) -> Catalog:
    """Return a catalog of bare names, so that patterns mean here what they mean everywhere."""
    databases = []
    for number, name in enumerate(contents.databases()):
        inside = [entry[1:] for entry in contents.objects if entry[0] == name]
        schemas = {
            schema: position for position, schema in enumerate(dict.fromkeys(schema for schema, _name, _kind in inside))
        }
        databases.append(
            Database(
                number,
                name,
                schemas=[Schema(position, schema) for schema, position in schemas.items()],
                tables=[
                    Table(position, item, schemas[schema])
                    for position, (schema, item, kind) in enumerate(inside)
                    if kind in _TABLE_KINDS
                ],
                types=[
                    UserType(position, item, schemas[schema])
                    for position, (schema, item, kind) in enumerate(inside)
                    if kind == "type"
                ],
                functions=[
                    Function(position, item, schemas[schema])
                    for position, (schema, item, kind) in enumerate(inside)
                    if kind == "function"
                ],
            )
        )
    return Catalog(databases)
