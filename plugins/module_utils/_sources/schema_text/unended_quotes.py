# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A text in which a quote, a comment or a statement does not end: what stands before and after it.

To the end of the text everything belongs to the quote. A line that begins like a statement, after a line that ends with
a semicolon, is taken as the beginning of the next one. So is a line that begins with CREATE outside of quotes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from ..._errors import UnsupportedError
from . import parsing
from .cursor import Statement
from .forms.pieces import Piece

_BEGINNINGS = frozenset(
    ("ALTER", "COMMENT", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "REVOKE", "SET", "UPDATE", "UPSERT", "USE")
)
_MARKS = ("'", '"', "$", "/*", "*/", "`")
_AFTER_QUOTE = ("", ",", ")", ";", ":", ".", "]")
_COMMENTS, _DOLLAR = ("--", "/*", "*"), "$"
_MOST_TRIES = 200
"""Places where the end of a quote is looked for, each of which reads the text before it again."""


@dataclass(frozen=True)
class Part:
    """A part of a text: whole statements, or what stands before a quote or comment that begins at ``unended`` (line and
    column, for messages) and does not end."""

    piece: Piece
    unended: str = ""


def parts_of(piece: Piece) -> list[Part]:
    """Return the parts of a piece that cannot be read as a whole."""
    blocks = _blocks(piece)
    parts, position = [], 0
    while position < len(blocks):
        first, end = blocks[position], position + 1
        if _DOLLAR in first.text:
            # The body of a function may have lines that begin like statements.
            ends = range(end, min(len(blocks), end + _MOST_TRIES) + 1)
            end = next((end for end in ends if _ends(_joined(blocks[position:end]))), end)
        block = replace(first, text=_joined(blocks[position:end]))
        parts.append(Part(block) if _ends(block.text) else _broken(block))
        position = end
    return parts


def begins_statement(word: parsing.Word, source: str) -> bool:
    """Tell whether a word is the CREATE at the beginning of a line: no statement has one inside."""
    return word.keyword == "CREATE" and source[: word.start].endswith(("\n", "\r"))


def swallows_statements(statement: Statement, refused: bool) -> bool:
    """Tell whether it was probably meant to end earlier: it is refused and goes on with another statement, or one of
    its quotes holds the beginning of one. In the latter case either it is refused, or the second quotation mark stands
    where one begins."""
    source = statement.source
    if refused and any(begins_statement(word, source) for word in statement.words[1:]):
        return True
    return any(
        len(_blocks(Piece(word.text, 0), frozenset(("CREATE",)))) > 1
        and (refused or source[word.end : word.end + 1].strip() not in _AFTER_QUOTE)
        for word in statement.words
        if word.kind in (parsing.STRING, parsing.NAME) and not source.startswith(_DOLLAR, word.start)
    )


def _joined(blocks: list[Piece]) -> str:
    return _lines([block.text for block in blocks])


def _lines(lines: list[str]) -> str:
    return "\n".join(lines)


def _blocks(piece: Piece, beginnings: frozenset[str] = _BEGINNINGS) -> list[Piece]:
    lines = piece.text.split("\n")
    blocks, begin, ended = [], 0, False
    for number, line in enumerate(lines):
        word = line.split(None, 1)[0] if line[:1].strip() else ""
        if ended and word.upper() in beginnings:
            blocks.append(replace(piece, text=_lines(lines[begin:number]), line=piece.line + begin))
            begin = number
        if line.strip() and not line.strip().startswith(_COMMENTS):
            ended = line.rstrip().endswith(";")
    return [*blocks, replace(piece, text=_lines(lines[begin:]), line=piece.line + begin)]


def _ends(text: str) -> bool:
    """Tell whether every quote and comment ends."""
    try:
        parsing.words(text, "the text")
    except UnsupportedError:
        return False
    return True


def _broken(block: Piece) -> Part:
    lines = block.text.split("\n")
    begin: Optional[int] = None
    tries = 0
    for number, line in enumerate(lines):
        if begin is None and not _ends(line):
            begin, tries = number, 0
        elif begin is not None and tries < _MOST_TRIES and any(mark in line for mark in _MARKS):
            tries += 1
            if _ends(_lines(lines[begin : number + 1])):
                begin = None
    begin = begin or 0
    return _cut(block, len("".join(line + "\n" for line in lines[:begin])), lines[begin], block.line + begin)


def _cut(block: Piece, start: int, line: str, number: int) -> Part:
    """Return what stands before the last quote or comment of this line that has no end."""
    places = [place for place in range(len(line)) if line.startswith(_MARKS, place)]
    tried = places[-_MOST_TRIES:]
    place = next((place for place in reversed(tried) if _ends(block.text[: start + place])), places[0])
    return Part(replace(block, text=block.text[: start + place]), f"line {number}, column {place + 1}")
