# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What an object depends on, as statements name it."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.catalog import SqlType, Table
from .._model.names import clip
from .context import Context
from .statements import Need
from .types import element_of, extension_of

_KINDS = {"SCHEMA": "schema", "TYPE": "type", "DOMAIN": "type", "FUNCTION": "routine", "PROCEDURE": "routine"}


def of_object(kind: str, schema: str, name: str) -> list[Need]:
    """Return what a comment on an object, its owner or a grant needs: the object itself. ``kind`` is the word of
    COMMENT ON."""
    return [] if kind == "DATABASE" else [Need(_KINDS.get(kind, "relation"), name, schema)]


def of_types(kinds: Iterable[SqlType], context: Context) -> list[Need]:
    """Return the users' types and the extensions that columns of these types need."""
    found = []
    for kind in map(element_of, kinds):
        made = context.types.get(kind.domain_id or kind.user_type_id)
        if made is not None:
            found.append(Need("type", clip(made.name), context.schema(made)))
        extension = extension_of(kind)
        if extension and extension in context.features.extensions:
            found.append(Need("extension", extension))
    return found


def of_calls(numbers: Iterable[int], context: Context) -> list[Need]:
    """Return the users' functions of these descriptor ids."""
    wanted = sorted(set(numbers) & context.functions.keys() - context.missing_functions)
    return [
        Need("routine", clip(function.name), context.schemas[function.schema_id])
        for function in map(context.functions.__getitem__, wanted)
    ]


def of_columns(table: Table, context: Context) -> list[Need]:
    """Return the types, extensions and sequences that a table's columns need; an identity's sequence is made with its
    column."""
    numbers = {
        number for column in table.columns for number in column.uses_sequence_ids
    } - context.identity_sequence_ids
    drawn = [context.sequences[number] for number in sorted(numbers) if number in context.sequences]
    return of_types([column.type for column in table.columns], context) + [
        Need("relation", clip(item.name), context.schema(item)) for item in drawn
    ]
