# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Computed columns that PostgreSQL cannot compute: their stored values travel as data."""
from __future__ import annotations

from ..catalog.model import Catalog, Column, Table
from ..catalog.stored_columns import shard_columns
from ..errors import UnsupportedError
from . import expressions
from .context import Context
from .conversion_policies import DEFAULT_POLICIES, ConversionPolicies
from .features import ConvertOptions, ServerFeatures

_EXACT_SCALE = 12
"""Digits after the point that both sides agree on where a column's declared type rounds to them."""
_CODES = ("virtual_column_left_out", "computed_column_as_data", "needs_left_out_column")


def keep_unconvertible_as_data(catalog: Catalog, policies: ConversionPolicies = DEFAULT_POLICIES) -> None:
    """Turn stored computed columns without a counterpart into plain columns, with a finding each; drop virtual ones.

    A stored column is a plain one, too, when PostgreSQL would compute its last digits or its text a little otherwise.
    To be called before the columns that travel as data are chosen, that is before a decoder is built. Whether an
    expression has a counterpart does not depend on the server, save for extensions: columns that need one which may
    be missing keep their values as data, too.
    """
    for database in catalog.databases:
        context = Context(database, ServerFeatures(), ConvertOptions(policies=policies))
        for table in database.tables:
            _check_table(table, context, catalog)


def _check_table(table: Table, context: Context, catalog: Catalog) -> None:
    shards = shard_columns(table)
    lost: list[Column] = []
    for column in table.columns:
        if not column.computed or column.inaccessible or column.name in shards:
            continue
        where = context.full_name(table, column.name)
        rounded = column.type.family == "decimal" and column.type.precision and column.type.width <= _EXACT_SCALE
        try:
            expressions.convert(column.computed, context, where, expressions.column_types(table.columns), exact=not column.virtual and not rounded)
        except UnsupportedError as error:
            if column.virtual:
                lost.append(column)
                context.find("virtual_column_left_out", "error", where, f"The virtual computed column is left out. {error}",
                             "Add it by hand; it holds no data of its own.")
            else:
                context.find(
                    "computed_column_as_data", "warning", where, f"The computed column becomes a plain one that keeps its values. {error}",
                    "Write a trigger if new rows need the value computed.",
                )
                column.computed = ""
    if lost:
        gone = {column.id for column in lost}
        table.columns = [column for column in table.columns if column.id not in gone]
        _leave_out_users(table, gone, context)
    catalog.findings += [finding for finding in context.conversion.findings if finding.code in _CODES]
    context.conversion.findings.clear()


def _leave_out_users(table: Table, gone: set[int], context: Context) -> None:
    """Leave out the indexes and constraints of columns that are gone, each with a finding."""
    def kept(name: str, column_ids: set[int]) -> bool:
        if gone & column_ids:
            context.find(
                "needs_left_out_column", "error", context.full_name(table, name), "The index or constraint is left out with the virtual column that it uses.",
            )
        return not gone & column_ids

    table.indexes = [index for index in table.indexes if kept(index.name, {part.column_id for part in index.columns} | set(index.stored_column_ids))]
    table.checks = [check for check in table.checks if kept(check.name, set(check.column_ids))]
    table.foreign_keys = [key for key in table.foreign_keys if kept(key.name, set(key.column_ids))]
    table.unique_without_index = [item for item in table.unique_without_index if kept(item.name, set(item.column_ids))]
