# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE TABLE: columns with types, defaults, identity and generated columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._errors import UnsupportedError
from .._model.catalog import Column, Table
from .._model.conversion_policies import FUNCTION, IDENTITY
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .._model.postgres_limits import MAX_ROW_BYTES, MAX_TABLE_COLUMNS
from .._model.row_width import full_bytes, least_bytes
from .._model.stored_columns import shard_columns
from . import needs
from .context import Context
from .definitions import ColumnDefinition, DefaultDefinition, SequenceDefinition, TableDefinition
from .expressions import expressions, trees
from .expressions.immutable import immutable_sql, is_immutable, uses_added_objects
from .row_ids import row_id_function
from .row_ttl import convert_ttl
from .sequence_bounds import identity_sequence
from .sequences import add_owner, sequence_options
from .statements import Subject
from .types import column_type, operand_type, type_name

_ROW_IDS = ("unique_rowid()", "unordered_unique_rowid()")
_VIRTUAL_COLUMNS_FROM = 18
_BY_ROW = "REGIONAL BY ROW"
"""This locality partitions every index and has its own finding."""


def kept_columns(table: Table) -> list[Column]:
    """Return the columns that PostgreSQL's table has: all except those that only serve CockroachDB's indexes."""
    shards = shard_columns(table)
    return [column for column in table.columns if not column.inaccessible and column.name not in shards]


def create_table(table: Table, context: Context) -> None:
    """Add CREATE TABLE, and the objects that its columns need before it."""
    schema, name = context.schema(table), clip(table.name)
    _require_fitting(table, context)
    calls: set[int] = set()
    made = TableDefinition(tuple(_column(column, table, context, calls) for column in kept_columns(table)))
    needed = needs.of_columns(table, context) + needs.of_calls(calls, context)
    context.conversion.add(
        "table", Subject("table", name, schema), made.create(quote(schema, name)), expects=made, needs=needed
    )
    _report(table, context)


def _require_fitting(table: Table, context: Context) -> None:
    """Raise UnsupportedError for a table that PostgreSQL cannot have, or that cannot have a row there; rows that may be
    too big are a finding."""
    columns, where = kept_columns(table), context.full_name(table)
    advice = "exclude the table, or divide it in CockroachDB"
    if len(columns) > MAX_TABLE_COLUMNS:
        raise UnsupportedError(
            f"{where}: it has {len(columns)} columns, and tables of PostgreSQL at most {MAX_TABLE_COLUMNS}: {advice}"
        )
    if least_bytes(columns) > MAX_ROW_BYTES:
        raise UnsupportedError(
            f"{where}: each row needs at least {least_bytes(columns):,} bytes, and a row of PostgreSQL has to fit into "
            f"{MAX_ROW_BYTES:,}: {advice}"
        )
    if full_bytes(columns) > MAX_ROW_BYTES:
        context.find(
            FindingCode.WIDE_ROW,
            where,
            f"A row with long values in all of the table's {len(columns)} columns needs {full_bytes(columns):,} bytes, "
            f"and a row of PostgreSQL has to fit into {MAX_ROW_BYTES:,}: the import ends at the first one that does "
            "not.",
        )


def _column(column: Column, table: Table, context: Context, calls: set[int]) -> ColumnDefinition:
    """Return a column's definition, and add to ``calls`` the users' functions that it calls."""
    where = context.full_name(table).column_named(column.name)
    context.report_cut(column.name, where)
    made = ColumnDefinition(clip(column.name), column_type(column.type, context, where), not column.nullable)
    made = (_generated if column.computed else _identity_or_default)(made, column, table, context, where, calls)
    if operand_type(column.type, context, where):
        context.find(FindingCode.DOMAIN_OPERATORS, where)
    if column.hidden:
        context.find(FindingCode.HIDDEN_COLUMN, where)
    return made


def _generated(
    made: ColumnDefinition, column: Column, table: Table, context: Context, where: FullName, calls: set[int]
) -> ColumnDefinition:
    columns = kept_columns(table)
    types = expressions.column_types(columns)
    use = expressions.Use(column.type, differences_known=column.recomputed)
    expression = expressions.convert(column.computed, context, where, types, use)
    on_the_fly = (
        column.virtual
        and context.features.major >= _VIRTUAL_COLUMNS_FROM
        and is_immutable(expression.tree, types)
        and not uses_added_objects(expression.tree, column.type, columns)
        and column.name not in _indexed(table, where)
    )
    if column.virtual and not on_the_fly:
        context.find(FindingCode.VIRTUAL_COLUMN, where)
    calls |= expression.calls
    result = type_name(column.type, context, where)
    function = (context.schema(table), f"{table.name}_{column.name}")
    sql = immutable_sql(expression, context, function, where, result, columns)
    return replace(made, generated=sql, storage="VIRTUAL" if on_the_fly else "STORED")


