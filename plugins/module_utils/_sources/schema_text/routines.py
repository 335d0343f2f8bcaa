# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE FUNCTION, CREATE PROCEDURE, CREATE TRIGGER and CREATE POLICY."""

from __future__ import annotations

from ..._model.catalog import USER_TYPE_OID_BASE, Database, Function, Parameter, Policy, SqlType, Table, Trigger, View
from ..._model.finding_codes import FindingCode
from .cursor import Cursor
from .model_builder import Builder
from .tables import place_of
from .types import BUILT_IN, array_of, read_type

_MODES = {"IN": "IN", "OUT": "OUT", "INOUT": "INOUT", "VARIADIC": "VARIADIC"}
_TWO_WORD_TYPES = frozenset(
    (
        ("DOUBLE", "PRECISION"),
        ("CHARACTER", "VARYING"),
        ("CHAR", "VARYING"),
        ("BIT", "VARYING"),
        ("TIMESTAMP", "WITH"),
        ("TIMESTAMP", "WITHOUT"),
        ("TIME", "WITH"),
        ("TIME", "WITHOUT"),
        ("INTERVAL", "YEAR"),
        ("INTERVAL", "DAY"),
    )
)
_VOLATILITIES = ("VOLATILE", "STABLE", "IMMUTABLE")
_EVENTS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
_COMMANDS = ("ALL", "SELECT", "INSERT", "UPDATE", "DELETE")


def create_routine(cursor: Cursor, builder: Builder, procedure: bool) -> None:
    """Read a function or procedure from its name on."""
    database, schema, name = builder.place(cursor)
    item = Function(builder.new_id(), name, schema.id, procedure=procedure)
    item.parameters = [_parameter(part, builder) for part in cursor.parenthesis().items()]
    while not cursor.at_end:
        _read_option(cursor, item, builder)
    if item.language == "SQL":
        item.body = builder.text(item.body, cursor.statement)
    _replace(item, database, cursor, builder)
    builder.add_function(database, schema, item)
    builder.defer(lambda: item.depends_on.extend(builder.used_by(item, cursor.statement)))


def _replace(item: Function, database: Database, cursor: Cursor, builder: Builder) -> None:
    """Remove the routine that CREATE OR REPLACE replaces: that of the same name and types. Its number, owner and grants
    stay."""
    same = [
        other
        for other in database.functions
        if (other.name, other.schema_id) == (item.name, item.schema_id)
        and _taken(other.parameters) == _taken(item.parameters)
    ]
    if same and not cursor.statement.replaces:
        cursor.fail(f"the function {item.name} is there twice")
    for other in same:
        item.id, item.owner, item.grants, item.comment = other.id, other.owner, other.grants, other.comment
        database.functions.remove(other)
        builder.refresh_names()


def _parameter(cursor: Cursor, builder: Builder) -> Parameter:
    mode = "INOUT" if cursor.accept("IN", "OUT") else _MODES.get(cursor.accept_one(*_MODES), "IN")
    first, second = cursor.peek(), cursor.peek(1)
    unnamed = (
        second.kind == "symbol"
        or second.keyword in ("DEFAULT", "COLLATE", "ARRAY")
        or (first.keyword in BUILT_IN and (first.keyword, second.keyword) in _TWO_WORD_TYPES)
    )
    name = "" if unnamed else cursor.name()
    kind = _type_or_row(cursor, builder)
    default = ""
    if cursor.accept("DEFAULT") or cursor.accept("=") or cursor.accept(":="):
        default = builder.expression(cursor.statement, cursor.rest())
    cursor.end()
    return Parameter(mode, name, kind, default)


def read_functions(cursor: Cursor, builder: Builder) -> list[Function]:
    """Read the name of existing functions; with parameter types, of the one that takes them. Raises UnsupportedError if
    there is none."""
    path = cursor.path()
    found = builder.functions(path, cursor.statement)
    if cursor.at("("):
        wanted = _taken([_parameter(part, builder) for part in cursor.parenthesis().items()])
        found = [item for item in found if _taken(item.parameters) == wanted]
    return found or cursor.fail(f"the function {'.'.join(word.text for word in path)} is not there")


