# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""JSON documents, from their stored forms to jsonb's text."""

from __future__ import annotations

import struct

from ..._formats.encoding import (
    COMPLEMENT,
    MalformedValue,
    decimal,
    leb,
    ordered_bytes,
    ordered_bytes_desc,
    ordered_decimal,
    ordered_decimal_desc,
    ordered_int,
    ordered_int_desc,
)
from ..._values.text.documents import list_text, number_text, object_text, quoted_text, require_depth
from ..._values.text.scalars import string_text

ARRAY, OBJECT, SCALAR, CONTAINER_KIND = 0x80000000, 0x40000000, 0x20000000, 0xE0000000
COUNT = 0x1FFFFFFF
IS_OFFSET, LENGTH = 0x80000000, 0x0FFFFFFF
NULL, STRING, NUMBER, FALSE, TRUE, CONTAINER = (
    0x00000000,
    0x10000000,
    0x20000000,
    0x30000000,
    0x40000000,
    0x50000000,
)
TYPE = 0x70000000

_DESCENDING_SUM = 0x99
_KEY_EMPTY_ARRAY, _KEY_NULL, _KEY_STRING, _KEY_NUMBER, _KEY_FALSE, _KEY_TRUE, _KEY_ARRAY, _KEY_OBJECT = (
    0x45,
    0x46,
    0x47,
    0x48,
    0x49,
    0x4A,
    0x4B,
    0x4C,
)


def json_text(data: bytes) -> str:
    """Return a stored document as jsonb prints it. Raises ValueProblem for U+0000 and malformed documents."""
    header = int.from_bytes(data[:4], "big")
    if header & CONTAINER_KIND == SCALAR:
        if header & COUNT > 1:
            raise MalformedValue("a JSON scalar has several values")
        entry = int.from_bytes(data[4:8], "big")
        return _value(entry & TYPE, data[8:], 0)
    return _container(data, 0)


def _container(data: bytes, depth: int) -> str:
    require_depth(depth)
    header = int.from_bytes(data[:4], "big")
    kind, count = header & CONTAINER_KIND, header & COUNT
    if kind == ARRAY:
        entries, start = count, 4 + 4 * count
    elif kind == OBJECT:
        entries, start = 2 * count, 4 + 8 * count
    else:
        raise MalformedValue(f"a JSON container has the unknown header {header:#010x}")
    position = start
    values = []
    for entry in struct.unpack_from(f">{entries}I", data, 4):
        end = start + (entry & LENGTH) if entry & IS_OFFSET else position + (entry & LENGTH)
        if end < position:
            raise MalformedValue("the values of a JSON container are not in order")
        values.append(_value(entry & TYPE, data[position:end], depth + 1))
        position = end
    if position != len(data):
        raise MalformedValue("a JSON document does not end where its value does")
    if kind == ARRAY:
        return list_text(values)
    return object_text(zip(values[:count], values[count:]))


def _value(kind: int, data: bytes, depth: int) -> str:
    if kind == STRING:
        return quoted_text(string_text(data))
    if kind == NUMBER:
        length, position = leb(data, 0)
        if position + length != len(data):
            raise MalformedValue("a JSON number does not end where its value does")
        return number_text(decimal(data[position:]))
    if kind == CONTAINER:
        return _container(data, depth)
    if data:
        raise MalformedValue("a JSON literal is followed by bytes")
    if kind == TRUE:
        return "true"
    if kind == FALSE:
        return "false"
    if kind == NULL:
        return "null"
    raise MalformedValue(f"a JSON value has the unknown type {kind >> 28}")


def json_key(data: bytes, position: int, descending: bool = False, depth: int = 0) -> tuple[str, int]:
    """Return a document of a key as jsonb prints it, and the position after it. ``depth`` is how many others it is
    in."""
    require_depth(depth)
    marker = _DESCENDING_SUM - data[position] if descending else data[position]
    position += 1
    if marker == _KEY_EMPTY_ARRAY:
        return "[]", position
    if marker == _KEY_NULL:
        return "null", position
    if marker == _KEY_FALSE:
        return "false", position
    if marker == _KEY_TRUE:
        return "true", position
    if marker == _KEY_STRING:
        raw, position = (ordered_bytes_desc if descending else ordered_bytes)(data, position)
        return quoted_text(string_text(raw)), _terminated(data, position, descending)
    if marker == _KEY_NUMBER:
        number, position = (ordered_decimal_desc if descending else ordered_decimal)(data, position)
        return number_text(number), _terminated(data, position, descending)
    if marker not in (_KEY_ARRAY, _KEY_OBJECT):
        raise MalformedValue(f"0x{marker:02x} does not begin a JSON document")
    count, position = (ordered_int_desc if descending else ordered_int)(data, position)
    values = []
    for _value_number in range(count if marker == _KEY_ARRAY else 2 * count):
        value, position = json_key(data, position, descending, depth + 1)
        values.append(value)
    position = _terminated(data, position, descending)
    if marker == _KEY_ARRAY:
        return list_text(values), position
    return object_text(zip(values[::2], values[1::2])), position


def _terminated(data: bytes, position: int, descending: bool) -> int:
    if data[position] != (COMPLEMENT[0] if descending else 0):
        raise MalformedValue("a JSON document of a key is not terminated")
    return position + 1
