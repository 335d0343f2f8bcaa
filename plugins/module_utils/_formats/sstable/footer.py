# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The footer of an SST: its table format and the place of its index."""

from __future__ import annotations

from dataclasses import dataclass

from ..._errors import CorruptBackupError, UnsupportedError
from ..checksums import CRC32C, KINDS, masked_crc32c
from ..protobuf import varint

Handle = tuple[int, int]
"""Offset and length of a block without its trailer."""

LEVELDB, ROCKSDB, PEBBLE = "leveldb", "rocksdb", "pebble"
MAGIC = {
    bytes.fromhex("57fb808b247547db"): LEVELDB,
    bytes.fromhex("f7cff485b741e288"): ROCKSDB,
    bytes.fromhex("f09faab3f09faab3"): PEBBLE,
}
MAX_SIZE = 61
TWO_LEVEL = 32
BLOB_VALUES = 64


@dataclass(frozen=True)
class Footer:
    """``size`` in bytes; ``attributes`` are Pebble's bits of format 7 and later."""

    family: str
    version: int
    checksum: int
    metaindex: Handle
    index: Handle
    size: int
    attributes: int = 0

    @property
    def columnar(self) -> bool:
        """Whether data and index blocks are columnar."""
        return self.family == PEBBLE and self.version >= 5

    @property
    def value_prefixes(self) -> bool:
        """Whether each value of a row block begins with a prefix byte."""
        return self.family == PEBBLE and self.version in (3, 4)

    @property
    def name(self) -> str:
        """The name of the format, such as ``pebble v7``."""
        return self.family if self.family == LEVELDB else f"{self.family} v{self.version}"


def parse_footer(tail: bytes) -> Footer:
    """Read the footer at the end of ``tail`` (the file's last 61 bytes, or all of a shorter file).

    Raises CorruptBackupError or UnsupportedError.
    """
    family = MAGIC.get(tail[-8:])
    if family is None:
        raise CorruptBackupError(
            f"it does not end as an SST does (last bytes {tail[-8:].hex() or 'missing'}): it is cut off or damaged"
        )
    if family == LEVELDB:
        body = _last(tail, 48)
        metaindex, index = _handles(body[:40], 0)
        return Footer(family, 0, CRC32C, metaindex, index, 48)
    version = int.from_bytes(tail[-12:-8], "little")
    if not (version == 2 if family == ROCKSDB else 1 <= version <= 8):
        raise UnsupportedError(f"{family} table format {version} is not known")
    size = 53 if version <= 5 else 57 if version == 6 else 61
    body = _last(tail, size)
    if body[0] not in KINDS:
        raise UnsupportedError(f"its footer names the unknown checksum type {body[0]}")
    attributes = 0
    if version >= 6:
        place = 41 if version == 6 else 45
        if int.from_bytes(body[place : place + 4], "little") != masked_crc32c(body[:place] + body[place + 4 :]):
            raise CorruptBackupError("its footer's checksum does not match")
        if version >= 7:
            attributes = int.from_bytes(body[41:45], "little")
    metaindex, index = _handles(body[:41], 1)
    return Footer(family, version, body[0], metaindex, index, size, attributes)


def _last(tail: bytes, size: int) -> bytes:
    if len(tail) < size:
        raise CorruptBackupError("it is shorter than its footer")
    return tail[-size:]


def _handles(body: bytes, position: int) -> tuple[Handle, Handle]:
    start = position
    metaindex, position = parse_handle(body, position)
    index, position = parse_handle(body, position)
    if any(body[position:]):
        raise CorruptBackupError("the padding of its footer is not empty")
    if body[start:position] != b"".join(encode_varint(number) for number in (*metaindex, *index)):
        raise CorruptBackupError("a number in its footer is not in its shortest form")
    return metaindex, index


def encode_varint(value: int) -> bytes:
    """Return the shortest base-128 form of a number, the inverse of ``protobuf.varint``."""
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def parse_handle(data: bytes, position: int) -> tuple[Handle, int]:
    """Read a block handle; return it and what follows."""
    offset, position = varint(data, position)
    length, position = varint(data, position)
    return (offset, length), position
