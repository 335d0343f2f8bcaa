# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's own syntax, replaced in the list of tokens by syntax that sqlglot parses."""

from __future__ import annotations

from typing import Any

from ..._errors import UnsupportedError
from ..._model.catalog import USER_TYPE_OID_BASE

try:
    from sqlglot.tokens import Token, TokenType
except ImportError:  # named by libraries.missing()
    Token = TokenType = None

FUNCTION_PREFIX = "cockroach_function_"
"""``[FUNCTION 100108](a)`` is parsed as a call of the function cockroach_function_100108."""
TABLE_PREFIX = "cockroach_table_"
"""``[104 AS t]`` is parsed as the table cockroach_table_104."""

MOST_DIGITS = 4300
"""Python reads and writes no whole number of more digits (sys.int_info.default_max_str_digits)."""
_JOIN_METHODS = frozenset(("HASH", "LOOKUP", "MERGE", "INVERTED", "STRAIGHT"))
_BEFORE_METHOD = frozenset(("INNER", "LEFT", "RIGHT", "FULL", "OUTER"))
_STATEMENTS = frozenset(("SHOW", "EXPLAIN", "INSERT", "UPSERT", "UPDATE", "DELETE", "SELECT", "EXECUTE"))


def is_whole_number(text: str) -> bool:
    """Whether a text is a whole number; ² is none, although str.isdigit() takes it for one."""
    return text.isascii() and text.isdigit()


def without_extensions(tokens: list[Any], where: object) -> tuple[list[Any], bool]:
    """Return the tokens with references by id as names and without join methods, and whether the statement is an
    UPSERT.

    Raises UnsupportedError for AS OF SYSTEM TIME, for a statement in brackets, which PostgreSQL cannot read from, for
    columns by number (@1), and for numbers of thousands of digits.
    """
    _refuse_long_numbers(tokens, where)
    kept: list[Any] = []
    upsert = False
    position = 0
    while position < len(tokens):
        words = [token.text.upper() for token in tokens[position : position + 4]]
        _refuse(words, tokens[position + 1 : position + 2], where)
        if words[0] in _JOIN_METHODS and words[1:2] == ["JOIN"] and kept and kept[-1].text.upper() in _BEFORE_METHOD:
            position += 1
            continue
        replacement, length = _replacement(tokens, position, words)
        upsert = upsert or words[:2] == ["UPSERT", "INTO"]
        kept += replacement
        position += length
    return kept, upsert


def _refuse_long_numbers(tokens: list[Any], where: object) -> None:
    for token in tokens:
        # Four hexadecimal digits are at most five decimal ones.
        digits = len(token.text) * 5 // 4 if token.token_type == TokenType.HEX_STRING else len(token.text)
        if digits > MOST_DIGITS and (token.token_type == TokenType.NUMBER or _is_hexadecimal_number(token)):
            raise UnsupportedError(f"{where}: it has a number of more than {MOST_DIGITS:,} digits")


def _is_hexadecimal_number(token: Any) -> bool:
    """0x1F is a number, and two characters longer than its digits; x'1F' is bytes."""
    return bool(token.token_type == TokenType.HEX_STRING and token.end - token.start == len(token.text) + 1)


def _refuse(words: list[str], following: list[Any], where: object) -> None:
    """Raise UnsupportedError if a form without a counterpart begins with these words; ``following`` is the second
    one's token, if there is one."""
    if words == ["AS", "OF", "SYSTEM", "TIME"]:
        raise UnsupportedError(f"{where}: AS OF SYSTEM TIME reads the past, which PostgreSQL cannot")
    is_name = any(token.token_type == TokenType.IDENTIFIER for token in following)
    if len(words) > 1 and words[0] == "[" and words[1] in _STATEMENTS and not is_name:
        raise UnsupportedError(f"{where}: it reads from the statement [{words[1]} …]")
    if len(words) > 1 and words[0] == "@" and is_whole_number(words[1]) and int(words[1]) < USER_TYPE_OID_BASE:
        raise UnsupportedError(f"{where}: it names a column by its number, @{words[1]}")


def _replacement(tokens: list[Any], position: int, words: list[str]) -> tuple[list[Any], int]:
    """Return what the tokens from a position on become, and the number of tokens that this replaces. ``words``: the
    texts of the next four tokens."""
    token = tokens[position]
    if words[0] == "[" and words[1:2] == ["FUNCTION"] and words[3:] == ["]"]:
        return [_like(token, TokenType.VAR, FUNCTION_PREFIX + words[2])], 4
    if len(words) == 4 and words[0] == "[" and is_whole_number(words[1]) and words[2] == "AS":
        return [_like(token, TokenType.VAR, TABLE_PREFIX + words[1]), *tokens[position + 2 : position + 4]], 5
    if _is_hexadecimal_number(token):
        return [_like(token, TokenType.NUMBER, str(int(token.text, 16)))], 1
    if words[:2] == ["UPSERT", "INTO"]:
        return [_like(token, TokenType.INSERT, "INSERT")], 1
    return [token], 1


def _like(token: Any, kind: Any, text: str) -> Any:
    """Return another token in the place of one."""
    return Token(kind, text, token.line, token.col, token.start, token.end)
