# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Encodes rows as CockroachDB stores them, fast enough for millions: the forms themselves are written in tests/unit/rows/stored_forms.py."""
from __future__ import annotations

import decimal
import functools
import pathlib
import struct
import sys
import uuid
from collections.abc import Callable
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent / ".collections"), str(TESTS), str(TESTS / "unit" / "rows")]

import building
import stored_forms
from backup_files import Point

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table

EPOCH = 1_750_000_000
"""Seconds since 1970 at which all rows were written."""
Row = list[Any]
"""Values in the order of the columns; times are seconds since 1970."""

_cached = functools.lru_cache(maxsize=1 << 17)
_tag = functools.cache(stored_forms.tag)
_unsigned = _cached(building.unsigned)
_length = functools.cache(stored_forms.msb)


def point_maker(table: Table, written: int = EPOCH) -> Callable[[Row], Point]:
    """Return the function that encodes a row of the table; the row is of one column family."""
    start = building.unsigned(table.id) + building.unsigned(table.primary_index.id)
    places = {column.id: place for place, column in enumerate(table.columns)}
    key_parts = [(places.pop(part.column_id), _descending if part.descending else _ascending) for part in table.primary_index.columns]
    parts = [(number, place, *_STORED[table.columns[place].type.family]) for number, place in sorted(places.items())]
    stamp = building.version(written * 10**9)

    def point(row: Row) -> Point:
        key = start + b"".join([encode(row[place]) for place, encode in key_parts]) + b"\x88"
        value, last = [b"\0\0\0\0\x0a"], 0
        for number, place, kind, encode in parts:
            content = row[place]
            if content is not None:
                value.append(_tag(number - last, kind if content is not False else _FALSE))
                value.append(encode(content))
                last = number
        return key, stamp, b"".join(value)

    return point


def _ascending(value: Any) -> bytes:
    if isinstance(value, uuid.UUID):
        return b"\x12" + value.bytes.replace(b"\0", b"\0\xff") + b"\0\x01"
    return _unsigned(value)


def _descending(value: int) -> bytes:
    """Return the inverted number: it is stored as the negative one that it is, its length first."""
    inverted = ~value
    length = max(1, (-inverted).bit_length() + 7 >> 3)
    return bytes((0x88 - length,)) + (inverted + (1 << 8 * length)).to_bytes(length, "big")


def _text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


def _decimal(value: decimal.Decimal) -> bytes:
    # By their text: 0.00 and 0.0000 are equal, and stored differently.
    return _decimal_of(str(value))


@_cached
def _decimal_of(text: str) -> bytes:
    return stored_forms.sized_value(stored_forms.exact_decimal(decimal.Decimal(text)))


@_cached
def _time(seconds: int) -> bytes:
    return stored_forms.zigzag(seconds) + stored_forms.zigzag(0)


_FALSE = 11
_STORED: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "int": (3, _cached(stored_forms.zigzag)),
    "decimal": (5, _decimal),
    "string": (6, _text),
    "bytes": (6, stored_forms.sized_value),
    "timestamp": (8, _time),
    "timestamptz": (8, _time),
    "float": (4, struct.Struct(">d").pack),
    "bool": (10, lambda value: b""),
    "uuid": (12, lambda value: value.bytes),
    "json": (15, lambda value: stored_forms.sized_value(stored_forms.json_document(value))),
}
"""Each family's type number and the writer of its body inside of a row's value; False has a number of its own."""
