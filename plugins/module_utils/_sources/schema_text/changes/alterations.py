# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...._model.catalog import Sequence, Table
from ...._model.finding_codes import FindingCode
from ...._model.full_name import FullName
from ..columns import EXPIRATION_COLUMN, read_column
from ..constraints import read_constraint, validate
from ..cursor import Cursor
from ..databases import alter_database
from ..domains import alter_domain
from ..indexes import read_parameters, skip_partition
from ..model_builder import Builder
from ..privileges import alter_role, is_there, object_of, read_default_privileges
from ..routines import alter_policy, change_options
from ..sequences import alter_sequence
from ..table_place import TablePlace
from ..tables import place_of, read_locality, set_parameters
from ..user_types import alter_type
from .column_changes import alter_column, drop_column, rename_column
from .constraint_changes import add_primary_key, alter_primary_key, drop_constraint, rename_constraint
from .index_changes import find_index, remove_columns, rename_index
from .renames import read_new_place, rename_database, rename_schema

_ROW_SECURITY = ("ROW", "LEVEL", "SECURITY")
_WITHOUT_SCHEMA = ("SPLIT", "UNSPLIT", "SCATTER", "INJECT", "EXPERIMENTAL_AUDIT", "EXPERIMENTAL_RELOCATE", "RELOCATE")


def alter(cursor: Cursor, builder: Builder) -> None:
    """Read an ALTER statement from the kind of its object on."""
    if cursor.accept("DEFAULT", "PRIVILEGES"):
        read_default_privileges(cursor, builder)
    elif cursor.accept_one("PARTITION", "RANGE") or _is_zone_of_index(cursor):
        report_zone(cursor, builder)
    elif cursor.accept("INDEX"):
        _alter_index(cursor, builder)
    elif cursor.accept("POLICY"):
        alter_policy(cursor, builder)
    elif cursor.accept_one("ROLE", "USER"):
        alter_role(cursor, builder)
    elif cursor.accept("DATABASE"):
        cursor.accept("IF", "EXISTS")
        database = builder.database(cursor.name())
        if cursor.accept("OWNER", "TO"):
            database.owner = cursor.name()
        elif cursor.accept("RENAME", "TO"):
            rename_database(cursor, database, builder)
        elif cursor.at("CONFIGURE", "ZONE") or cursor.at("ALTER", "LOCALITY"):
            report_zone(cursor, builder, FullName("database", database.name))
        else:
            alter_database(cursor, database)
    else:
        _alter_object(cursor, builder)


def _is_zone_of_index(cursor: Cursor) -> bool:
    words = cursor.statement.words
    return cursor.at("INDEX") and any(
        words[number].keyword == "CONFIGURE" and words[number + 1].keyword == "ZONE" for number in range(len(words) - 1)
    )


def report_zone(cursor: Cursor, builder: Builder, about: Optional[FullName] = None) -> None:
    """Add the finding for a zone configuration, which places replicas and has no counterpart."""
    words = cursor.statement.words
    cursor.rest()
    end = next((word.start for word in words if word.keyword == "CONFIGURE"), words[-1].end)
    builder.find(
        FindingCode.ZONE_CONFIGURATION,
        about or FullName("object", name=cursor.statement.source[words[1].start : end].strip()),
    )


def _alter_index(cursor: Cursor, builder: Builder) -> None:
    optional = cursor.accept("IF", "EXISTS")
    begin = cursor.index
    found = find_index(cursor, builder)
    if found is None:
        if not optional:
            cursor.index = begin
            cursor.fail("the index is not there")
        cursor.rest()
        return
    place, index = found
    if cursor.accept("NOT", "VISIBLE"):
        index.not_visible = True
    elif cursor.accept("RENAME", "TO"):
        rename_index(cursor, place, index, cursor.name())
    elif cursor.at("PARTITION"):
        index.partitioned = skip_partition(cursor)
    elif cursor.peek().keyword in _WITHOUT_SCHEMA:
        cursor.rest()
        builder.find(FindingCode.SPLIT, FullName("index", name=index.name))
    elif cursor.accept("VISIBILITY"):
        index.not_visible = float(cursor.take().text) < 1
    else:
        cursor.expect("VISIBLE")
        index.not_visible = False
    cursor.end()


