# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""MVCC versions to live rows: extended values, tombstones, and the merge of layers. The newest version wins."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import lt
from typing import Optional

from ..._errors import CorruptBackupError, UnsupportedError
from ..._formats import protobuf
from ..._formats.packed_bytes import PackedBytes, are_ascending
from ..._formats.sstable.range_keys import RangeTombstone
from ..._model.catalog import UnfinishedImport

Batch = tuple[Sequence[bytes], Sequence[bytes]]
"""Keys and values, side by side."""
VersionedBatch = tuple[list[bytes], list[bytes], list[bytes]]
"""Keys, versions (see ``timestamps.version``) and values."""

TAG = 4
"""Where a value has its tag."""
EXTENDED = 101
IMPORT_EPOCH = 4
"""In an extended value's header (MVCCValueHeader in CockroachDB's pkg/storage/enginepb/mvcc3.proto)."""
FAMILY_ZERO = 0x88


def without_import(batches: Iterable[VersionedBatch], unfinished: UnfinishedImport) -> Iterator[VersionedBatch]:
    """Drop the keys whose newest version was written by an unfinished import, as RESTORE does.

    An earlier layer may have an older version of such a key, which was deleted before the import: imports write new
    keys only. Source: checkAndRewriteTableKey in CockroachDB's pkg/backup/key_rewriter.go, epochBasedInProgressImport
    in restore_job.go.
    """
    for batch in batches:
        kept = [row for row in zip(*batch) if not _is_of(unfinished, row[1], row[2])]
        if kept:
            keys, versions, values = zip(*kept)
            yield list(keys), list(versions), list(values)


def _is_of(unfinished: UnfinishedImport, version: bytes, value: bytes) -> bool:
    """Return whether a version was written by the import. Raises UnsupportedError if that cannot be determined."""
    late = int.from_bytes(version[:8], "big") >= unfinished.start
    if not unfinished.epoch:
        return late
    header = value[5 : _header_end(value)] if value[4:5] == bytes((EXTENDED,)) else b""
    epoch = protobuf.integer(protobuf.parse(header), IMPORT_EPOCH)
    deleted = not value or header and len(value) == len(header) + 5
    if late and not deleted and epoch != unfinished.epoch:
        raise UnsupportedError(
            f"{unfinished.table}: rows were written since an IMPORT INTO began that had not ended, but do not say "
            "whether they are the import's: exclude the table (databases: exclude), or take the backup again after the "
            "import is done"
        )
    return epoch == unfinished.epoch


def live(keys: Sequence[bytes], values: Sequence[bytes]) -> Batch:
    """Drop deleted keys and remove the headers of extended values."""
    if isinstance(keys, PackedBytes) and isinstance(values, PackedBytes):
        lengths = values.lengths()
        if not lengths.all():
            keys, values, lengths = keys.chosen(lengths > 0), values.chosen(lengths > 0), lengths[lengths > 0]
        if (lengths > TAG).all() and (values.data[values.starts + TAG] != EXTENDED).all():
            return keys, values
        keys, values = list(keys), list(values)
    if b"" in values:
        keys, values = _without_empty(keys, values)
    try:
        extended = EXTENDED in [value[TAG] for value in values]
    except IndexError:
        raise CorruptBackupError("a value is shorter than its header") from None
    if extended:
        return _without_empty(keys, [_plain(value) for value in values])
    return keys, values


def _without_empty(keys: Sequence[bytes], values: Sequence[bytes]) -> Batch:
    kept = [pair for pair in zip(keys, values) if pair[1]]
    return [key for key, _value in kept], [value for _key, value in kept]


def _plain(value: bytes) -> bytes:
    """Remove an extended value's header: its length (4 bytes), the mark, and a protobuf message that is not needed."""
    if value[TAG] != EXTENDED:
        return value
    return value[_header_end(value) :]


def _header_end(value: bytes) -> int:
    end = 5 + int.from_bytes(value[:4], "big")
    if end > len(value) or end < len(value) < end + 5:
        raise CorruptBackupError("an extended value is cut off")
    return end


def require_ascending(keys: Sequence[bytes], last: bytes = b"") -> None:
    """Raise CorruptBackupError unless each key is greater than the one before; the first one than ``last``."""
    ascending = are_ascending(keys) if isinstance(keys, PackedBytes) else all(map(lt, keys, keys[1:]))
    if not ascending or keys[0] <= last:
        raise CorruptBackupError("a key occurs twice, or keys are not sorted, where each must occur once")


def row_prefix(key: bytes) -> bytes:
    """Return a key without its column family's suffix."""
    last = key[-1]
    return key[: FAMILY_ZERO - 1 - last] if last >= FAMILY_ZERO else key


def whole_rows(batches: Iterable[Batch], start: bytes, end: bytes) -> Iterator[Batch]:
    """Keep the keys whose row prefix is in [start, end), even if other keys of the row are outside."""
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
        del keys, values


def newest(
    batches: Iterable[VersionedBatch], until: bytes, tombstones: list[RangeTombstone]
) -> Iterator[VersionedBatch]:
    """Keep the newest version of each key that is not after ``until``; versions of a key come newest first. A version
    covered by a range tombstone becomes a deletion."""
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
    """Cursor over one sorted stream of batches. Its columns are keys and values, with the versions between them in
    streams that have versions."""

    def __init__(self, batches: Iterator[tuple]) -> None:
        self.batches = batches
        self.columns: tuple = ((),)
        self.position = 0

    def fill(self) -> bool:
        """Go to the next batch if this one is exhausted; return whether there is a key."""
        while self.position >= len(self.columns[0]):
            batch = next(self.batches, None)
            if batch is None:
                return False
            self.columns, self.position = batch, 0
        return True

    def last_key(self) -> bytes:
        """Return the last key of the batch."""
        return self.columns[0][-1]

    def take(self, last: bytes) -> tuple:
        """Return the columns of the batch's keys up to ``last``, and go on after them."""
        start, self.position = self.position, bisect_right(self.columns[0], last, self.position)
        return tuple(column[start : self.position] for column in self.columns)


def merge(streams: list[Iterator[tuple]]) -> Iterator[tuple]:
    """Merge streams of sorted batches whose keys occur once in each; yield batches of the same columns, deletions still
    among them.

    Batches are (keys, values): the first stream that has a key wins, or (keys, versions, values): the greatest
    version wins, of equal ones the first stream's. Runs of keys that only one stream has are passed on whole.
    """
    cursors = [cursor for cursor in map(_Cursor, streams) if cursor.fill()]
    while cursors:
        # All streams have been read at least as far.
        last = min(cursor.last_key() for cursor in cursors)
        parts = [part for part in (cursor.take(last) for cursor in cursors) if part[0]]
        yield parts[0] if len(parts) == 1 else _merged(parts)
        cursors = [cursor for cursor in cursors if cursor.fill()]


def _merged(parts: list[tuple]) -> tuple:
    """Merge batches, in the order of their precedence."""
    columns = [list(chain.from_iterable(column)) for column in zip(*parts)]
    keys = columns[0]
    # A sort of a few sorted runs merges them, and leaves equal keys in the order of their batches.
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rows: list[int] = []
    previous = None
    for row in order:
        if keys[row] != previous:
            rows.append(row)
            previous = keys[row]
        elif len(columns) == 3 and columns[1][row] > columns[1][rows[-1]]:
            rows[-1] = row
    return tuple([column[row] for row in rows] for column in columns)
