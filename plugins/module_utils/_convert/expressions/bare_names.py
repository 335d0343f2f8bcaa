# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Bare names in the list of tokens: told from key words by CockroachDB's grammar, before sqlglot sees them.

CockroachDB quotes a name only if it is a reserved key word, and none after a dot or AS. sqlglot knows other key words,
so ``comment``, ``begin`` or ``t.end`` would begin a command or end a CASE there. Here every bare word that is a name
becomes a quoted identifier. Which words these are follows from the grammar: an operand is a name unless its word is
reserved, is called or types a literal; what comes after an operand is an operator, a clause or a type, and stays as it
is. The categories of key words and the phrases are those of pkg/sql/parser/sql.y, v22.1 to v25.3 (``reserved_keyword``,
``type_func_name_keyword``, ``column_path``, ``target_elem``, ``a_expr``, ``over_clause``, ``opt_frame_clause``); what
is printed with quotes, those of pkg/sql/lexbase/encode.go and predicates.go.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass, field
from typing import Any

try:
    from sqlglot.tokens import Token, TokenType
except ImportError:  # named by libraries.missing()
    Token = TokenType = None

_RESERVED = frozenset(
    """
ALL ANALYSE ANALYZE AND ANY ARRAY AS ASC ASYMMETRIC BOTH CASE CAST CHECK COLLATE COLUMN CONCURRENTLY CONSTRAINT CREATE
CURRENT_CATALOG CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEFAULT DEFERRABLE
DESC DISTINCT DO ELSE END EXCEPT FALSE FETCH FOR FOREIGN FROM GRANT GROUP HAVING IN INITIALLY INTERSECT INTO LATERAL
LEADING LIMIT LOCALTIME LOCALTIMESTAMP NOT NULL OFFSET ON ONLY OR ORDER PLACING PRIMARY REFERENCES RETURNING SELECT
SESSION_USER SOME SYMMETRIC TABLE THEN TO TRAILING TRUE UNION UNIQUE USER USING VARIADIC WHEN WHERE WINDOW WITH
""".split()
)
_FUNCTIONS_ONLY = frozenset(
    """
AUTHORIZATION COLLATION CROSS FAMILY FULL ILIKE INNER IS ISNULL JOIN LEFT LIKE NATURAL NONE NOTNULL OUTER OVERLAPS RIGHT
SIMILAR
""".split()
)
"""Key words that may be a type's or a function's name, but no column's."""
_COMPLETE = frozenset(
    """
ASC COLLATE CURRENT_CATALOG CURRENT_DATE CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEFAULT
DESC DO END FALSE FETCH LOCALTIME LOCALTIMESTAMP NULL SESSION_USER TRUE USER
""".split()
)
"""Reserved words after which no operand comes: they are one, or a key word belongs to them."""
_BEFORE_OPERAND = (_RESERVED - _COMPLETE) | frozenset(
    ("BETWEEN", "BY", "ESCAPE", "ILIKE", "JOIN", "LIKE", "OVER", "OVERLAPS", "SET", "ZONE")
)
"""Words after which an operand comes."""
_LOCKS = frozenset(("KEY", "NO", "SHARE", "UPDATE"))
_FRAMES = frozenset(("GROUPS", "RANGE", "ROWS"))
_PHRASES = frozenset(
    (
        *((kind, "VARYING") for kind in ("BIT", "CHAR", "CHARACTER")),
        *((frame, bound) for frame in _FRAMES for bound in ("BETWEEN", "CURRENT", "UNBOUNDED")),
        ("BETWEEN", "ASYMMETRIC"),
        ("BETWEEN", "SYMMETRIC"),
        ("CURRENT", "ROW"),
        ("DOUBLE", "PRECISION"),
        ("INSERT", "INTO"),
        ("UNBOUNDED", "FOLLOWING"),
        ("UNBOUNDED", "PRECEDING"),
        ("UPSERT", "INTO"),
    )
)
"""Two words, where an operand could be, of which the first one is not a name."""
_AFTER_OPERAND = frozenset(
    """
AT BETWEEN DAY DELETE ESCAPE EXCLUDE FILTER FOLLOWING GROUPS HASH HOUR INSERT INVERTED LOOKUP MERGE MINUTE MONTH NULLS
OPERATOR OVER PRECEDING RANGE ROW ROWS SECOND SET STRAIGHT UPDATE UPSERT VALUES WITHIN WITHOUT YEAR
""".split()
)
"""Words that are not reserved, and no alias after an operand or a table: they go on with it."""
_QUERIES = frozenset(("(", "DELETE", "INSERT", "SELECT", "TABLE", "UPDATE", "UPSERT", "VALUES", "WITH"))
_OPERATORS = frozenset(
    (
        "AND",
        "AT",
        "BETWEEN",
        "COLLATE",
        "ILIKE",
        "IN",
        "IS",
        "ISNULL",
        "LIKE",
        "NOT",
        "NOTNULL",
        "OR",
        "OVERLAPS",
        "SIMILAR",
    )
)
_STATEMENTS = frozenset(("DELETE", "EXECUTE", "EXPLAIN", "INSERT", "SHOW", "UPDATE", "UPSERT"))
"""Statements that a query may read from, in brackets."""
_TIME_PARTS_OF = frozenset(("EXTRACT", "EXTRACT_DURATION"))
_TYPED_BY = {"CAST": "AS", "TREAT": "AS", "ANNOTATE_TYPE": ","}
"""What comes before the type in the parentheses of these functions."""


