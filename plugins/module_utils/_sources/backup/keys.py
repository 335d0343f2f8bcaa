# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The values of key columns: CockroachDB's ordered encodings, ascending and descending."""

from __future__ import annotations

from typing import Any, Callable

from ..._errors import UnsupportedError
from ..._formats.encoding import (
    MalformedValue,
    ordered_bytes,
    ordered_bytes_body,
    ordered_bytes_body_desc,
    ordered_bytes_desc,
    ordered_decimal,
    ordered_decimal_desc,
    ordered_float,
    ordered_float_desc,
    ordered_int,
    ordered_int_desc,
    unsigned_desc,
)
from ..._model.catalog import SqlType
from .json_values import json_key
from .values import spatial_ewkb

KeyReader = Callable[[bytes, int], tuple[Any, int]]
"""Reads a key at a position; returns the value (in the form that ``values`` uses, too) and the position after it."""

_TIME, _DURATION, _TIMETZ = 0x14, 0x16, 0x3C
_BITS, _BITS_DESC = 0x3A, 0x3B
_GEO, _GEO_DESC = 0x3D, 0x3E
_ARRAY, _ARRAY_DESC = 0x3F, 0x40
_BOX2D, _VOID = 0x41, 0x44
_NANOSECONDS_A_DAY = 86400 * 10**9
_DAYS_A_MONTH = 30


def key_reader(kind: SqlType, descending: bool) -> KeyReader:
    """Return the reader of key columns of a type. Raises UnsupportedError when keys of that type are not known."""
    family = kind.family
    if family == "array" and kind.element is not None:
        return _array_reader(kind.element, descending)
    if family == "tuple" and kind.fields:
        return _tuple_reader(kind.fields, descending)
    try:
        return _READERS[family][descending]
    except KeyError:
        raise UnsupportedError(f"a primary key with a column of the type {family} is not supported") from None


def _marked(data: bytes, position: int, marker: int) -> int:
    if data[position] != marker:
        raise MalformedValue(f"0x{data[position]:02x} does not begin the value, 0x{marker:02x} was expected")
    return position + 1


def _numbers(data: bytes, position: int, count: int, descending: bool) -> tuple[list[int], int]:
    read = ordered_int_desc if descending else ordered_int
    numbers = []
    for _number in range(count):
        number, position = read(data, position)
        numbers.append(number)
    return numbers, position


def _boolean(data: bytes, position: int, descending: bool) -> tuple[bool, int]:
    (number,), position = _numbers(data, position, 1, descending)
    if number not in (0, 1):
        raise MalformedValue(f"{number} is not a boolean")
    return bool(number), position


def _timestamp(data: bytes, position: int, descending: bool) -> tuple[tuple[int, int], int]:
    (seconds, nanoseconds), position = _numbers(data, _marked(data, position, _TIME), 2, descending)
    return (seconds, nanoseconds), position


def _interval(data: bytes, position: int, descending: bool) -> tuple[tuple[int, int, int], int]:
    (sort_nanoseconds, months, days), position = _numbers(data, _marked(data, position, _DURATION), 3, descending)
    return (months, days, sort_nanoseconds - (months * _DAYS_A_MONTH + days) * _NANOSECONDS_A_DAY), position


def _timetz(data: bytes, position: int, descending: bool) -> tuple[tuple[int, int], int]:
    (utc, west), position = _numbers(data, _marked(data, position, _TIMETZ), 2, descending)
    return (utc - west * 1_000_000, west), position


def _bits(data: bytes, position: int, descending: bool) -> tuple[tuple[int, list[int]], int]:
    position = _marked(data, position, _BITS_DESC if descending else _BITS)
    read, end = (unsigned_desc, 0xFF) if descending else (ordered_int, 0)
    words = []
    while data[position] != end:
        word, position = read(data, position)
        words.append(word)
    last_bits, position = read(data, position + 1)
    return (max(len(words) - 1, 0) * 64 + last_bits, words), position


def _geo(data: bytes, position: int, descending: bool) -> tuple[bytes, int]:
    position = _marked(data, position, _GEO_DESC if descending else _GEO) + 8
    body, position = (ordered_bytes_body_desc if descending else ordered_bytes_body)(data, position)
    return spatial_ewkb(body), position


def _box2d(data: bytes, position: int, descending: bool) -> tuple[tuple[float, ...], int]:
    position = _marked(data, position, _BOX2D)
    read = ordered_float_desc if descending else ordered_float
    corners = []
    for _corner in range(4):
        corner, position = read(data, position)
        corners.append(corner)
    return tuple(corners), position


def _void(data: bytes, position: int, descending: bool) -> tuple[str, int]:
    return "", _marked(data, position, _VOID)


def _lsn(data: bytes, position: int, descending: bool) -> tuple[int, int]:
    return (unsigned_desc if descending else ordered_int)(data, position)


def _array_reader(element: SqlType, descending: bool) -> KeyReader:
    read = key_reader(element, descending)
    marker, null, end = (_ARRAY_DESC, 0xFE, 0xFF) if descending else (_ARRAY, 0x01, 0x00)

    def read_array(data: bytes, position: int) -> tuple[list, int]:
        position = _marked(data, position, marker)
        elements = []
        while data[position] != end:
            if data[position] == null:
                value, position = None, position + 1
            else:
                value, position = read(data, position)
            elements.append(value)
        return elements, position + 1

    return read_array


def _tuple_reader(fields: list[SqlType], descending: bool) -> KeyReader:
    readers = [key_reader(field, descending) for field in fields]
    null = 0xFF if descending else 0x00

    def read_tuple(data: bytes, position: int) -> tuple[list, int]:
        values = []
        for read in readers:
            if data[position] == null:
                value, position = None, position + 1
            else:
                value, position = read(data, position)
            values.append(value)
        return values, position

    return read_tuple


def _both(read: Callable[[bytes, int, bool], tuple[Any, int]]) -> tuple[KeyReader, KeyReader]:
    return (lambda data, position: read(data, position, False)), (lambda data, position: read(data, position, True))


_INTEGERS, _BYTES = (ordered_int, ordered_int_desc), (ordered_bytes, ordered_bytes_desc)
_READERS: dict[str, tuple[KeyReader, KeyReader]] = {
    "int": _INTEGERS,
    "oid": _INTEGERS,
    "date": _INTEGERS,
    "time": _INTEGERS,
    "string": _BYTES,
    "collated": _BYTES,
    "bytes": _BYTES,
    "uuid": _BYTES,
    "inet": _BYTES,
    "enum": _BYTES,
    "refcursor": _BYTES,
    "float": (ordered_float, ordered_float_desc),
    "decimal": (ordered_decimal, ordered_decimal_desc),
    "bool": _both(_boolean),
    "timestamp": _both(_timestamp),
    "timestamptz": _both(_timestamp),
    "interval": _both(_interval),
    "timetz": _both(_timetz),
    "bit": _both(_bits),
    "geometry": _both(_geo),
    "geography": _both(_geo),
    "box2d": _both(_box2d),
    "void": _both(_void),
    "pg_lsn": _both(_lsn),
    "json": _both(json_key),
}
