# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Sequences: CREATE SEQUENCE, owners and next values."""

from __future__ import annotations

from .._model.catalog import Column, Sequence, Table
from .._model.finding_codes import FindingCode
from .._model.names import clip, literal, quote
from .context import Context
from .definitions import SequenceDefinition, SequenceOwner, SequenceValue
from .statements import Subject

_INTEGER_TYPES = {"INT2": "smallint", "SMALLINT": "smallint", "INT4": "integer", "INT8": "bigint", "INT": "bigint"}


def sequence_options(sequence: Sequence) -> str:
    """Return the options that CREATE SEQUENCE and GENERATED … AS IDENTITY share."""
    return (
        f"INCREMENT BY {sequence.increment} MINVALUE {sequence.minimum} MAXVALUE {sequence.maximum} "
        f"START WITH {sequence.start} CACHE {sequence.cache}"
    )


def create_sequence(sequence: Sequence, context: Context) -> None:
    """Add CREATE SEQUENCE."""
    schema, name = context.schema(sequence), clip(sequence.name)
    kind = _INTEGER_TYPES.get(sequence.integer_type.upper(), "bigint")
    made = SequenceDefinition(f"AS {kind} {sequence_options(sequence)}")
    context.conversion.add(
        "sequence", Subject("sequence", name, schema), made.create(quote(schema, name)), expects=made
    )


def next_value(sequence: Sequence) -> SequenceValue:
    """Return the arguments of setval() with which PostgreSQL continues where CockroachDB would have.

    After ALTER SEQUENCE the value may lie outside the bounds: then the sequence is exhausted, or starts at the bound
    that it counts away from.
    """
    value = sequence.value or 0
    following = value + sequence.increment
    nearest = min(max(following, sequence.minimum), sequence.maximum)
    if nearest == following:
        return SequenceValue(following, False)
    at_its_end = (following > nearest) == (sequence.increment > 0)
    return SequenceValue(min(max(value, sequence.minimum), sequence.maximum), at_its_end)


def set_value(sequence: Sequence, context: Context) -> None:
    """Add SELECT setval(…); a sequence whose value the backup does not have begins at its start value."""
    schema, name = context.schema(sequence), clip(sequence.name)
    regclass = literal(quote(schema, name))
    if sequence.virtual:
        _set_virtual_value(sequence, context)
    elif sequence.value is None:
        context.find(FindingCode.SEQUENCE_VALUE_UNKNOWN, context.full_name(sequence))
    else:
        value = next_value(sequence)
        sql = f"SELECT pg_catalog.setval({regclass}, {value.last_value}, {str(value.is_called).lower()})"
        context.conversion.add("sequence_value", Subject("sequence_value", name, schema), sql, expects=value)


def _set_virtual_value(sequence: Sequence, context: Context) -> None:
    """Set the value of a virtual sequence, which returns unique_rowid() values: continue after the highest value in the
    columns that use it."""
    used = [
        (table, column)
        for table in context.tables.values()
        for column in table.columns
        if sequence.id in column.uses_sequence_ids
    ]
    for table, column in used[:1]:
        continue_after_data(context.schema(sequence), clip(sequence.name), table, column, context)
    context.find(
        FindingCode.VIRTUAL_SEQUENCE,
        context.full_name(sequence),
        advice="It stays a sequence whatever becomes of unique_rowid(): applications may call nextval() by its name.",
    )


def continue_after_data(schema: str, name: str, table: Table, column: Column, context: Context) -> None:
    """Add a setval() that continues after the highest loaded value."""
    highest = f"max({quote(clip(column.name))})"
    if column.type.family != "int":
        return
    sql = (
        f"SELECT pg_catalog.setval({literal(quote(schema, name))}, CASE WHEN {highest} >= 1 THEN {highest} ELSE 1 "
        f"END, coalesce({highest} >= 1, false)) "
        f"FROM {context.qualified(table)}"
    )
    after = SequenceValue(after=(context.schema(table), clip(table.name), clip(column.name)))
    context.conversion.add(
        "sequence_value", Subject("sequence_value", name, schema, clip(table.name)), sql, expects=after
    )


def own_sequence(sequence: Sequence, context: Context) -> None:
    """Add OWNED BY, so that the sequence is dropped with its column; PostgreSQL requires both to be in one schema."""
    table = context.tables.get(sequence.owner_table_id)
    if table is None or sequence.id in context.identity_sequence_ids:
        return
    column = context.columns(table).get(sequence.owner_column_id)
    if column is None:
        return
    if table.schema_id != sequence.schema_id:
        context.find(FindingCode.SEQUENCE_OWNER, context.full_name(sequence))
        return
    add_owner(clip(sequence.name), table, column, context)
    context.owned_sequence_ids.add(sequence.id)


def add_owner(name: str, table: Table, column: Column, context: Context) -> None:
    """Add OWNED BY for a sequence of this bare name in the schema of the table."""
    schema, owner = context.schema(table), SequenceOwner((context.schema(table), clip(table.name), clip(column.name)))
    sql = f"ALTER SEQUENCE {quote(schema, name)} OWNED BY {quote(*owner.column)}"
    context.conversion.add(
        "sequence_value", Subject("sequence_owned_by", name, schema, clip(table.name)), sql, expects=owner
    )
