# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Small parts of PostgreSQL's syntax trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dialect import parse

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

ADDED_COLLATION = "added_collation"
"""Marks a collation of PostgreSQL's."""
_PLACES = ("_0", "_1", "_2", "_3")
RESULT_FAMILY = "result_family"
"""Marks a call with the family of its result, and a type with its family."""
IMMUTABLE = "immutable"
"""Marks a call of an immutable function."""


def transformed(tree: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert each node of a tree in place, from the top; what takes the place of a node is not visited.

    Expression.transform does the same in a time that is quadratic in the length of a list."""
    root = None
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        parent, key, index = node.parent, node.arg_key, node.index
        made = convert(node)
        if root is None:
            root = made
        elif made is not node:
            if index is None:
                parent.set(key, made)
            else:
                parent.args[key][index] = made
                made.parent, made.arg_key, made.index = parent, key, index
        if made is node:
            nodes += node.iter_expressions(reverse=True)
    return root


def named_type(name: str) -> Any:
    """Return a type by PostgreSQL's own text for it."""
    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=exp.Var(this=name))


def cast(value: Any, type_text: str) -> Any:
    """Return CAST(value AS type)."""
    return exp.Cast(this=value, to=named_type(type_text))


def call(name: str, *arguments: Any) -> Any:
    """Return a function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def added_call(quoted_name: str, arguments: list[Any], family: str, is_immutable: bool) -> Any:
    """Return the call of a function that the conversion creates."""
    made = call(quoted_name, *arguments)
    made.meta.update({RESULT_FAMILY: family, IMMUTABLE: is_immutable})
    return made


def filled(template: str, *values: Any) -> Any:
    """Return the tree of a template in which the columns _0, _1 … are replaced by ``values``, in parentheses where
    precedence requires it."""
    tree = parse(template, "template")
    for column in list(tree.find_all(exp.Column)):
        if column.name in _PLACES:
            value = values[_PLACES.index(column.name)].copy()
            column.replace(value if isinstance(column.parent, (exp.Anonymous, exp.Cast)) else bracketed(value))
    return tree


def bracketed(value: Any) -> Any:
    """Put anything but a single item in parentheses."""
    return (
        value
        if isinstance(value, (exp.Column, exp.Literal, exp.Paren, exp.Cast, exp.Anonymous, exp.Identifier))
        else exp.Paren(this=value)
    )


def constant_text(node: Any) -> Any:
    """Return the text of a string constant, with or without a cast; None for anything else."""
    node = node.unnest()
    while isinstance(node, exp.Cast):
        node = node.this.unnest()
    return node.name if isinstance(node, exp.Literal) and node.is_string else None


def is_null(node: Any) -> bool:
    """Whether the node is NULL, with or without a cast."""
    node = node.unnest()
    while isinstance(node, exp.Cast):
        node = node.this.unnest()
    return isinstance(node, exp.Null)


def has_one_element(node: Any) -> bool:
    """Whether the node is an array constructor with one element, with or without a cast."""
    node = node.unnest()
    while isinstance(node, exp.Cast):
        node = node.this.unnest()
    return isinstance(node, exp.Array) and len(node.expressions) == 1


def is_constant(node: Any) -> bool:
    """Whether the node is a constant, possibly with a sign or a cast."""
    node = node.unnest()
    if isinstance(node, (exp.Cast, exp.Neg)):
        return is_constant(node.this)
    return isinstance(node, (exp.Literal, exp.HexString, exp.Null, exp.Boolean, exp.BitString))


def as_integer(node: Any) -> Any:
    """Return the value as a 32-bit integer: a constant without its cast to INT8, anything else cast."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast) and isinstance(inner.this, exp.Literal) and not inner.this.is_string:
        return inner.this
    if isinstance(inner, exp.Literal):
        return inner
    return cast(node.copy(), "integer")


def regclass(name: str) -> Any:
    """Return a relation's name, quoted as in SQL, as a constant of the type regclass."""
    return cast(exp.Literal.string(name), "regclass")


def collate(value: Any, collation: str) -> Any:
    """Return ``value COLLATE "collation"``, marked as not being CockroachDB's."""
    made = exp.Collate(this=value, expression=exp.to_identifier(collation, quoted=True))
    made.meta[ADDED_COLLATION] = True
    return made


def type_oid(data_type: Any) -> int:
    """Return the oid in a type that is named by ``@oid``, otherwise 0."""
    kind = data_type.args.get("kind")
    return int(kind.name[1:]) if isinstance(kind, exp.Var) and kind.name.startswith("@") else 0


def is_regclass(node: Any) -> bool:
    """Whether the node is a cast to regclass."""
    return isinstance(node, exp.Cast) and node.args["to"].name.upper() == "REGCLASS"


def identifier_name(node: Any) -> str:
    """Return the name of an identifier as CockroachDB keeps it: a bare one in small letters."""
    return str(node.name if node.args.get("quoted") else node.name.lower())
