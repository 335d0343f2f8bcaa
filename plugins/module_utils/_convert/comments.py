# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""COMMENT ON every object that has one."""

from __future__ import annotations

from typing import Any, Union

from .._model.catalog import Table, View
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, literal, quote
from . import needs
from .context import Context
from .database_commands import on_database
from .definitions import Comment
from .indexes import index_of
from .routines import Routine
from .statements import Subject
from .tables import kept_columns
from .unique_without_index import index_instead


def create_comments(context: Context, routines: dict[int, Routine]) -> None:
    """Add all comments; the comment on an omitted view is omitted, too."""
    database = context.database
    if database.comment:
        subject = Subject("comment", database.name)
        comment = _storable(database.comment, FullName("database", database.name), context)
        on_database(
            "comment",
            subject,
            "COMMENT ON DATABASE %I IS " + literal(comment).replace("%", "%%"),
            context,
            expects=Comment("DATABASE", comment),
        )
    for schema in database.schemas:
        if schema.comment:
            name = context.schemas[schema.id]
            _comment("SCHEMA", quote(name), schema.comment, Subject("comment", name), context)
    for user_type in database.types:
        _on_relation("TYPE", user_type, context)
    for sequence in database.sequences:
        _on_relation("SEQUENCE", sequence, context)
    for table in database.tables:
        _on_relation("TABLE", table, context)
        _on_parts(table, context)
        _on_constraints(table, context)
    for routine in routines.values():
        if routine.function.comment:
            subject = Subject(
                "routine_comment", clip(routine.function.name), context.schemas[routine.function.schema_id]
            )
            text = _storable(routine.function.comment, context.full_name(routine.function), context)
            context.conversion.add(
                "comment",
                subject,
                f"COMMENT ON {routine.signature} IS {literal(text)}",
                expects=Comment(routine.definition.kind, text, routine.definition),
                needs=needs.of_calls([routine.function.id], context),
            )
    for view in database.views:
        if view.id not in context.missing_views:
            _on_relation("MATERIALIZED VIEW" if view.materialized else "VIEW", view, context)
            _on_parts(view, context)


def _storable(text: str, where: FullName, context: Context) -> str:
    """Return a comment that PostgreSQL can hold."""
    if "\0" in text:
        context.find(FindingCode.COMMENT_CHANGED, where)
    return text.replace("\0", "\ufffd")


def _comment(kind: str, target: str, text: str, subject: Subject, context: Context) -> None:
    where = FullName("object", context.database.name, subject.schema, subject.table, name=subject.name)
    text = _storable(text, where, context)
    needed = [] if subject.table else needs.of_object(kind, subject.schema, subject.name)
    context.conversion.add(
        "comment", subject, f"COMMENT ON {kind} {target} IS {literal(text)}", expects=Comment(kind, text), needs=needed
    )


def _on_relation(kind: str, item, context: Context) -> None:  # type: ignore[no-untyped-def]
    if item.comment:
        subject = Subject("comment", clip(item.name), context.schema(item))
        _comment(kind, context.qualified(item), item.comment, subject, context)


def _on_parts(table: Union[Table, View], context: Context) -> None:
    schema, bare = context.schema(table), clip(table.name)
    columns = (
        kept_columns(table) if isinstance(table, Table) else [column for column in table.columns if not column.hidden]
    )
    for column in columns:
        if column.comment:
            name = clip(column.name)
            target = f"{context.qualified(table)}.{quote(name)}"
            _comment("COLUMN", target, column.comment, Subject("comment", name, schema, bare), context)
    indexes = [table.primary_index, *table.indexes] if isinstance(table, Table) else table.indexes
    if isinstance(table, Table):
        indexes += [index_instead(constraint, table) for constraint in table.unique_without_index]
    for index in indexes:
        made = index_of(table, index, context)
        if index.comment and made is not None:
            subject = Subject("comment", made[1], schema, bare)
            _comment("INDEX", quote(schema, made[1]), index.comment, subject, context)


def _on_constraints(table: Table, context: Context) -> None:
    items: list[Any] = [*table.checks, *table.foreign_keys]
    for item in items:
        if item.comment:
            name = clip(item.name)
            subject = Subject("comment", name, context.schema(table), clip(table.name))
            _comment("CONSTRAINT", f"{quote(name)} ON {context.qualified(table)}", item.comment, subject, context)
