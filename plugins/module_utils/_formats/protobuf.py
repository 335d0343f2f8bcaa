# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Protocol Buffers' wire format, without a schema: a message is a dict of field number to values."""

from __future__ import annotations

from typing import Union

from .._errors import CorruptBackupError

Message = dict[int, list[Union[int, bytes]]]

MOST_FIELDS = 1 << 17
"""In one message; more than the columns of any table. A manifest, which lists a backup's files, may have
``MOST_LISTED``."""
MOST_LISTED = 1 << 21


def varint(data: Union[bytes, memoryview], position: int) -> tuple[int, int]:
    """Return the base-128 number at ``position`` (least significant group first) and what follows it."""
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise CorruptBackupError("a number in a protobuf message is cut off")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7


def parse(data: bytes, most_fields: int = MOST_FIELDS) -> Message:
    """Split a message into its fields.

    Varints (wire type 0) and fixed numbers (1 and 5, little-endian) are unsigned ints, length-delimited
    fields (2) are bytes. Raises CorruptBackupError when the bytes are not a message, or one of more fields.
    """
    message: Message = {}
    position, end = 0, len(data)
    left = most_fields
    while position < end:
        tag, position = varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        left -= 1
        if not number or left < 0:
            raise CorruptBackupError(f"a protobuf message has the field 0, or more than {most_fields} fields")
        value: Union[int, bytes]
        if wire_type == 0:
            value, position = varint(data, position)
        else:
            if wire_type == 2:
                length, position = varint(data, position)
            elif wire_type in (1, 5):
                length = 8 if wire_type == 1 else 4
            else:
                raise CorruptBackupError(f"a protobuf field has the unknown wire type {wire_type}")
            value = data[position : position + length]
            position += length
            if position > end:
                raise CorruptBackupError("a protobuf message is cut off")
            if wire_type != 2:
                value = int.from_bytes(value, "little")
        message.setdefault(number, []).append(value)
    return message


def signed(value: int) -> int:
    """Read an unsigned 64-bit varint as int64 (int32 and enums are stored the same way)."""
    return value - (1 << 64) if value >= 1 << 63 else value


def integer(message: Message, number: int, default: int = 0) -> int:
    """Return the last value of an int32, int64, enum or bool field as a signed number."""
    values = message.get(number)
    if not values:
        return default
    if isinstance(values[-1], bytes):
        raise CorruptBackupError(f"protobuf field {number} is not a number")
    return signed(values[-1])


def integers(message: Message, number: int) -> list[int]:
    """Return a repeated number field, packed or not."""
    result: list[int] = []
    for value in message.get(number, ()):
        if isinstance(value, int):
            result.append(signed(value))
            continue
        position = 0
        while position < len(value):
            item, position = varint(value, position)
            result.append(signed(item))
    return result


def blob(message: Message, number: int) -> bytes:
    """Return the last value of a bytes or message field, empty when it is absent."""
    values = message.get(number)
    if not values:
        return b""
    if isinstance(values[-1], int):
        raise CorruptBackupError(f"protobuf field {number} is not a byte string")
    return values[-1]


def blobs(message: Message, number: int) -> list[bytes]:
    """Return a repeated bytes or message field."""
    values = message.get(number, [])
    if any(isinstance(value, int) for value in values):
        raise CorruptBackupError(f"protobuf field {number} is not a byte string")
    return [value for value in values if isinstance(value, bytes)]


def text(message: Message, number: int) -> str:
    """Return a string field."""
    return _decoded(blob(message, number), number)


def texts(message: Message, number: int) -> list[str]:
    """Return a repeated string field."""
    return [_decoded(value, number) for value in blobs(message, number)]


def _decoded(value: bytes, number: int) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptBackupError(f"protobuf field {number} is not UTF-8") from error
