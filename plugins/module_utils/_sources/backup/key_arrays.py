# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One column of many keys at once, as in column_arrays.py."""

from __future__ import annotations

from typing import Any

from ..._formats.cursors import Cursors
from ..._values.text_columns import TextColumn, null_column, replaced
from .column_arrays import ColumnReader, each_value, moment_writer, number_writer, span_writer
from .general_rows import ColumnForms, TextReader
from .span_arrays import Spans

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_BYTES, _TIME, _TERMINATOR = 0x12, 0x14, 0x01


def key_column_reader(form: ColumnForms, descending: bool, read_text: TextReader) -> ColumnReader:
    """Return the reader of a key column; ``read_text`` reads one."""
    family = form.kind.family
    read_each = each_value(read_text)
    write_number = number_writer(form)
    if write_number:
        return lambda cursors: write_number(cursors, _number(cursors, descending))
    if family in ("timestamp", "timestamptz"):
        write_moment = moment_writer(form)

        def read_moment(cursors: Cursors) -> TextColumn:
            cursors.bad |= cursors.byte() != _TIME
            return write_moment(cursors, _number(cursors, descending), _number(cursors, descending))

        return read_moment
    write_span = span_writer(form)
    # A decimal and a document have forms of their own in keys. A key has no text of another collation.
    if write_span and not descending and family in ("string", "refcursor", "bytes", "uuid", "enum"):

        def read_plain(cursors: Cursors) -> TextColumn:
            length = _body_length(cursors)
            return write_span(cursors, Spans(cursors.advance(length + 3) + 1, length))

        def read_bytes(cursors: Cursors) -> TextColumn:
            plain = _body_length(cursors) >= 0
            if plain.all():
                return read_plain(cursors)
            column = null_column(len(cursors))
            for chosen, read in ((np.flatnonzero(plain), read_plain), (np.flatnonzero(~plain), read_each)):
                part = cursors.select(chosen)
                column = replaced(column, chosen, read(part))
                cursors.update(chosen, part)
            return column

        return read_bytes
    return read_each


def _number(cursors: Cursors, descending: bool) -> Any:
    number = cursors.ordered_int()
    return ~number if descending else number


def _body_length(cursors: Cursors) -> Any:
    """Return the length of byte strings between their marker and their terminator; -1 for those with an escaped zero
    byte, or another form."""
    start, zeros = cursors.position + 1, cursors.packed.zeros
    end = zeros[np.searchsorted(zeros, start)]
    plain = (cursors.data[start - 1] == _BYTES) & (cursors.data[end + 1] == _TERMINATOR)
    return np.where(plain, end - start, -1)