def _alter_object(cursor: Cursor, builder: Builder) -> None:
    cursor.accept("MATERIALIZED")
    kind = cursor.accept_one("TABLE", "SCHEMA", "TYPE", "DOMAIN", "SEQUENCE", "FUNCTION", "PROCEDURE", "VIEW")
    if not kind:
        cursor.fail(f"ALTER {cursor.peek().text} is not known")
    optional = cursor.accept("IF", "EXISTS")
    cursor.accept("ONLY")
    begin = cursor.index
    if optional and not is_there(kind, cursor, builder):
        cursor.rest()
        return
    cursor.index = begin
    items = object_of("TYPE" if kind == "DOMAIN" else kind, cursor, builder)
    if cursor.accept("OWNER", "TO"):
        owner = cursor.name()
        for item in items:
            item.owner = owner
    elif kind == "SCHEMA" and cursor.accept("RENAME", "TO"):
        rename_schema(cursor, items[0], builder)
    elif kind != "SCHEMA" and read_new_place(cursor, items, builder):
        pass
    elif kind == "SEQUENCE" and isinstance(items[0], Sequence):
        alter_sequence(cursor, items[0], builder)
    elif kind in ("FUNCTION", "PROCEDURE"):
        change_options(cursor, items, builder)
    elif kind == "DOMAIN":
        alter_domain(cursor, items[0], builder)
    elif kind == "TYPE":
        alter_type(cursor, items[0], builder)
    elif kind == "TABLE":
        cursor.index = begin
        _alter_table(cursor, place_of(cursor, builder))
    else:
        cursor.fail(f"ALTER {kind} … {cursor.peek().text} is not known")


def _alter_table(cursor: Cursor, place: TablePlace) -> None:
    if cursor.at("CONFIGURE", "ZONE"):
        report_zone(cursor, place.builder, place.full_name)
    elif cursor.peek().keyword in _WITHOUT_SCHEMA:
        place.builder.find(
            FindingCode.STATEMENT_LEFT_OUT,
            place.full_name,
            f"ALTER TABLE … {cursor.peek().keyword} has no counterpart and is omitted.",
            severity="info",
        )
        cursor.rest()
    else:
        for part in cursor.items():
            _alter_part(part, place)
            part.end()


def _alter_part(cursor: Cursor, place: TablePlace) -> None:
    if cursor.accept("ADD"):
        _add(cursor, place)
        return
    changes: tuple[tuple[tuple[str, ...], Callable[[Cursor, TablePlace], None]], ...] = (
        (("VALIDATE", "CONSTRAINT"), lambda at, of: validate(of, at.name(), at)),
        (("RENAME", "CONSTRAINT"), rename_constraint),
        (("RENAME", "COLUMN"), rename_column),
        (("RENAME",), rename_column),
        (("DROP", "CONSTRAINT"), drop_constraint),
        (("DROP", "COLUMN"), drop_column),
        (("DROP",), drop_column),
        (("ALTER", "PRIMARY", "KEY"), alter_primary_key),
        (("ALTER", "COLUMN"), alter_column),
        (("ALTER",), alter_column),
        (("SET", "LOCALITY"), read_locality),
        (("SET",), lambda at, of: set_parameters(read_parameters(at), of)),
        (("RESET",), _reset_parameters),
    )
    for words, change in changes:
        if cursor.accept(*words):
            change(cursor, place)
            return
    if cursor.at("PARTITION"):
        place.own_table.primary_index.partitioned = skip_partition(cursor)
    else:
        _set_row_security(cursor, place)


def _add(cursor: Cursor, place: TablePlace) -> None:
    """Read a new constraint or column."""
    name = ""
    if cursor.accept("CONSTRAINT"):
        optional = cursor.accept("IF", "NOT", "EXISTS")
        name = cursor.name()
        if optional and place.has_constraint(name):
            cursor.rest()
            return
    if name or cursor.peek().keyword in ("UNIQUE", "CHECK", "FOREIGN", "PRIMARY"):
        add = add_primary_key if cursor.at("PRIMARY") else read_constraint
        add(cursor, place, name)
        return
    cursor.accept("COLUMN")
    if cursor.accept("IF", "NOT", "EXISTS") and place.has_column(cursor.peek().identifier):
        cursor.rest()
        return
    read_column(cursor, place)
    place.finish()
    _join_first_family(place.own_table)


def _join_first_family(table: Table) -> None:
    """Put new columns that name no family into the first one, as CockroachDB does."""
    in_family = {number for family in table.families for number in family.column_ids}
    table.families[0].column_ids += [
        column.id for column in table.columns if column.id not in in_family and not column.virtual
    ]


def _reset_parameters(cursor: Cursor, place: TablePlace) -> None:
    """Remove the row-level TTL, and its hidden column, when its parameters are reset; no others are kept."""
    names = read_parameters(cursor)
    if any(name in ("ttl", "ttl_expire_after", "ttl_expiration_expression") for name in names):
        place.own_table.ttl = {}
        remove_columns(place, {column.id for column in place.table.columns if column.name == EXPIRATION_COLUMN})


def _set_row_security(cursor: Cursor, place: TablePlace) -> None:
    table = place.own_table
    if cursor.accept("ENABLE", *_ROW_SECURITY):
        table.row_level_security = True
    elif cursor.accept("DISABLE", *_ROW_SECURITY):
        table.row_level_security = False
    elif cursor.accept("NO", "FORCE", *_ROW_SECURITY):
        table.row_level_security_forced = False
    elif cursor.accept("FORCE", *_ROW_SECURITY):
        table.row_level_security_forced = True
    else:
        cursor.fail(f"ALTER TABLE … {cursor.peek().text} is not known")
