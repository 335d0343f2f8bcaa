# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Chains of operators in the list of tokens, without the parentheses that CockroachDB prints into them: ``((a OR b) OR
c) OR d`` becomes ``a OR b OR c OR d``, which is read by one loop.

Parentheses are dropped only where the operators mean the same without them: those of a left operand, since operators of
one precedence are grouped from the left; and those of AND and OR on both sides. The precedences are those of PostgreSQL
(src/backend/parser/gram.y).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ..._errors import UnsupportedError
from .nesting import MAX_LEVELS, TOO_DEEP

try:
    from sqlglot.parser import Parser
    from sqlglot.tokens import TokenType
except ImportError:  # named by libraries.missing()
    Parser = TokenType = None

_AND, _OR, _JOINS, _TERMS, _FACTORS, _OTHER = "AND", "OR", "||", "+", "*", "other"
_CLASSES_BY_NAME = {
    "AND": _AND,
    "OR": _OR,
    "DPIPE": _JOINS,
    **dict.fromkeys(("PLUS", "DASH"), _TERMS),
    **dict.fromkeys(("STAR", "SLASH", "DIV", "MOD"), _FACTORS),
}


def _kinds(names: str) -> frozenset[Any]:
    """Return kinds of tokens by their names; none without sqlglot."""
    return frozenset() if TokenType is None else frozenset(TokenType[name] for name in names.split())


_CLASSES = {} if TokenType is None else {TokenType[name]: found for name, found in _CLASSES_BY_NAME.items()}
_OPENING = _kinds("L_PAREN L_BRACKET L_BRACE CASE")
_CLOSING = _kinds("R_PAREN R_BRACKET R_BRACE END")
_BEGINNING = _kinds("L_PAREN L_BRACKET COMMA SELECT WHERE HAVING ON WHEN THEN ELSE")
"""Behind these no operator takes what follows as its right operand."""
_ENDING = _kinds("R_PAREN R_BRACKET COMMA")
_NO_EXPRESSION = _kinds(
    "COMMA SEMICOLON SELECT WITH VALUES WHERE UNION EXCEPT INTERSECT JOIN ON USING ALIAS ORDER_BY GROUP_BY HAVING LIMIT"
)
"""What these are in is a list or a query."""
_OPERANDS = _kinds(
    "IDENTIFIER VAR STRING NUMBER DOT DCOLON NULL TRUE FALSE BYTE_STRING BIT_STRING HEX_STRING PARAMETER"
)
_TYPES = frozenset() if Parser is None else frozenset(Parser.TYPE_TOKENS)
_PLAIN = _OPERANDS | _TYPES
"""Operands and their casts, which bind more tightly than all operators here."""
_CALLED = frozenset() if Parser is None else Parser.FUNC_TOKENS - _kinds("ALL ANY SOME LIKE ILIKE RLIKE GLOB XOR")
"""Words that are a function's name before a parenthesis."""
_PREFIXES = _kinds("NOT DASH PLUS TILDE")


@dataclass
class _Group:
    """What a pair of parentheses or the like encloses, as far as it is read."""

    start: int
    """The place of the parenthesis, -1 for the whole text."""
    before: Any = None
    """The kind of the token before it."""
    of_between: bool = False
    """Whether that token is the AND of BETWEEN … AND …."""
    operators: set[str] = field(default_factory=set)
    """The classes of the operators that are in no inner group."""
    betweens: int = 0
    """How many BETWEEN have not had their AND."""
    is_expression: bool = True
    """Whether it is one expression, and no list or query."""

    def read(self, kind: Any, following: Any) -> None:
        """Note a token and the kind of the one behind it."""
        if kind == TokenType.BETWEEN:
            self.betweens += 1
            self.operators.add(_OTHER)
        elif kind == TokenType.AND and self.betweens:
            self.betweens -= 1
        elif kind in _CLASSES:
            self.operators.add(_CLASSES[kind])
        elif kind in _NO_EXPRESSION:
            self.is_expression = False
        elif kind not in _PLAIN and not (kind in _CALLED and following == TokenType.L_PAREN):
            self.operators.add(_OTHER)

    def is_needless(self, following: Optional[Any]) -> bool:
        """Whether an operator outside takes the operators inside as its own without the parentheses; ``following`` is
        the kind of the token behind the group."""
        if not self.is_expression:
            return False
        if self.before is None or self.before in _BEGINNING:
            return self._continues(_CLASSES.get(following, ""))
        if self.of_between or not (following is None or following in _ENDING or following == self.before):
            return False
        around = _CLASSES.get(self.before, "")
        return around in (_AND, _OR) and self._continues(around)

    def _continues(self, around: str) -> bool:
        """Whether the operators inside make one chain with an operator of the class ``around``."""
        if around == _AND:
            return _AND in self.operators and _OR not in self.operators
        if around == _OR:
            return _OR in self.operators
        return self.operators == {around}


def flattened(tokens: list[Any], where: object) -> list[Any]:
    """Return the tokens without the parentheses that chains of operators do not need. Raises UnsupportedError, naming
    ``where``, for what is nested more deeply than it can be converted."""
    needless = _needless(tokens)
    kept = [token for place, token in enumerate(tokens) if place not in needless] if needless else tokens
    if _depth(kept) > MAX_LEVELS:
        raise UnsupportedError(f"{where}: {TOO_DEEP}")
    return kept


def _needless(tokens: list[Any]) -> set[int]:
    """Return the places of the parentheses that can be dropped."""
    dropped: set[int] = set()
    groups = [_Group(-1)]
    kinds = [None, *(token.token_type for token in tokens), None]
    is_of_between = False
    for place, (before, kind, following) in enumerate(zip(kinds, kinds[1:], kinds[2:])):
        group = groups[-1]
        was_of_between, is_of_between = is_of_between, kind == TokenType.AND and group.betweens > 0
        if kind in _OPENING:
            groups.append(_Group(place, before, was_of_between))
        elif kind not in _CLOSING:
            group.read(kind, following)
        elif len(groups) == 1:
            # More ends than beginnings: the parser says so.
            return set()
        else:
            groups.pop()
            is_pair = (tokens[group.start].token_type, kind) == (TokenType.L_PAREN, TokenType.R_PAREN)
            if is_pair and group.is_needless(following):
                dropped |= {group.start, place}
                groups[-1].operators |= group.operators
    return dropped


def _depth(tokens: list[Any]) -> int:
    """Return how deeply the tokens are nested by parentheses and the like, and by operators in front of one another."""
    deepest = depth = prefixes = 0
    levels: list[int] = []
    for token in tokens:
        kind = token.token_type
        if kind in _PREFIXES:
            prefixes += 1
        else:
            if kind in _OPENING:
                levels.append(max(1, prefixes))
                depth += levels[-1]
            elif kind in _CLOSING and levels:
                depth -= levels.pop()
            prefixes = 0
        deepest = max(deepest, depth + prefixes)
    return deepest
