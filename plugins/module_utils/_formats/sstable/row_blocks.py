# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Row-oriented blocks: prefix-compressed keys with their values (LevelDB, RocksDB, Pebble up to v4)."""

from __future__ import annotations

from ..._errors import CorruptBackupError, UnsupportedError
from ..protobuf import varint

SET, SET_WITH_DELETE = 1, 18
OBSOLETE = 0x40
TRAILER = 8
MOST_ENTRIES = 1 << 20
"""In one block. CockroachDB ends a block after 32 KiB, with the entry that goes beyond that."""
MOST_SHARED = 64 << 20
"""Bytes of its keys that a block says not itself but as in the key before, where one such part is longer than 127."""


def entries_end(block: bytes) -> int:
    """Return where the entries end and the restart offsets begin."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if len(block) < 4 or end < 0:
        raise CorruptBackupError("a row block is shorter than its restart offsets")
    return end


def entries(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return all (key, value) of a metadata, index or span block, keys as stored."""
    result = []
    position, end, key, spread = 0, entries_end(block), b"", 0
    while position < end:
        shared = block[position]
        position += 1
        if shared > 127:
            shared, position = varint(block, position - 1)
            spread += min(shared, len(key))
        size = block[position]
        position += 1
        if size > 127:
            size, position = varint(block, position - 1)
        middle = position + 1
        length = block[position]
        if length > 127:
            length, middle = varint(block, position)
        position = middle + size
        key = key[:shared] + block[middle:position]
        middle = position
        position += length
        result.append((key, block[middle:position]))
        if spread > MOST_SHARED or len(result) > MOST_ENTRIES:
            raise _too_many_entries()
    if position != end:
        raise CorruptBackupError("the entries of a row block do not end where its restart offsets begin")
    return result


def points(block: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the roach keys (engine key without version and trailer) and the values of a data block.

    An internal key is: roach key, 0x00, version, length of the version + 1 (or nothing but 0x00), 8 bytes trailer. So
    its ninth byte from the end says how much to cut. Raises UnsupportedError for anything but a SET.
    """
    keys: list[bytes] = []
    values: list[bytes] = []
    add_key, add_value = keys.append, values.append
    position, end, key, spread = 0, entries_end(block), b"", 0
    while position < end:
        shared = block[position]
        position += 1
        if shared > 127:
            shared, position = varint(block, position - 1)
            spread += min(shared, len(key))
        size = block[position]
        position += 1
        if size > 127:
            size, position = varint(block, position - 1)
        middle = position + 1
        length = block[position]
        if length > 127:
            length, middle = varint(block, position)
        position = middle + size
        key = key[:shared] + block[middle:position]
        middle = position
        position += length
        if key[-8] != SET:
            require_set(key[-8])
        add_key(key[: -9 - key[-9]])
        add_value(block[middle:position])
        if spread > MOST_SHARED or len(keys) > MOST_ENTRIES:
            raise _too_many_entries()
    if position != end:
        raise CorruptBackupError("the entries of a data block do not end where its restart offsets begin")
    return keys, values


def _too_many_entries() -> CorruptBackupError:
    return CorruptBackupError(
        f"a row block claims to hold more than {MOST_ENTRIES} entries, or keys of more than {MOST_SHARED} bytes"
    )


def versioned_points(block: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Like ``points``, with each version's timestamp between keys and values (see ``mvcc.version``)."""
    keys: list[bytes] = []
    versions: list[bytes] = []
    values: list[bytes] = []
    for key, value in entries(block):
        kind, length = key[-8], key[-9]
        if kind != SET:
            require_set(kind)
        if length not in (0, 9, 13, 14):
            raise UnsupportedError(
                f"an engine key has a version of {length - 1} bytes: locks and intents do not belong in a backup"
            )
        keys.append(key[: -9 - length])
        versions.append(key[-8 - length : -9][:12] if length else b"")
        values.append(value)
    return keys, versions, values


def require_set(kind: int) -> None:
    """Refuse engine operations that CockroachDB never puts in a backup's data files."""
    if kind & ~OBSOLETE not in (SET, SET_WITH_DELETE):
        raise UnsupportedError(f"an entry has the engine operation {kind}, where a backup has only SET")
