# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""From versions to what is live: extended values, tombstones, and the merge of layers. The newest version wins."""
from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from operator import lt
from typing import Optional

from ..errors import CorruptBackupError
from .sstable.range_keys import RangeTombstone

Batch = tuple[list[bytes], list[bytes]]
"""Keys and values, side by side."""
VersionedBatch = tuple[list[bytes], list[bytes], list[bytes]]
"""Keys, versions (see ``timestamps.version``) and values."""

EXTENDED = 101
FAMILY_ZERO = 0x88


def live(keys: list[bytes], values: list[bytes]) -> Batch:
    """Drop deleted keys and take the headers off extended values."""
    if b"" in values:
        keys, values = _without_empty(keys, values)
    try:
        extended = EXTENDED in [value[4] for value in values]
    except IndexError:
        raise CorruptBackupError("a value is shorter than its header") from None
    if extended:
        return _without_empty(keys, [_plain(value) for value in values])
    return keys, values


def _without_empty(keys: list[bytes], values: list[bytes]) -> Batch:
    kept = [pair for pair in zip(keys, values) if pair[1]]
    return [key for key, _value in kept], [value for _key, value in kept]


def _plain(value: bytes) -> bytes:
    """Take off an extended value's header: its length (4 bytes), the mark, a protobuf message that is not needed."""
    if value[4] != EXTENDED:
        return value
    start = 5 + int.from_bytes(value[:4], "big")
    if start > len(value) or start < len(value) < start + 5:
        raise CorruptBackupError("an extended value is cut off")
    return value[start:]


def require_ascending(keys: list[bytes]) -> None:
    """Raise CorruptBackupError unless each key is greater than the one before."""
    if not all(map(lt, keys, keys[1:])):
        raise CorruptBackupError("a key occurs twice, or keys are not sorted, where each must occur once")


def row_prefix(key: bytes) -> bytes:
    """Return a key without its column family's suffix."""
    last = key[-1]
    return key[:FAMILY_ZERO - 1 - last] if last >= FAMILY_ZERO else key


def whole_rows(batches: Iterable[Batch], start: bytes, end: bytes) -> Iterator[Batch]:
    """Keep the keys whose row prefix is in [start, end), though some keys of a row may lie on the other side of a bound."""
    leading = True
    for keys, values in batches:
        first = 0
        if leading:
            while first < len(keys) and row_prefix(keys[first]) < start:
                first += 1
            leading = first == len(keys)
        last = max(first, bisect_left(keys, end))
        complete = last < len(keys)
        while last < len(keys) and row_prefix(keys[last]) < end:
            last += 1
        if first < last:
            yield (keys[first:last], values[first:last]) if first or last < len(keys) else (keys, values)
        if complete and last < len(keys):
            return


def newest(batches: Iterable[VersionedBatch], until: bytes, tombstones: list[RangeTombstone]) -> Iterator[VersionedBatch]:
    """Of each key keep the newest version not after ``until``; versions of a key come newest first.

    A version that a range tombstone covers becomes a deletion.
    """
    previous: Optional[bytes] = None
    for keys, versions, values in batches:
        kept_keys: list[bytes] = []
        kept_versions: list[bytes] = []
        kept_values: list[bytes] = []
        for key, version, value in zip(keys, versions, values):
            if key != previous and version <= until:
                if previous is not None and key < previous:
                    raise CorruptBackupError("keys are not sorted")
                previous = key
                if tombstones and value and _covered(key, version, tombstones):
                    value = b""
                kept_keys.append(key)
                kept_versions.append(version)
                kept_values.append(value)
        if kept_keys:
            yield kept_keys, kept_versions, kept_values


def _covered(key: bytes, version: bytes, tombstones: list[RangeTombstone]) -> bool:
    return any(tombstone.start <= key < tombstone.end and version < tombstone.version for tombstone in tombstones)


class _Cursor:
    """A place in one stream of batches. Lists are keys, values, and in versioned streams versions between them."""

    def __init__(self, batches: Iterator[tuple]) -> None:
        self.batches = batches
        self.keys: list[bytes] = []
        self.columns: tuple = ()
        self.position = 0

    def fill(self) -> bool:
        """Go to the next batch when this one is used up; return whether there is a key."""
        while self.position >= len(self.keys):
            batch = next(self.batches, None)
            if batch is None:
                return False
            self.keys, self.columns, self.position = batch[0], batch, 0
        return True


def merge(streams: list[Iterator[tuple]]) -> Iterator[Batch]:
    """Merge streams of sorted batches whose keys occur once in each; yield keys and values, deletions still among them.

    Batches are (keys, values): the first stream that has a key wins, or (keys, versions, values): the greatest
    version wins, of equal ones the first stream's. Runs of keys that only one stream has are passed on whole.
    """
    cursors = [_Cursor(stream) for stream in streams]
    heap = [(cursor.keys[0], number) for number, cursor in enumerate(cursors) if cursor.fill()]
    heapq.heapify(heap)
    while heap:
        key, number = heapq.heappop(heap)
        cursor = cursors[number]
        if not heap or heap[0][0] != key:
            first = cursor.position
            last = len(cursor.keys) if not heap else bisect_left(cursor.keys, heap[0][0], first)
            cursor.position = last
            yield cursor.keys[first:last], cursor.columns[-1][first:last]
            same = [number]
        else:
            same = [number]
            while heap and heap[0][0] == key:
                same.append(heapq.heappop(heap)[1])
            yield [key], [_winner([cursors[number] for number in same])]
            for number in same:
                cursors[number].position += 1
        for number in same:
            if cursors[number].fill():
                heapq.heappush(heap, (cursors[number].keys[cursors[number].position], number))


def _winner(cursors: list[_Cursor]) -> bytes:
    best = cursors[0]
    if len(best.columns) == 3:
        for cursor in cursors[1:]:
            if cursor.columns[1][cursor.position] > best.columns[1][best.position]:
                best = cursor
    return best.columns[-1][best.position]


def joined(batches: Iterable[Batch], size: int = 2000) -> Iterator[Batch]:
    """Put small batches together to ones of about ``size`` keys."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for more_keys, more_values in batches:
        keys += more_keys
        values += more_values
        if len(keys) >= size:
            yield keys, values
            keys, values = [], []
    if keys:
        yield keys, values
