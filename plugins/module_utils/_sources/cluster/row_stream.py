# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reads the rows of a key range: by COPY where the server has it (v23.1 and later), else page by page in the order of
the key."""

from __future__ import annotations

from typing import Any, Callable, Optional

try:
    import psycopg2
    from psycopg2 import extensions, sql
except ImportError:  # named by libraries.missing()
    psycopg2 = extensions = sql = None

from ..._errors import CockroachError
from ..._model.catalog import SqlType
from ..._model.object_numbers import OBJECT_IDENTIFIERS
from ..._model.table_source import TableSource
from .primary_key_ranges import Bound, PrimaryKey
from .releases import COPY_TO_STDOUT_SINCE, release_of
from .row_texts import Row
from .sql_connection import server_version

Consumer = Callable[[list[Row]], None]
TextConsumer = Callable[[bytes], None]
"""Takes complete lines of COPY text."""

_COPY_REFUSED = ("0A000", "42601")
"""Not supported, or a syntax error: how CockroachDB refuses a COPY that a release cannot do."""
_FIRST_PAGE = 100
_PAGE_BYTES = 4 << 20
_MOST_ROWS = 10000
_COPY_BYTES = 1 << 19
"""About how many bytes of COPY text are converted at once."""


def has_copy(connection: Any) -> bool:
    """Tell whether the server knows COPY (SELECT …) TO STDOUT."""
    return release_of(server_version(connection)) >= COPY_TO_STDOUT_SINCE


def receive_texts(connection: Any) -> None:
    """Make the connection return every value as the text that the server sends."""
    oids = tuple(number for number in extensions.string_types)
    extensions.register_type(extensions.new_type(oids, "TEXTS", lambda value, cursor: value), connection)


class TableReader:
    """Reads one table at one moment; ``as_of`` is a decimal timestamp of the cluster."""

    def __init__(self, source: TableSource, names: list[str], as_of: str) -> None:
        self.key = PrimaryKey(source)
        self._names = names
        self._shown = {
            column.name: _as_number(sql.Identifier(column.name), column.type) for column in source.table.columns
        }
        self._table = sql.Identifier(source.database, source.schema, source.table.name)
        self._moment = sql.Literal(as_of)
        self._from = sql.SQL("FROM {} AS OF SYSTEM TIME {}").format(self._table, self._moment)

    def count(self, connection: Any) -> int:
        """Return how many rows the table has."""
        return int(_fetch(connection, sql.SQL("SELECT count(*) {}").format(self._from))[0][0] or 0)

    def next_bound(self, connection: Any, start: Optional[Bound], rows: int) -> Optional[Bound]:
        """Return the bound that lies ``rows`` rows after ``start``, None when there are fewer."""
        query = sql.SQL("SELECT {} {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {}").format(
            self._key_columns(),
            self._from,
            self.key.between(start, None),
            self.key.order(),
            sql.Literal(rows),
        )
        found = _fetch(connection, query)
        return self.key.bound(found[0]) if found else None

    def copy(self, connection: Any, start: Optional[Bound], end: Optional[Bound], consume: TextConsumer) -> bool:
        """Give the lines of the range to ``consume``, by COPY inside of a transaction of the moment; False when the
        server refuses COPY.

        COPY takes no moment of its own: releases.py.
        """
        query = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(
            self._columns(self._names), self._table, self.key.between(start, end)
        )
        receiver = CopyReceiver(consume)
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("BEGIN AS OF SYSTEM TIME {}").format(self._moment))
            try:
                cursor.copy_expert(query, receiver)
            except psycopg2.Error as error:
                if not connection.closed:
                    cursor.execute("ROLLBACK")
                if error.pgcode in _COPY_REFUSED and not receiver.received:
                    return False
                raise
            cursor.execute("COMMIT")
        receiver.flush()
        return True

    def sample(self, connection: Any, end: Optional[Bound]) -> list[Row]:
        """Return the first rows before ``end``, a hundred at most."""
        page = _fetch(connection, self._page(None, end, False, _FIRST_PAGE))
        return [row[len(self.key.columns) :] for row in page]

    def pages(self, connection: Any, start: Optional[Bound], end: Optional[Bound], consume: Consumer) -> None:
        """Give the rows of the range to ``consume``, page by page; a page holds about four megabytes."""
        size = _FIRST_PAGE
        started = False
        while True:
            page = _fetch(connection, self._page(start, end, started, size))
            consume([row[len(self.key.columns) :] for row in page])
            if len(page) < size:
                return
            start, started = self.key.bound(page[-1]), True
            row_bytes = 1 + sum(len(value) for row in page for value in row if value is not None) // len(page)
            size = max(1, min(_MOST_ROWS, _PAGE_BYTES // row_bytes))

    def _page(self, start: Optional[Bound], end: Optional[Bound], after_start: bool, size: int) -> Any:
        return sql.SQL("SELECT {}, {} {} WHERE {} ORDER BY {} LIMIT {}").format(
            self._key_columns(),
            self._columns(self._names),
            self._from,
            self.key.between(start, end, after_start=after_start),
            self.key.order(),
            sql.Literal(size),
        )

    def _key_columns(self) -> Any:
        return sql.SQL(", ").join(
            _as_number(part, column.type) for part, column in zip(self.key.selected(), self.key.columns)
        )

    def _columns(self, names: list[str]) -> Any:
        # A table may have no columns but those that are not exported.
        return sql.SQL(", ").join(self._shown[name] for name in names) if names else sql.SQL("NULL")


class CopyReceiver:
    """The file that COPY writes to, a row at a time."""

    def __init__(self, consume: TextConsumer) -> None:
        self._consume = consume
        self._parts: list[bytes] = []
        self._size = 0
        self.received = 0
        """Bytes."""

    def write(self, data: bytes) -> None:
        self.received += len(data)
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _COPY_BYTES:
            self._give()

    def flush(self) -> None:
        """Hand over what has come."""
        self._give()
        if self._parts:
            raise CockroachError("COPY ended in the middle of a row")

    def _give(self) -> None:
        text = b"".join(self._parts)
        end = text.rfind(b"\n") + 1
        self._parts = [text[end:]] if end < len(text) else []
        self._size = len(text) - end
        if end:
            self._consume(text[:end])


def _as_number(value: Any, kind: SqlType) -> Any:
    """Return the value; of object identifiers, for which CockroachDB sends names, the numbers that it stores and a
    backup has."""
    innermost, cast = (kind.element, "{}::OID[]") if kind.element is not None else (kind, "{}::OID")
    return sql.SQL(cast if innermost.oid in OBJECT_IDENTIFIERS else "{}").format(value)


def _fetch(connection: Any, query: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
