# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""User-defined functions and procedures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .._errors import UnsupportedError
from .._model.catalog import USER_TYPE_OID_BASE, Function, Parameter, Sequence, SqlType
from .._model.dependencies import in_order
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, dollar_quote, quote
from .._model.postgres_limits import MAX_ARGUMENTS
from .context import Context
from .definitions import RoutineDefinition
from .expressions import expressions
from .expressions.column_references import require_columns
from .expressions.families import declared_family
from .expressions.plpgsql import convert_body, split_statements
from .expressions.query_tables import require_relations
from .expressions.visible_columns import row_type
from .statements import Subject
from .types import type_name

_VOID, _TRIGGER, _RECORD, _ANY = "void", "trigger", "tuple", "any"
_PLAIN_RETURNS = {_VOID: "void", _TRIGGER: "trigger", _RECORD: "record", _ANY: "anyelement"}
_LANGUAGES = {"SQL": "sql", "PLPGSQL": "plpgsql"}
_RETURNING = ("OUT", "INOUT")


@dataclass
class Routine:
    """A converted function or procedure. ``late``: it needs tables or views and is created after them."""

    function: Function
    definition: RoutineDefinition
    signature: str
    late: bool


def convert_routines(context: Context) -> dict[int, Routine]:
    """Return every routine that has a counterpart, by id; the others are named in findings and in
    ``context.missing_functions``."""
    functions = {function.id: function for function in context.database.functions}
    found: dict[int, Routine] = {}
    for number in in_order({function.id: function.depends_on for function in functions.values()}):
        routine = _convert(functions[number], context)
        if routine is not None:
            found[number] = routine
    return found


def add_routine(routine: Routine, step: str, context: Context) -> None:
    """Add the command that makes a routine."""
    schema, name = context.schemas[routine.function.schema_id], clip(routine.function.name)
    context.conversion.add(
        step,
        Subject("function", name, schema),
        routine.definition.create(quote(schema, name)),
        expects=routine.definition,
    )


def _convert(function: Function, context: Context) -> Optional[Routine]:
    where = context.full_name(function)
    try:
        return _routine(function, context, where)
    except UnsupportedError as error:
        context.missing_functions.add(function.id)
        kind = "procedure" if function.procedure else "function"
        context.find(
            FindingCode.FUNCTION_LEFT_OUT,
            where,
            f"The {kind} ({function.language}) is omitted: {where.unnamed(error)}.",
            f"Write it by hand. CockroachDB's text: {function.body}",
        )
        return None


def _routine(function: Function, context: Context, where: FullName) -> Routine:
    if function.language not in _LANGUAGES:
        raise UnsupportedError(f"{where}: it is written in {function.language}")
    if len(function.parameters) > MAX_ARGUMENTS:
        raise UnsupportedError(
            f"{where}: it has {len(function.parameters)} parameters, and functions of PostgreSQL have at most "
            f"{MAX_ARGUMENTS}"
        )
    command = "PROCEDURE" if function.procedure else "FUNCTION"
    name = quote(context.schemas[function.schema_id], clip(function.name))
    parameters = [_Parameter(item, context, where) for item in function.parameters]
    body, late = _body(function, parameters, context, where)
    types = [*(parameter.type for parameter in parameters), *filter(None, [function.return_type])]
    late = late or any(_row_type(kind, context) for kind in types)
    characteristics = f"{_returns(function, parameters, context, where)}{_options(function)}"
    if function.leakproof:
        context.find(FindingCode.LEAKPROOF, where)
    signature = ", ".join(
        parameter.signature for parameter in parameters if function.procedure or parameter.mode != "OUT"
    )
    if late:
        context.late_functions.add(function.id)
    made = RoutineDefinition(
        command, ", ".join(parameter.sql for parameter in parameters), characteristics, f"AS {dollar_quote(body)}"
    )
    return Routine(function, made, f"{command} {name}({signature})", late)


