# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reading one statement word by word."""

from __future__ import annotations

import bisect
import functools
import re
from dataclasses import dataclass
from typing import NoReturn, Optional

from ..._convert.expressions.tokens import MOST_DIGITS, is_whole_number
from ..._errors import UnsupportedError
from ..._model.full_name import FullName
from .parsing import NAME, NUMBER, STRING, SYMBOL, WORD, Word

_SHOWN = 80
_END = Word(SYMBOL, "", 0, 0)
_OPERATORS = frozenset(
    (
        "ALL",
        "AND",
        "ANY",
        "ARRAY",
        "AT",
        "BETWEEN",
        "CASE",
        "COLLATE",
        "DISTINCT",
        "ELSE",
        "ESCAPE",
        "FROM",
        "ILIKE",
        "IN",
        "IS",
        "LIKE",
        "NOT",
        "OR",
        "SIMILAR",
        "SOME",
        "SYMMETRIC",
        "THEN",
        "TO",
        "WHEN",
    )
)
"""Words of an expression that must be followed by an operand."""

PUBLIC = "public"
Span = tuple[int, int]
"""The numbers of the first word and of the one after the last."""


@dataclass
class Statement:
    """One statement: its words, the text that they point into, and where that text begins in what was given."""

    words: list[Word]
    source: str
    line: int
    database: str = ""
    """The database that was current."""
    schemas: tuple[str, ...] = (PUBLIC,)
    """The schemas that were current."""
    number: int = 0
    """Its position among the statements of the text."""
    broken: str = ""
    """Why its words are not all that it has; empty if they are."""
    copied_rows: int = 0
    """How many rows followed it, where it is COPY."""

    def text(self, span: Span) -> str:
        """Return the words of a span as they were written."""
        first, last = span
        return self.source[self.words[first].start : self.words[last - 1].end] if last > first else ""

    @property
    def replaces(self) -> bool:
        """Whether it is CREATE OR REPLACE."""
        return Cursor(self).at("CREATE", "OR", "REPLACE")

    @property
    def definition(self) -> list[str]:
        """The words, for comparing two statements: without IF NOT EXISTS."""
        words = [word.identifier for word in self.words]
        for position in range(len(words) - 2):
            if words[position : position + 3] == ["if", "not", "exists"]:
                return words[:position] + words[position + 3 :]
        return words

    @property
    def makes_view(self) -> bool:
        """Whether it is CREATE [OR REPLACE] [MATERIALIZED] VIEW."""
        cursor = Cursor(self)
        is_creation = cursor.accept("CREATE")
        cursor.accept("OR", "REPLACE")
        cursor.accept("MATERIALIZED")
        return is_creation and cursor.at("VIEW")

    @functools.cached_property
    def beginning(self) -> str:
        """Return the beginning of the statement for messages, without passwords and URLs."""
        shown, secret = [], False
        for word in self.words[:_SHOWN]:
            secret = secret or word.keyword == "PASSWORD"
            hidden = word.kind == STRING and (secret or "://" in word.text)
            shown.append((word, "'…'" if hidden else self.source[word.start : word.end]))
        text = ""
        for position, (word, written) in enumerate(shown):
            space = position > 0 and shown[position - 1][0].end < word.start
            text += " " * space + " ".join(written.split())
        return text[:_SHOWN]

    def where(self, word: Word) -> str:
        """Return the place of a word, for messages."""
        before = self.source[: word.start]
        line = self.line + before.count("\n")
        column = word.start - (before.rfind("\n") + 1) + 1
        return f"line {line}, column {column}"

    @functools.cached_property
    def first_line(self) -> int:
        """The line of the first word."""
        return self.line + bisect.bisect_left(_line_ends(self.source), self.words[0].start)


class StatementError(UnsupportedError):
    """A statement is not understood: ``reason`` is the problem and its place. ``because`` is the object that was
    refused before and that the statement needs, if that is the problem."""

    def __init__(self, reason: str, statement: Statement, because: Optional[FullName] = None) -> None:
        super().__init__(f"the schema text is not understood: {reason}, in the statement: {statement.beginning}")
        self.reason, self.because = reason, because


