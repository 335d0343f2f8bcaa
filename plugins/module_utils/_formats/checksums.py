# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Checksums of SST blocks and footers."""

from __future__ import annotations

from typing import Union

from .._errors import UnsupportedError

try:
    import google_crc32c
except ImportError:
    google_crc32c = None  # named by libraries.missing()
try:
    import xxhash
except ImportError:
    xxhash = None  # named by libraries.missing()

Buffer = Union[bytes, memoryview]

CRC32C = 1
XXHASH64 = 3
KINDS = (CRC32C, XXHASH64)
_PIECE = 1 << 20
"""Bytes that are copied at once for a library that takes nothing but bytes."""


def masked_crc32c(data: Buffer) -> int:
    """CRC32C (Castagnoli), rotated and offset as LevelDB's table format stores it."""
    crc = 0
    for start in range(0, len(data), _PIECE):
        crc = google_crc32c.extend(crc, bytes(data[start : start + _PIECE]))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block_checksum(kind: int, data: Buffer) -> int:
    """Return the 32 bits that a block's trailer stores; ``data`` includes the compression byte."""
    if kind == CRC32C:
        return masked_crc32c(data)
    if kind == XXHASH64:
        return xxhash.xxh64_intdigest(data) & 0xFFFFFFFF
    raise UnsupportedError(f"checksum type {kind} of SST blocks is not known")
