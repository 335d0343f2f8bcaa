# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE VIEW and CREATE MATERIALIZED VIEW."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..._model.catalog import Column, SqlType, View
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import quote
from .cursor import Cursor
from .model_builder import Builder
from .parsing import NAME, WORD, Word
from .query_columns import output_names, with_columns_for_stars
from .table_place import TablePlace

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_ROW_ID = "rowid"


def create_view(cursor: Cursor, builder: Builder, materialized: bool) -> None:
    """Read a view from its name on. The types of its columns stay unknown, as the text does not show them."""
    optional = cursor.accept("IF", "NOT", "EXISTS")
    database, schema, name = builder.place(cursor)
    about = FullName("view", database.name, schema.name, table=name)
    if builder.exists(cursor, about, builder.taken(database.name, schema.name, name), optional):
        return
    names = cursor.names() if cursor.at("(") else []
    if cursor.accept("WITH", "("):
        cursor.index -= 1
        cursor.parenthesis()
        builder.find(FindingCode.VIEW_OPTIONS, FullName("view", database.name, schema.name, table=name))
    cursor.expect("AS")
    begin, last = cursor.rest()
    words = cursor.statement.words
    if [word.keyword for word in words[last - 3 : last]] == ["WITH", "NO", "DATA"]:
        last -= 3
    elif [word.keyword for word in words[last - 2 : last]] == ["WITH", "DATA"]:
        last -= 2
    if begin >= last:
        cursor.fail("the view's query is missing")
    query = builder.expression(cursor.statement, (begin, last))
    tree = builder.tree(query, name)
    outputs: list[str] = []
    if tree is not None and not (names and not tree.find(exp.Star)):
        query = with_columns_for_stars(query, tree, builder, cursor)
        tree = builder.tree(query, name)
        outputs = [] if names else output_names(tree, builder, cursor)
    names = names or outputs or cursor.fail("the names of the view's columns are missing")
    for column, count in Counter(names).items():
        if count > 1:
            cursor.fail(f"the view has {count} columns with the name {column}")
    view = View(builder.new_id(), name, schema.id, query, materialized=materialized)
    view.columns = [Column(number, column, SqlType("unknown")) for number, column in enumerate(names, 1)]
    _recognize_materialized(view, _count_outputs(tree), TablePlace(builder, cursor.statement, database, schema, view))
    replaced = builder.relation_of([database.name, schema.name, name], cursor.statement)
    if isinstance(replaced, View) and cursor.statement.replaces:
        view.id, view.owner, view.grants, view.comment = replaced.id, replaced.owner, replaced.grants, replaced.comment
        database.views.remove(replaced)
        builder.refresh_names()
    builder.add_relation(database, schema, view, cursor)
    builder.defer(lambda: _find_sources(view, tree, cursor, builder))


def _count_outputs(tree: Any) -> int:
    """Return the number of a query's columns, 0 if it is not known."""
    return len(tree.selects) if isinstance(tree, exp.Query) else 0


def _recognize_materialized(view: View, outputs: int, place: TablePlace) -> None:
    """Recognize a materialized view, which v20.2–v22.1 print like any other, by the hidden column of its rows."""
    if outputs and len(view.columns) == outputs + 1 and view.columns[-1].name.startswith(_ROW_ID):
        hidden = view.columns[-1]
        hidden.hidden, hidden.nullable, hidden.default, hidden.type = (
            True,
            False,
            "unique_rowid()",
            SqlType("int", 20, 64),
        )
        if not view.materialized:
            view.materialized = True
            place.builder.find(FindingCode.MATERIALIZED_VIEW_RECOGNIZED, place.full_name)


def _find_sources(view: View, tree: Any, cursor: Cursor, builder: Builder) -> None:
    """Set the relations that the view reads, and name them with their schemas, as CockroachDB does; names defined by
    WITH are not relations."""
    if tree is None:
        return
    local = {item.alias for item in tree.find_all(exp.CTE)}
    edits = []
    for table in tree.find_all(exp.Table):
        parts = table.parts
        if (
            not parts
            or (len(parts) == 1 and parts[0].name in local)
            or not all(isinstance(part, exp.Identifier) for part in parts)
        ):
            continue
        path = [Word(NAME if part.args.get("quoted") else WORD, part.name, 0, 0) for part in parts]
        found = builder.relation(path, cursor.statement)
        if found is not None and found.id not in view.depends_on:
            view.depends_on.append(found.id)
        start, last = parts[0].meta.get("start"), parts[0].meta.get("end")
        if found is not None and len(parts) == 1 and start is not None and last is not None:
            edits.append((start, last + 1, quote(*builder.split(path, cursor.statement)[1:])))
    for number in builder.sequences_used(view.query, cursor.statement):
        if number not in view.depends_on:
            view.depends_on.append(number)
    for start, end, name in sorted(edits, reverse=True):
        view.query = view.query[:start] + name + view.query[end:]
