# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One block of an SST: read, checked, decompressed."""

from __future__ import annotations

from ..._errors import CorruptBackupError
from ..checksums import block_checksum
from ..compression import decompress
from .footer import Handle

TRAILER = 5
MOST_METADATA = 4 << 20
"""Bytes of an index, its partitions, properties, range keys: many times what CockroachDB writes (256 KiB)."""


def read_stored(file, handle: Handle, checksum: int, verify: bool) -> memoryview:
    """Return a block as stored, with its compression byte at the end. One that is damaged is read once more, for it may
    have been damaged on its way. Raises CorruptBackupError."""
    offset, length = handle
    # Without copies: a block is as large as its largest row.
    stored = memoryview(file.read(offset, length + TRAILER))
    problem = _problem(stored, handle, checksum, verify)
    if problem:
        stored = memoryview(file.read_again(offset, length + TRAILER, problem))
        problem = _problem(stored, handle, checksum, verify)
    if problem:
        raise CorruptBackupError(f"{file.name}: {problem}: the file is damaged, copy it again from the original")
    return stored[:-4]


def _problem(stored: memoryview, handle: Handle, checksum: int, verify: bool) -> str:
    offset, length = handle
    if len(stored) != length + TRAILER:
        return f"the block at {offset} is cut off"
    if verify and block_checksum(checksum, stored[:-4]) != int.from_bytes(stored[-4:], "little"):
        return f"the checksum of the block at {offset} does not match"
    return ""


def read_block(file, handle: Handle, checksum: int, verify: bool, most: int = 0) -> bytes:
    """Return a block's content. ``file`` is as in ``Table``; ``most`` is as in
    ``decompress``."""
    stored = read_stored(file, handle, checksum, verify)
    return decompress(stored[-1], stored[:-1], most)
