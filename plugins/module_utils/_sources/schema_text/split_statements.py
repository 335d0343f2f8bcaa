# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The statements of a text."""

from __future__ import annotations

from ..._errors import UnsupportedError
from . import parsing
from .cursor import Statement
from .forms.pieces import Piece
from .forms.postgres_dump import with_int4
from .unended_quotes import Part, begins_statement, parts_of

_ELLIPSIS = "…"


def split(pieces: list[Piece], apart: bool = False) -> list[Statement]:
    """Return the statements of the pieces, numbered; a semicolon or the end of its piece ends each. With ``apart`` a
    line that begins like a statement ends the one before, too (see unended_quotes.py)."""
    statements: list[Statement] = []
    for piece in pieces:
        statements += _apart(piece) if apart else _whole_or_apart(piece)
    for number, statement in enumerate(statements):
        statement.number = number
    return statements


def _whole_or_apart(piece: Piece) -> list[Statement]:
    try:
        return _statements(piece)
    except UnsupportedError:
        return _apart(piece)


def _apart(piece: Piece) -> list[Statement]:
    return [statement for part in parts_of(piece) for statement in _statements_of_part(part)]


def _statements(piece: Piece, apart: bool = False) -> list[Statement]:
    statements = []
    where = f"line {piece.line} or later"
    text = with_int4(piece.text, where) if piece.of_catalog else piece.text
    words = parsing.words(text, where)
    begin = 0
    for position, word in enumerate([*words, parsing.Word(parsing.SYMBOL, ";", 0, 0)]):
        if word.is_symbol(";") or (apart and begins_statement(word, text)):
            if position > begin:
                statement = Statement(words[begin:position], text, piece.line, piece.database)
                statement.broken = piece.broken or _why_cut(statement)
                statement.copied_rows = piece.copied_rows
                statements.append(statement)
            begin = position + word.is_symbol(";")
    return statements


def _why_cut(statement: Statement) -> str:
    """Return why a statement is not whole; '' if it is. CockroachDB prints no such name without quotes."""
    for word in statement.words:
        if word.kind == parsing.WORD and _ELLIPSIS in word.text:
            line = statement.line + statement.source.count("\n", 0, word.start)
            return f"it is cut off ({_ELLIPSIS}) at line {line}; give the whole text"
    return ""


def _statements_of_part(part: Part) -> list[Statement]:
    """Return the statements of a part of a text; the one that does not end is marked as broken."""
    statements = _statements(part.piece, apart=True)
    if not part.unended:
        return statements
    words = parsing.words(part.piece.text, "")
    if not words or words[-1].is_symbol(";"):
        end = len(part.piece.text)
        statements.append(
            Statement(
                [parsing.Word(parsing.SYMBOL, "", end, end)], part.piece.text, part.piece.line, part.piece.database
            )
        )
    statements[-1].broken = f"a quote or comment does not end, which begins at {part.unended}"
    return statements