def _taken(parameters: list[Parameter]) -> list[SqlType]:
    return [item.type for item in parameters if item.mode != "OUT"]


def _type(cursor: Cursor, builder: Builder) -> SqlType:
    return read_type(cursor, lambda path: builder.user_type(path, cursor.statement))


def _read_option(cursor: Cursor, item: Function, builder: Builder) -> None:
    volatility = cursor.accept_one(*_VOLATILITIES)
    if volatility:
        item.volatility = volatility
    elif cursor.accept("RETURNS", "NULL", "ON", "NULL", "INPUT") or cursor.accept("STRICT"):
        item.strict = True
    elif cursor.accept("RETURNS", "TABLE"):
        item.returns_set = True
        for part in cursor.parenthesis().items():
            item.parameters.append(Parameter("OUT", part.name(), _type(part, builder)))
            part.end()
        item.return_type = SqlType("tuple", 2249)
    elif cursor.accept("RETURNS"):
        item.returns_set = cursor.accept("SETOF")
        item.return_type = _type_or_row(cursor, builder)
    elif cursor.accept("NOT", "LEAKPROOF") or cursor.accept("CALLED", "ON", "NULL", "INPUT"):
        pass
    elif cursor.accept("LEAKPROOF"):
        item.leakproof = True
    elif cursor.accept("LANGUAGE"):
        item.language = cursor.take().text.upper()
    elif cursor.accept("AS"):
        item.body = cursor.string()
    elif cursor.accept("SECURITY") or cursor.accept("EXTERNAL", "SECURITY"):
        item.security_definer = cursor.accept_one("DEFINER", "INVOKER") == "DEFINER"
    else:
        cursor.fail(f"{cursor.peek().text!r} is not known in a function")


def _type_or_row(cursor: Cursor, builder: Builder) -> SqlType:
    """Read a type; a table's or view's name means its rows, whose type has the oid that descriptors give it."""
    begin = cursor.index
    if cursor.peek().keyword not in BUILT_IN or cursor.peek(1).is_symbol("."):
        path = cursor.path()
        relation = builder.relation(path, cursor.statement)
        if builder.user_type(path, cursor.statement) is None and isinstance(relation, (Table, View)):
            rows = SqlType("tuple", USER_TYPE_OID_BASE + relation.id)
            return array_of(rows, 0) if cursor.accept("[", "]") else rows
        cursor.index = begin
    return _type(cursor, builder)


def create_trigger(cursor: Cursor, builder: Builder) -> None:
    """Read a trigger from its name on."""
    name = cursor.name()
    time = (
        "INSTEAD OF"
        if cursor.accept("INSTEAD", "OF")
        else cursor.accept_one("BEFORE", "AFTER") or cursor.fail("expected BEFORE, AFTER or INSTEAD OF")
    )
    trigger = Trigger(name, time, [], False, "", 0, [])
    _read_events(cursor, trigger)
    cursor.expect("ON")
    place = place_of(cursor, builder)
    where = place.full_name.part("trigger", name)
    if cursor.accept("REFERENCING"):
        _read_aliases(cursor, trigger)
    if cursor.accept("FOR"):
        cursor.accept("EACH")
        trigger.for_each_row = cursor.accept_one("ROW", "STATEMENT") == "ROW"
    if cursor.accept("WHEN"):
        trigger.when = builder.expression(
            cursor.statement, cursor.without_parentheses(cursor.expression(frozenset(("EXECUTE",))))
        )
    cursor.expect("EXECUTE")
    cursor.accept_one("FUNCTION", "PROCEDURE")
    path = cursor.path()
    for argument in cursor.parenthesis().items():
        trigger.function_arguments.append(argument.take().text)
        argument.end()
    cursor.end()
    if isinstance(place.table, View):
        builder.find(FindingCode.TRIGGER_LEFT_OUT, where, "The trigger of the view is omitted.")
        return
    functions = builder.functions(path, cursor.statement)
    trigger.function_id = functions[0].id if functions else 0
    if not functions:
        builder.find(
            FindingCode.TRIGGER_FUNCTION_MISSING,
            where,
            f"The trigger's function {'.'.join(word.text for word in path)} is not in the text.",
        )
    place.own_table.triggers.append(trigger)