def quote_names(tokens: list[Any], text: str) -> list[Any]:
    """Return the tokens of an expression or a query with every bare name as a quoted identifier, in small letters and
    Unicode's form NFC, as CockroachDB keeps it; the name of a function stays bare."""
    return _Reader(tokens, text).read()


@dataclass
class _Reader:
    """Goes through the tokens once, and tells where an operand is expected."""

    tokens: list[Any]
    text: str
    result: list[Any] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    """For each open parenthesis the word before it if this is a function, else empty."""
    expects_operand: bool = True
    previous: str = ""
    """The last key word in capitals, or symbol; empty after a name and at the beginning."""
    in_type: bool = False
    with_begins: bool = False
    """The last WITH begins a query: a name or RECURSIVE follows."""

    @functools.cached_property
    def ends(self) -> dict[int, int]:
        """The places of parentheses, each with that of the one that closes it."""
        found, opened = {}, []
        for position in range(len(self.tokens)):
            symbol = self._next(position, 0)
            if symbol == "(":
                opened.append(position)
            elif symbol == ")" and opened:
                found[opened.pop()] = position
        return found

    def read(self) -> list[Any]:
        """Return the new tokens."""
        for position, token in enumerate(self.tokens):
            if is_word(token, self.text):
                self._word(position, token)
            else:
                self._other(position, token)
        return self.result

    def _word(self, position: int, token: Any) -> None:
        word = token.text.upper().split()[-1]
        if self._is_name(position, word):
            called = self.previous == "." and self._next(position) == "(" and not self._names_table()
            self.result.append(_like(token, TokenType.VAR if called else TokenType.IDENTIFIER))
            self._move("", False)
            return
        self.result.append(token)
        if word == "WITH":
            self.with_begins = self.expects_operand
        is_type = self._is_type(position)
        operand_follows = not is_type and self._expects_after(word)
        self._move(word, operand_follows)
        self.in_type = is_type

    def _other(self, position: int, token: Any) -> None:
        """Note a symbol, a constant or a quoted name."""
        self.result.append(token)
        symbol = token.text if _is_symbol(token, self.text) else ""
        if symbol == "(":
            self.owners.append(self._called(position))
        elif symbol == ")" and self.owners:
            self.owners.pop()
        in_type = self.in_type and symbol == "."
        self._move(symbol, bool(symbol) and symbol not in (")", "]", "}"))
        self.in_type = in_type

    def _move(self, previous: str, expects_operand: bool) -> None:
        self.previous = previous
        self.expects_operand, self.in_type = expects_operand, False

    def _next(self, position: int, ahead: int = 1) -> str:
        """Return the key word, in capitals, or the symbol ahead; empty for a constant, a quoted name and the end."""
        if position + ahead >= len(self.tokens):
            return ""
        token = self.tokens[position + ahead]
        if is_word(token, self.text):
            return str(token.text.upper().split()[0])
        return token.text if _is_symbol(token, self.text) else ""

    def _is_name(self, position: int, word: str) -> bool:
        if self.previous == ".":
            return not self.in_type
        if self._is_type(position):
            return False
        if self.previous == "AS":
            return not self._is_after_as(position, word)
        if word in _RESERVED or len(self.tokens[position].text.split()) > 1:
            return False
        if not self.expects_operand:
            return self.previous in ("", ")", "]") and word not in _AFTER_OPERAND | _FUNCTIONS_ONLY
        if self._names_table():
            return word != "RECURSIVE" or self.previous != "WITH" or self._next(position) in ("AS", "(")
        return word not in _FUNCTIONS_ONLY and not self._is_keyword(position, word)

    def _is_type(self, position: int) -> bool:
        """Whether a type is named here."""
        owner = self.owners[-1] if self.owners else ""
        return self.previous in ("::", ":::") or (owner in _TYPED_BY and self.previous == _TYPED_BY[owner])

    def _is_after_as(self, position: int, word: str) -> bool:
        """Whether the word after AS belongs to AS [NOT] MATERIALIZED (query) or AS OF SYSTEM TIME."""
        following = self._next(position), self._next(position, 2)
        return (
            (word == "MATERIALIZED" and following[0] == "(" and following[1] in _QUERIES)
            or (word == "NOT" and following[0] == "MATERIALIZED")
            or (word == "OF" and following[0] == "SYSTEM")
        )

    def _names_table(self) -> bool:
        """Whether only the name of a table can come here, even before a parenthesis."""
        return self.previous in ("INTO", "UPDATE") or (self.previous in ("WITH", "RECURSIVE") and self.with_begins)

    def _is_keyword(self, position: int, word: str) -> bool:
        """Whether a word that is not reserved is a key word, a function or the type of a literal where an operand is
        expected."""
        following = self._next(position)
        if following == "(":
            return not self._names_query(position)
        return (
            self._is_before_constant(position)
            or (word, following) in _PHRASES
            or self._begins_statement(position, word, following)
            or self._belongs_to_previous(position, word, following)
            or (following in ("WITH", "WITHOUT") and word in ("TIME", "TIMESTAMP") and self._is_zone(position))
            or (following == "FROM" and bool(self.owners) and self.owners[-1] in _TIME_PARTS_OF)
        )

    def _is_before_constant(self, position: int) -> bool:
        """Whether a constant follows, as in DATE '2020-01-01' and ROWS 1 PRECEDING."""
        if position + 1 >= len(self.tokens):
            return False
        token = self.tokens[position + 1]
        return not (
            token.token_type == TokenType.IDENTIFIER or is_word(token, self.text) or _is_symbol(token, self.text)
        )

    def _is_zone(self, position: int) -> bool:
        """Whether the words after the next are TIME ZONE."""
        return (self._next(position, 2), self._next(position, 3)) == ("TIME", "ZONE")

    def _begins_statement(self, position: int, word: str, following: str) -> bool:
        """Whether the word is the verb of DELETE FROM or UPDATE … SET, or of a statement in brackets."""
        if self.previous == "[" and word in _STATEMENTS:
            return self._is_before_word(position, following)
        if self.previous and not (self.previous == "(" and not self.owners[-1]):
            return False
        if word == "DELETE":
            return following == "FROM"
        after = self._next(position, 2)
        return (
            word == "UPDATE"
            and self._is_before_word(position, following)
            and (after in ("SET", "AS", ".", "@") or self._next(position, 3) == "SET")
        )

    def _is_before_word(self, position: int, following: str) -> bool:
        """Whether a word or a quoted name follows that is no operator."""
        is_last = position + 1 >= len(self.tokens)
        return not is_last and following not in _OPERATORS and not _is_symbol(self.tokens[position + 1], self.text)

    def _belongs_to_previous(self, position: int, word: str, following: str) -> bool:
        """Whether a reserved word before it makes the word a key word: FOR UPDATE, ON CONFLICT, IS UNKNOWN …."""
        if self.previous == "FOR":
            return word in _LOCKS and not (self.owners and self.owners[-1])
        if self.previous == "ON":
            return word == "CONFLICT" and following in ("DO", "ON", "WHERE")
        if self.previous in ("FROM", "JOIN", "LATERAL"):
            return word == "ROWS" and following == "FROM" and self._next(position, 2) == "("
        return self.previous == "WITH"

    def _names_query(self, position: int) -> bool:
        """Whether a name before a parenthesis is that of a query in WITH: name (column, …) AS (query)."""
        end = self.ends.get(position + 1)
        if end is None or self._next(end) != "AS":
            return False
        begin = end + 2 + (self._next(end, 2) == "NOT")
        begin += self._next(begin, 0) == "MATERIALIZED"
        return self._next(begin, 0) == "(" and self._next(begin) in _QUERIES

    def _expects_after(self, word: str) -> bool:
        """Whether an operand follows a key word that has been read."""
        if word == "UPDATE":
            return self.previous not in ("DO", "FOR", "KEY")
        if word == "RECURSIVE":
            return self.previous == "WITH" and self.with_begins
        if word == "NOT":
            return self.previous != "IS"
        return word in _BEFORE_OPERAND

    def _called(self, position: int) -> str:
        """Return the function whose arguments the parenthesis here encloses, in capitals; empty when there is none."""
        if position == 0 or self.previous in _RESERVED - {"CAST"}:
            return ""
        token = self.tokens[position - 1]
        if is_word(token, self.text):
            word = str(token.text.upper())
            return "" if word in ("MATERIALIZED", "OVER", "FILTER", "VALUES") else word
        return token.text.upper() if token.token_type == TokenType.IDENTIFIER else ""


def is_word(token: Any, text: str) -> bool:
    """Whether the token is a key word or a name without quotes."""
    source = text[token.start : token.end + 1]
    begins_word = source[:1].isalpha() or source[:1] == "_" or not source[:1].isascii()
    return begins_word and not any(quote in source for quote in "'\"")


def _is_symbol(token: Any, text: str) -> bool:
    """Whether the token is an operator, a parenthesis or the like."""
    source = text[token.start : token.end + 1]
    return source == token.text and not is_word(token, text) and token.token_type != TokenType.NUMBER


def as_stored(token: Any) -> str:
    """Return the name of a token as CockroachDB keeps it: a bare one in small letters and Unicode's form NFC."""
    if token.token_type == TokenType.IDENTIFIER:
        return str(token.text)
    return unicodedata.normalize("NFC", token.text.lower())


def _like(token: Any, kind: Any) -> Any:
    """Return a bare name's token as one of another kind."""
    return Token(kind, as_stored(token), token.line, token.col, token.start, token.end)
