# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Range keys: MVCC range tombstones, which delete all older versions between two keys."""

from __future__ import annotations

from dataclasses import dataclass

from ..._errors import CorruptBackupError, UnsupportedError
from ..protobuf import varint
from .columnar_blocks import KEYSPAN_HEADER, ColumnarBlock
from .row_blocks import TRAILER, entries

RANGE_KEY_SET = 21


@dataclass(frozen=True)
class RangeTombstone:
    """Versions older than ``version`` of keys in [start, end) are deleted. Keys are roach keys, elided as in the SST.

    ``value_size`` is the length of what is stored with it in bytes: nothing, or a header.
    """

    start: bytes
    end: bytes
    version: bytes
    value_size: int = 0


def parse_range_keys(block: bytes, columnar: bool) -> list[RangeTombstone]:
    """Read a range key block. Raises UnsupportedError for anything that is no range tombstone."""
    return _columnar(block) if columnar else _rows(block)


def _rows(block: bytes) -> list[RangeTombstone]:
    result = []
    for key, value in entries(block):
        _require_set(key[-8])
        end, position = _string(value, 0)
        while position < len(value):
            suffix, position = _string(value, position)
            content, position = _string(value, position)
            result.append(_tombstone(key[:-TRAILER], end, suffix, content))
    return result


def _columnar(block: bytes) -> list[RangeTombstone]:
    boundaries = int.from_bytes(block[:KEYSPAN_HEADER], "little")
    columns = ColumnarBlock(block, KEYSPAN_HEADER)
    keys, starts = columns.strings(0, boundaries), columns.uints(1, boundaries)
    trailers, suffixes, values = columns.uints(2), columns.strings(3), columns.strings(4)
    if sorted(starts) != starts:
        raise CorruptBackupError("the range keys of a block are not in order")
    result = []
    for number in range(boundaries - 1):
        for row in range(starts[number], starts[number + 1]):
            _require_set(trailers[row] & 0xFF)
            result.append(_tombstone(keys[number], keys[number + 1], suffixes[row], values[row]))
    return result


def _tombstone(start: bytes, end: bytes, suffix: bytes, value: bytes) -> RangeTombstone:
    if start[-1:] != b"\0" or end[-1:] != b"\0":
        raise UnsupportedError("a range key's bounds are no plain keys")
    if len(suffix) not in (9, 13, 14) or suffix[-1] != len(suffix):
        raise UnsupportedError("a range key's version is no timestamp")
    if value and (len(value) < 5 or value[4] != 101 or len(value) != 5 + int.from_bytes(value[:4], "big")):
        raise UnsupportedError("a range key holds a value, where only deletions are known")
    return RangeTombstone(start[:-1], end[:-1], suffix[:-1][:12], len(value))


def _require_set(kind: int) -> None:
    if kind != RANGE_KEY_SET:
        raise UnsupportedError(f"range key operation {kind} does not belong in a backup")


def _string(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = varint(data, position)
    if position + length > len(data):
        raise CorruptBackupError("a range key is cut off")
    return data[position : position + length], position + length
