# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Where a table's rows lie in the key space. A range is (start, end): start <= key < end.

The keys of a virtual cluster begin with a prefix (0xfe, its number) that all of them share. It is removed where a
backup is read, so that everywhere else they are those of any cluster.
"""

from __future__ import annotations

from ..._errors import CorruptBackupError
from ..._model.catalog import Sequence, Table

KeyRange = tuple[bytes, bytes]
_TENANT = b"\xfe"


def encode_unsigned(value: int) -> bytes:
    """CockroachDB's ordered, ascending form of an unsigned integer."""
    if value <= 109:
        return bytes((0x88 + value,))
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((0xF5 + len(body),)) + body


def unsigned_end(key: bytes, position: int) -> int:
    """Return where the ordered unsigned integer at ``position`` ends."""
    return position + 1 + max(0, key[position] - 0xF5) if position < len(key) else position


def index_prefix_length(key: bytes) -> int:
    """Return how many bytes of a key say its table and index."""
    return unsigned_end(key, unsigned_end(key, 0))


def tenant_prefix(key: bytes) -> bytes:
    """Return what the keys of the key's virtual cluster begin with, nothing for a cluster that is none."""
    return key[: unsigned_end(key, 1)] if key[:1] == _TENANT else b""


def without_prefix(bound: bytes, prefix: bytes) -> bytes:
    """Take ``prefix`` off a key or the end of a range. Raises CorruptBackupError when it lies outside of the prefix's
    keys."""
    if prefix and bound == prefix_end(prefix):
        return b"\xff"
    if not bound.startswith(prefix):
        raise CorruptBackupError(
            f"key {bound.hex()} is not one of the virtual cluster's, which begin with {prefix.hex()}"
        )
    return bound[len(prefix) :]


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with ``prefix``."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


def index_range(table_id: int, index_id: int) -> KeyRange:
    """Return the range of one index."""
    prefix = encode_unsigned(table_id) + encode_unsigned(index_id)
    return prefix, prefix_end(prefix)


def row_range(table: Table) -> KeyRange:
    """Return the range that holds a table's rows: its primary index, or its root table's when it is interleaved."""
    ancestors = table.primary_index.interleave_ancestors
    if ancestors:
        return index_range(ancestors[0][0], ancestors[0][1])
    return index_range(table.id, table.primary_index.id)


def sequence_range(sequence: Sequence) -> KeyRange:
    """Return the range of a sequence's single key."""
    return index_range(sequence.id, 1)


def subtract(ranges: list[KeyRange], covered: list[KeyRange]) -> list[KeyRange]:
    """Return what of ``ranges`` no range of ``covered`` holds, sorted and without overlap."""
    result: list[KeyRange] = []
    covers = merge(covered)
    place = 0
    for start, end in merge(ranges):
        while place < len(covers) and covers[place][1] <= start:
            place += 1
        following = place
        while following < len(covers) and covers[following][0] < end:
            covered_start, covered_end = covers[following]
            if covered_start > start:
                result.append((start, covered_start))
            start = max(start, covered_end)
            following += 1
        if start < end:
            result.append((start, end))
    return result


def merge(ranges: list[KeyRange]) -> list[KeyRange]:
    """Return the same keys as sorted ranges that neither touch nor overlap."""
    result: list[KeyRange] = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        elif start < end:
            result.append((start, end))
    return result
