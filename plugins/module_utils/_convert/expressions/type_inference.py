# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Type inference: the type, with its length and the like, that CockroachDB gives to an expression.

What an operator or a function returns is the matter of families.py; here are those that return the type of an operand
as it was declared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Optional

from ..._model.built_in_types import BUILT_IN_TYPES
from ..._model.catalog import SqlType
from .families import ARRAYS, OPERAND_TYPE, Scope, family_of

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

TypeNamed = Callable[[Any], Optional[SqlType]]
"""Returns the type that a sqlglot DataType names, None when it is not known."""
_REPRESENTATIVES = {
    "bool": SqlType("bool", 16),
    "int": SqlType("int", 20, 64),
    "float": SqlType("float", 701, 64),
    "decimal": SqlType("decimal", 1700),
    "string": SqlType("string", 25),
    "bytes": SqlType("bytes", 17),
    "json": SqlType("json", 3802),
    "uuid": SqlType("uuid", 2950),
    "date": SqlType("date", 1082),
    "time": SqlType("time", 1083),
    "timetz": SqlType("timetz", 1266),
    "timestamp": SqlType("timestamp", 1114),
    "timestamptz": SqlType("timestamptz", 1184),
    "interval": SqlType("interval", 1186),
    "inet": SqlType("inet", 869),
    "bit": SqlType("bit", 1562),
    "tsvector": SqlType("tsvector", 3614),
    "tsquery": SqlType("tsquery", 3615),
    "ltree": SqlType("ltree", 90010),
    "geometry": SqlType("geometry", 90000),
    "geography": SqlType("geography", 90002),
}
"""The type that an operator or function of a family returns."""


def type_of(node: Any, scope: Scope, named: TypeNamed) -> Optional[SqlType]:
    """Return the type of an unconverted node; None if it cannot be inferred."""
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return named(node.args["to"])
    if isinstance(node, exp.Column):
        return scope.find(node)
    if isinstance(node, exp.Dot) and not isinstance(node.expression, exp.Anonymous):
        composite = type_of(node.this, scope, named)
        fields = dict(zip(composite.field_names, composite.fields)) if composite else {}
        return fields.get(node.expression.name)
    if isinstance(node, exp.Collate):
        return SqlType("collated", 25, locale=node.expression.name)
    if isinstance(node, exp.Bracket):
        array = type_of(node.this, scope, named)
        return array.element if array else None
    return _of_operand(node, scope, named) or representative(family_of(node, scope))


def representative(family: str) -> Optional[SqlType]:
    """Return the type without a length for a family (see families.family_of); None if it has no such type."""
    if not family.endswith("[]"):
        return _REPRESENTATIVES.get(family)
    element = _REPRESENTATIVES.get(family[:-2])
    return SqlType("array", BUILT_IN_TYPES[element.oid].array_oid, element=element) if element else None


def _of_operand(node: Any, scope: Scope, named: TypeNamed) -> Optional[SqlType]:
    """Return the type of the first operand whose type is known, if the node has the type of an operand."""
    return next((found for found in (type_of(part, scope, named) for part in _operands(node)) if found), None)


def _operands(node: Any) -> Iterable[Any]:
    """Return the operands of which the first gives the result its type, none for a node that has a type of its own."""
    if isinstance(node, exp.Coalesce):
        return (node.this, *node.expressions)
    if isinstance(node, exp.If):
        return _given(node.args.get("true"), node.args.get("false"))
    if isinstance(node, exp.Case):
        return _given(*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default"))
    if isinstance(node, exp.Anonymous) and node.name.lower() in OPERAND_TYPE:
        return node.expressions
    if isinstance(node, exp.Anonymous) and node.name.lower() in ARRAYS:
        return node.expressions[:1]
    return ()


def _given(*parts: Any) -> list[Any]:
    return [part for part in parts if part is not None]
