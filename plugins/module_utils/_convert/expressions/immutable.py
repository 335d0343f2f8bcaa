# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Expressions that PostgreSQL requires to be immutable: computed columns, expression indexes, predicates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ..._errors import UnsupportedError
from ..._model.catalog import Column, SqlType
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import clip, dollar_quote, quote
from ..context import Context
from ..definitions import RoutineDefinition
from ..statements import Subject
from ..types import element_of, type_name
from . import function_calls, functions
from .expressions import ADDED_TYPE, TO_BASE, Expression
from .families import TIMES, Scope, family_of, type_family
from .trees import IMMUTABLE

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_NUMBERS = frozenset(("int", "float", "decimal"))
_TEXT_SAFE = frozenset(("int", "decimal", "string", "uuid", "json", "bool"))
"""Families whose text does not depend on settings."""
_FROM_TEXT = frozenset((*_TEXT_SAFE, "inet", "bytes", "float"))
"""Families to which text is converted independently of settings."""
_BETWEEN_TYPES = frozenset((("timestamp", "date"), ("date", "timestamp"), ("bool", "int")))
_JOINED = frozenset(("string", "json", "bytes", "bit"))
_ZONED = frozenset(("timestamptz", "timetz"))
_OF_TIMES = {
    "date_trunc": ("timestamp", "interval"),
    "date_part": ("timestamp", "date", "time", "interval"),
    "timezone": ("timestamp", "timestamptz"),
}
"""Functions that are immutable for some types of their second argument."""
_ADDED = frozenset(("geometry", "geography", "box2d", "vector", "ltree", "collated"))
_ALIKE = frozenset(("coalesce", "greatest", "least", "nullif"))
"""Functions whose arguments are compared or brought to one type."""


def is_immutable(tree: Any, columns: dict[str, SqlType]) -> bool:
    """Whether PostgreSQL is known to consider the expression immutable."""
    plain = (
        exp.Column,
        exp.Identifier,
        exp.Literal,
        exp.Boolean,
        exp.Null,
        exp.Paren,
        exp.And,
        exp.Or,
        exp.Not,
        exp.Is,
        exp.If,
        exp.Neg,
        exp.DataType,
        exp.DataTypeParam,
        exp.Var,
        exp.Tuple,
        exp.Trim,
        exp.Substring,
        exp.Overlay,
        exp.Collate,
        exp.Dot,
        exp.BitString,
        exp.Like,
        exp.ILike,
        exp.SimilarTo,
        exp.RegexpLike,
        exp.RegexpILike,
        exp.Escape,
        exp.BitwiseAnd,
        exp.BitwiseOr,
        exp.BitwiseXor,
        exp.BitwiseNot,
        exp.BitwiseLeftShift,
        exp.BitwiseRightShift,
        exp.ArrayContainsAll,
        exp.ArrayContainedBy,
        exp.ArrayOverlaps,
        exp.Array,
        exp.Bracket,
        exp.Any,
        exp.All,
        exp.JSONExtract,
        exp.JSONExtractScalar,
        exp.JSONBExtract,
        exp.JSONBExtractScalar,
        exp.JSONPath,
        exp.JSONPathPart,
        exp.JSONBContainsTopKey,
        exp.JSONBContainsAnyTopKeys,
        exp.JSONBContainsAllTopKeys,
        exp.JSONBDeleteAtPath,
        exp.MatchAgainst,
    )
    scope = Scope(columns, operators={})
    rules: tuple[tuple[Any, Callable[[Any, Scope], bool]], ...] = (
        (exp.Anonymous, _is_safe_function),
        (exp.Cast, _is_safe_cast),
        (exp.DPipe, _is_safe_concatenation),
        (exp.AtTimeZone, _is_safe_zone),
        ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.Pow), _is_safe_arithmetic),
        (
            (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
            lambda node, known: _comparable((node.this, node.expression), known),
        ),
        (exp.In, lambda node, known: not node.args.get("query") and _comparable((node.this, *node.expressions), known)),
        (exp.Between, lambda node, known: _comparable((node.this, node.args["low"], node.args["high"]), known)),
        (
            exp.Case,
            lambda node, known: (
                node.this is None or _comparable((node.this, *(branch.this for branch in node.args["ifs"])), known)
            ),
        ),
        (exp.Coalesce, lambda node, known: _comparable((node.this, *node.expressions), known)),
    )
    return all(
        next((rule(node, scope) for kinds, rule in rules if isinstance(node, kinds)), isinstance(node, plain))
        for node in tree.walk()
    )


def _is_safe_function(node: Any, scope: Scope) -> bool:
    name, arguments = node.name.lower(), node.expressions
    if node.meta.get(IMMUTABLE):
        return True
    if name in _OF_TIMES:
        return len(arguments) == 2 and family_of(arguments[1], scope) in _OF_TIMES[name]
    if name in functions.TEXT_SEARCH and len(arguments) == 1:
        return False
    if name == "to_timestamp":
        return len(arguments) == 1
    return function_calls.is_immutable(name) and (name not in _ALIKE or _comparable(arguments, scope))


