# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""User-defined triggers."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.catalog import Function, Table, Trigger
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, literal, quote
from .context import Context
from .definitions import TriggerDefinition
from .expressions import expressions
from .statements import Need, Subject

_EVENTS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


def create_triggers(table: Table, context: Context) -> None:
    """Add CREATE TRIGGER for every trigger whose function exists; triggers fire in the order of their names in both
    databases."""
    for trigger in table.triggers:
        where = context.full_name(table).part("trigger", trigger.name)
        try:
            made, function = _definition(trigger, table, context, where)
        except UnsupportedError as error:
            context.find(FindingCode.TRIGGER_LEFT_OUT, where, f"The trigger is omitted: {where.unnamed(error)}.")
            continue
        context.report_cut(trigger.name, where)
        sql = made.create(quote(clip(trigger.name)), context.qualified(table))
        needs = [Need("routine", clip(function.name), context.schemas[function.schema_id])]
        context.conversion.add(
            "trigger",
            Subject("trigger", clip(trigger.name), context.schema(table), clip(table.name)),
            sql,
            expects=made,
            needs=needs,
        )


def _definition(
    trigger: Trigger, table: Table, context: Context, where: FullName
) -> tuple[TriggerDefinition, Function]:
    function = next((item for item in context.database.functions if item.id == trigger.function_id), None)
    if function is None or function.id in context.missing_functions:
        raise UnsupportedError(
            f"{where}: its function {function.name if function else trigger.function_id} is omitted or not in the "
            "backup"
        )
    if not trigger.enabled:
        raise UnsupportedError(f"{where}: it is disabled")
    events = _events(trigger, where)
    when = ""
    if trigger.when:
        fields = {**expressions.column_types(table.columns), **expressions.row_fields(table.columns)}
        condition = expressions.convert(trigger.when, context, where, fields)
        when = f" WHEN ({condition.sql})"
    arguments = ", ".join(literal(argument) for argument in trigger.function_arguments)
    action = (
        f"{_aliases(trigger)}FOR EACH {'ROW' if trigger.for_each_row else 'STATEMENT'}{when} "
        f"EXECUTE FUNCTION {quote(context.schemas[function.schema_id], clip(function.name))}({arguments})"
    )
    return TriggerDefinition(f"{trigger.action_time} {events}", action), function


def _events(trigger: Trigger, where: FullName) -> str:
    unknown = [event for event in trigger.events if event not in _EVENTS]
    if unknown:
        raise UnsupportedError(f"{where}: PostgreSQL has no trigger on {unknown[0]}")
    columns = ", ".join(quote(clip(name)) for name in trigger.update_columns)
    of = f" OF {columns}" if columns else ""
    return " OR ".join(event + (of if event == "UPDATE" else "") for event in trigger.events)


def _aliases(trigger: Trigger) -> str:
    named = [(kind, alias) for kind, alias in (("NEW", trigger.new_alias), ("OLD", trigger.old_alias)) if alias]
    return "REFERENCING" + "".join(f" {kind} TABLE AS {quote(alias)}" for kind, alias in named) + " " if named else ""
