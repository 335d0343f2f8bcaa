# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Columnar blocks (Pebble v5 and later)."""

from __future__ import annotations

import struct

from ..._errors import CorruptBackupError, UnsupportedError
from .row_blocks import MOST_ENTRIES, MOST_SHARED, SET, require_set

BOOL, UINT, BYTES, PREFIX_BYTES = 1, 2, 3, 4
DATA_HEADER = 5
KEY, WALL, LOGICAL, OTHER_VERSION, TRAILER, VALUE, EXTERNAL = 0, 1, 2, 3, 4, 6, 7
"""The columns of a data block."""
KEYSPAN_HEADER = 4
_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_WORD = (1 << 64) - 1


class ColumnarBlock:
    """The columns of one block; each is decoded when it is asked for."""

    def __init__(self, data: bytes, header: int = 0) -> None:
        """``header`` is the size of the block kind's own header. Raises CorruptBackupError or UnsupportedError."""
        if len(data) < header + 8:
            raise CorruptBackupError("a columnar block is cut off")
        version, columns, self.rows = struct.unpack_from("<BHI", data, header)
        if version != 1:
            raise UnsupportedError(f"columnar block version {version} is not known")
        self.data = data
        self._require_room(self.rows)
        if len(data) < header + 7 + 5 * columns + 1:
            raise CorruptBackupError("the column table of a columnar block is cut off")
        self.columns = [struct.unpack_from("<BI", data, header + 7 + 5 * number) for number in range(columns)]

    def _require_room(self, rows: int) -> None:
        """Refuse what cannot be: each row has an offset of its own in one of the columns at least."""
        if rows > min(len(self.data), MOST_ENTRIES):
            raise CorruptBackupError(f"a columnar block of {len(self.data)} bytes claims to hold {rows} rows")

    def column(self, number: int, kind: int) -> int:
        """Return where a column of the type ``kind`` begins. Raises UnsupportedError for one of another type."""
        if number >= len(self.columns) or self.columns[number][0] != kind:
            raise UnsupportedError(f"column {number} of a columnar block is not of type {kind}")
        return self.columns[number][1]

    def uints(self, number: int, rows: int = -1) -> list[int]:
        """Return a column of unsigned integers."""
        self._require_room(rows)
        return self._uints(self.column(number, UINT), self.rows if rows < 0 else rows)[0]

    def strings(self, number: int, rows: int = -1) -> list[bytes]:
        """Return a column of byte strings."""
        self._require_room(rows)
        rows = self.rows if rows < 0 else rows
        offset = self.column(number, BYTES)
        if not rows:
            return []
        ends, start = self._uints(offset, rows + 1)
        data = self.data
        if start + ends[-1] > len(data) or sorted(ends) != ends:
            raise CorruptBackupError("a column of byte strings is cut off, or its offsets are not in order")
        places = [start + end for end in ends]
        return [data[first:last] for first, last in zip(places, places[1:])]

    def bools(self, number: int) -> list[bool]:
        """Return a column of booleans."""
        offset = self.column(number, BOOL)
        if not self.rows or self.data[offset] == 1:
            return [False] * self.rows
        offset = (offset + 8) & ~7
        words = struct.unpack_from(f"<{(self.rows + 63) // 64}Q", self.data, offset)
        return [bool(words[row >> 6] >> (row & 63) & 1) for row in range(self.rows)]

    def prefixed(self, number: int) -> list[bytes]:
        """Return a column of sorted keys: the block's prefix, the bundle's, and each row's suffix."""
        offset, rows = self.column(number, PREFIX_BYTES), self.rows
        if not rows:
            return []
        data = self.data
        shift = data[offset]
        ends, start = self._uints(offset + 1, rows + 1 + 1 + ((rows - 1) >> shift))
        if start + ends[-1] > len(data) or sorted(ends) != ends:
            raise CorruptBackupError("a column of keys is cut off, or its offsets are not in order")
        ends = [start + end for end in ends]
        shared = data[start : ends[0]]
        result: list[bytes] = []
        place, size, spread = 0, 1 << shift, 0
        while len(result) < rows:
            prefix = shared + data[ends[place] : ends[place + 1]]
            place += 1
            last = min(place + size, place + rows - len(result))
            spread += len(prefix) * (last - place)
            if spread > MOST_SHARED:
                raise CorruptBackupError(f"the keys of a columnar block have more than {MOST_SHARED} bytes")
            bundle = [prefix + data[first:end] for first, end in zip(ends[place:last], ends[place + 1 : last + 1])]
            if prefix in bundle[1:]:
                _repeat(bundle, prefix)
            result += bundle
            place = last
        return result

    def _uints(self, offset: int, rows: int) -> tuple[list[int], int]:
        if not rows:
            return [], offset
        data = self.data
        encoding = data[offset]
        offset += 1
        base = 0
        if encoding & 0x80:
            base = int.from_bytes(data[offset : offset + 8], "little")
            offset += 8
        width = encoding & 0x7F
        if width == 0:
            return [base] * rows, offset
        if width not in _FORMATS:
            raise UnsupportedError(f"integers of {width} bytes in a columnar block are not known")
        offset = (offset + width - 1) // width * width
        try:
            values = struct.unpack_from(f"<{rows}{_FORMATS[width]}", data, offset)
        except struct.error as error:
            raise CorruptBackupError("a column of integers is cut off") from error
        offset += rows * width
        if base:
            return [(base + value) & _WORD for value in values], offset
        return list(values), offset


def _repeat(bundle: list[bytes], prefix: bytes) -> None:
    """Replace each row that is nothing but the bundle's prefix by the row before it, in place."""
    for row in range(1, len(bundle)):
        if bundle[row] == prefix:
            bundle[row] = bundle[row - 1]


def points(data: bytes) -> tuple[list[bytes], list[bytes], list[bool]]:
    """Return roach keys, values and whether each value lies outside the block."""
    block = _data_block(data)
    external = block.bools(EXTERNAL)
    return block.prefixed(KEY), block.strings(VALUE), external if True in external else []


def versioned_points(data: bytes) -> tuple[list[bytes], list[bytes], list[bytes], list[bool]]:
    """Return what ``points`` returns, with each version's timestamp after the keys."""
    block = _data_block(data)
    external = block.bools(EXTERNAL)
    versions = [
        (wall.to_bytes(8, "big") + logical.to_bytes(4, "big") if logical else wall.to_bytes(8, "big"))
        if wall or logical
        else b""
        for wall, logical in zip(block.uints(WALL), block.uints(LOGICAL))
    ]
    return block.prefixed(KEY), versions, block.strings(VALUE), external if True in external else []


def _data_block(data: bytes) -> ColumnarBlock:
    block = ColumnarBlock(data, DATA_HEADER)
    for trailer in set(block.uints(TRAILER)):
        if trailer & 0xFF != SET:
            require_set(trailer & 0xFF)
    if any(block.strings(OTHER_VERSION)):
        raise UnsupportedError(
            "an engine key has no timestamp as its version: locks and intents do not belong in a backup"
        )
    return block
