# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""MinLZ blocks, CockroachDB's default compression from 25.3 on."""

from __future__ import annotations

from .._errors import CorruptBackupError
from .protobuf import varint


def decompress_minlz(data: bytes, most: int) -> bytes:
    """Decompress one MinLZ block (first byte 0) of at most so many bytes. Raises CorruptBackupError."""
    size, position = varint(data, 1)
    if size == 0:
        return data[position:]
    if size > most:
        raise CorruptBackupError(f"a MinLZ block claims to hold {size} bytes")
    try:
        result = _decode(data, position, size)
    except IndexError as error:
        raise CorruptBackupError("a MinLZ block is cut off") from error
    if len(result) != size:
        raise CorruptBackupError(f"a MinLZ block gave {len(result)} bytes instead of {size}")
    return bytes(result)


def _decode(data: bytes, position: int, size: int) -> bytearray:
    out = bytearray()
    end, offset = len(data), 1
    from_bytes = int.from_bytes
    while position < end:
        tag = data[position]
        position += 1
        low = tag & 3
        literals = 0
        if low == 0:
            length = tag >> 3
            if length < 29:
                length += 1
            else:
                extra = length - 28
                _require(position + extra <= end)
                length = 30 + from_bytes(data[position : position + extra], "little")
                position += extra
            if not tag & 4:
                _require(position + length <= end)
                out += data[position : position + length]
                position += length
                continue
        elif low == 1:
            length = (tag >> 2) & 15
            offset = ((tag >> 6) | data[position] << 2) + 1
            position += 1
            if length == 15:
                length = 18 + data[position]
                position += 1
            else:
                length += 4
        elif low == 2:
            offset = data[position] + (data[position + 1] << 8) + 64
            position += 2
            length, position = _length(data, position, tag >> 2)
        elif not tag & 4:
            literals = ((tag >> 3) & 3) + 1
            length = (tag >> 5) + 4
            offset = data[position] + (data[position + 1] << 8) + 64
            position += 2
        else:
            _require(position + 3 <= end)
            word = from_bytes(data[position - 1 : position + 3], "little")
            position += 3
            literals = (word >> 3) & 3
            offset = (word >> 11) + 65536
            length, position = _length(data, position, (word >> 5) & 63)
        if literals:
            _require(position + literals <= end)
            out += data[position : position + literals]
            position += literals
        start = len(out) - offset
        _require(start >= 0 and len(out) + length <= size)
        if offset >= length:
            out += out[start : start + length]
        else:
            pattern = bytes(out[start:])
            out += (pattern * (length // offset + 1))[:length]
    return out


def _length(data: bytes, position: int, code: int) -> tuple[int, int]:
    if code < 61:
        return code + 4, position
    extra = code - 60
    _require(position + extra <= len(data))
    return 64 + int.from_bytes(data[position : position + extra], "little"), position + extra


def _require(holds: bool) -> None:
    if not holds:
        raise CorruptBackupError("a MinLZ block is damaged")
