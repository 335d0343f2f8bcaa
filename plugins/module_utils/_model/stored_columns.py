# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which columns of a table are stored, and which of them are loaded."""

from __future__ import annotations

from .catalog import Column, Index, IndexColumn, Table


def shard_columns(table: Table) -> set[str]:
    """Return the names of the hidden columns that only hash-sharded indexes use."""
    return {index.shard_column for index in [table.primary_index, *table.indexes] if index.shard_column}


def written_keys(index: Index, columns: dict[int, Column]) -> list[IndexColumn]:
    """Return the key columns that the user declared, without those that CockroachDB adds for regions and shards."""
    return [
        part for part in index.columns[index.implicit_columns :] if columns[part.column_id].name != index.shard_column
    ]


def stored_columns(table: Table) -> list[Column]:
    """Return the columns whose values the source stores and PostgreSQL keeps, in table order.

    Virtual columns, columns of expression indexes and shard columns are omitted, and those that PostgreSQL computes
    otherwise. Other stored computed columns are included: PostgreSQL computes them again, and the stored value proves
    that the result is the same.
    """
    shards = shard_columns(table)
    return [
        column
        for column in table.columns
        if not column.virtual and not column.recomputed and not column.inaccessible and column.name not in shards
    ]


def loaded_columns(table: Table) -> list[Column]:
    """Return the stored columns that are loaded into PostgreSQL: all that PostgreSQL does not compute."""
    return [column for column in stored_columns(table) if not column.computed]


def computed_columns(table: Table) -> list[Column]:
    """Return the stored columns that PostgreSQL computes itself."""
    return [column for column in stored_columns(table) if column.computed]
