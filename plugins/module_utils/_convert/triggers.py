# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ON UPDATE expressions as a trigger and its function."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.catalog import Column, Table
from .._model.finding_codes import FindingCode
from .._model.names import clip, dollar_quote, quote, shorten
from .context import Context
from .definitions import RoutineDefinition, TriggerDefinition
from .expressions import expressions
from .statements import Need, Subject
from .tables import kept_columns, row_id_call
from .types import operand_type

_SUFFIX = "_on_update"


def create_on_update(table: Table, context: Context) -> None:
    """Add one trigger for each column: an UPDATE that does not set the column computes it, as in CockroachDB."""
    for column in kept_columns(table):
        if column.on_update:
            _create(column, table, context)


def _create(column: Column, table: Table, context: Context) -> None:
    where, schema = context.full_name(table).column_named(column.name), context.schema(table)
    try:
        use = expressions.Use(column.type, row_id_call(column, table, context, where))
        value = expressions.convert(column.on_update, context, where, use=use).sql
    except UnsupportedError as error:
        context.find(
            FindingCode.ON_UPDATE_LEFT_OUT, where, f"ON UPDATE {column.on_update} is omitted: {where.unnamed(error)}."
        )
        return
    target = quote(clip(column.name))
    function = context.scope.unique_function(schema, f"{table.name}_{column.name}{_SUFFIX}", str(where))
    base = operand_type(column.type, context, where)
    new, old = (f"CAST({row}.{target} AS {base})" if base else f"{row}.{target}" for row in ("NEW", "OLD"))
    body = (
        f"BEGIN\n    IF {new} IS NOT DISTINCT FROM {old} THEN\n        NEW.{target} := {value};\n    END IF;\n"
        "    RETURN NEW;\nEND"
    )
    routine = RoutineDefinition("FUNCTION", "", "RETURNS trigger LANGUAGE plpgsql", f"AS {dollar_quote(body)}")
    context.conversion.add(
        "function", Subject("function", function, schema), routine.create(quote(schema, function)), expects=routine
    )
    name = shorten(column.name, _SUFFIX)
    made = TriggerDefinition("BEFORE UPDATE", f"FOR EACH ROW EXECUTE FUNCTION {quote(schema, function)}()")
    sql, needs = made.create(quote(name), context.qualified(table)), [Need("routine", function, schema)]
    context.conversion.add(
        "trigger", Subject("trigger", name, schema, clip(table.name)), sql, expects=made, needs=needs
    )
    context.find(
        FindingCode.ON_UPDATE,
        where,
        f"ON UPDATE becomes the trigger {name}, which sets the column when an UPDATE leaves its value as it was.",
    )
