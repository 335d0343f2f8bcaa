# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Decompression of SST blocks by the type byte in their trailer."""

from __future__ import annotations

from typing import Union

from .._errors import CorruptBackupError, UnsupportedError
from .minlz import decompress_minlz
from .protobuf import varint

try:
    import cramjam
except ImportError:
    cramjam = None  # named by libraries.missing()
try:
    import zstandard
except ImportError:
    zstandard = None  # named by libraries.missing()

Buffer = Union[bytes, memoryview]

NONE, SNAPPY, ZSTD, MINLZ = 0, 1, 7, 8
NAMES = {NONE: "none", SNAPPY: "snappy", ZSTD: "zstd", MINLZ: "minlz"}
MAX_BLOCK = 1 << 30
"""No block is larger than this; a greater length is a misread one."""


def decompress(kind: int, data: Buffer) -> bytes:
    """Return a block's content. Raises CorruptBackupError or UnsupportedError."""
    if kind == SNAPPY:
        return _snappy(data)
    if kind == NONE:
        return bytes(data)
    if kind == ZSTD:
        return _zstd(data)
    if kind == MINLZ:
        return _snappy(data) if data[:1] != b"\0" else decompress_minlz(bytes(data))
    raise UnsupportedError(f"compression type {kind} of SST blocks is not known")


def _snappy(data: Buffer) -> bytes:
    _length(data)
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise CorruptBackupError("a block is not valid snappy data") from error


def _zstd(data: Buffer) -> bytes:
    length, start = _length(data)
    try:
        result = zstandard.ZstdDecompressor().decompress(data[start:], max_output_size=length)
    except zstandard.ZstdError as error:
        raise CorruptBackupError("a block is not valid zstd data") from error
    if len(result) != length:
        raise CorruptBackupError(f"a zstd block gave {len(result)} bytes instead of {length}")
    return result


def _length(data: Buffer) -> tuple[int, int]:
    length, start = varint(data, 0)
    if length > MAX_BLOCK:
        raise CorruptBackupError(f"a block claims to hold {length} bytes")
    return length, start
