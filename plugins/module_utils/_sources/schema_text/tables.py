# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE TABLE."""

from __future__ import annotations

from typing import Optional, Union

from ..._convert.expressions.tokens import MOST_DIGITS, is_whole_number
from ..._errors import UnsupportedError
from ..._model.catalog import Check, Family, Table, View
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .columns import (
    EXPIRATION_COLUMN,
    REGION_COLUMN,
    add_region_column,
    add_row_id,
    read_column,
    set_expiration_column,
)
from .constraints import read_constraint
from .cursor import Cursor
from .indexes import KeyPart, is_shard, make_primary_key, read_index, read_interleave, read_parameters, skip_partition
from .like_tables import read_like
from .model_builder import Builder
from .table_place import TablePlace
from .tables_of_queries import is_of_query, read_query

_CONSTRAINTS = ("PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_INDEX_KINDS = {"INVERTED": "inverted", "VECTOR": "vector"}
_FAMILY = "primary"
_TTL = {"ttl_expire_after": "duration", "ttl_expiration_expression": "expiration", "ttl_job_cron": "cron"}
_TTL_BATCH = "ttl_delete_batch_size"
_TTL_TEXTS = ("ttl_expiration_expression", "ttl_job_cron")
_EXCLUDED = "exclude_data_from_backup"
_FORWARD = "forward"
_CHECK_PREFIX = "check_"


def create_table(cursor: Cursor, builder: Builder) -> None:
    """Read a table from its name on."""
    optional = cursor.accept("IF", "NOT", "EXISTS")
    database, schema, name = builder.place(cursor)
    about = FullName("table", database.name, schema.name, table=name)
    if builder.exists(cursor, about, builder.taken(database.name, schema.name, name), optional):
        return
    table = Table(builder.new_id(), name, schema.id)
    place = TablePlace(builder, cursor.statement, database, schema, table)
    builder.require_free(database, schema, name, cursor)
    if is_of_query(cursor):
        read_query(cursor, place)
    else:
        _read_parts(cursor, place)
    if not table.primary_index.columns:
        make_primary_key(place, "", [KeyPart(add_row_id(place).name)])
    _finish(place)
    # Only a table that is understood can be referred to.
    builder.add_relation(database, schema, table, cursor)


def _read_parts(cursor: Cursor, place: TablePlace) -> None:
    if not cursor.at("("):
        cursor.fail("expected the columns in parentheses")
    inside = cursor.parenthesis()
    # Before v21.1 a table without visible columns is printed as ``(, FAMILY …)``.
    inside.accept(",")
    others = [part for part in inside.items() if not _read_if_column(part, place)]
    place.finish_columns()
    for part in others:
        _read_part(part, place)
    place.finish()
    _read_options(cursor, place)


def place_of(cursor: Cursor, builder: Builder) -> TablePlace:
    """Read the name of an existing table or view."""
    begin = cursor.index
    path = cursor.path()
    found = builder.relation(path, cursor.statement)
    if not isinstance(found, (Table, View)):
        cursor.index = begin
        cursor.fail(f"the table {'.'.join(word.text for word in path)} is not there")
    return place_for(found, path, cursor, builder)


def place_for(found: Union[Table, View], path: list, cursor: Cursor, builder: Builder) -> TablePlace:
    """Return the context of the table or view of this name."""
    database_name, schema_name, _name = builder.split(path, cursor.statement)
    database = builder.database(database_name)
    return TablePlace(builder, cursor.statement, database, builder.schema(database, schema_name), found)


def _read_if_column(cursor: Cursor, place: TablePlace) -> bool:
    if cursor.at_end:
        cursor.fail("a part of the table is missing")
    if cursor.at("LIKE"):
        cursor.take()
        read_like(cursor, place)
        return True
    if (
        cursor.peek().keyword in (*_CONSTRAINTS, "CONSTRAINT", "FAMILY")
        or (cursor.peek().keyword in _INDEX_KINDS and cursor.peek(1).keyword == "INDEX")
        or _begins_index(cursor)
    ):
        return False
    read_column(cursor, place)
    return True


def _begins_index(cursor: Cursor) -> bool:
    """Whether an index comes, and not a column called index: its key follows, or its name and then the key (the token
    INDEX_BEFORE_NAME_THEN_PAREN of CockroachDB's pkg/sql/parser/lexer.go)."""
    return cursor.at("INDEX") and (
        cursor.at("INDEX", "(")
        or cursor.at("INDEX", "USING")
        or cursor.at("INDEX", "IF")
        or cursor.peek(2).is_symbol("(")
        or cursor.peek(2).keyword == "USING"
    )


def _read_part(cursor: Cursor, place: TablePlace) -> None:
    table = place.own_table
    if cursor.accept("CONSTRAINT"):
        cursor.accept("IF", "NOT", "EXISTS")
        read_constraint(cursor, place, cursor.name())
    elif cursor.accept("FAMILY"):
        name = "" if cursor.at("(") else cursor.name()
        columns = [place.column(column, cursor).id for column in cursor.names() if not _is_hidden_shard(column, place)]
        table.families.append(Family(len(table.families), name or f"fam_{len(table.families)}", columns))
        cursor.end()
    elif cursor.at("UNIQUE", "INVERTED"):
        cursor.fail("an inverted index cannot be unique")
    elif cursor.at("UNIQUE") or cursor.peek().keyword in _CONSTRAINTS:
        read_constraint(cursor, place, "")
    else:
        kind = _INDEX_KINDS.get(cursor.accept_one(*_INDEX_KINDS), _FORWARD)
        cursor.expect("INDEX")
        cursor.accept("IF", "NOT", "EXISTS")
        name = "" if cursor.at("(") or cursor.at("USING") else cursor.name()
        read_index(cursor, place, False, kind, name)


def _is_hidden_shard(column: str, place: TablePlace) -> bool:
    """Whether a family's column is a hidden shard column: releases up to v21.2 print those in families only."""
    hidden = column.startswith("crdb_internal_") or column == "rowid" or column.startswith("rowid_")
    return hidden and not place.has_column(column)


def _read_options(cursor: Cursor, place: TablePlace) -> None:
    table = place.own_table
    while not cursor.at_end:
        if cursor.at("PARTITION"):
            table.primary_index.partitioned = skip_partition(cursor)
        elif cursor.accept("WITH"):
            set_parameters(read_parameters(cursor), place)
        elif cursor.accept("LOCALITY"):
            read_locality(cursor, place)
        elif cursor.accept("TABLESPACE", "PG_DEFAULT"):
            pass
        elif not read_interleave(cursor, table.primary_index, place):
            cursor.fail(f"{cursor.peek().text!r} is not known after a table's columns")


def read_locality(cursor: Cursor, place: TablePlace) -> None:
    """Read what follows LOCALITY."""
    table = place.own_table
    if cursor.accept("GLOBAL"):
        table.locality = "GLOBAL"
        return
    cursor.expect("REGIONAL")
    if cursor.accept("BY", "ROW"):
        column = cursor.name() if cursor.accept("AS") else ""
        table.locality = "REGIONAL BY ROW" + (f" AS {column}" if column else "")
        if not column and not place.has_column(REGION_COLUMN):
            add_region_column(place)
        return
    cursor.accept("BY", "TABLE")
    in_region = cursor.accept("IN") and not cursor.accept("PRIMARY", "REGION")
    table.locality = "REGIONAL BY TABLE" + (f" IN {cursor.name()}" if in_region else "")


def set_parameters(parameters: dict[str, str], place: TablePlace) -> None:
    """Set the table's storage parameters that the model has; the others are a finding."""
    table = place.own_table
    others, shown_duration = [], table.ttl.get("duration")
    for name, value in parameters.items():
        if name in _TTL:
            table.ttl[_TTL[name]] = _plain(value, place) if name in _TTL_TEXTS else value
        elif name == "ttl_pause":
            table.ttl.update({"paused": True} if _is_true(value, place) else {})
        elif name == _TTL_BATCH:
            table.ttl["delete_batch_size"] = _whole_number(name, value, place)
        elif name == _EXCLUDED:
            table.data_excluded = _is_true(value, place)
        elif name not in ("schema_locked", "ttl") and not name.startswith("ttl_"):
            others.append(name)
    if "ttl" in parameters and not _is_true(parameters["ttl"], place):
        table.ttl = {}
    elif not table.ttl and any(name == "ttl" or name.startswith("ttl_") for name in parameters):
        table.ttl = {"enabled": True}
    if _is_true(parameters.get("ttl_automatic_column", ""), place):
        _follow_duration(shown_duration, place)
    if others:
        place.builder.find(
            FindingCode.STORAGE_PARAMETERS,
            place.full_name,
            f"The table's storage parameters have no counterpart: {', '.join(others)}.",
        )


def _follow_duration(before: Optional[str], place: TablePlace) -> None:
    """Have the hidden column that ttl_expire_after makes, with its present duration."""
    duration = place.own_table.ttl.get("duration")
    if duration and duration != before and (before or not place.has_column(EXPIRATION_COLUMN)):
        set_expiration_column(duration, place)


def _plain(value: str, place: TablePlace) -> str:
    """Return the text of a string literal; any other value as it is written."""
    words = Cursor(place.statement).statement.words
    return next(
        (
            word.text
            for word in words
            if word.kind == "string" and place.statement.source[word.start : word.end] == value
        ),
        value,
    )


def _whole_number(name: str, value: str, place: TablePlace) -> int:
    text = _plain(value, place)
    if not is_whole_number(text) or len(text) > MOST_DIGITS:
        raise UnsupportedError(f"{place.full_name}: {name} is {text}, a whole number was expected")
    return int(text)


def _is_true(value: str, place: TablePlace) -> bool:
    return _plain(value, place).lower() in ("true", "on", "1", "yes", "")


def _finish(place: TablePlace) -> None:
    table = place.own_table
    table.checks = [check for check in table.checks if not _is_shards(check, table)]
    if not table.families:
        table.families = [Family(0, _FAMILY, [column.id for column in table.columns if not column.virtual])]


def _is_shards(check: Check, table: Table) -> bool:
    """Tell whether CockroachDB made the check for a hash-sharded index."""
    names = {column.id: column.name for column in table.columns}
    return (
        len(check.column_ids) == 1
        and is_shard(names[check.column_ids[0]], table)
        and check.name == _CHECK_PREFIX + names[check.column_ids[0]]
    )
