# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Chains of || and + that are longer than PostgreSQL's stack: it reads them as one level for each operand, AND and OR
as one level for all (src/backend/parser/gram.y, makeAndExpr). They are written in halves of halves."""

from __future__ import annotations

from typing import Any

from .families import family_of
from .nesting import MAX_LEVELS

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_LONG = 1000
"""Operands of a chain that is written as it is."""
_EXACT = {"DPipe": ("string", "bytes"), "Add": ("decimal", "int")}
"""Operators to the families for which grouping does not matter."""


def halve_long_chains(tree: Any, converter: Any) -> None:
    """Group the operands of long chains in an unconverted tree by halves, where the result is the same.

    ``converter`` is the one of expressions.py."""
    for node in list(tree.find_all(exp.DPipe, exp.Add)):
        if type(node.parent) is type(node) and node.arg_key == "this":
            continue
        operands = _operands(node)
        families = {family_of(operand, converter.scope) for operand in operands} if len(operands) > _LONG else set()
        if len(families) == 1 and families <= set(_EXACT[type(node).__name__]):
            if families == {"int"}:
                converter.differs(
                    f"a sum of {len(operands):,} integers is added up in halves, and a half may be too large for INT8"
                )
            halves = _halves(type(node), operands)
            node.set("this", halves.this)
            node.set("expression", halves.expression)


def _operands(node: Any) -> list[Any]:
    """Return the operands of a chain in their order."""
    kind, found = type(node), []
    while isinstance(node, kind):
        found.append(node.expression)
        node = node.this
    return [node, *reversed(found)]


def _halves(kind: Any, operands: list[Any]) -> Any:
    if len(operands) == 1:
        return operands[0]
    middle = (len(operands) + 1) // 2
    right = _halves(kind, operands[middle:])
    return kind(
        this=_halves(kind, operands[:middle]), expression=exp.Paren(this=right) if isinstance(right, kind) else right
    )


def exceeds_levels(tree: Any) -> bool:
    """Whether a converted tree has more levels than PostgreSQL's stack holds."""
    reached = [(tree, 0)]
    while reached:
        node, level = reached.pop()
        if level > MAX_LEVELS:
            return True
        for part in node.iter_expressions():
            is_same = isinstance(node, exp.SetOperation) or type(part) is type(node) and isinstance(node, exp.Connector)
            reached.append((part, level + (not is_same and not isinstance(part, exp.Paren))))
    return False
