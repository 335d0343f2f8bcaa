# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Ranges of a table's primary key as SQL: their order, their bounds and what lies between two bounds.

A bound holds texts, one for each column of the key, as CockroachDB reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._errors import MigrationError
from ..._formats.encoding import ValueProblem
from ..._model.built_in_types import BPCHAR
from ..._model.catalog import Column
from ..._model.table_source import TableSource
from .row_texts import literal_text

Bound = tuple[str, ...]


class PrimaryKey:
    """The columns of a table's primary key and how its rows follow each other."""

    def __init__(self, source: TableSource) -> None:
        self._table = source.name
        by_id = {column.id: column for column in source.table.columns}
        parts = source.table.primary_index.columns
        self.columns: list[Column] = [by_id[part.column_id] for part in parts]
        self._descending = [part.descending for part in parts]
        self._literals = [literal_text(column, source) for column in self.columns]

    def shown(self) -> list[Any]:
        """Return the key's parts as they are ordered and compared."""
        return [_ordered(column) for column in self.columns]

    def selected(self) -> list[Any]:
        """Return the key's parts as they are selected for a bound.

        CockroachDB pads CHAR(n) with blanks when it sends it, but neither stores nor compares them.
        """
        return [
            _stored(column) if column.type.oid == BPCHAR else part for column, part in zip(self.columns, self.shown())
        ]

    def order(self) -> Any:
        """Return the columns of ORDER BY."""
        return sql.SQL(", ").join(
            sql.SQL("{} {}").format(part, sql.SQL("DESC" if descending else "ASC"))
            for part, descending in zip(self.shown(), self._descending)
        )

    def bound(self, row: Sequence[Optional[str]]) -> Bound:
        """Return the bound at the key that CockroachDB sent. Raises MigrationError for a key that PostgreSQL cannot
        hold."""
        try:
            return tuple(convert(text or "") for convert, text in zip(self._literals, row))
        except ValueProblem as error:
            raise MigrationError(
                f"{self._table}, key ({', '.join(column.name for column in self.columns)}): {error}"
            ) from error

    def between(self, start: Optional[Bound], end: Optional[Bound], after_start: bool = False) -> Any:
        """Return the condition of WHERE for the keys from ``start`` (or after it) up to but without ``end``; None is
        open."""
        conditions = []
        if start is not None:
            conditions.append(self._beyond(start, not after_start))
        if end is not None:
            conditions.append(sql.SQL("NOT {}").format(self._beyond(end, True)))
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")

    def _beyond(self, bound: Bound, inclusive: bool) -> Any:
        """Return the condition that a key lies after ``bound``, or at it."""
        names = self.shown()
        values = [_literal(column, text) for column, text in zip(self.columns, bound)]
        equal = "=" if inclusive else ""
        if len(set(self._descending)) == 1 and len(names) > 1:
            operator = ("<" if self._descending[0] else ">") + equal
            return sql.SQL("(({}) {} ({}))").format(
                sql.SQL(", ").join(names), sql.SQL(operator), sql.SQL(", ").join(values)
            )
        # Columns of both directions: the first that differs decides.
        cases = []
        for number, descending in enumerate(self._descending):
            last = number == len(names) - 1
            terms = [sql.SQL("{} = {}").format(name, value) for name, value in zip(names[:number], values)]
            operator = ("<" if descending else ">") + (equal if last else "")
            terms.append(sql.SQL("{} {} {}").format(names[number], sql.SQL(operator), values[number]))
            cases.append(sql.SQL("({})").format(sql.SQL(" AND ").join(terms)))
        return sql.SQL("({})").format(sql.SQL(" OR ").join(cases))


def _stored(column: Column) -> Any:
    """The text has a name of its own, for ORDER BY means the column."""
    return sql.SQL("{}::STRING AS {}").format(sql.Identifier(column.name), sql.Identifier(f"text of {column.name}"))


def _ordered(column: Column) -> Any:
    """CockroachDB stores both 30 days and 1 mon but calls them equal; their texts differ. Only such keys lose their
    index by it."""
    name = sql.Identifier(column.name)
    return sql.SQL("{}::STRING").format(name) if column.type.family == "interval" else name


def _literal(column: Column, text: str) -> Any:
    # No literal can hold U+0000.
    literal = (
        sql.SQL("convert_from(decode({}, 'hex'), 'utf8')").format(sql.Literal(text.encode().hex()))
        if "\0" in text
        else sql.Literal(text)
    )
    if column.type.family == "collated":
        return sql.SQL("{} COLLATE {}").format(literal, sql.Identifier(column.type.locale))
    return literal