class Cursor:
    """Cursor over the words of a statement. Raises UnsupportedError, naming the statement, if a required word is
    missing."""

    def __init__(self, statement: Statement, span: Optional[Span] = None) -> None:
        self.statement = statement
        self.index, self.last = span or (0, len(statement.words))

    @property
    def at_end(self) -> bool:
        """Whether all words are read."""
        return self.index >= self.last

    def peek(self, ahead: int = 0) -> Word:
        """Return a word ahead without reading it; after the end, a symbol without text."""
        position = self.index + ahead
        return self.statement.words[position] if position < self.last else _END

    def take(self) -> Word:
        """Read one word."""
        if self.at_end:
            self.fail("something is missing at the end")
        word = self.peek()
        self.index += 1
        return word

    def fail(self, problem: str) -> NoReturn:
        """Raise UnsupportedError about the next word."""
        word = self.statement.words[min(self.index, len(self.statement.words) - 1)]
        raise StatementError(f"{problem}, at {self.statement.where(word)}", self.statement)

    def at(self, *keywords: str) -> bool:
        """Tell whether these keywords or symbols come next."""
        return all(
            keyword in (self.peek(number).keyword, _symbol(self.peek(number)))
            for number, keyword in enumerate(keywords)
        )

    def accept(self, *keywords: str) -> bool:
        """Read these keywords or symbols if they come next."""
        found = self.at(*keywords)
        if found:
            self.index += len(keywords)
        return found

    def accept_one(self, *keywords: str) -> str:
        """Read one of these keywords and return it; '' when another word comes."""
        for keyword in keywords:
            if self.accept(keyword):
                return keyword
        return ""

    def expect(self, *keywords: str) -> None:
        """Read these keywords or symbols."""
        if not self.accept(*keywords):
            self.fail(f"expected {' '.join(keywords)}, found {self.peek().text or 'the end'!r}")

    def end(self) -> None:
        """Raise UnsupportedError unless all words have been read."""
        if not self.at_end:
            self.fail(f"{self.peek().text!r} is not expected here")

    def name_word(self) -> Word:
        """Read a name."""
        if self.peek().kind not in (WORD, NAME):
            self.fail(f"expected a name, found {self.peek().text or 'the end'!r}")
        return self.take()

    def name(self) -> str:
        """Read a name, as CockroachDB keeps it."""
        return self.name_word().identifier

    def path(self) -> list[Word]:
        """Read a qualified name: ``database.schema.name``."""
        parts = [self.name_word()]
        while self.accept("."):
            parts.append(self.name_word())
        return parts

    def path_here(self) -> list[Word]:
        """Read a qualified name in any text, as far as it goes."""
        parts = [self.take()]
        while self.at(".") and self.peek(1).kind in (WORD, NAME):
            self.take()
            parts.append(self.take())
        return parts

    def string(self) -> str:
        """Read a string."""
        if self.peek().kind != STRING:
            self.fail(f"expected a string, found {self.peek().text or 'the end'!r}")
        return self.take().text

    def integer(self) -> int:
        """Read a number without fraction."""
        sign = -1 if self.accept("-") else 1
        if self.peek().kind != NUMBER or not is_whole_number(self.peek().text):
            self.fail(f"expected a whole number, found {self.peek().text or 'the end'!r}")
        if len(self.peek().text) > MOST_DIGITS:
            self.fail(f"a number of more than {MOST_DIGITS:,} digits is out of range")
        return sign * int(self.take().text)

    def parenthesis(self) -> Cursor:
        """Read ``( … )`` and return a cursor on what is inside."""
        self.expect("(")
        begin, depth = self.index, 1
        while depth:
            word = self.take()
            depth += word.is_symbol("(") - word.is_symbol(")")
        return Cursor(self.statement, (begin, self.index - 1))

    def items(self) -> list[Cursor]:
        """Return one cursor for each part between commas, from here to the end."""
        found: list[Cursor] = []
        while not self.at_end:
            begin = self.index
            self.skip_to_comma()
            found.append(Cursor(self.statement, (begin, self.index)))
            if self.accept(",") and self.at_end:
                self.fail("something is missing after the comma")
        return found

    def skip_to_comma(self) -> None:
        """Go to the next comma that is in no parenthesis, or to the end."""
        depth = 0
        while not self.at_end:
            word = self.peek()
            if depth == 0 and word.is_symbol(","):
                return
            depth += word.is_symbol("(", "[", "{") - word.is_symbol(")", "]", "}")
            self.index += 1

    def names(self) -> list[str]:
        """Read ``(name, …)``."""
        result = []
        for item in self.parenthesis().items():
            result.append(item.name())
            item.end()
        return result

    def name_list(self) -> list[str]:
        """Read names between commas."""
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        return names

    def rest(self) -> Span:
        """Read the remaining words."""
        span = (self.index, self.last)
        self.index = self.last
        return span

    def expression(self, stops: frozenset[str] = frozenset()) -> Span:
        """Read an expression: up to a comma, or a word of ``stops`` where an operator could be. NOT stops before NULL,
        VISIBLE and VALID only."""
        begin, depth, complete = self.index, 0, False
        while not self.at_end:
            word = self.peek()
            if depth == 0 and (word.is_symbol(",") or (complete and self._stops(word, stops))):
                break
            depth += word.is_symbol("(", "[", "{") - word.is_symbol(")", "]", "}")
            depth += (word.keyword == "CASE") - (word.keyword == "END")
            complete = word.is_symbol(")", "]", "}") or (word.kind != SYMBOL and word.keyword not in _OPERATORS)
            self.index += 1
        if self.index == begin:
            self.fail("expected an expression")
        return begin, self.index

    def without_parentheses(self, span: Span) -> Span:
        """Return what a pair of parentheses holds that encloses the whole span, else the span."""
        whole = Cursor(self.statement, span)
        if whole.at("("):
            inside = whole.parenthesis()
            if whole.at_end:
                return inside.rest()
        return span

    def _stops(self, word: Word, stops: frozenset[str]) -> bool:
        if word.keyword == "NOT":
            return "NOT" in stops and self.peek(1).keyword in ("NULL", "VISIBLE", "VALID")
        return word.keyword in stops


@functools.lru_cache(maxsize=1)
def _line_ends(text: str) -> list[int]:
    """Return the places of the ends of lines; a large text is asked for those of thousands of statements."""
    return [found.start() for found in re.finditer("\n", text)]


def _symbol(word: Word) -> str:
    return word.text if word.kind == SYMBOL else ""
