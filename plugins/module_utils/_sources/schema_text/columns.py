# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One column of CREATE TABLE or ALTER TABLE … ADD COLUMN."""

from __future__ import annotations

from typing import Optional

from ..._model.catalog import REGION_TYPE, Column, Family, Sequence, SqlType, Table
from ..._model.finding_codes import FindingCode
from . import parsing
from .constraints import add_check, add_unique, read_foreign_key
from .cursor import Cursor, Statement
from .indexes import KeyPart, add_unique_index, make_primary_key, read_hash
from .sequences import read_options
from .table_place import TablePlace
from .types import SERIALS, read_type, with_collation

_STOPS = frozenset(
    (
        "NOT",
        "NULL",
        "DEFAULT",
        "ON",
        "AS",
        "GENERATED",
        "CONSTRAINT",
        "PRIMARY",
        "UNIQUE",
        "CHECK",
        "REFERENCES",
        "FAMILY",
        "CREATE",
        "STORED",
        "VIRTUAL",
        "VISIBLE",
    )
)
_ROW_ID = "unique_rowid()"
EXPIRATION_COLUMN = "crdb_internal_expiration"
REGION_COLUMN = "crdb_region"
_REGION_COLUMN_TEXT = (
    f"{REGION_COLUMN} public.{REGION_TYPE} NOT VISIBLE NOT NULL "
    f"DEFAULT default_to_database_primary_region(gateway_region())::public.{REGION_TYPE}"
)
"""As SHOW CREATE prints it: pkg/ccl/logictestccl/testdata/logic_test/regional_by_row."""


_MOST_COLUMNS = 5000


def read_column(cursor: Cursor, place: TablePlace) -> None:
    """Read a column and add it to the table; its constraints are completed later."""
    builder, table = place.builder, place.table
    name = cursor.name()
    if any(column.name == name for column in table.columns):
        cursor.fail(f"the column {name} is there twice")
    if len(table.columns) >= _MOST_COLUMNS:
        cursor.fail(f"the table has more than {_MOST_COLUMNS} columns, PostgreSQL's have 1600 at most")
    serial = cursor.peek().keyword in SERIALS
    column = Column(
        place.next_column_id(), name, read_type(cursor, lambda path: builder.user_type(path, cursor.statement))
    )
    if serial:
        column.nullable, column.default = False, _ROW_ID
    table.columns.append(column)
    while not cursor.at_end:
        _read_qualifier(cursor, column, place)


def _read_qualifier(cursor: Cursor, column: Column, place: TablePlace) -> None:
    constraint = cursor.name() if cursor.accept("CONSTRAINT") else ""
    if cursor.accept("NOT", "NULL"):
        column.nullable = False
    elif cursor.accept("NULL") or cursor.accept("VISIBLE"):
        pass
    elif cursor.accept("NOT", "VISIBLE"):
        column.hidden = True
    elif cursor.accept("DEFAULT"):
        set_default(cursor, column, place)
    elif cursor.accept("ON", "UPDATE"):
        column.on_update = read_column_expression(cursor, place, column)
    elif cursor.accept("AS"):
        _read_computed(cursor, column, place)
    elif cursor.accept("GENERATED"):
        _read_generated(cursor, column, place)
    elif cursor.accept("COLLATE"):
        column.type = with_collation(cursor, column.type)
    else:
        _read_constraint(cursor, column, place, constraint)


def set_default(cursor: Cursor, column: Column, place: TablePlace) -> None:
    """Read a column's default."""
    column.default = read_column_expression(cursor, place, column)
    column.default = "" if column.default.upper() == "NULL" else column.default
    column.uses_sequence_ids = place.builder.sequences_used(column.default, cursor.statement)


def read_column_expression(cursor: Cursor, place: TablePlace, column: Column) -> str:
    """Read an expression; a COLLATE at its end is the column's if that has no collation yet."""
    stops = _STOPS if column.type.locale else _STOPS | {"COLLATE"}
    return place.builder.expression(cursor.statement, cursor.expression(stops))


def _read_computed(cursor: Cursor, column: Column, place: TablePlace, is_virtual: bool = False) -> None:
    """Read ``(expression) STORED | VIRTUAL``; with ``is_virtual`` neither word means VIRTUAL."""
    inside = cursor.parenthesis()
    column.computed = place.builder.expression(cursor.statement, inside.rest())
    is_stored = bool(cursor.accept_one("STORED", "PERSISTED"))
    column.virtual = not is_stored and (cursor.accept("VIRTUAL") or is_virtual)
    if not is_stored and not column.virtual:
        cursor.fail("expected STORED or VIRTUAL")


def _read_generated(cursor: Cursor, column: Column, place: TablePlace) -> None:
    if cursor.accept("ALWAYS", "AS", "("):
        cursor.index -= 1
        # pg_dump 18 writes VIRTUAL without the word: src/bin/pg_dump/pg_dump.c, dumpTableSchema().
        _read_computed(cursor, column, place, is_virtual=True)
        return
    add_identity(cursor, column, place)


