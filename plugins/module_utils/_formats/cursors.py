# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Cursors in many byte strings, which read one number of each string at a time.

Nothing here raises for malformed bytes. What runs over the end of its own string, or has a form that is read one by one
elsewhere, is marked in ``Cursors.bad``, and what was read there must not be used.
"""

from __future__ import annotations

from typing import Any

from .packed_bytes import PackedBytes

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_STOPS, _PAYLOAD, _ONES = 0x8080808080808080, 0x7F7F7F7F7F7F7F7F, 0x0101010101010101
_LENGTH_BYTES = 4
"""Bytes of the longest length or tag that is read here."""


class Cursors:
    """A position in each of some strings of ``packed``, which begin at ``start``."""

    def __init__(self, packed: PackedBytes, start: Any, position: Any, end: Any) -> None:
        self.packed, self.data, self.start = packed, packed.data, start
        self.position = position
        """Never after the end of the string."""
        self.end = end
        self.bad = np.zeros(len(position), bool)

    def __len__(self) -> int:
        return len(self.position)

    def select(self, chosen: Any) -> Cursors:
        """Return cursors of their own at some of the positions."""
        return Cursors(self.packed, self.start[chosen], self.position[chosen], self.end[chosen])

    def update(self, chosen: Any, moved: Cursors) -> None:
        """Take over where ``select``'s cursors have got."""
        self.position[chosen] = moved.position
        self.bad[chosen] |= moved.bad

    def advance(self, sizes: Any) -> Any:
        """Go on by so many bytes, which must not be negative; return the positions before."""
        start = self.position
        self.position = start + sizes
        beyond = self.position > self.end
        if np.count_nonzero(beyond):
            self.bad |= beyond
            np.minimum(self.position, self.end, out=self.position)
        return start

    def byte(self) -> Any:
        """Read one byte."""
        return self.data[self.advance(1)]

    def msb(self) -> Any:
        """Read numbers as ``encoding.msb`` does, of at most four bytes."""
        first = self.byte()
        number = first.astype(np.int64)
        more = first > 127
        if not np.count_nonzero(more):
            return number
        more = np.flatnonzero(more)
        number[more] &= 127
        for _byte in range(_LENGTH_BYTES - 1):
            if not len(more):
                return number
            rest = self.select(more)
            byte = rest.byte()
            number[more] = number[more] << 7 | byte & 127
            self.update(more, rest)
            more = more[byte > 127]
        self.bad[more] = True
        return number

    def leb(self) -> Any:
        """Read unsigned numbers of at most 64 bits, as ``encoding.leb`` does."""
        first = self.data[self.position]
        if not np.count_nonzero(first > 127):
            self.advance(1)
            return first.astype(np.uint64)
        word = self.packed.words("<u8", self.position)
        stop = ~word & _STOPS
        # All bits up to that of the first byte that ends a number; all bits if there is none.
        number = word & (stop ^ (stop - np.uint64(1))) & _PAYLOAD
        length = ((stop ^ (stop - np.uint64(1))) & _ONES) * np.uint64(_ONES) >> np.uint64(56)
        number = number & 0x007F007F007F007F | (number & 0x7F007F007F007F00) >> np.uint64(1)
        number = number & 0x00003FFF00003FFF | (number & 0x3FFF00003FFF0000) >> np.uint64(2)
        number = number & 0x000000000FFFFFFF | (number & 0x0FFFFFFF00000000) >> np.uint64(4)
        longer = np.flatnonzero(stop == 0)
        if len(longer):
            self._leb_of_ten(longer, number, length)
        self.advance(length.astype(np.int64))
        return number

    def _leb_of_ten(self, longer: Any, number: Any, length: Any) -> None:
        """Complete the numbers of nine and ten bytes."""
        ninth = self.data[self.position[longer] + 8].astype(np.uint64)
        tenth = self.data[self.position[longer] + 9].astype(np.uint64)
        ends = ninth < 128
        number[longer] |= (ninth & 127) << np.uint64(56) | np.where(ends, 0, tenth).astype(np.uint64) << np.uint64(63)
        length[longer] = np.where(ends, 9, 10)
        self.bad[longer[~ends & (tenth > 1)]] = True

    def zigzag(self) -> Any:
        """Read signed numbers of at most 64 bits, as ``encoding.zigzag`` does."""
        number = self.leb()
        return (number >> np.uint64(1)).view(np.int64) ^ -(number & 1).view(np.int64)

    def ordered_int(self) -> Any:
        """Read numbers that fit into signed 64 bits, as ``encoding.ordered_int`` does."""
        marker = self.data[self.position].astype(np.int64)
        small = (marker >= 0x88) & (marker <= 0xF5)
        number = marker - 0x88
        if small.all():
            self.advance(1)
            return number
        length = np.where(small, 0, np.where(marker < 0x88, 0x88 - marker, marker - 0xF5))
        self.bad |= length > 8
        length = np.minimum(length, 8)
        word = self.packed.words(">u8", self.position + 1).astype(np.uint64)
        body = (word >> (64 - 8 * np.maximum(length, 1)).astype(np.uint64)).view(np.int64)
        negative = marker < 0x88
        # Of eight bytes the highest bit is the sign already, or the number is too large.
        self.bad |= (length == 8) & ((body < 0) != negative)
        body -= np.where(negative & (length < 8), np.int64(1) << np.minimum(8 * length, 56), 0)
        self.advance(length + 1)
        return np.where(small, number, body)
