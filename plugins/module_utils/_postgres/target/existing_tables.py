# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Tables that the user has made: whether the dump's rows fit into them, and the order in which foreign keys let them be
loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._dump.manifest import DatabaseEntry, TableEntry
from ..._errors import TargetError
from ..._model.dependencies import in_groups
from ..._model.names import clip
from .lock_room import most_objects_in_a_transaction
from .packs import in_packs

_PROBLEMS_SHOWN = 20
_TABLES_A_QUERY = 100
_ORDINARY = "r"

_COLUMNS = """
SELECT n.nspname, c.relname, c.relkind, a.attname, a.attgenerated <> '',
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = '',
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY(%s) AND c.relname = ANY(%s)
"""
_FOREIGN_KEYS = """
SELECT conname, n.nspname, c.relname, rn.nspname, r.relname
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE k.contype = 'f' ORDER BY 2, 3, 1
"""
_SEQUENCES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
)

Place = tuple[str, str]


@dataclass(frozen=True)
class _Column:
    generated: bool
    required: bool
    """NOT NULL, and PostgreSQL has no value for it."""


def check_tables(connection: Any, entry: DatabaseEntry, empty: bool) -> None:
    """Raise TargetError with everything that keeps the dump's rows from fitting into the tables that are there.

    Columns fit by name. With ``empty`` the tables must not have rows.
    """
    places = {_place(table): table for table in entry.tables}
    kinds: dict[Place, str] = {}
    columns: dict[Place, dict[str, _Column]] = {}
    readable = set()
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, ([schema for schema, _name in places], [name for _schema, name in places]))
        for schema, table, kind, column, generated, required, may_read in cursor.fetchall():
            kinds[schema, table] = kind
            if may_read:
                readable.add((schema, table))
            columns.setdefault((schema, table), {})
            if column is not None:
                columns[schema, table][column] = _Column(generated, required)
    connection.commit()
    unfit: dict[Place, list[str]] = {}
    for place, table in places.items():
        if kinds.get(place) == _ORDINARY:
            unfit[place] = _column_problems(table, columns[place])
        else:
            unfit[place] = [
                f"{table.full_name} is not there"
                if place not in kinds
                else f"{table.full_name} is not an ordinary table"
            ]
    if empty:
        # What the user may not read is a missing privilege.
        for place in _filled(connection, [place for place in unfit if not unfit[place] and place in readable]):
            unfit[place] = [f"{places[place].full_name} has rows already"]
    problems = [problem for found in unfit.values() for problem in found]
    if problems:
        more = f"; and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        raise TargetError(
            f"content: data needs tables into which the rows fit, but in the database {entry.name} on the target "
            f"{'; '.join(problems[:_PROBLEMS_SHOWN])}{more}: nothing was changed"
        )


def _column_problems(table: TableEntry, found: dict[str, _Column]) -> list[str]:
    loaded, computed = [clip(column.name) for column in table.columns], [clip(column.name) for column in table.computed]
    lists = {
        "lacks": [name for name in [*loaded, *computed] if name not in found],
        "computes what the dump has as data:": [name for name in loaded if name in found and found[name].generated],
        "does not compute": [name for name in computed if name in found and not found[name].generated],
        "wants values that the dump does not have for": [
            name for name, column in found.items() if column.required and name not in loaded
        ],
    }
    return [f"{table.full_name} {problem} {', '.join(names)}" for problem, names in lists.items() if names]


def _filled(connection: Any, places: Sequence[Place]) -> list[Place]:
    """Return the tables that have rows."""
    found: list[Place] = []
    with connection.cursor() as cursor:
        for pack in in_packs(places, min(_TABLES_A_QUERY, most_objects_in_a_transaction(cursor))):
            queries = [
                sql.SQL("SELECT {}, {} WHERE EXISTS (SELECT FROM {})").format(
                    sql.Literal(schema), sql.Literal(name), sql.Identifier(schema, name)
                )
                for schema, name in pack
            ]
            cursor.execute(sql.SQL(" UNION ALL ").join(queries))
            found += cursor.fetchall()
            connection.commit()
    return found


def load_order(connection: Any, entry: DatabaseEntry) -> list[list[TableEntry]]:
    """Return the tables in groups, each of which refers by foreign keys to earlier ones only.

    Raises TargetError for keys that no order satisfies: circles, and keys of a table to itself when it has several
    chunks.
    """
    tables = {_place(table): table for table in entry.tables}
    needs: dict[Place, dict[str, Place]] = {place: {} for place in tables}
    impossible = []
    with connection.cursor() as cursor:
        cursor.execute(_FOREIGN_KEYS)
        for key, schema, table, other_schema, other_table in cursor.fetchall():
            place, other = (schema, table), (other_schema, other_table)
            if place not in tables or other not in tables:
                continue
            if place != other:
                needs[place][key] = other
            elif len(tables[place].chunks) > 1:
                impossible.append(f"{key} of {schema}.{table}")
    connection.commit()
    needed_tables = {place: set(keys.values()) for place, keys in needs.items()}
    groups = in_groups(needed_tables)
    circles = _in_circles(needed_tables)
    impossible += [
        f"{key} of {'.'.join(place)}"
        for place in tables
        for key, other in needs[place].items()
        if {place, other} <= circles
    ]
    if impossible:
        raise TargetError(
            f"content: data: in the database {entry.name} on the target no order of loading satisfies the foreign keys "
            f"{', '.join(impossible)}: drop them, and add them again after the import"
        )
    return [[table for place, table in tables.items() if place in group] for group in groups]


def _in_circles(needs: dict[Place, set[Place]]) -> set[Place]:
    """Return the tables that keep each other waiting, seen from both ends: the others only need them, or are needed."""
    needed_by = {place: {other for other, others in needs.items() if place in others} for place in needs}
    return set(needs).difference(*in_groups(needs), *in_groups(needed_by))


def sequences(connection: Any) -> set[Place]:
    """Return schema and name of the sequences that are there."""
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES)
        found = set(cursor.fetchall())
    connection.commit()
    return found


def _place(table: TableEntry) -> Place:
    return clip(table.schema), clip(table.name)
