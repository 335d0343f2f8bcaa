# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The hidden columns of hash-sharded indexes if a text prints them like any other column.

They are recognized by their expression, ``mod(fnv32(…), buckets)``, and hold no data of the user.
"""

from __future__ import annotations

from typing import Any

from ..._model.catalog import Column, Table
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .model_builder import Builder

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_PREFIX = "crdb_internal_"


def settle_shards(table: Table, where: FullName, builder: Builder) -> None:
    """Mark each index whose key has such a column as sharded, and omit the columns by which no index is sharded.

    Renaming a column and dropping an index leave such columns behind, and some releases print the key with its shard
    column.
    """
    buckets = {column.id: _buckets(column, builder) for column in table.columns}
    shards = {column.id: column for column in table.columns if buckets[column.id]}
    if shards:
        _settle_indexes(table, shards, buckets)
        _omit_unused(table, shards, where, builder)


def _settle_indexes(table: Table, shards: dict[int, Column], buckets: dict[int, int]) -> None:
    for index in (table.primary_index, *table.indexes):
        column_id = index.columns[0].column_id
        if column_id in shards and not index.shard_column:
            index.shard_column, index.shard_buckets = shards[column_id].name, buckets[column_id]


def _omit_unused(table: Table, shards: dict[int, Column], where: FullName, builder: Builder) -> None:
    indexes = [table.primary_index, *table.indexes]
    used = {index.shard_column for index in indexes} | {
        column.name for column in table.columns if _is_needed(column, table)
    }
    unused = {number: column for number, column in shards.items() if column.name not in used}
    # CockroachDB writes their checks, too: that a shard is one of the buckets.
    table.checks = [check for check in table.checks if not check.column_ids or not set(check.column_ids) <= set(shards)]
    table.columns = [column for column in table.columns if column.id not in unused]
    for family in table.families:
        family.column_ids = [number for number in family.column_ids if number not in unused]
    for column in unused.values():
        builder.find(FindingCode.SHARD_COLUMN, where.column_named(column.name))


def _buckets(column: Column, builder: Builder) -> int:
    """Return the number of shards that a column distinguishes, 0 for any other column."""
    if not column.computed or not column.name.startswith(_PREFIX) or column.inaccessible:
        return 0
    call = builder.tree(column.computed, column.name)
    if not _calls(call, "mod") or len(call.expressions) != 2 or not _calls(call.expressions[0], "fnv32"):
        return 0
    number = call.expressions[1]
    number = number.this if isinstance(number, exp.Cast) else number
    buckets = int(number.name) if isinstance(number, exp.Literal) and number.is_int else 0
    return buckets if f"_shard_{buckets}" in column.name else 0


def _calls(node: Any, function: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == function


def _is_needed(column: Column, table: Table) -> bool:
    """Return whether a key or constraint other than the shards' own check uses a column."""
    keys: list[Any] = [*table.foreign_keys, *table.unique_without_index]
    indexes = [table.primary_index, *table.indexes]
    return (
        any(column.id in key.column_ids for key in keys)
        or any(
            column.id in [part.column_id for part in index.columns] or column.id in index.stored_column_ids
            for index in indexes
        )
        or any(column.id in check.column_ids and len(check.column_ids) > 1 for check in table.checks)
    )
