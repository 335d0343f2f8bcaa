# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Expressions where PostgreSQL takes only immutable ones: computed columns, expression indexes, predicates."""
from __future__ import annotations

from typing import Any

from ..catalog.model import Column, SqlType
from . import function_calls
from .context import Context
from .expressions import Expression
from .names import clip, dollar_quote, quote
from .types import type_name

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_NUMBERS = frozenset(("int", "float", "decimal"))
_TEXT_SAFE = frozenset(("int", "decimal", "string", "collated", "uuid", "json", "bool"))


def is_immutable(tree: Any, columns: dict[str, SqlType]) -> bool:
    """Whether PostgreSQL surely sees the expression as immutable; False also when that is only not known."""
    plain = (
        exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.Is, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
        exp.LT, exp.LTE, exp.In, exp.Between, exp.Case, exp.If, exp.Coalesce, exp.Neg, exp.DataType, exp.DataTypeParam, exp.Var, exp.Tuple, exp.NullSafeEQ,
        exp.NullSafeNEQ, exp.Trim, exp.Substring,
    )
    arithmetic = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.Pow)
    for node in tree.walk():
        if isinstance(node, exp.Anonymous):
            if not function_calls.is_immutable(node.name.lower()):
                return False
        elif isinstance(node, exp.Cast):
            if not _is_safe_cast(node, columns):
                return False
        elif isinstance(node, arithmetic):
            if not _is_number(node.this, columns) or not _is_number(node.expression, columns):
                return False
        elif isinstance(node, exp.DPipe):
            if not _is_string(node.this, columns) or not _is_string(node.expression, columns):
                return False
        elif isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathPart, exp.JSONBContainsTopKey)):
            continue
        elif not isinstance(node, plain):
            return False
    return not _compares_times(tree, columns)


def _family(node: Any, columns: dict[str, SqlType]) -> str:
    node = node.unnest()
    if isinstance(node, exp.Column) and node.name in columns:
        return columns[node.name].family
    if isinstance(node, exp.Literal):
        return "string" if node.is_string else "decimal"
    return ""


def _is_safe_cast(node: Any, columns: dict[str, SqlType]) -> bool:
    """Constants are converted once, when the command is read; numbers and strings convert without settings."""
    target, source = node.args["to"], node.this.unnest()
    if target.name == "integer" and _is_number(source, columns):
        return True
    if isinstance(source, exp.Literal):
        return True
    if isinstance(source, exp.Neg) and isinstance(source.this.unnest(), (exp.Literal, exp.Cast)):
        return True
    if _is_number(source, columns):
        return target.this in exp.DataType.NUMERIC_TYPES or target.this in exp.DataType.TEXT_TYPES and _family(source, columns) in _TEXT_SAFE
    if _is_string(source, columns):
        return target.this in exp.DataType.TEXT_TYPES or target.this in exp.DataType.NUMERIC_TYPES
    return _family(source, columns) in _TEXT_SAFE and target.this in exp.DataType.TEXT_TYPES


def _is_number(node: Any, columns: dict[str, SqlType]) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.args["to"].this in exp.DataType.NUMERIC_TYPES
    if isinstance(node, exp.Neg):
        return _is_number(node.this, columns)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.Pow)):
        return _is_number(node.this, columns) and _is_number(node.expression, columns)
    return _family(node, columns) in _NUMBERS


def _is_string(node: Any, columns: dict[str, SqlType]) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.args["to"].this in exp.DataType.TEXT_TYPES
    if isinstance(node, exp.DPipe):
        return _is_string(node.this, columns) and _is_string(node.expression, columns)
    return _family(node, columns) in ("string", "collated")


def _compares_times(tree: Any, columns: dict[str, SqlType]) -> bool:
    """Comparing a date or timestamp with a timestamptz depends on the time zone."""
    families = {columns[node.name].family for node in tree.find_all(exp.Column) if node.name in columns}
    return len(families & {"date", "timestamp", "timestamptz", "time", "timetz"}) > 1


def immutable_sql(
    expression: Expression, context: Context, schema: str, name: str, where: str, result: str, columns: list[Column],
) -> str:
    """Return the expression, or a call of an immutable function that is made for it.

    CockroachDB has proved the expression immutable by its own rules. PostgreSQL counts some of the same functions as
    depending on settings such as the time zone; the function pins those to CockroachDB's (UTC, ISO).
    ``result`` is the SQL type of the result.
    """
    types = {clip(column.name): column.type for column in columns}
    if is_immutable(expression.tree, types):
        return expression.sql
    used = [column for column in columns if any(node.name == clip(column.name) for node in expression.tree.find_all(exp.Column))]
    arguments = ", ".join(f"{quote(clip(column.name))} {type_name(column.type, context, where)}" for column in used)
    function = context.scope.unique(schema, name, where)
    context.conversion.add(
        "function", "function",
        f"CREATE FUNCTION {quote(schema, function)}({arguments}) RETURNS {result} LANGUAGE sql IMMUTABLE PARALLEL SAFE "
        f"SET \"TimeZone\" = 'UTC' SET \"DateStyle\" = 'ISO, MDY' SET \"IntervalStyle\" = 'postgres' AS "
        + dollar_quote(f"SELECT CAST({expression.sql} AS {result})"),
        function, schema,
    )
    context.find(
        "expression_function", "info", where, f"The expression is wrapped in the function {schema}.{function}, marked immutable with the time zone UTC.",
        "Nothing to do; PostgreSQL itself counts a part of the expression as depending on settings.",
    )
    return f"{quote(schema, function)}({', '.join(quote(clip(column.name)) for column in used)})"
