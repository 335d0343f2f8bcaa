# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Renaming of objects inside CockroachDB's SQL texts: names are replaced in place, the rest of the text stays
unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..._errors import MigrationError, UnsupportedError
from ..._model.names import literal, quote
from . import dialect
from .functions import SEQUENCE_FUNCTIONS

try:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.tokens import TokenType
except ImportError:  # named by libraries.missing()
    exp = None

Name = tuple[str, str, str]
"""Database, schema and object."""

_PUBLIC = "public"
_FULL = 3


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class _Chain:
    """Identifiers joined by dots, as the text has them: their names, and the places where each begins and ends."""

    names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass
class References:
    """``changed`` maps the old full names of renamed objects to the new ones."""

    changed: Mapping[Name, Name]

    def __post_init__(self) -> None:
        self._bare = {name for _database, _schema, name in self.changed}
        self._written = {name.replace('"', '""').lower() for name in self._bare}

    def follow(self, text: str, database: str, where: object) -> str:
        """Return an expression, a query or several statements with the new names; ``database`` is where names without
        one belong.

        A table whose own name changes keeps the old one as its alias, so that columns are found. Raises
        UnsupportedError, naming ``where``.
        """
        tokens = self._tokens_with_names(text, database, where)
        if not tokens:
            return text
        edits = self._sequences(tokens, text, database)
        start = 0
        for end in [token.start for token in tokens if token.token_type == TokenType.SEMICOLON] + [len(text)]:
            if text[start:end].strip():
                edits += [
                    _Edit(edit.start + start, edit.end + start, edit.text)
                    for edit in self._statement(text[start:end], database, where)
                ]
            start = end + 1
        return _edited(text, edits)

    def follow_procedural(self, text: str, database: str, where: object) -> str:
        """Return a text in PL/pgSQL with the new names. Raises UnsupportedError where only knowing the statements would
        tell what a name means."""
        tokens = self._tokens_with_names(text, database, where)
        if not tokens:
            return text
        edits = self._sequences(tokens, text, database)
        renamed = {old[2] for old, new in self.changed.items() if old[2] != new[2]}
        behind_dots = {start for chain in _chains(tokens, text) for start, _end in chain.spans[1:]}
        if any(_identifier(token, text) in renamed for token in tokens if token.start not in behind_dots):
            raise UnsupportedError(f"{where}: it has the old name of something that has a new one")
        for chain in _chains(tokens, text):
            new = self._found(chain.names[:_FULL], database) if len(chain.names) >= _FULL else None
            if new is not None:
                edits.append(_Edit(chain.spans[0][0], chain.spans[2][1], quote(*new)))
            elif self._found(chain.names, database) is not None:
                raise UnsupportedError(f"{where}: it names {'.'.join(chain.names)}, which may mean what has a new name")
        return _edited(text, edits)

    def _found(self, names: tuple[str, ...], database: str) -> Optional[Name]:
        """Return the new name of the object that ``names`` refers to; None if it is not renamed."""
        for name in _meanings(names, database):
            if name in self.changed:
                return self.changed[name]
        return None

    def _tokens_with_names(self, text: str, database: str, where: object) -> list[Any]:
        """Return the tokens of a text that may have one of the old names, none of another."""
        tokens = _tokenize(text, where) if self._has_a_name(text) else []
        return tokens if self._may_mention(tokens, text, database) else []

    def _has_a_name(self, text: str) -> bool:
        """Tell without looking at the words whether a text could have one of the old names: most texts have none."""
        lowered = text.lower()
        return any(name in lowered for name in self._written)

    def _may_mention(self, tokens: list[Any], text: str, database: str) -> bool:
        return any(_identifier(token, text) in self._bare for token in tokens) or bool(
            self._sequences(tokens, text, database)
        )

    def _sequences(self, tokens: list[Any], text: str, database: str) -> list[_Edit]:
        """Return the replacements of sequence names, which are strings: arguments of nextval() and the like, or strings
        cast to REGCLASS."""
        edits = []
        for position, token in enumerate(tokens):
            if token.token_type != TokenType.STRING or text[token.start] != "'":
                continue
            before = [other.text.lower() for other in tokens[max(0, position - 2) : position]]
            after = [other.text.lower() for other in tokens[position + 1 : position + 3]]
            called = before[-1:] == ["("] and before[0] in SEQUENCE_FUNCTIONS
            if called or (after[:1] in (["::"], [":::"]) and after[1:] == ["regclass"]):
                new = self._found(dialect.name_parts(token.text), database)
                if new is not None:
                    edits.append(_Edit(token.start, token.end + 1, literal(quote(*new))))
        return edits

    def _statement(self, text: str, database: str, where: object) -> list[_Edit]:
        tree = dialect.parse(text, where)
        names_of_query = {item.alias for item in tree.find_all(exp.CTE)}
        edits: list[_Edit] = []
        meanings: dict[str, set[tuple[str, ...]]] = {}
        renamed = set()
        handled = set()
        for node, qualifier in _qualified_nodes(tree):
            names = tuple(part.name for part in qualifier)
            handled.add(node.parts[0].meta.get("start"))
            if not names or (len(names) == 1 and (isinstance(node, exp.Column) or names[0] in names_of_query)):
                continue
            new = self._found(names, database)
            if isinstance(node, exp.Table) and not node.alias:
                meanings.setdefault(names[-1], set()).add(new or next(iter(_meanings(names, database)), names))
            if new is None:
                continue
            span = _span(qualifier[0], text, where)[0], _span(qualifier[-1], text, where)[1]
            edits.append(_Edit(*span, _replacement(node, names[-1], new)))
            if new[2] != names[-1]:
                renamed.add(names[-1])
        ambiguous = sorted(name for name in renamed if len(meanings.get(name, ())) > 1)
        if ambiguous:
            raise UnsupportedError(
                f"{where}: it reads two tables with the name {ambiguous[0]}, of which one has a new name"
            )
        return edits + self._other_names(text, database, handled, where)

    def _other_names(self, text: str, database: str, handled: set[int], where: object) -> list[_Edit]:
        """Return the replacements of functions and types that are named with their schema."""
        edits = []
        for chain in _chains(_tokenize(text, where), text):
            if chain.spans[0][0] in handled:
                continue
            for length in (_FULL, _FULL - 1):
                new = self._found(chain.names[:length], database) if len(chain.names) >= length else None
                if new is not None:
                    edits.append(_Edit(chain.spans[0][0], chain.spans[length - 1][1], quote(*new)))
                    break
        return edits