def add_identity(cursor: Cursor, column: Column, place: TablePlace) -> None:
    """Read ``ALWAYS | BY DEFAULT AS IDENTITY [(options)]``."""
    column.identity = "ALWAYS" if cursor.accept("ALWAYS") else "BY DEFAULT"
    if column.identity == "BY DEFAULT":
        cursor.expect("BY", "DEFAULT")
    cursor.expect("AS", "IDENTITY")
    column.nullable = False
    options, name = None, f"{place.table.name}_{column.name}_seq"
    if cursor.at("("):
        options = cursor.parenthesis()
        if options.accept("SEQUENCE", "NAME"):
            name = options.path()[-1].identifier
        column.identity_options = cursor.statement.text((options.index, options.last))
    _add_identity_sequence(column, name, options, place)


def _add_identity_sequence(column: Column, name: str, options: Optional[Cursor], place: TablePlace) -> None:
    """Find the column's sequence by its name, or create it."""
    table, builder, wanted = place.table, place.builder, name
    sequence, number = None, 0
    while builder.taken(place.database.name, place.schema.name, name):
        found = builder.relation_of([place.database.name, place.schema.name, name], place.statement)
        sequence = found if isinstance(found, Sequence) and not found.owner_table_id else sequence
        number += 1
        name = f"{wanted}{number}"
    if sequence is None:
        sequence = Sequence(builder.new_id(), name, place.schema.id)
        if options is not None:
            read_options(options, sequence, builder)
        builder.add_relation(place.database, place.schema, sequence, Cursor(place.statement))
    sequence.owner_table_id, sequence.owner_column_id = table.id, column.id
    column.owns_sequence_ids, column.uses_sequence_ids = [sequence.id], [sequence.id]
    column.default = f"nextval({sequence.id}:::REGCLASS)"


def _read_constraint(cursor: Cursor, column: Column, place: TablePlace, name: str) -> None:
    if cursor.accept("PRIMARY", "KEY"):
        buckets = read_hash(cursor)
        place.then(lambda: make_primary_key(place, name, [KeyPart(column.name)], buckets))
    elif cursor.accept("UNIQUE", "WITHOUT", "INDEX"):
        place.then(lambda: add_unique(place, name, [column.name]))
    elif cursor.accept("UNIQUE"):
        place.then(lambda: add_unique_index(place, name, column.name))
    elif cursor.accept("CHECK"):
        inside = cursor.parenthesis()
        place.at_last(lambda: add_check(inside, place, name))
    elif cursor.at("REFERENCES"):
        place.at_last(read_foreign_key(cursor, place, name, [column.name]))
    elif any(cursor.accept(*words, "FAMILY") for words in (("CREATE", "IF", "NOT", "EXISTS"), ("CREATE",), ())):
        _read_family(cursor, column, place.own_table)
    else:
        cursor.fail(f"{cursor.peek().text!r} is not known in a column")


def _read_family(cursor: Cursor, column: Column, table: Table) -> None:
    name = "" if cursor.at_end or cursor.peek().keyword in _STOPS else cursor.name()
    family = next((item for item in table.families if item.name == name and name), None)
    if family is None:
        family = Family(len(table.families), name or f"fam_{len(table.families)}_{column.name}", [])
        table.families.append(family)
    family.column_ids.append(column.id)


def add_row_id(place: TablePlace) -> Column:
    """Add the hidden column that a table without a primary key has."""
    column = Column(
        place.next_column_id(), place.free_column_name("rowid"), SqlType("int", 20, 64), False, _ROW_ID, hidden=True
    )
    place.table.columns.append(column)
    return column


def add_region_column(place: TablePlace) -> None:
    """Add the hidden column of a table that is REGIONAL BY ROW, where a text by hand does not show it."""
    if not place.database.regions:
        place.builder.find(
            FindingCode.REGIONS_NOT_KNOWN,
            place.full_name,
            f"The text does not name the database's regions: the hidden column {REGION_COLUMN}, which CockroachDB "
            "adds to the table, is omitted.",
        )
        return
    _add_hidden_column(_REGION_COLUMN_TEXT, REGION_COLUMN, place)


def set_expiration_column(duration: str, place: TablePlace) -> None:
    """Add the hidden column of a table with ttl_expire_after, where a text by hand does not show it, or give it another
    duration, which is a string literal.

    As SHOW CREATE prints it: pkg/sql/logictest/testdata/logic_test/row_level_ttl.
    """
    expires = f"current_timestamp():::TIMESTAMPTZ + {duration}::INTERVAL"
    values = f"DEFAULT {expires} ON UPDATE {expires}"
    column = next((column for column in place.table.columns if column.name == EXPIRATION_COLUMN), None)
    if column is None:
        _add_hidden_column(f"{EXPIRATION_COLUMN} TIMESTAMPTZ NOT VISIBLE NOT NULL {values}", EXPIRATION_COLUMN, place)
        return
    cursor = _cursor_over(values, EXPIRATION_COLUMN, place)
    while not cursor.at_end:
        _read_qualifier(cursor, column, place)


def _add_hidden_column(text: str, name: str, place: TablePlace) -> None:
    read_column(_cursor_over(text, name, place), place)
    if place.own_table.families:
        place.own_table.families[0].column_ids.append(place.table.columns[-1].id)


def _cursor_over(text: str, name: str, place: TablePlace) -> Cursor:
    return Cursor(Statement(parsing.words(text, name), text, place.statement.line, place.statement.database))