def _read_events(cursor: Cursor, trigger: Trigger) -> None:
    while True:
        trigger.events.append(cursor.accept_one(*_EVENTS) or cursor.fail("expected INSERT, UPDATE, DELETE or TRUNCATE"))
        if cursor.accept("OF"):
            trigger.update_columns.append(cursor.name())
            while cursor.accept(","):
                trigger.update_columns.append(cursor.name())
        if not cursor.accept("OR"):
            return


def _read_aliases(cursor: Cursor, trigger: Trigger) -> None:
    while cursor.at("NEW") or cursor.at("OLD"):
        new = cursor.take().keyword == "NEW"
        cursor.expect("TABLE")
        cursor.accept("AS")
        if new:
            trigger.new_alias = cursor.name()
        else:
            trigger.old_alias = cursor.name()


def create_policy(cursor: Cursor, builder: Builder) -> None:
    """Read a row-level security policy from its name on."""
    cursor.accept("IF", "NOT", "EXISTS")
    policy = Policy(cursor.name())
    cursor.expect("ON")
    table = place_of(cursor, builder).own_table
    policy.type = (cursor.accept_one("PERMISSIVE", "RESTRICTIVE") if cursor.accept("AS") else "") or "PERMISSIVE"
    policy.command = (cursor.accept_one(*_COMMANDS) if cursor.accept("FOR") else "") or "ALL"
    policy.roles = cursor.name_list() if cursor.accept("TO") else ["public"]
    policy.using = _condition(cursor, builder) if cursor.accept("USING") else ""
    policy.with_check = _condition(cursor, builder) if cursor.accept("WITH", "CHECK") else ""
    cursor.end()
    table.policies.append(policy)


def alter_policy(cursor: Cursor, builder: Builder) -> None:
    """Read the part of ALTER POLICY from the policy's name on."""
    optional = cursor.accept("IF", "EXISTS")
    at = Cursor(cursor.statement, (cursor.index, cursor.last))
    name = cursor.name()
    cursor.expect("ON")
    table = place_of(cursor, builder).own_table
    policy = next((item for item in table.policies if item.name == name), None)
    if policy is None:
        if not optional:
            at.fail(f"{table.name} has no policy {name!r}")
        cursor.rest()
        return
    if cursor.accept("RENAME", "TO"):
        policy.name = cursor.name()
        return
    policy.roles = cursor.name_list() if cursor.accept("TO") else policy.roles
    policy.using = _condition(cursor, builder) if cursor.accept("USING") else policy.using
    policy.with_check = _condition(cursor, builder) if cursor.accept("WITH", "CHECK") else policy.with_check


def change_options(cursor: Cursor, functions: list[Function], builder: Builder) -> None:
    """Read new options of functions that are there, such as IMMUTABLE."""
    for item in functions:
        while not cursor.at_end:
            if cursor.at("AS") or cursor.at("RETURNS", "TABLE") or cursor.at("LANGUAGE"):
                cursor.fail(f"ALTER FUNCTION … {cursor.peek().text} is not known")
            if cursor.accept("CALLED", "ON", "NULL", "INPUT"):
                item.strict = False
            elif cursor.accept("NOT", "LEAKPROOF"):
                item.leakproof = False
            else:
                _read_option(cursor, item, builder)


def _condition(cursor: Cursor, builder: Builder) -> str:
    return builder.expression(cursor.statement, cursor.parenthesis().rest())
