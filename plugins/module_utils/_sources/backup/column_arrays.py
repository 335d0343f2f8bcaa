# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One column of many rows at once: from cursors at its values to its COPY texts.

The types that most tables have are written as arrays. Values of them that are not usual (text that needs escapes,
numbers beyond the tables), and all values of other types, are read and written one by one, by the functions of
``ColumnForms``. A value that these refuse makes its row bad: the row is then decoded by ``GeneralRows``, which raises
the error or applies a policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..._formats.cursors import Cursors
from ..._formats.packed_bytes import PADDING
from ..._model.built_in_types import BPCHAR, FLOAT4
from ..._values.text.number_arrays import hex_matrix, integer_matrix, uuid_matrix
from ..._values.text.time_arrays import DAY_SECONDS, clock_matrix, date_matrix, known_days
from ..._values.text_columns import TextColumn, side_by_side
from ..._values.type_texts import SHORT_STRING_OIDS, NamedIdentifier
from . import values
from .general_rows import DECODING_ERRORS, ColumnForms, TextReader
from .json_arrays import document_texts
from .span_arrays import Spans, Texts, decimal_texts, matrix_width, plain_texts

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

ColumnReader = Callable[[Cursors], TextColumn]
"""Reads a value at each cursor, which then stands after it."""
NumberWriter = Callable[[Cursors, Any], TextColumn]
"""Writes numbers (signed 64 bits) that were read at the cursors; those that it refuses become bad there."""
SpanWriter = Callable[[Cursors, Spans], TextColumn]
"""Writes bytes of each cursor's string, as numbers are written."""

_MILLION, _BILLION = 1_000_000, 1_000_000_000
_MOST_DIGITS_OF_SECONDS = 6
_FIRST_PLAIN, _FIRST_SCIENTIFIC = 1e-4, 1e15
"""A float8 between these has no exponent."""
_ESCAPED = (b"\\", b"\t", b"\n", b"\r", b"\0")
"""What needs an escape, or is no text."""
_TYPE = 0x0F
"""The bits of a tag that are the value's type."""


def each_value(read: TextReader) -> ColumnReader:
    """Return the reader that calls ``read`` for one value after the other."""

    def read_each(cursors: Cursors) -> TextColumn:
        texts: dict[int, bytes] = {}
        ends: list[int] = []
        strings = cursors.packed.parts(cursors.start, cursors.end)
        for number, (string, position) in enumerate(zip(strings, (cursors.position - cursors.start).tolist())):
            end = position
            try:
                text, end = read(string, position)
                texts[number] = text.encode()
            except DECODING_ERRORS:
                cursors.bad[number] = True
            ends.append(end)
        cursors.advance(np.array(ends, np.int64) + cursors.start - cursors.position)
        return TextColumn(np.zeros((len(cursors), 1), np.uint8)).with_beside(texts)

    return read_each


def value_reader(form: ColumnForms) -> ColumnReader:
    """Return the reader of a column's values inside of TUPLEs."""
    family = form.kind.family
    if family == "bool":
        return _boolean_column
    if family in _SPAN_WRITERS and _is_plain(form):
        write_span, find = _SPAN_WRITERS[family](form), _SPANS.get(family, _sized)

        def read_span(cursors: Cursors) -> TextColumn:
            first, length = find(cursors)
            # The lengths beyond a string's end are those of bad rows.
            return write_span(cursors, Spans(first, np.minimum(length, cursors.end - first)))

        return read_span
    if family in _NUMBER_WRITERS and _is_plain(form):
        write_number = _NUMBER_WRITERS[family](form)
        return lambda cursors: write_number(cursors, cursors.zigzag())
    if family in ("timestamp", "timestamptz"):
        write_moment = moment_writer(form)

        def read_moment(cursors: Cursors) -> TextColumn:
            seconds, nanoseconds = cursors.zigzag(), cursors.zigzag()
            cursors.bad |= (nanoseconds < 0) | (nanoseconds >= _BILLION)
            return write_moment(cursors, seconds, nanoseconds)

        return read_moment
    if family == "float" and form.kind.oid != FLOAT4:
        return _double_reader(form)
    return each_value(form.read_text)


def _boolean_column(cursors: Cursors) -> TextColumn:
    """The tag, before the cursor, is the value."""
    true = cursors.data[cursors.position - 1] & _TYPE == values.TRUE
    return TextColumn(np.where(true, np.uint8(ord("t")), np.uint8(ord("f"))).reshape(-1, 1))


