# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The order of statements: those that create may stand in any order, those that change or take away may not.

What SHOW CREATE prints only creates, and pieces of it may be pasted in any order. A history of migrations also renames,
drops and retypes: such a statement means the objects as they are at its place in the text. So the text is read step by
step: each run of creating statements is a step, and each statement that changes something is one of its own.
"""

from __future__ import annotations

from ..._errors import UnsupportedError
from .cursor import Cursor, Statement

_ADDED = ("CONSTRAINT", "CHECK", "UNIQUE", "FOREIGN", "PRIMARY", "VALUE", "REGION", "SUPER")
_WITHOUT_NAME = ("DEFAULT", "PARTITION", "RANGE")


def steps(statements: list[Statement]) -> list[list[Statement]]:
    """Return the statements in the steps in which they are read."""
    result: list[list[Statement]] = [[]]
    for statement in statements:
        if is_change(statement):
            result += [[statement], []]
        else:
            result[-1].append(statement)
    return [step for step in result if step]


def is_change(statement: Statement) -> bool:
    """Whether a statement drops, renames or changes something that is there, or adds a column to it."""
    cursor = Cursor(statement)
    if cursor.accept("DROP"):
        return True
    if not cursor.accept("ALTER"):
        return False
    try:
        return _is_changing_alter(cursor)
    except UnsupportedError:
        return False  # whoever reads the statement says what is wrong with it


def _is_changing_alter(cursor: Cursor) -> bool:
    cursor.accept("MATERIALIZED")
    kind = cursor.take().keyword
    cursor.accept("IF", "EXISTS")
    cursor.accept("ONLY")
    if kind in ("FUNCTION", "PROCEDURE"):
        cursor.path_here()
        if cursor.at("("):
            cursor.parenthesis()
    elif kind not in _WITHOUT_NAME:
        cursor.path_here()
        if cursor.accept("@"):
            cursor.take()
    return any(_changes(part) for part in cursor.items())


def _changes(part: Cursor) -> bool:
    """Whether a part of ALTER … changes what is there; new constraints do not."""
    if part.at("ADD"):
        return part.peek(1).keyword not in _ADDED
    return part.at("RENAME") or part.at("DROP") or part.at("ALTER") or part.at("SET", "SCHEMA")
