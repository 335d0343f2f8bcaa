# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE TABLE … AS: the columns of the query, as far as their types are known."""

from __future__ import annotations

from ..._model.catalog import Column
from ..._model.finding_codes import FindingCode
from .constraints import read_constraint
from .cursor import Cursor
from .indexes import KeyPart, make_primary_key
from .query_columns import output_columns, with_columns_for_stars
from .table_place import TablePlace

_NO_COLUMNS = ("PRIMARY", "UNIQUE", "CONSTRAINT", "FAMILY", "INDEX")


def is_of_query(cursor: Cursor) -> bool:
    """Whether ``AS`` follows, perhaps after a list of columns."""
    ahead = Cursor(cursor.statement, (cursor.index, cursor.last))
    if ahead.at("("):
        ahead.parenthesis()
    return ahead.at("AS")


def read_query(cursor: Cursor, place: TablePlace) -> None:
    """Read ``[(column, …)] AS query`` and add the columns. The rows are omitted."""
    name = f"{place.schema.name}.{place.table.name}"
    place.builder.omitted.add("CREATE TABLE … AS", cursor.statement, FindingCode.ROWS_LEFT_OUT, name=name)
    parts = cursor.parenthesis().items() if cursor.at("(") else []
    cursor.expect("AS")
    if cursor.accept("TABLE"):
        text = f"SELECT * FROM {cursor.statement.text(cursor.rest())}"
    else:
        span = cursor.rest()
        text = place.builder.expression(cursor.statement, cursor.without_parentheses(span))
    tree = place.builder.tree(text, place.table.name)
    if tree is not None:
        text = with_columns_for_stars(text, tree, place.builder, cursor)
        tree = place.builder.tree(text, place.table.name)
    if tree is None:
        cursor.fail("the query is not understood")
    outputs = output_columns(tree, place.builder, cursor)
    names = [part for part in parts if part.peek().keyword not in _NO_COLUMNS]
    if names and len(names) != len(outputs):
        cursor.fail(f"the query has {len(outputs)} columns, and {len(names)} names are given")
    for position, (name, kind) in enumerate(outputs):
        given = names[position].name() if names else name
        if place.has_column(given):
            cursor.fail(f"the column {given} is there twice")
        place.table.columns.append(Column(place.next_column_id(), given, kind))
        if names and names[position].accept("PRIMARY", "KEY"):
            make_primary_key(place, "", [KeyPart(given)])
    for part in names:
        part.end()
    for part in parts:
        if part not in names:
            read_constraint(part, place, part.name() if part.accept("CONSTRAINT") else "")
