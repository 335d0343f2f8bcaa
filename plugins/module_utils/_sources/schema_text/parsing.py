# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The words of SQL text: sqlglot's tokens with their positions in the text."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from ..._convert.expressions.dialect import Postgres, unescape
from ..._errors import MigrationError, UnsupportedError

if Postgres is not None:
    from sqlglot.errors import SqlglotError
    from sqlglot.tokens import Token, TokenType

    from ..._convert.expressions.dialect import Cockroach

    class StatementTokenizer(Cockroach.Tokenizer):
        """Gives the words of every statement: none is one opaque command."""

        COMMANDS: set = set()

    class Statements(Cockroach):
        """CockroachDB's dialect for whole statements."""

        Tokenizer = StatementTokenizer

    _STRINGS = (
        TokenType.STRING,
        TokenType.BYTE_STRING,
        TokenType.HEREDOC_STRING,
        TokenType.NATIONAL_STRING,
        TokenType.UNICODE_STRING,
    )
    _LITERALS = (TokenType.BIT_STRING, TokenType.HEX_STRING)

WORD, NAME, STRING, NUMBER, SYMBOL = "word", "name", "string", "number", "symbol"


@dataclass(frozen=True)
class Word:
    """One word: ``kind`` is word (a keyword or a bare name), name (in quotes), string, number or symbol.

    ``text`` is what it means: without quotes and escapes. ``start`` and ``end`` (exclusive) are its place in the text.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The keyword in capitals; '' for all but bare words."""
        return self.text.upper() if self.kind == WORD else ""

    @property
    def identifier(self) -> str:
        """The name as CockroachDB keeps it: a bare one in small letters."""
        return unicodedata.normalize("NFC", self.text.lower()) if self.kind == WORD else self.text

    def is_symbol(self, *symbols: str) -> bool:
        """Tell whether it is one of these symbols."""
        return self.kind == SYMBOL and self.text in symbols


def words(text: str, where: str) -> list[Word]:
    """Return the words of a text; comments are not among them.

    Raises MigrationError without sqlglot, UnsupportedError naming ``where`` for a quote that does not end.
    """
    if Postgres is None:
        raise MigrationError("the Python package sqlglot is missing: install it where the module runs")
    try:
        tokens = Statements().tokenize(text)
    except SqlglotError as error:
        raise UnsupportedError(
            f"the schema text is not understood: a quote or comment does not end, in {where}"
        ) from error
    result: list[Word] = []
    try:
        for token in tokens:
            result += _words_of(token, text)
    except UnsupportedError as error:
        raise UnsupportedError(f"the schema text is not understood: {error}, in {where}") from error
    return result


def _words_of(token: Token, text: str) -> list[Word]:
    source = text[token.start : token.end + 1]
    start, end = token.start, token.end + 1
    if token.token_type == TokenType.IDENTIFIER:
        return [Word(NAME, token.text, start, end)]
    if token.token_type in _STRINGS:
        return [Word(STRING, _string(token, source), start, end)]
    if token.token_type == TokenType.NUMBER or token.token_type in _LITERALS:
        return [Word(NUMBER, source, start, end)]
    # A bare name may begin with any character outside ASCII.
    if source[0].isascii() and not (source[0].isalpha() or source[0] == "_"):
        return [Word(SYMBOL, source, start, end)]
    # sqlglot gives some keywords of several words as one token.
    found = []
    for part in source.split():
        start = text.index(part, start)
        found.append(Word(WORD, part, start, start + len(part)))
        start += len(part)
    return found


def _string(token: Token, source: str) -> str:
    if token.token_type != TokenType.BYTE_STRING:
        return token.text
    return unescape(source[2:-1]).decode("utf-8", "backslashreplace")
