# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Data blocks in columnar form, read with numpy: many blocks at once.

What is not in the usual form, damaged blocks among it, is not read here: ``columnar_blocks`` reads it, and says what is
wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

try:
    import numpy as np
except ImportError:  # named by libraries.missing()
    np = None  # type: ignore[assignment]

from ..._errors import MigrationError
from ..packed_bytes import PADDING, PackedBytes, packed_matrix
from .columnar_blocks import BOOL, BYTES, DATA_HEADER, EXTERNAL, KEY, OTHER_VERSION, TRAILER, UINT, VALUE, ColumnarBlock
from .columnar_blocks import PREFIX_BYTES as PREFIX
from .row_block_arrays import WIDEST_KEY, UnusualError
from .row_blocks import SET

_TYPES = {1: "u1", 2: "<u2", 4: "<u4"}
_HAS_BASE, _WIDTH = 0x80, 0x7F


class _Numbers(NamedTuple):
    """A column of unsigned integers: ``base`` belongs to each. What they describe begins at ``end``."""

    base: int
    more: Any
    end: int


@dataclass
class _Offsets:
    """The offsets of some blocks' byte strings, as places in the joined blocks."""

    numbers: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where each block's bytes begin."""
    bases: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, found: _Numbers, place: int, limit: int) -> None:
        """Add a column of the block that begins at ``place`` and ends before ``limit``."""
        start = place + found.end
        if start + found.base + int(found.more[-1]) > limit:
            raise UnusualError
        self.numbers.append(found.more)
        self.starts.append(start)
        self.bases.append(start + found.base)
        self.counts.append(len(found.more))

    def places(self) -> Any:
        """Return all offsets, block after block."""
        return np.concatenate(self.numbers).astype(np.int64) + np.repeat(self.bases, self.counts)

    def first(self) -> Any:
        """Return the number of each block's first offset."""
        return np.cumsum(self.counts) - self.counts


def points(blocks: list[bytes]) -> Optional[tuple[PackedBytes, PackedBytes]]:
    """Return what ``columnar_blocks.points`` returns for all of the blocks one after the other, without copying the
    values; None when it has to read them, or when values lie outside their block."""
    try:
        return _points(blocks)
    except (UnusualError, MigrationError, IndexError, ValueError):
        return None


def _points(blocks: list[bytes]) -> tuple[PackedBytes, PackedBytes]:
    keys, values = _Offsets(), _Offsets()
    rows, shifts = [], []
    place = 0
    for data in blocks:
        block = ColumnarBlock(data, DATA_HEADER)
        limit = place + len(data)
        _require_usual(block)
        values.add(_numbers(data, block.column(VALUE, BYTES), block.rows + 1), place, limit)
        offset = block.column(KEY, PREFIX)
        bundles = 1 + (block.rows - 1 >> data[offset])
        keys.add(_numbers(data, offset + 1, 1 + bundles + block.rows), place, limit)
        rows.append(block.rows)
        shifts.append(data[offset])
        place = limit
    content = b"".join((*blocks, bytes(PADDING)))
    found = values.places()
    # Each block has one offset more than rows.
    numbers = np.arange(sum(rows)) + np.repeat(np.arange(len(rows)), rows)
    starts, ends = found[numbers], found[numbers + 1]
    if (ends < starts).any():
        raise UnusualError
    return _keys(content, keys, np.array(rows), np.array(shifts)), PackedBytes(content, starts, ends)


def _require_usual(block: ColumnarBlock) -> None:
    """Raise UnusualError unless there are entries, all of them SETs of usual keys with their value in the block."""
    if not block.rows:
        raise UnusualError
    trailer = _numbers(block.data, block.column(TRAILER, UINT), block.rows)
    other = _numbers(block.data, block.column(OTHER_VERSION, BYTES), block.rows + 1)
    if (
        block.data[block.column(EXTERNAL, BOOL)] != 1
        or ((trailer.more & 0xFF) + (trailer.base & 0xFF) & 0xFF != SET).any()
        or other.more.any()
        or other.base
    ):
        raise UnusualError


def _numbers(data: bytes, offset: int, rows: int) -> _Numbers:
    encoding = data[offset]
    offset += 1
    base = 0
    if encoding & _HAS_BASE:
        base = int.from_bytes(data[offset : offset + 8], "little")
        offset += 8
    width = encoding & _WIDTH
    if not width:
        return _Numbers(base, np.zeros(rows, np.uint8), offset)
    if width not in _TYPES:
        raise UnusualError
    offset = -(-offset // width) * width
    return _Numbers(base, np.frombuffer(data, _TYPES[width], rows, offset), offset + rows * width)


def _keys(content: bytes, offsets: _Offsets, rows: Any, shifts: Any) -> PackedBytes:
    """Return the keys: each is the block's prefix, the bundle's, and the row's suffix."""
    places = offsets.places()
    shift = np.repeat(shifts, rows)
    row = np.arange(len(shift)) - np.repeat(np.cumsum(rows) - rows, rows)
    bundle = row >> shift
    # After the end of the block's prefix, each bundle's prefix stands before the suffixes of its rows.
    first = np.repeat(offsets.first(), rows)
    prefix = first + 1 + bundle + (bundle << shift)
    suffix = first + 2 + bundle + row
    begins = np.repeat(offsets.starts, rows), places[prefix - 1], places[suffix - 1]
    sizes = places[first] - begins[0], places[prefix] - begins[1], places[suffix] - begins[2]
    repeated = (sizes[2] == 0) & (row != bundle << shift)
    if repeated.any() or min(int(size.min()) for size in sizes) < 0:
        raise UnusualError
    ends = sizes[0], sizes[0] + sizes[1], sizes[0] + sizes[1] + sizes[2]
    width = int(ends[2].max())
    if not 0 < width <= WIDEST_KEY:
        raise UnusualError
    data = np.frombuffer(content, np.uint8)
    keys = np.zeros((len(row), width), np.uint8)
    parts = begins[0], begins[1] - ends[0], begins[2] - ends[1]
    for column in range(width):
        part = np.where(column < ends[0], parts[0], np.where(column < ends[1], parts[1], parts[2]))
        found = data[np.minimum(part + column, len(data) - 1)]
        keys[:, column] = np.where(column < ends[2], found, 0)
    return packed_matrix(keys, ends[2])