def legacy_value_reader(form: ColumnForms) -> ColumnReader:
    """Return the reader of a column's values that are alone in their family, from after the tag to the end."""
    family = form.kind.family
    if family in _SPAN_WRITERS and _is_plain(form):
        write_span = _SPAN_WRITERS[family](form)

        def read_rest(cursors: Cursors) -> TextColumn:
            length = cursors.end - cursors.position
            return write_span(cursors, Spans(cursors.advance(length), length))

        return read_rest
    if family in _NUMBER_WRITERS and _is_plain(form):
        return value_reader(form)
    return each_value(lambda data, position: (form.text(form.read_legacy(data[position:])), len(data)))


def span_writer(form: ColumnForms) -> Optional[SpanWriter]:
    """Return the writer of a type whose stored form is bytes of any length, if there is one."""
    family = form.kind.family
    return _SPAN_WRITERS[family](form) if family in _SPAN_WRITERS and _is_plain(form) else None


def number_writer(form: ColumnForms) -> Optional[NumberWriter]:
    """Return the writer of a type whose stored form is a number, if there is one."""
    family = form.kind.family
    return _NUMBER_WRITERS[family](form) if family in _NUMBER_WRITERS and _is_plain(form) else None


def moment_writer(form: ColumnForms) -> Callable[[Cursors, Any, Any], TextColumn]:
    """Return the writer of timestamps from seconds since 1970-01-01 and nanoseconds."""
    precision = form.kind.precision
    unit = 1 if precision is None else 10 ** max(0, _MOST_DIGITS_OF_SECONDS - precision)
    zone = "+00" if form.kind.family == "timestamptz" else ""

    def write(cursors: Cursors, seconds: Any, nanoseconds: Any) -> TextColumn:
        days = seconds // DAY_SECONDS
        microseconds = nanoseconds // 1000
        usual = known_days(days) & (nanoseconds >= 0) & (nanoseconds < _BILLION)
        if unit > 1:
            usual &= microseconds % unit == 0
        microseconds = np.clip(microseconds, 0, _MILLION - 1)
        clock = clock_matrix(seconds - days * DAY_SECONDS, microseconds)
        matrix = side_by_side([date_matrix(days), " ", clock, *zone])

        def moments(numbers: Any) -> list:
            return list(zip(seconds[numbers].tolist(), nanoseconds[numbers].tolist()))

        return _unusual(cursors, matrix, usual, moments, form.text)

    return write


def _is_plain(form: ColumnForms) -> bool:
    return form.kind.oid not in SHORT_STRING_OIDS and not isinstance(form.kind, NamedIdentifier)


def _unusual(
    cursors: Cursors, matrix: Any, usual: Any, values_of: Callable[[Any], list], write: Callable[[Any], str]
) -> TextColumn:
    """Return the column of a matrix in which the values that are not usual are written one by one. ``values_of``
    returns the values of the cursors with these numbers."""
    column = TextColumn(matrix)
    if usual.all():
        return column
    numbers = np.flatnonzero(~usual & ~cursors.bad)
    texts: dict[int, bytes] = {}
    for number, value in zip(numbers.tolist(), values_of(numbers)):
        try:
            texts[number] = write(value).encode()
        except DECODING_ERRORS:
            cursors.bad[number] = True
    return column.with_beside(texts)


# --- bytes of any length ---


def _sized(cursors: Cursors) -> Spans:
    length = cursors.msb()
    return Spans(cursors.advance(length), length)


def _decimal_span(cursors: Cursors) -> Spans:
    length = cursors.byte().astype(np.int64)
    # Longer ones have a length of several bytes, in another form than strings.
    cursors.bad |= length > 127
    return Spans(cursors.advance(length), length)


def _uuid_span(cursors: Cursors) -> Spans:
    return Spans(cursors.advance(16), np.full(len(cursors), 16))


def _span_column(form: ColumnForms, cursors: Cursors, spans: Spans, texts: Texts) -> TextColumn:
    """Return the column of these texts, in which those that are not usual are written one by one."""
    matrix, usual = texts

    def stored(numbers: Any) -> list[bytes]:
        return _parts(cursors, spans, numbers)

    return _unusual(cursors, matrix, usual, stored, lambda data: form.text(form.read_legacy(data)))


def _parts(cursors: Cursors, spans: Spans, numbers: Any) -> list[bytes]:
    start, length = spans.chosen(numbers)
    return cursors.packed.parts(start, start + length)


def _string_writer(form: ColumnForms) -> SpanWriter:
    longest, padded = form.kind.width, form.kind.oid == BPCHAR

    def write(cursors: Cursors, spans: Spans) -> TextColumn:
        texts = plain_texts(cursors.packed, spans, _special)
        fits = ~cursors.bad
        if longest > 0:
            fits &= spans.length <= longest
        if padded:
            fits &= cursors.data[spans.start + np.maximum(spans.length, 1) - 1] != ord(" ")
        usual = texts.usual & fits
        # Long texts lie beside the matrix; if none of them needs an escape, they are as they are stored.
        long = np.flatnonzero(fits & (spans.length >= texts.matrix.shape[1]))
        stored = _parts(cursors, spans, long)
        if not _are_plain(stored):
            return _span_column(form, cursors, spans, Texts(texts.matrix, usual))
        usual[long] = True
        column = _span_column(form, cursors, spans, Texts(texts.matrix, usual))
        return column.with_beside(dict(zip(long.tolist(), stored)))

    return write


