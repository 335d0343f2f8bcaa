# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Data blocks in row form, read with numpy: many blocks at once, from all of their restart points in step.

What is not in the usual form, damaged blocks among it, is not read here: ``row_blocks`` reads it entry by entry, and
says what is wrong with it.
"""

from __future__ import annotations

from typing import Any, Optional

try:
    import numpy as np
except ImportError:  # named by libraries.missing()
    np = None  # type: ignore[assignment]

from ..packed_bytes import PADDING, PackedBytes, packed_matrix
from .row_blocks import SET, TRAILER

WIDEST_KEY = 64
"""Longer keys are read faster one by one."""
_LONGEST_VARINT = 5
_MOST_STEPS = 256
"""Entries after one restart point; CockroachDB has 16. More are faster read one by one."""


class UnusualError(Exception):
    """The blocks are not in the usual form."""


def points(blocks: list[bytes]) -> Optional[tuple[PackedBytes, PackedBytes]]:
    """Return what ``row_blocks.points`` returns for all of the blocks one after the other, without copying the values;
    None when it has to read them."""
    try:
        return _points(blocks)
    except (UnusualError, IndexError, ValueError):
        return None


def _points(blocks: list[bytes]) -> tuple[PackedBytes, PackedBytes]:
    content = b"".join((*blocks, bytes(PADDING)))
    data = np.frombuffer(content, np.uint8)
    shared, suffixes, values, ends = _entries(data, *_segments(blocks))
    if not len(values):
        raise UnusualError
    # An entry ends its key as row_blocks.points says. The part that it does not share has to hold all of that.
    versions = data[values - TRAILER - 1].astype(np.int64)
    lengths = shared + values - suffixes - TRAILER - 1 - versions
    if (data[values - TRAILER] != SET).any() or (lengths < shared).any():
        raise UnusualError
    return _keys(data, shared, suffixes, lengths), PackedBytes(content, values, ends)


def _segments(blocks: list[bytes]) -> tuple[Any, Any]:
    """Return where the entries after each restart point begin and end in the joined blocks."""
    starts, ends = [], []
    base = 0
    for block in blocks:
        count = int.from_bytes(block[-4:], "little")
        end = len(block) - 4 - 4 * count
        if end < 0 or not count:
            raise UnusualError
        offsets = np.frombuffer(block, "<u4", count, end).astype(np.int64)
        if offsets[0] or (offsets[1:] <= offsets[:-1]).any() or offsets[-1] >= end:
            raise UnusualError
        starts.append(offsets + base)
        ends.append(np.append(offsets[1:], end) + base)
        base += len(block)
    return np.concatenate(starts), np.concatenate(ends)


def _entries(data: Any, places: Any, limits: Any) -> tuple[Any, Any, Any, Any]:
    """Return of all entries in their order: how many bytes of the key before they share, where the rest of the key
    begins, where the value begins and where it ends."""
    segments = np.arange(len(places))
    # The four bytes at every place.
    words = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))
    counts = np.zeros(len(places), np.int64)
    steps: list[tuple[Any, ...]] = []
    while segments.size:
        shared, size, length, suffixes = _heads(data, words, places)
        values = suffixes + size
        places = values + length
        if not steps and shared.any():
            raise UnusualError
        steps.append((segments, shared, suffixes, values, places))
        if len(steps) > _MOST_STEPS:
            raise UnusualError
        counts[segments] += 1
        unfinished = places < limits
        if not unfinished.all():
            if (places > limits).any():
                raise UnusualError
            segments, places, limits = segments[unfinished], places[unfinished], limits[unfinished]
    first = np.cumsum(counts) - counts
    order = np.concatenate([first[step[0]] + number for number, step in enumerate(steps)])
    columns = []
    for column in range(1, 5):
        ordered = np.empty(len(order), np.int64)
        ordered[order] = np.concatenate([step[column] for step in steps])
        columns.append(ordered)
    shared, suffixes, values, ends = columns
    if (shared[1:] > (shared + values - suffixes)[:-1]).any():
        raise UnusualError
    return shared, suffixes, values, ends


def _heads(data: Any, words: Any, places: Any) -> tuple[Any, Any, Any, Any]:
    """Return the three lengths that the entries at the places begin with, and the places after them."""
    head = words[places].astype(np.int64)
    if (head & 0x8080).any():
        return _long_heads(data, places)
    length, more = head >> 16 & 0x7F, head & 0x800000
    if more.any():
        if (head & 0x80000000)[more > 0].any():
            return _long_heads(data, places)
        length |= np.where(more, head >> 24 << 7, 0)
    return head & 0x7F, head >> 8 & 0x7F, length, places + 3 + (more >> 23)


def _long_heads(data: Any, places: Any) -> tuple[Any, Any, Any, Any]:
    shared, places = _varints(data, places)
    size, places = _varints(data, places)
    length, places = _varints(data, places)
    return shared, size, length, places


def _varints(data: Any, places: Any) -> tuple[Any, Any]:
    """Return the base-128 numbers at the places, and the places after them."""
    numbers = data[places].astype(np.int64)
    places = places + 1
    if numbers.max() < 128:
        return numbers, places
    rows = np.flatnonzero(numbers > 127)
    numbers[rows] &= 127
    for byte in range(1, _LONGEST_VARINT):
        more = data[places[rows]].astype(np.int64)
        numbers[rows] |= (more & 127) << 7 * byte
        places[rows] += 1
        rows = rows[more > 127]
        if not rows.size:
            return numbers, places
    raise UnusualError


def _keys(data: Any, shared: Any, suffixes: Any, lengths: Any) -> PackedBytes:
    """Return the keys. A byte of a key comes from the last entry so far that shares no more than the bytes before
    it."""
    width = int(lengths.max())
    if width > WIDEST_KEY:
        raise UnusualError
    rows = len(lengths)
    keys = np.zeros((rows, width), np.uint8)
    begins = suffixes - shared
    last = len(data) - 1
    for column in range(width):
        writers = np.flatnonzero(shared <= column)
        found = data[np.minimum(begins[writers] + column, last)]
        keys[:, column] = found if len(writers) == rows else np.repeat(found, np.diff(writers, append=rows))
    return packed_matrix(keys, lengths)
