# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The order of statements: those that create may stand in any order, those that change or take away may not.

What SHOW CREATE prints only creates, and pieces of it may be pasted in any order. A history of migrations also renames,
drops and retypes: such a statement means the objects as they are at its place in the text. So a history is read step by
step: each run of creating statements is a step, and each statement that changes something is one of its own.
"""

from __future__ import annotations

from ..._errors import UnsupportedError
from .cursor import Cursor, Statement

_ADDED = ("CONSTRAINT", "CHECK", "UNIQUE", "FOREIGN", "PRIMARY", "VALUE")
"""What ADD adds that is no column."""
_WITHOUT_NAME = ("DEFAULT", "PARTITION", "RANGE")


def steps(statements: list[Statement]) -> list[list[Statement]]:
    """Return the statements in the steps in which they are read. A text without changes is one step.

    ADD COLUMN is a change only among others, or where a view has all columns that a table has at that time.
    """
    changes = [is_change(statement) for statement in statements]
    if any(changes) or any(map(_is_view_with_star, statements)):
        changes = [change or _adds_column(statement) for statement, change in zip(statements, changes)]
    result: list[list[Statement]] = [[]]
    for statement, change in zip(statements, changes):
        if change:
            result += [[statement], []]
        else:
            result[-1].append(statement)
    return [step for step in result if step]


def _is_view_with_star(statement: Statement) -> bool:
    """Whether a statement makes a view whose columns are ``*`` or ``t.*``; also true for a product after a comma."""
    words = statement.words
    return statement.makes_view and any(
        words[number].is_symbol("*") and (before.is_symbol(",", ".") or before.keyword in ("SELECT", "DISTINCT", "ALL"))
        for number, before in enumerate(words[:-1], 1)
    )


def is_change(statement: Statement) -> bool:
    """Whether a statement drops, renames or changes something that is there."""
    cursor = Cursor(statement)
    if cursor.accept("DROP"):
        return True
    if not cursor.accept("ALTER"):
        return False
    return any(
        part.at("RENAME") or part.at("DROP") or _changes_column(part) or part.at("SET", "SCHEMA")
        for part in _parts(cursor)
    )


def _changes_column(part: Cursor) -> bool:
    """Whether it is ALTER [COLUMN]; pg_dump writes ALTER COLUMN … ADD GENERATED for what CREATE TABLE would say."""
    return part.at("ALTER") and not any(
        part.peek(number).keyword == "ADD" and part.peek(number + 1).keyword == "GENERATED" for number in (2, 3)
    )


def _adds_column(statement: Statement) -> bool:
    cursor = Cursor(statement)
    return cursor.accept("ALTER") and any(
        part.at("ADD") and part.peek(1).keyword not in _ADDED for part in _parts(cursor)
    )


def _parts(cursor: Cursor) -> list[Cursor]:
    """Return a cursor at each part of an ALTER statement, from what follows the object's name on. None if it is not
    understood: whoever reads the statement says what is wrong with it."""
    try:
        return _parts_after_name(cursor)
    except UnsupportedError:
        return []


def _parts_after_name(cursor: Cursor) -> list[Cursor]:
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
    parts = cursor.items()
    return [part for part in parts if kind != "DATABASE" or part.at("RENAME")]
