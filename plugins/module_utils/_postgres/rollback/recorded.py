# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What an import has recorded of itself in a database, and what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..._dump.manifest import Chunk, ColumnEntry, TableEntry
from ..._model.json_form import from_json
from ..target import ledger
from ..target.created_objects import SEQUENCE_VALUE
from ..target.object_states import (
    DATABASE,
    ON_BARE_CATALOG,
    ON_OLD_PATH,
    RELATION,
    Address,
    sequence_values,
    state_query,
)

State = Mapping[str, Any]


@dataclass(frozen=True)
class RecordedObject:
    """An object that the import has made, or changed if it was there before."""

    address: Address
    name: str
    made: bool
    before: Optional[State]
    """What it was before the import; None if the import has made it."""
    state: State
    """As the import left it."""
    now: Optional[State]
    """None if it is not there any more."""


@dataclass(frozen=True)
class RecordedDatabase:
    """What is recorded in a database."""

    name: str
    dump_ids: list[str]
    complete: bool
    """Whether the import has ended; until then sequences may have any value."""
    objects: Mapping[Address, RecordedObject]
    tables: Mapping[int, TableEntry]
    """By the oids of the imported tables that are there: with one chunk, which has the rows that were loaded."""
    tables_before: frozenset[int]
    """Those among them that were there before the import."""

    @property
    def was_made(self) -> bool:
        """Whether the import has made the database itself."""
        return any(item.made for address, item in self.objects.items() if address.kind == DATABASE)

    @property
    def is_copy(self) -> bool:
        """Whether the records are those of another database, of which this one is a copy (CREATE DATABASE … TEMPLATE):
        the oids of its objects are the same, but not its own."""
        return any(item.now is None for address, item in self.objects.items() if address.kind == DATABASE)

    @property
    def is_known(self) -> bool:
        """Whether everything that the import has made is recorded, which releases before 1.7.0 did not do."""
        return any(address.kind == DATABASE for address in self.objects)


_RECORDED = "SELECT class, oid::bigint, name, made, before, state FROM cockroach_migrator.objects ORDER BY 1, 2"
_TABLES = """
SELECT c.oid::bigint, concat(quote_ident(t.schema_name), '.', quote_ident(t.table_name)), t.directory, t.schema_name,
       t.table_name, t.text_bytes, t.columns, t.computed
FROM cockroach_migrator.tables t JOIN pg_namespace n ON n.nspname = t.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name AND c.relkind = 'r'
"""
_LOADED = """
SELECT object, rows, checksum::text FROM cockroach_migrator.ledger WHERE step = 'chunk'
"""


def read_recorded(connection: Any, name: str) -> RecordedDatabase:
    """Read what is recorded in the connected database ``name``; empty if no import has recorded anything."""
    done = ledger.read(connection)
    ids = ledger.dump_ids(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.objects') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return RecordedDatabase(name, ids, False, {}, {}, frozenset())
        cursor.execute(_RECORDED)
        rows = cursor.fetchall()
        now = read_states(cursor, (Address(kind, oid) for kind, oid, *_rest in rows))
        tables, names = _loaded_tables(cursor)
    objects = {
        address: RecordedObject(address, label, made, before, state, now.get(address))
        for address, label, made, before, state in ((Address(kind, oid), *rest) for kind, oid, *rest in rows)
    }
    made = {item.name: address.oid for address, item in objects.items() if item.made and address.kind == RELATION}
    # A table that somebody has made since in the place of the import's is none of them.
    tables = {oid: table for oid, table in tables.items() if made.get(names[oid], oid) == oid}
    complete = any(step == ledger.COMPLETE[0] for step, _name in done)
    return RecordedDatabase(name, ids, complete, objects, tables, frozenset(set(tables) - set(made.values())))


def read_states(cursor: Any, addresses: Iterable[Address]) -> dict[Address, State]:
    """Return the states of those of these objects that are there."""
    oids: dict[str, list[int]] = {}
    for address in addresses:
        oids.setdefault(address.kind, []).append(address.oid)
    values = sequence_values(cursor, oids.pop(SEQUENCE_VALUE, ()))
    found: dict[Address, State] = {Address(SEQUENCE_VALUE, oid): value for oid, (_name, value) in values.items()}
    cursor.execute(ON_BARE_CATALOG)
    for kind, wanted in oids.items():
        cursor.execute(state_query(kind, "SELECT unnest(%(oids)s::oid[])"), {"oids": wanted})
        found |= {Address(kind, oid): state for oid, _name, state in cursor.fetchall() if oid in wanted}
    cursor.execute(ON_OLD_PATH)
    return found


def _loaded_tables(cursor: Any) -> tuple[dict[int, TableEntry], dict[int, str]]:
    """Return the imported tables with the rows that were loaded, and the quoted names of the tables."""
    cursor.execute(_LOADED)
    loaded: dict[str, tuple[int, int]] = {}
    for name, rows, checksum in cursor.fetchall():
        directory = name.rpartition("/")[0]
        before = loaded.get(directory, (0, 0))
        loaded[directory] = (before[0] + rows, before[1] + int(checksum))
    cursor.execute(_TABLES)
    found: dict[int, TableEntry] = {}
    names: dict[int, str] = {}
    for oid, name, directory, schema, table, text_bytes, columns, computed in cursor.fetchall():
        names[oid] = name
        rows, checksum = loaded.get(directory, (0, 0))
        chunk = Chunk("", rows, 0, text_bytes, "", str(checksum))
        found[oid] = TableEntry(
            oid,
            schema,
            table,
            from_json(list[ColumnEntry], columns),
            from_json(list[ColumnEntry], computed),
            [chunk],
            directory,
        )
    return found, names