def _indexed(table: Table, where: FullName) -> set[str]:
    """Return the names of the columns that an index or key uses, also in an expression or predicate: these cannot be
    virtual in PostgreSQL."""
    indexes = [table.primary_index, *table.indexes]
    keys: list[Any] = [*table.unique_without_index, *table.foreign_keys]
    conditions: list[Any] = [*indexes, *table.unique_without_index]
    numbers = {part.column_id for index in indexes for part in index.columns} | {
        number for index in indexes for number in index.stored_column_ids
    }
    numbers |= {number for key in keys for number in key.column_ids}
    texts = [column.computed for column in table.columns if column.inaccessible]
    texts += [item.predicate for item in conditions if item.predicate]
    named = {name for text in texts for name in expressions.column_names(text, where)}
    return named | {column.name for column in table.columns if column.id in numbers}


def _identity_or_default(
    made: ColumnDefinition, column: Column, table: Table, context: Context, where: FullName, calls: set[int]
) -> ColumnDefinition:
    if column.identity:
        sequence = identity_sequence(column, context.sequences)
        if sequence is not None:
            named = (context.schema(sequence), clip(sequence.name))
            return replace(made, identity=column.identity, sequence=named, sequence_options=sequence_options(sequence))
    if not column.default:
        return made
    becomes_identity = (
        context.options.policies.unique_rowid == IDENTITY
        and not column.nullable
        and column.type.family == "int"
        and not column.type.domain_id
    )
    if column.default in _ROW_IDS and becomes_identity:
        name = _row_id_sequence(column, table, context)
        _report_row_id(where, context)
        return replace(made, identity="BY DEFAULT", sequence=(context.schema(table), name))
    try:
        default = _default(column, table, context, where)
    except UnsupportedError as error:
        context.find(
            FindingCode.DEFAULT_LEFT_OUT, where, f"The default {column.default} is omitted: {where.unnamed(error)}."
        )
        return made
    if not default.calls & context.late_functions:
        calls |= default.calls
        return replace(made, default=default.sql)
    schema, name = context.schema(table), clip(table.name)
    late, needed = DefaultDefinition(default.sql), needs.of_calls(default.calls, context)
    context.conversion.add(
        "late",
        Subject("column_default", made.name, schema, name),
        late.create(quote(made.name), quote(schema, name)),
        expects=late,
        needs=needed,
    )
    return made


def _default(column: Column, table: Table, context: Context, where: FullName) -> expressions.Expression:
    use = expressions.Use(column.type, row_id_call(column, table, context, where))
    return expressions.convert(column.default, context, where, use=use)


def row_id_call(column: Column, table: Table, context: Context, where: FullName) -> expressions.RowId:
    """Return a function that returns, for the name unique_rowid or unordered_unique_rowid, the replacement of the call
    in a column. All calls in one column of numbers use one sequence; numbers in texts do not continue."""

    def call(name: str) -> Any:
        if context.options.policies.unique_rowid == FUNCTION or column.type.family != "int":
            return trees.call(row_id_function(name, context, where))
        schema = context.schema(table)
        made = [
            known for other, its_column, known in context.row_id_sequences if other is table and its_column is column
        ]
        if not made:
            made.append(_row_id_sequence(column, table, context))
            plain = SequenceDefinition("")
            context.conversion.add(
                "sequence", Subject("sequence", made[0], schema), plain.create(quote(schema, made[0])), expects=plain
            )
            # It goes with the column, and to whoever gets the table.
            add_owner(made[0], table, column, context)
            _report_row_id(where, context)
        context.called_row_ids.add((table.id, made[0]))
        return expressions.next_value(quote(schema, made[0]))

    return call


def _row_id_sequence(column: Column, table: Table, context: Context) -> str:
    schema = context.schema(table)
    name = context.scope.unique(schema, f"{table.name}_{column.name}_seq", table.name, column.name)
    context.row_id_sequences.append((table, column, name))
    return name


def _report_row_id(where: FullName, context: Context) -> None:
    context.find(
        FindingCode.UNIQUE_ROWID,
        where,
        "unique_rowid() (or unordered_unique_rowid()) becomes a sequence that continues after the highest value.",
        "Note that new values are small steps apart, not spread by time and node.",
    )


def _report(table: Table, context: Context) -> None:
    where = context.full_name(table)
    convert_ttl(table, context)
    if table.locality and table.locality != "REGIONAL BY TABLE":
        context.find(FindingCode.LOCALITY, where, f"The locality {table.locality} has no counterpart and is omitted.")
    if len([family for family in table.families if family.column_ids]) > 1:
        context.find(FindingCode.COLUMN_FAMILIES, where)
    for index in [table.primary_index, *table.indexes]:
        if index.interleave_ancestors:
            name = where if index is table.primary_index else where.part("index", index.name)
            context.find(FindingCode.INTERLEAVED, name)
    if any(index.partitioned for index in [table.primary_index, *table.indexes]) and not table.locality.startswith(
        _BY_ROW
    ):
        context.find(FindingCode.PARTITIONING, where)
    if table.data_excluded:
        context.find(FindingCode.DATA_EXCLUDED, where)
