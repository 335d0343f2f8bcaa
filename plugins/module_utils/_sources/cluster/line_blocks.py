# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From what CockroachDB sends, COPY text or rows, to blocks of PostgreSQL's COPY text, column by column.

Most text is the same in both and is passed on as it came. Of the types that the two print differently, the distinct
values of a block are looked at. A block with a value that PostgreSQL cannot hold is made row by row, by ``RowTexts``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from operator import is_
from typing import Any, Callable, Optional

from ..._errors import CockroachError
from ..._formats.encoding import ValueProblem
from ..._model.built_in_types import BPCHAR
from ..._model.catalog import SqlType
from ..._values.copy_text import escape
from ..._values.line_block import LineBlock, split_lines
from ..._values.type_texts import SHORT_STRING_OIDS, NamedIdentifier
from .row_texts import ColumnTexts, Row, RowTexts

Look = Callable[[list[bytes]], list[bytes]]
"""Takes the fields of a column and returns PostgreSQL's: the same list where they are the same. Raises ValueProblem,
ValueError and OverflowError."""

_NULL = b"\\N"
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PLAIN = {b"\\": b"\\", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ONE_SIDED = re.compile(rb"\\(?![tnr]|N[\t\n])")
"""What a dump's lines do not have, where backslashes that are escaped themselves are gone: CockroachDB escapes more
characters than ``copy_text.escape``."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_DATE, _CLOCK = b"0000-00-00", b"00:00:00"
_UTC, _YEAR_1000 = b"+00", b"1"
_MICROSECOND_DIGITS = 6
_LONGEST_PRECISION = 64


class LineBlocks:
    """Makes the blocks of one table."""

    def __init__(self, texts: RowTexts) -> None:
        self._texts = texts
        self._looks = [(number, look) for number, item in enumerate(texts.items) if (look := _look(item)) is not None]

    def of_copy_text(self, text: bytes) -> LineBlock:
        """Return the rows of complete lines of COPY text. Raises MigrationError as ``RowTexts.block`` does, and
        CockroachError for what is no COPY text of the columns."""
        rows = text.count(b"\n")
        try:
            found = self._of_copy_text(text, rows)
        except (ValueProblem, ValueError, OverflowError):
            found = None
        if found is not None:
            return found
        values = [copy_values(line) for line in split_lines(text)]
        wanted = max(1, len(self._texts.items))
        for row in values:
            if len(row) != wanted:
                raise CockroachError(f"COPY sent a row of {len(row)} columns, {wanted} were asked for")
        return self._texts.block(values)

    def _of_copy_text(self, text: bytes, rows: int) -> Optional[LineBlock]:
        """Return the rows; None when they have to be read one by one."""
        columns = len(self._texts.items)
        if not columns or text.count(b"\t") != rows * (columns - 1) or not _has_common_escapes(text):
            return None
        if not text.isascii():
            text.decode()
        loaded = len(self._texts.columns)
        if not self._looks and loaded == columns:
            return LineBlock(text, rows)
        fields = text[:-1].replace(b"\n", b"\t").split(b"\t")
        parts = [fields[number::columns] for number in range(columns)]
        made = self._looked_at(parts)
        if loaded == columns and all(map(is_, made, parts)):
            return LineBlock(text, rows)
        return self._joined(made, rows)

    def of_rows(self, rows: list[Row]) -> LineBlock:
        """Return rows that came as values. Raises MigrationError as ``RowTexts.block`` does."""
        if not rows:
            return self._texts.block(rows)
        try:
            return self._joined(self._looked_at([_fields(column) for column in zip(*rows)]), len(rows))
        except (ValueProblem, ValueError, OverflowError):
            return self._texts.block(rows)

    def _looked_at(self, columns: list[list[bytes]]) -> list[list[bytes]]:
        made = list(columns)
        for number, look in self._looks:
            made[number] = look(columns[number])
        return made

    def _joined(self, columns: list[list[bytes]], rows: int) -> LineBlock:
        loaded = len(self._texts.columns)
        computed = _joined(columns[loaded:], rows) if self._texts.computed else None
        return LineBlock(_joined(columns[:loaded], rows), rows, computed)


def _joined(columns: list[list[bytes]], rows: int) -> bytes:
    lines = map(b"\t".join, zip(*columns)) if columns else [b""] * rows
    return b"\n".join([*lines, b""])


def _fields(values: Sequence[Optional[str]]) -> list[bytes]:
    """Return a column's values as fields of COPY text. Raises ValueProblem for a zero character."""
    joined = "\0".join(["" if value is None else value for value in values])
    if joined.count("\0") >= len(values):
        raise ValueProblem("a text holds U+0000")
    fields = escape(joined).encode().split(b"\0")
    if None in values:
        return [_NULL if value is None else field for value, field in zip(values, fields)]
    return fields


def _has_common_escapes(text: bytes) -> bool:
    """Tell whether text holds no zero byte and only escapes that a dump has, too."""
    if b"\0" in text:
        return False
    if b"\\" not in text:
        return True
    rest = b"\n" + text.replace(b"\\\\", b"/")
    return not _ONE_SIDED.search(rest) and rest.count(_NULL) == rest.count(b"\t" + _NULL) + rest.count(b"\n" + _NULL)


def copy_values(line: bytes) -> Row:
    """Return the values of a line of COPY's text format as PostgreSQL and CockroachDB write it. Raises CockroachError
    for an unknown escape."""
    return [None if field == _NULL else _unescaped(field) for field in line.split(b"\t")]


def _unescaped(field: bytes) -> str:
    return (_ESCAPED.sub(_plain, field) if b"\\" in field else field).decode()


def _plain(match: re.Match[bytes]) -> bytes:
    try:
        return _PLAIN[match.group(1)]
    except KeyError:
        raise CockroachError(f"COPY sent an unknown escape: {match.group().decode('latin-1')}") from None


def _look(item: ColumnTexts) -> Optional[Look]:
    """Return how a column's fields become PostgreSQL's; None when they are that already."""
    kind = item.kind
    each = partial(_each, item.convert)
    if isinstance(kind, NamedIdentifier):
        return each
    if kind.family in ("int", "uuid"):
        return None
    if kind.family == "bytes":
        return partial(_beginning_with, (b"\\\\x", _NULL), each)
    if kind.family == "string" and kind.oid not in SHORT_STRING_OIDS and kind.oid != BPCHAR:
        return partial(_not_longer_than, kind.width, each) if kind.width else None
    if kind.family == "timestamptz":
        return partial(_with_zone, _shapes(kind), each)
    shapes = _shapes(kind)
    if not shapes:
        return each
    return partial(_dates if kind.family in ("date", "timestamp") else _of_shapes, shapes, each)


def _each(convert: Callable[[str], str], fields: list[bytes]) -> list[bytes]:
    made = {field: field if field == _NULL else convert(_unescaped(field)).encode() for field in set(fields)}
    if all(field == text for field, text in made.items()):
        return fields
    return [made[field] for field in fields]


def _beginning_with(beginnings: tuple[bytes, ...], each: Look, fields: list[bytes]) -> list[bytes]:
    return fields if all(field.startswith(beginnings) for field in fields) else each(fields)


def _not_longer_than(width: int, each: Look, fields: list[bytes]) -> list[bytes]:
    """A text has at most as many characters as its field has bytes."""
    return fields if max(map(len, fields)) <= max(width, len(_NULL)) else each(fields)


def _of_shapes(shapes: frozenset[bytes], each: Look, fields: list[bytes]) -> list[bytes]:
    return fields if _have_shapes(b"\n".join(fields), shapes) else each(fields)


def _dates(shapes: frozenset[bytes], each: Look, fields: list[bytes]) -> list[bytes]:
    return fields if _have_shapes(b"\n".join(fields), shapes) and min(fields) >= _YEAR_1000 else each(fields)


def _with_zone(shapes: frozenset[bytes], each: Look, fields: list[bytes]) -> list[bytes]:
    """CockroachDB prints UTC as +00 or +00:00, which depends on the release."""
    joined = b"\n".join(fields)
    short = joined.replace(_UTC + b":00", _UTC)
    if not _have_shapes(short, shapes) or min(fields) < _YEAR_1000 or short.count(b"+") != short.count(_UTC):
        return each(fields)
    return fields if len(short) == len(joined) else short.split(b"\n")


def _have_shapes(joined: bytes, shapes: frozenset[bytes]) -> bool:
    return shapes.issuperset(joined.translate(_DIGITS).split(b"\n"))


def _shapes(kind: SqlType) -> frozenset[bytes]:
    """Return what values that both print alike look like when every digit is shown as 0; of dates, those from the year
    1000 on. Empty where no such values are known."""
    times = [_CLOCK + fraction for fraction in _fractions(kind)]
    shapes: Sequence[bytes] = ()
    if kind.family == "date":
        shapes = (_DATE,)
    elif kind.family == "time":
        shapes = times
    elif kind.family == "timestamp":
        shapes = [_DATE + b" " + time for time in times]
    elif kind.family == "timestamptz":
        shapes = [_DATE + b" " + time + _UTC for time in times]
    elif kind.family == "decimal" and 0 < (kind.precision or 0) <= _LONGEST_PRECISION:
        shapes = _decimal_shapes(kind.precision or 0, kind.width)
    return frozenset((*shapes, _NULL)) if shapes else frozenset()


def _fractions(kind: SqlType) -> list[bytes]:
    """Return the fractions of seconds: neither prints zeros at their end."""
    precision: Any = _MICROSECOND_DIGITS if kind.precision is None else kind.precision
    return [b"." + b"0" * digits if digits else b"" for digits in range(precision + 1)]


def _decimal_shapes(precision: int, scale: int) -> list[bytes]:
    """Return the decimals with all digits of their column. Those between -1 and 1 may be a negative zero."""
    fraction = b"." + b"0" * scale if scale else b""
    whole = range(1, max(1, precision - scale) + 1)
    return [sign + b"0" * digits + fraction for digits in whole for sign in (b"", b"-") if digits > 1 or not sign]