def rename_column(text: str, old: str, new: str, where: object) -> str:
    """Return an expression over one table's columns with another name of a column. Raises UnsupportedError, naming
    ``where``, if the text is not understood or has a query, whose columns may be those of other tables."""
    if all(_identifier(token, text).lower() != old.lower() for token in _tokenize(text, where)):
        return text
    tree = dialect.parse(text, where)
    if tree.find(exp.Query):
        raise UnsupportedError(f"{where}: a query in the expression may read other columns with the name {old}")
    edits = []
    for column in tree.find_all(exp.Column):
        name = column.this
        if isinstance(name, exp.Identifier) and old == (name.name if name.args.get("quoted") else name.name.lower()):
            edits.append(_Edit(*_span(name, text, where), quote(new)))
    return _edited(text, edits)


def _qualified_nodes(tree: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the tables and columns with the identifiers that name the table, of which an unqualified column has
    none."""
    for node in tree.find_all(exp.Table, exp.Column):
        qualifier = node.parts if isinstance(node, exp.Table) else node.parts[:-1]
        if all(isinstance(part, exp.Identifier) for part in qualifier):
            yield node, qualifier


def _replacement(node: Any, old: str, new: Name) -> str:
    """Return what takes the place of a table's name, in FROM or before a column. A table whose own name changes keeps
    the old one as its alias."""
    if new[2] == old:
        return quote(*new)
    if isinstance(node, exp.Column):
        return quote(old)
    return quote(*new) + ("" if node.alias else f" AS {quote(old)}")


def _meanings(names: tuple[str, ...], database: str) -> list[Name]:
    """Return the full names that a name of one to three parts may stand for, the likeliest first; old releases name a
    table by database and table."""
    if len(names) == 1:
        return [(database, _PUBLIC, names[0])]
    if len(names) == _FULL - 1:
        return [(database, names[0], names[1]), (names[0], _PUBLIC, names[1])]
    return [(names[0], names[1], names[2])] if len(names) == _FULL else []


def _tokenize(text: str, where: object) -> list[Any]:
    if exp is None:
        raise MigrationError("the Python package sqlglot is missing: install it where the module runs")
    try:
        return list(dialect.Cockroach().tokenize(text))
    except SqlglotError as error:
        raise UnsupportedError(f"{where}: the SQL text is not understood: {text}") from error


def _identifier(token: Any, text: str) -> str:
    """Return the name that a token of the text is, quoted or not; '' when it is none."""
    raw = text[token.start : token.end + 1]
    if raw[:1] == '"':
        return raw[1:-1].replace('""', '"')
    return raw if raw.replace("$", "_").isidentifier() else ""


def _chains(tokens: list[Any], text: str) -> Iterator[_Chain]:
    """Yield the dotted names."""
    position = 0
    while position < len(tokens):
        parts = []
        while position < len(tokens) and _identifier(tokens[position], text):
            parts.append(tokens[position])
            if position + 1 >= len(tokens) or tokens[position + 1].token_type != TokenType.DOT:
                break
            position += 2
        position += 1
        if len(parts) > 1:
            yield _Chain(
                tuple(_identifier(part, text) for part in parts), tuple((part.start, part.end + 1) for part in parts)
            )


def _span(identifier: Any, text: str, where: object) -> tuple[int, int]:
    """Return the start and end of an identifier in the text. Raises UnsupportedError if the parser has not recorded
    them."""
    start, last = identifier.meta.get("start"), identifier.meta.get("end")
    raw = "" if start is None or last is None else text[start : last + 1]
    if start is None or last is None or identifier.name not in (raw[1:-1].replace('""', '"'), raw.lower()):
        raise UnsupportedError(f"{where}: the place of {identifier.name} in the SQL text is not known")
    return start, last + 1


def _edited(text: str, edits: list[_Edit]) -> str:
    for edit in sorted(set(edits), key=lambda item: item.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
