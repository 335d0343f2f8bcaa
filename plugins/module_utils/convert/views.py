# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Views and materialized views, in the order in which they need each other."""
from __future__ import annotations

from ..catalog.model import Database, View
from ..errors import UnsupportedError
from . import expressions
from .context import Context
from .indexes import create_view_indexes
from .names import clip, quote


def create_views(context: Context) -> None:
    """Add every view; one that cannot be converted is left out together with those that read it, each with a finding."""
    for view in ordered(context.database):
        _create_view(view, context)


def ordered(database: Database) -> list[View]:
    """Return the views so that each comes after those it reads."""
    views = {view.id: view for view in database.views}
    result: list[View] = []
    placed: set[int] = set()

    def place(view: View) -> None:
        if view.id in placed:
            return
        placed.add(view.id)
        for needed in sorted(view.depends_on):
            if needed in views:
                place(views[needed])
        result.append(view)

    for view in sorted(database.views, key=lambda item: item.id):
        place(view)
    return result


def _create_view(view: View, context: Context) -> None:
    where = context.full_name(view)
    try:
        missing = sorted(set(view.depends_on) & context.missing_views)
        if missing:
            raise UnsupportedError(f"{where}: it reads {context.relations[missing[0]].name}, which is left out")
        query = expressions.convert(view.query, context, where).sql
    except UnsupportedError as error:
        context.missing_views.add(view.id)
        context.find("view_left_out", "error", where, f"The view is left out. {error}", f"Write it by hand. CockroachDB's text: {view.query}")
        return
    schema, name = context.schema(view), clip(view.name)
    columns = ", ".join(quote(clip(column.name)) for column in view.columns if not column.hidden and not column.inaccessible)
    kind = "MATERIALIZED VIEW" if view.materialized else "VIEW"
    context.conversion.add(
        "view", "materialized_view" if view.materialized else "view", f"CREATE {kind} {quote(schema, name)} ({columns}) AS {query}", name, schema,
    )
    if view.materialized:
        context.find(
            "materialized_view", "info", where, "The materialized view is computed anew from the migrated rows, not copied as it was at its last REFRESH.",
        )
        create_view_indexes(view, context)