def _special(matrix: Any) -> Any:
    """Tell where backslashes are, and the first controls, of which some need escapes and one is no text."""
    return (matrix == ord("\\")) | (matrix <= ord("\r"))


def _are_plain(texts: list[bytes]) -> bool:
    """Tell whether all of these are text that needs no escapes."""
    text = b" ".join(texts)
    if any(character in text for character in _ESCAPED):
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes_writer(form: ColumnForms) -> SpanWriter:
    def write(cursors: Cursors, spans: Spans) -> TextColumn:
        width = min(matrix_width(spans.length), PADDING // 2)
        digits = hex_matrix(cursors.packed.windows(spans.start, max(width, 1)))
        digits *= np.arange(digits.shape[1]) < 2 * spans.length[:, None]
        return _span_column(form, cursors, spans, Texts(side_by_side(["\\\\x", digits]), spans.length <= width))

    return write


def _uuid_writer(form: ColumnForms) -> SpanWriter:
    def write(cursors: Cursors, spans: Spans) -> TextColumn:
        matrix = uuid_matrix(cursors.packed.windows(spans.start, 16))
        return _span_column(form, cursors, spans, Texts(matrix, spans.length == 16))

    return write


def _enum_writer(form: ColumnForms) -> SpanWriter:
    """Most enums have less than 128 members, whose stored form is a byte."""
    labels: dict[int, bytes] = {}
    for byte in range(256):
        try:
            labels[byte] = form.text(bytes((byte,))).encode()
        except DECODING_ERRORS:
            continue
    width = max(map(len, labels.values()), default=0) + 1
    table = b"".join([labels.get(byte, b"").ljust(width, b"\0") for byte in range(256)])

    def write(cursors: Cursors, spans: Spans) -> TextColumn:
        stored = cursors.data[spans.start]
        matrix = np.frombuffer(table, np.uint8).reshape(256, width)[stored]
        usual = (spans.length == 1) & np.isin(stored, list(labels))
        return _span_column(form, cursors, spans, Texts(matrix, usual))

    return write


def _json_writer(form: ColumnForms) -> SpanWriter:
    return lambda cursors, spans: _span_column(form, cursors, spans, document_texts(cursors.packed, spans))


def _decimal_writer(form: ColumnForms) -> SpanWriter:
    precision, scale = form.kind.precision, form.kind.width
    return lambda cursors, spans: _span_column(
        form, cursors, spans, decimal_texts(cursors.packed, spans, precision, scale)
    )


_SPANS: dict[str, Callable[[Cursors], Spans]] = {"decimal": _decimal_span, "uuid": _uuid_span}
"""How the families are found inside of TUPLEs whose bytes do not follow their length as strings do."""
_SPAN_WRITERS: dict[str, Callable[[ColumnForms], SpanWriter]] = {
    "string": _string_writer,
    "collated": _string_writer,
    "refcursor": _string_writer,
    "bytes": _bytes_writer,
    "uuid": _uuid_writer,
    "enum": _enum_writer,
    "json": _json_writer,
    "decimal": _decimal_writer,
}


# --- numbers ---


def _integer_writer(form: ColumnForms) -> NumberWriter:
    return lambda cursors, numbers: TextColumn(integer_matrix(numbers))


def _date_writer(form: ColumnForms) -> NumberWriter:
    return lambda cursors, days: _unusual(
        cursors, date_matrix(days), known_days(days), lambda numbers: days[numbers].tolist(), form.text
    )


_NUMBER_WRITERS: dict[str, Callable[[ColumnForms], NumberWriter]] = {
    "int": _integer_writer,
    "oid": _integer_writer,
    "date": _date_writer,
}


def _double_reader(form: ColumnForms) -> ColumnReader:
    def read(cursors: Cursors) -> TextColumn:
        numbers = cursors.packed.words(">f8", cursors.advance(8)).astype(np.float64)
        size = np.abs(numbers)
        usual = (size >= _FIRST_PLAIN) & (size < _FIRST_SCIENTIFIC)
        usual &= numbers != np.rint(np.where(usual, numbers, 0.0))
        texts = np.array([repr(number) for number in np.where(usual, numbers, 0.5).tolist()], "S")
        matrix = texts.view(np.uint8).reshape(len(texts), texts.itemsize)
        return _unusual(cursors, matrix, usual, lambda chosen: numbers[chosen].tolist(), form.text)

    return read