def _is_safe_cast(node: Any, scope: Scope) -> bool:
    """Whether a cast does not depend on settings: constants are converted once, when the command is parsed; numbers and
    strings never depend on settings."""
    source = node.this.unnest()
    if node.meta.get(TO_BASE):
        return True
    constants = source.expressions if isinstance(source, exp.Array) else [source]
    if all(isinstance(part.unnest(), (exp.Literal, exp.Null)) for part in constants):
        return True
    old, new = family_of(source, scope), type_family(node.args["to"])
    if not old or not new:
        return False
    return (
        old == new
        or {old, new} <= _NUMBERS
        or (old, new) in _BETWEEN_TYPES
        or old == "string"
        and new in _FROM_TEXT
        or new == "string"
        and old in _TEXT_SAFE
    )


def _is_safe_concatenation(node: Any, scope: Scope) -> bool:
    left, right = family_of(node.this, scope), family_of(node.expression, scope)
    return left == right and left in _JOINED or left.endswith("[]") or right.endswith("[]")


def _is_safe_zone(node: Any, scope: Scope) -> bool:
    return family_of(node.this, scope) in _OF_TIMES["timezone"]


def _is_safe_arithmetic(node: Any, scope: Scope) -> bool:
    """Whether arithmetic does not depend on settings: only adding days to a timestamptz depends on the time zone."""
    left, right = family_of(node.this, scope), family_of(node.expression, scope)
    if "interval" in (left, right):
        return bool(left and right) and not {left, right} & _ZONED
    return bool(left and right) and (left == right or not {left, right} & _ZONED)


def _comparable(nodes: Iterable[Any], scope: Scope) -> bool:
    """Whether operands can be compared independently of settings; comparing a date or timestamp with a timestamptz
    depends on the time zone."""
    compared = [node.unnest() for node in nodes]
    tuples = [node.expressions for node in compared if isinstance(node, exp.Tuple)]
    if tuples:
        return all(_comparable(parts, scope) for parts in zip(*tuples))
    found = {_compared_family(node, scope) for node in compared if not isinstance(node, exp.Null)}
    return not found & TIMES or len(found) == 1


def _compared_family(node: Any, scope: Scope) -> str:
    if not isinstance(node, (exp.Any, exp.All)):
        return family_of(node, scope)
    family = family_of(node.this, scope)
    return family[:-2] if family.endswith("[]") else ""


def uses_added_objects(tree: Any, result: SqlType, columns: list[Column]) -> bool:
    """Whether an expression uses a type of a user or an extension, or a function that the conversion creates, which
    PostgreSQL does not allow in virtual columns."""
    used = {node.name for node in tree.find_all(exp.Column)}
    kinds = [element_of(kind) for kind in (result, *(column.type for column in columns if clip(column.name) in used))]
    added = any(kind.user_type_id or kind.domain_id or kind.family in _ADDED for kind in kinds)
    return (
        added
        or any(node.meta.get(ADDED_TYPE) for node in tree.find_all(exp.DataType))
        or any(node.meta.get(IMMUTABLE) for node in tree.find_all(exp.Anonymous))
    )


def immutable_sql(
    expression: Expression,
    context: Context,
    wanted: tuple[str, str],
    where: FullName,
    result: str,
    columns: list[Column],
) -> str:
    """Return the expression, or a call of an immutable function that is made for it, with the schema and, if it is
    free, the name ``wanted``.

    CockroachDB has proved the expression immutable by its own rules. PostgreSQL counts some of the same functions as
    depending on settings such as the time zone; the function pins those to CockroachDB's (UTC, ISO).
    ``result`` is the SQL type of the result.
    """
    if expression.calls & context.late_functions:
        raise UnsupportedError(f"{where}: it calls a function that reads tables")
    types = {clip(column.name): column.type for column in columns}
    if is_immutable(expression.tree, types):
        return expression.sql
    used = [
        column
        for column in columns
        if any(node.name == clip(column.name) for node in expression.tree.find_all(exp.Column))
    ]
    arguments = ", ".join(f"{quote(clip(column.name))} {type_name(column.type, context, where)}" for column in used)
    schema = wanted[0]
    function = context.scope.unique_function(*wanted, str(where))
    made = RoutineDefinition(
        "FUNCTION",
        arguments,
        f"RETURNS {result} LANGUAGE sql IMMUTABLE PARALLEL SAFE "
        f"SET \"TimeZone\" = 'UTC' SET \"DateStyle\" = 'ISO, MDY' SET \"IntervalStyle\" = 'postgres'",
        f"AS {dollar_quote(f'SELECT CAST({expression.sql} AS {result})')}",
    )
    context.conversion.add(
        "function", Subject("function", function, schema), made.create(quote(schema, function)), expects=made
    )
    context.find(
        FindingCode.EXPRESSION_FUNCTION,
        where,
        f"The expression is wrapped in the function {schema}.{function}, which is marked immutable with the time zone "
        "UTC, because PostgreSQL takes a part of the expression to depend on settings.",
    )
    return f"{quote(schema, function)}({', '.join(quote(clip(column.name)) for column in used)})"
