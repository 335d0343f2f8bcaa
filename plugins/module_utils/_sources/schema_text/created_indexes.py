# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE INDEX."""

from __future__ import annotations

from .changes.constraint_changes import is_key_by_index
from .cursor import Cursor
from .indexes import read_index
from .model_builder import Builder
from .tables import place_of


def create_index(cursor: Cursor, builder: Builder, unique: bool, kind: str) -> None:
    """Read CREATE INDEX from the index' name on."""
    cursor.accept("CONCURRENTLY")
    optional = cursor.accept("IF", "NOT", "EXISTS")
    name = "" if cursor.at("ON") else cursor.name()
    cursor.expect("ON")
    if not cursor.at("ONLY", "("):
        cursor.accept("ONLY")
    place = place_of(cursor, builder)
    other = next((index for index in place.indexes() if index.name == name), None)
    if builder.exists(cursor, place.full_name.part("index", name), other is not None, optional):
        return
    begin = cursor.index
    read_index(cursor, place, unique, kind, name, explicit=True)
    if other is not None:
        # Tools that read pg_catalog also write the index of a key or UNIQUE constraint.
        made = place.table.indexes.pop()
        if is_key_by_index(made, other, place):
            return
        if (made.columns, made.unique, made.predicate) != (other.columns, other.unique, other.predicate):
            cursor.index = begin
            cursor.fail(f"{place.full_name} has another index {name!r}")
