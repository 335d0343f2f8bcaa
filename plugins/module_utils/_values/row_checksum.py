# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The checksum of rows that a dump's writer and PostgreSQL compute alike.

A row's checksum is the first eight bytes of the MD5 of its COPY line (when the table has stored computed
columns: with a tab and their text after it), read as a signed big-endian integer. A chunk's or table's
checksum is the plain sum, so that the order of rows does not matter. It is kept as decimal text.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Union

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from .line_block import LineBlock, split_lines

try:
    # Python's own implementation: half the time of OpenSSL's for texts as short as rows.
    from _md5 import md5
except ImportError:
    md5 = partial(hashlib.md5, usedforsecurity=False)

_MOST_ARGUMENTS = 50


def block_checksum(block: LineBlock) -> int:
    """Return the sum of the checksums of a block's rows."""
    if block.rows == 1 and block.computed is None and block.text.find(b"\n") == len(block.text) - 1:
        # Without a copy: the row may be large.
        return line_checksums([memoryview(block.text)[:-1]])
    lines = split_lines(block.text)
    if len(lines) != block.rows:
        raise AssertionError(f"a block of {block.rows} rows has {len(lines)} lines")
    if block.computed is not None:
        computed = split_lines(block.computed)
        if len(computed) != block.rows:
            raise AssertionError(f"a block of {block.rows} rows has {len(computed)} lines of computed columns")
        lines = [b"%b\t%b" % row for row in zip(lines, computed)]
    return line_checksums(lines)


def line_checksums(lines: Sequence[Union[bytes, memoryview]]) -> int:
    """Return the sum of the checksums of rows, each given as its COPY line without newline, with the text of its
    computed columns."""
    digests = array("q", b"".join([md5(line).digest() for line in lines]))
    if sys.byteorder == "little":
        digests.byteswap()
    return sum(digests[::2])


@dataclass(frozen=True)
class SqlColumn:
    """A column as PostgreSQL has it: what decides how its COPY text is built in SQL."""

    name: str
    escaped: bool = True
    """False: the text never contains a backslash, tab, newline or carriage return."""
    nullable: bool = True
    boolean: bool = False
    """The dump has COPY's t and f, where the cast to text gives true and false."""
    plain: bool = False
    """The type's COPY text is the same as its cast to text, so no function is needed (not so for char(n) and inet)."""

    @property
    def printed(self) -> sql.Composable:
        """The SQL that COPY prints as the dump does."""
        return sql.SQL("{}" if self.plain or self.boolean else "{}::text").format(sql.Identifier(self.name))


def sql_row_checksum(columns: Iterable[SqlColumn], computed: Iterable[SqlColumn] = ()) -> sql.Composable:
    """Return the SQL expression (bigint) of a row's checksum: the COPY line's columns in order, then the computed ones.

    The session must print values as the dump does: ``connection.connect`` sets TimeZone, DateStyle and the like.
    """
    columns, computed = list(columns), list(computed)
    parts = [_argument(column) for column in columns] or [sql.SQL("''")]
    parts += [_argument(column) for column in computed]
    if len(columns) == 1 and not computed:
        line = _copy_form(columns[0])
    else:
        line = _joined(parts)
    # The cast to 64 bits keeps the first ones.
    return sql.SQL("('x' || md5({}))::bit(64)::bigint").format(line)


def sql_copy_columns(columns: Iterable[SqlColumn], computed: Iterable[SqlColumn] = ()) -> list[sql.Composable]:
    """Return what COPY (SELECT …) has to select for the text of which ``sql_row_checksum`` is the checksum, see
    ``copy_text.unescape_controls``. It may be nothing at all."""
    columns, computed = list(columns), list(computed)
    before = [sql.SQL("''")] if computed and not columns else []
    return [*before, *(column.printed for column in (*columns, *computed))]


def _joined(parts: list[sql.Composable]) -> sql.Composable:
    """Return the SQL that joins the texts by tabs; several calls, as a function of PostgreSQL takes at most 100
    arguments."""
    if len(parts) > _MOST_ARGUMENTS:
        parts = [_joined(parts[start : start + _MOST_ARGUMENTS]) for start in range(0, len(parts), _MOST_ARGUMENTS)]
    return sql.SQL("concat_ws(E'\\t', {})").format(sql.SQL(", ").join(parts))


def _argument(column: SqlColumn) -> sql.Composable:
    """concat_ws prints values itself, but it skips NULL."""
    if column.plain and not column.nullable and not column.escaped:
        return sql.Identifier(column.name)
    return _copy_form(column)


def _copy_form(column: SqlColumn) -> sql.Composable:
    name = sql.Identifier(column.name)
    if column.boolean:
        form = sql.SQL("CASE {0} WHEN true THEN 't' WHEN false THEN 'f' END").format(name)
    else:
        form = sql.SQL("{}::text").format(name)
    if column.escaped:
        # PostgreSQL before 18 cannot search in a text of a nondeterministic collation.
        form = sql.SQL(
            r"""replace(replace(replace(replace({} COLLATE "C", E'\\', E'\\\\'), E'\t', E'\\t'), """
            r"""E'\n', E'\\n'), E'\r', E'\\r')"""
        ).format(form)
    if column.nullable:
        form = sql.SQL(r"coalesce({}, E'\\N')").format(form)
    return form
