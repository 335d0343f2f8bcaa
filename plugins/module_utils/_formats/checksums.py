# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Checksums of SST blocks and footers."""

from __future__ import annotations

from .._errors import UnsupportedError

try:
    import google_crc32c
except ImportError:
    google_crc32c = None  # named by libraries.missing()
try:
    import xxhash
except ImportError:
    xxhash = None  # named by libraries.missing()

CRC32C = 1
XXHASH64 = 3
KINDS = (CRC32C, XXHASH64)


def masked_crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli), rotated and offset as LevelDB's table format stores it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block_checksum(kind: int, data: bytes) -> int:
    """Return the 32 bits that a block's trailer stores; ``data`` includes the compression byte."""
    if kind == CRC32C:
        return masked_crc32c(data)
    if kind == XXHASH64:
        return xxhash.xxh64_intdigest(data) & 0xFFFFFFFF
    raise UnsupportedError(f"checksum type {kind} of SST blocks is not known")
