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
MOST_BYTES = 65 << 20
"""A block may always hold so many bytes: a row as long as CockroachDB's commands (kv.raft.command.max_size, 64 MiB)."""
MOST_TIMES = 16
"""A block that holds more has to be stored in this part of it at least."""
_MOST_TIMES_OF_SNAPPY = 64
"""Three bytes stand for 64 at most."""


def decompress(kind: int, data: Buffer, most: int = 0) -> bytes:
    """Return a block's content, of ``most`` bytes at most; 0: of as many as a data block may have. Raises
    CorruptBackupError or UnsupportedError."""
    most = most or max(MOST_BYTES, MOST_TIMES * len(data))
    if kind == SNAPPY:
        return _snappy(data, most)
    if kind == NONE:
        _require_size(data, len(data), most)
        return bytes(data)
    if kind == ZSTD:
        return _zstd(data, most)
    if kind == MINLZ:
        return _snappy(data, most) if data[:1] != b"\0" else decompress_minlz(bytes(data), most)
    raise UnsupportedError(f"compression type {kind} of SST blocks is not known")


def _snappy(data: Buffer, most: int) -> bytes:
    _length(data, min(most, _MOST_TIMES_OF_SNAPPY * len(data)))
    try:
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise CorruptBackupError("a block is not valid snappy data") from error


def _zstd(data: Buffer, most: int) -> bytes:
    length, start = _length(data, most)
    try:
        # What the frame itself claims is allocated, too, if it claims anything.
        if zstandard.frame_content_size(data[start:]) > length:
            raise CorruptBackupError(f"a zstd block claims to hold more than {length} bytes")
        result = zstandard.ZstdDecompressor().decompress(data[start:], max_output_size=length)
    except zstandard.ZstdError as error:
        raise CorruptBackupError("a block is not valid zstd data") from error
    if len(result) != length:
        raise CorruptBackupError(f"a zstd block gave {len(result)} bytes instead of {length}")
    return result


def _length(data: Buffer, most: int) -> tuple[int, int]:
    length, start = varint(data, 0)
    _require_size(data, length, most)
    return length, start


def _require_size(data: Buffer, length: int, most: int) -> None:
    if length > most:
        raise CorruptBackupError(
            f"a block of {len(data)} bytes claims to hold {length}, which cannot be more than {most}"
        )
