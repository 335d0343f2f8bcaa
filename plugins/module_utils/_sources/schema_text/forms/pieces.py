# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Pieces of SQL, and what tells where one ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from ...._errors import UnsupportedError
from ...._model.findings import Finding
from .. import parsing

_SHOWN = 80
_MAY_END = re.compile(r";|--|\*/")
"""Found in the last line of a text that ends with a semicolon and perhaps a comment."""
_ERROR = re.compile(r"(psql:.*: )?(ERROR|FATAL):")


@dataclass(frozen=True)
class Piece:
    """A piece of SQL text, and the number of its first line in the input."""

    text: str
    line: int
    database: str = ""
    """The database that the piece belongs to, where what surrounds it says so."""
    broken: str = ""
    """Why the piece cannot be read."""
    of_catalog: bool = False
    """Whether its types have the names that pg_catalog gives them."""
    copied_rows: int = 0
    """How many rows followed it, where it is COPY."""
    findings: tuple[Finding, ...] = ()


Found = tuple[list[Piece], int]
"""What a reader of a form returns: the pieces, and the number of the line after them."""


def refuse_line(lines: list[str], number: int, problem: str) -> NoReturn:
    """Raise UnsupportedError about a line, which is numbered from 0 here and from 1 in the message."""
    raise UnsupportedError(
        f"the schema text is not understood: line {number + 1} {problem}: {lines[number].strip()[:_SHOWN]}"
    )


def is_error(line: str) -> bool:
    """Tell whether the line is an error that a shell printed."""
    return bool(_ERROR.match(line))


def refuse_error(lines: list[str], number: int) -> NoReturn:
    """Raise UnsupportedError about an error that a shell printed."""
    raise UnsupportedError(
        f"the schema text holds an error of the shell in line {number + 1}: {lines[number].strip()[:200]}"
    )


def is_whole(text: str) -> bool:
    """Tell whether no quote, comment or parenthesis is open at the end of the text."""
    depth = 0
    try:
        for word in parsing.words(text, "a piece"):
            depth += word.is_symbol("(") - word.is_symbol(")")
    except UnsupportedError:
        return False
    return depth == 0


def is_ended(text: str) -> bool:
    """Tell whether the text is empty, or ends with a whole statement and its semicolon."""
    if not text.strip():
        return True
    last = text.rstrip().rsplit("\n", 1)[-1]
    if not (_MAY_END.search(last) and is_whole(text)):
        return False
    words = parsing.words(text, "a piece")
    return not words or words[-1].is_symbol(";")
