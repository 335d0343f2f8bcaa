# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Views and materialized views, in the order in which they need each other."""

from __future__ import annotations

from typing import Union

from .._errors import UnsupportedError
from .._model.catalog import Database, View
from .._model.dependencies import in_order
from .._model.finding_codes import FindingCode
from .._model.names import clip, quote
from .._model.postgres_limits import MAX_TABLE_COLUMNS
from . import needs
from .context import Context
from .definitions import ViewDefinition
from .expressions import expressions
from .expressions.column_references import require_columns
from .expressions.query_tables import require_relations
from .indexes import create_view_indexes
from .routines import Routine, add_routine
from .statements import Need, Subject


def create_views(context: Context, routines: dict[int, Routine]) -> None:
    """Add every view, and the functions that read tables or views, in the order of their dependencies.

    A view that cannot be converted is omitted together with the views that read it, with a finding for each.
    """
    for item in ordered(context.database, routines):
        if isinstance(item, View):
            _create_view(item, context)
        else:
            add_routine(item, "view", context)


def ordered(database: Database, routines: dict[int, Routine]) -> list[Union[View, Routine]]:
    """Return the views and routines so that each comes after those it needs."""
    views = {view.id: view for view in database.views}
    needs = {number: view.depends_on for number, view in views.items()}
    needs.update((number, routine.function.depends_on) for number, routine in routines.items())
    items: dict[int, Union[View, Routine]] = {**views, **routines}
    return [items[number] for number in in_order(needs)]


def _needs(view: View, context: Context) -> list[Need]:
    relations = [context.relations[number] for number in view.depends_on if number in context.relations]
    return [Need("relation", clip(item.name), context.schema(item)) for item in relations] + needs.of_calls(
        view.depends_on, context
    )


def _create_view(view: View, context: Context) -> None:
    where = context.full_name(view)
    try:
        missing = sorted(set(view.depends_on) & context.missing_views)
        if missing:
            raise UnsupportedError(f"{where}: it reads {context.relations[missing[0]].name}, which is omitted")
        if len(view.columns) > MAX_TABLE_COLUMNS:
            raise UnsupportedError(
                f"{where}: it has {len(view.columns)} columns, and views of PostgreSQL at most {MAX_TABLE_COLUMNS}"
            )
        converted = expressions.convert(view.query, context, where)
        require_relations(converted.tree, context, where)
        require_columns(converted.tree, context, where)
    except UnsupportedError as error:
        context.missing_views.add(view.id)
        context.find(
            FindingCode.VIEW_LEFT_OUT,
            where,
            f"The view is omitted: {where.unnamed(error)}.",
            f"Write it by hand. CockroachDB's text: {view.query}",
        )
        return
    schema, name = context.schema(view), clip(view.name)
    shown = [column.name for column in view.columns if not column.hidden and not column.inaccessible]
    for column in shown:
        context.report_cut(column, where.column_named(column))
    made = ViewDefinition(tuple(clip(column) for column in shown), converted.sql, view.materialized)
    kind = "materialized_view" if view.materialized else "view"
    context.conversion.add(
        "view", Subject(kind, name, schema), made.create(quote(schema, name)), expects=made, needs=_needs(view, context)
    )
    if view.materialized:
        context.find(FindingCode.MATERIALIZED_VIEW, where)
        create_view_indexes(view, context)