def _body(function: Function, parameters: list[_Parameter], context: Context, where: FullName) -> tuple[str, bool]:
    """Return the body, and whether it can only be created after tables and views."""
    variables = {parameter.name: parameter.type for parameter in parameters if parameter.name}
    variables.update(_trigger_fields(function, context))
    if function.language != "SQL":
        # PL/pgSQL looks up tables when it runs, the types of its variables when it is made.
        returns = None if function.returns_set else function.return_type
        return convert_body(function.body, context, where, variables, returns)
    body, reads_tables = _sql_body(function, context, where, variables)
    needed = context.functions.keys() & function.depends_on
    return body, reads_tables or bool(needed & context.late_functions)


def _trigger_fields(function: Function, context: Context) -> dict[str, SqlType]:
    """Return the fields of NEW and OLD that have one family in all tables whose triggers call the function."""
    if function.return_type is None or function.return_type.family != _TRIGGER:
        return {}
    tables = [
        table
        for table in context.database.tables
        if any(trigger.function_id == function.id for trigger in table.triggers)
    ]
    fields = [expressions.row_fields(table.columns) for table in tables]
    return {
        name: kind
        for name, kind in (fields[0].items() if fields else ())
        if all(name in other and declared_family(other[name]) == declared_family(kind) for other in fields)
    }


class _Parameter:
    """A parameter with its text."""

    def __init__(self, item: Parameter, context: Context, where: FullName) -> None:
        self.mode, self.name, self.type = item.mode, item.name, item.type
        kind = _type(self.type, context, where)
        context.report_cut(self.name, where.part("parameter", self.name))
        name = quote(clip(self.name)) if self.name else ""
        use = expressions.Use(self.type)
        default = f" DEFAULT {expressions.convert(item.default, context, where, use=use).sql}" if item.default else ""
        self.sql = " ".join(part for part in (self.mode if self.mode != "IN" else "", name, kind) if part) + default
        self.signature = " ".join(part for part in (self.mode if self.mode != "IN" else "", kind) if part)


def _row_type(kind: SqlType, context: Context) -> bool:
    inner = kind.element if kind.element else kind
    return inner.family == _RECORD and inner.oid - USER_TYPE_OID_BASE in context.relations


def _row_type_name(kind: SqlType, context: Context, where: FullName) -> str:
    relation = context.relations[kind.oid - USER_TYPE_OID_BASE]
    if isinstance(relation, Sequence):
        raise UnsupportedError(f"{where}: it uses rows of the sequence {relation.name}")
    return row_type(relation, context)


def _type(kind: SqlType, context: Context, where: FullName) -> str:
    if _row_type(kind, context):
        inner = kind.element if kind.element else kind
        return _row_type_name(inner, context, where) + ("[]" if kind.element else "")
    if kind.element is not None and kind.element.family == _ANY:
        return "anyarray"
    if kind.family in _PLAIN_RETURNS and not kind.user_type_id and not kind.domain_id:
        return _PLAIN_RETURNS[kind.family]
    return type_name(kind, context, where)


def _returns(function: Function, parameters: list[_Parameter], context: Context, where: FullName) -> str:
    out = [parameter for parameter in parameters if parameter.mode in _RETURNING]
    if function.procedure or out and not function.returns_set:
        return ""
    if function.return_type is None:
        raise UnsupportedError(f"{where}: its return type is not known")
    if out:
        return f"RETURNS SETOF {'record' if len(out) > 1 else _type(out[0].type, context, where)} "
    return f"RETURNS {'SETOF ' if function.returns_set else ''}{_type(function.return_type, context, where)} "


def _options(function: Function) -> str:
    parts = [f"LANGUAGE {_LANGUAGES[function.language]}"]
    if not function.procedure:
        parts += [function.volatility] if function.volatility != "VOLATILE" else []
        parts += ["STRICT"] if function.strict else []
    parts += ["SECURITY DEFINER"] if function.security_definer else []
    return " ".join(parts)


def _sql_body(function: Function, context: Context, where: FullName, variables: dict[str, SqlType]) -> tuple[str, bool]:
    """Return the body, and whether one of its statements names a table or view."""
    statements, reads = [], False
    for text in split_statements(function.body, where):
        found = expressions.convert(text, context, where, variables)
        require_relations(found.tree, context, where)
        require_columns(found.tree, context, where, variables)
        statements.append(found.sql)
        reads = reads or expressions.reads_relations(found.tree)
    return ";\n".join(statements), reads
