# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Transactions that are rolled back: what they do to the schema is undone."""

from __future__ import annotations

from .cursor import Cursor, Statement

_BEGIN, _END = ("BEGIN", "START"), ("COMMIT", "END")
_ROLLBACK = ("ROLLBACK", "ABORT")


def rolled_back(statements: list[Statement]) -> list[Statement]:
    """Return the statements that ROLLBACK, or ROLLBACK TO SAVEPOINT, undoes, with those that begin and end it."""
    undone: list[Statement] = []
    done: list[Statement] = []
    """The statements of the current transaction that are not undone; none outside of one."""
    savepoints: list[tuple[str, int]] = []
    """Their names, and the number of statements done before each."""
    for statement in statements:
        cursor = Cursor(statement)
        if cursor.accept_one(*_BEGIN):
            done, savepoints = [statement], []
        elif cursor.accept_one(*_END):
            done, savepoints = [], []
        elif not done:
            continue
        elif cursor.accept_one(*_ROLLBACK):
            cursor.accept_one("TRANSACTION", "WORK")
            kept = _kept(cursor, savepoints) if cursor.accept("TO") else 0
            undone += [*done[kept:], statement]
            del done[kept:]
        else:
            if cursor.accept("SAVEPOINT"):
                savepoints.append((cursor.peek().identifier, len(done)))
            done.append(statement)
    return undone


def _kept(cursor: Cursor, savepoints: list[tuple[str, int]]) -> int:
    """Return the number of statements that were done before the savepoint of this name, and forget the later ones."""
    cursor.accept("SAVEPOINT")
    name = cursor.peek().identifier
    while savepoints and savepoints[-1][0] != name:
        savepoints.pop()
    return savepoints[-1][1] if savepoints else 0
