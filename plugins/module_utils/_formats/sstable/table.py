# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One SST: opened from its footer, checked to be whole, read block by block."""

from __future__ import annotations

import contextlib
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Optional

from ..._errors import CorruptBackupError, UnsupportedError
from ..packed_bytes import PackedBytes
from ..protobuf import varint
from . import columnar_block_arrays, columnar_blocks, row_block_arrays, row_blocks
from .block import MOST_METADATA, TRAILER, read_block, read_stored
from .footer import BLOB_VALUES, MAX_SIZE, TWO_LEVEL, Footer, Handle, parse_footer, parse_handle
from .metadata_blocks import TWO_LEVEL_INDEX, index_entries, name_values, value_blocks
from .range_keys import RangeTombstone, parse_range_keys

Points = tuple[list[bytes], list[bytes]]
PackedPoints = tuple[Sequence[bytes], Sequence[bytes]]
VersionedPoints = tuple[list[bytes], list[bytes], list[bytes]]

VERSION_LENGTHS = (0, 9, 13, 14)
PROPERTIES, INDEX_TYPE = b"rocksdb.properties", b"rocksdb.block.based.table.index.type"
RANGE_KEY, VALUE_INDEX = b"pebble.range_key", b"pebble.value_index"
RANGE_DELETIONS = (b"rocksdb.range_del", b"rocksdb.range_del2")
BLOB_INDEX = b"pebble.blob_ref_index"
KEY_SCHEMA, CRDB_SCHEMA = b"pebble.colblk.schema", b"crdb1"
VALUE_PREFIX_KINDS = 0x40
"""The first value prefix of a value that is not in the block itself."""
KEPT_BYTES = 1 << 20
"""The largest block that is kept after it was read."""
FEW_BYTES = 1 << 18
"""So many bytes of blocks have too few entries for numpy."""


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Context manager: puts the file's name before the message of an error, and turns errors caused by damaged bytes
    into CorruptBackupError."""
    try:
        yield
    except (CorruptBackupError, UnsupportedError) as error:
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name}: {error}") from error
    except (IndexError, ValueError, struct.error, OverflowError, MemoryError) as error:
        raise CorruptBackupError(f"{name}: the file is damaged ({error}): copy it again from the original") from error


class Table:
    """``bounds[i]`` is a roach key that no key of block i exceeds; ``sizes[i]`` its stored bytes."""

    def __init__(self, file, verify: bool = True) -> None:
        """``file`` has ``name``, ``size``, ``read(offset, length)`` and ``read_again(offset, length, problem)``, which
        does not return what it holds already. Raises CorruptBackupError or UnsupportedError naming it."""
        self.file = file
        self.verify = verify
        self.name: str = file.name
        self._last: tuple[int, bytes] = (-1, b"")
        self._value_block: tuple[int, bytes] = (-1, b"")
        self._value_end = (0, 0)
        """The block and the place up to which values of the data block at hand were read in value blocks."""
        with named(self.name):
            self.footer: Footer = self._read_footer()
            self._read_structure()

    @property
    def format(self) -> str:
        """Such as ``pebble v7``."""
        return self.footer.name

    def _read_footer(self) -> Footer:
        size = self.file.size
        return parse_footer(self.file.read(max(0, size - MAX_SIZE), min(size, MAX_SIZE)))

    def _block(self, handle: Handle, most: int = 0) -> bytes:
        return read_block(self.file, handle, self.footer.checksum, self.verify, most)

    def _metadata(self, handle: Handle) -> bytes:
        return self._block(handle, MOST_METADATA)

    def _read_structure(self) -> None:
        """Find all blocks, verify the checksums of those that no scan reads, and check that the blocks fill the file
        from its start to the footer."""
        footer = self.footer
        if footer.attributes & BLOB_VALUES:
            raise UnsupportedError("it keeps values in blob files, which no backup does")
        metaindex = name_values(self._metadata(footer.metaindex))
        handles = [footer.metaindex, footer.index]
        self.properties: dict[bytes, bytes] = {}
        self.tombstones: list[RangeTombstone] = []
        self._value_blocks: list[Handle] = []
        for name, value in metaindex.items():
            handle, position = parse_handle(value, 0)
            handles.append(handle)
            if name == PROPERTIES:
                self.properties = name_values(self._metadata(handle))
            elif name == RANGE_KEY:
                self.tombstones = parse_range_keys(self._metadata(handle), footer.columnar)
            elif name == VALUE_INDEX:
                self._value_blocks = value_blocks(self._metadata(handle), value[position:])
                for value_handle in self._value_blocks:
                    read_stored(self.file, value_handle, footer.checksum, self.verify)
                handles += self._value_blocks
            elif name in RANGE_DELETIONS:
                self._refuse_range_deletions(handle)
            elif name == BLOB_INDEX:
                raise UnsupportedError("it keeps values in blob files, which no backup does")
            else:
                # Filters and statistics (pebble.tiering_histogram): nothing that the rows depend on.
                read_stored(self.file, handle, footer.checksum, self.verify)
        if footer.columnar and self.properties.get(KEY_SCHEMA) != CRDB_SCHEMA:
            schema = self.properties.get(KEY_SCHEMA, b"").decode("utf-8", "replace")
            raise UnsupportedError(
                f"its keys are split into columns by the schema {schema!r}, where only {CRDB_SCHEMA.decode()} is known"
            )
        data = self._read_index(handles)
        self.bounds = [_bound(separator) for separator, _handle in data]
        self.handles = [handle for _separator, handle in data]
        self.sizes = [handle[1] for handle in self.handles]
        # The names of the metaindex may share a block; each data block is read once.
        if len(set(self.handles)) != len(self.handles):
            raise CorruptBackupError("its index names a block twice")
        _check_tiling(handles + self.handles, self.file.size - footer.size)

    def _read_index(self, handles: list[Handle]) -> list[tuple[bytes, Handle]]:
        footer = self.footer
        top = index_entries(self._metadata(footer.index), footer.columnar)
        kind = int.from_bytes(self.properties.get(INDEX_TYPE, b"")[:4], "little")
        if kind != TWO_LEVEL_INDEX and not footer.attributes & TWO_LEVEL:
            return top
        result = []
        for _separator, handle in top:
            handles.append(handle)
            result += index_entries(self._metadata(handle), footer.columnar)
            if len(result) * TRAILER > self.file.size:
                raise CorruptBackupError(f"its index names {len(result)} blocks, for which the file is too small")
        return result

    def _refuse_range_deletions(self, handle: Handle) -> None:
        block = self._metadata(handle)
        if self.footer.columnar:
            empty = not columnar_blocks.ColumnarBlock(block, columnar_blocks.KEYSPAN_HEADER).rows
        else:
            empty = not row_blocks.entries(block)
        if not empty:
            raise UnsupportedError("it deletes ranges of engine keys, which no backup does")

    def find(self, key: bytes) -> int:
        """Return the number of the first block that may hold ``key`` or greater ones."""
        return bisect_left(self.bounds, key)

    def expect(self, first: int, last: int, piece: int) -> None:
        """Say that the blocks ``first`` to ``last`` will be read in order: the file fetches them in pieces of so many
        bytes."""
        if first <= last < len(self.handles):
            offset, length = self.handles[last]
            self.file.expect(self.handles[first][0], offset + length + TRAILER, piece)

    def compression_ratio(self) -> float:
        """Return how many bytes of keys and values one stored byte holds, measured on a block in the middle."""
        if not self.handles:
            return 0.0
        middle = len(self.handles) // 2
        keys, values = self.points(middle)
        return (sum(map(len, keys)) + sum(map(len, values))) / self.sizes[middle]

    def points(self, number: int) -> Points:
        """Return the roach keys and values of block ``number``."""
        with named(self.name):
            return self._points(self._data_block(number))

    def versioned_points(self, number: int) -> VersionedPoints:
        """Like ``points``, with each version's timestamp (bytes that sort as time) after the keys."""
        with named(self.name):
            return self._versioned_points(self._data_block(number))

    def points_of_blocks(self, first: int, stop: int, most_bytes: int) -> tuple[PackedPoints, int]:
        """Return the roach keys and values of the blocks from ``first`` on, before ``stop``, and the number of the next
        block: about ``most_bytes`` of blocks, at least one."""
        with named(self.name):
            blocks: list[bytes] = []
            size = 0
            while first < stop and (not blocks or size + self.sizes[first] <= most_bytes):
                blocks.append(self._data_block(first))
                size += len(blocks[-1])
                first += 1
            found = self._packed_points(blocks) if size > FEW_BYTES else None
            return found or self._points_one_by_one(blocks), first

    def _data_block(self, number: int) -> bytes:
        """Return the content of a data block. The last one asked for is kept if it is not large."""
        if self._last[0] == number:
            return self._last[1]
        self._last = (-1, b"")
        block = self._block(self.handles[number])
        if len(block) <= KEPT_BYTES:
            self._last = number, block
        return block

    def _packed_points(self, blocks: list[bytes]) -> Optional[tuple[PackedBytes, PackedBytes]]:
        """Return the points of blocks in their usual form, else None."""
        if self.footer.columnar:
            return columnar_block_arrays.points(blocks)
        found = row_block_arrays.points(blocks)
        if found is None or not self.footer.value_prefixes:
            return found
        keys, values = found
        if not values.lengths().all() or (values.data[values.starts] >= VALUE_PREFIX_KINDS).any():
            return None
        return keys, PackedBytes(values.content, values.starts + 1, values.ends)

    def _points_one_by_one(self, blocks: list[bytes]) -> Points:
        keys: list[bytes] = []
        values: list[bytes] = []
        for block in blocks:
            more_keys, more_values = self._points(block)
            keys += more_keys
            values += more_values
        return keys, values

    def _points(self, block: bytes) -> Points:
        if self.footer.columnar:
            keys, values, external = columnar_blocks.points(block)
            return keys, self._fetch_external(values, external)
        keys, values = row_blocks.points(block)
        return keys, self._strip_prefixes(values)

    def _versioned_points(self, block: bytes) -> VersionedPoints:
        if self.footer.columnar:
            keys, versions, values, external = columnar_blocks.versioned_points(block)
            return keys, versions, self._fetch_external(values, external)
        keys, versions, values = row_blocks.versioned_points(block)
        return keys, versions, self._strip_prefixes(values)

    def _strip_prefixes(self, values: list[bytes]) -> list[bytes]:
        if not self.footer.value_prefixes:
            return values
        if values and max(value[0] for value in values) < VALUE_PREFIX_KINDS:
            return [value[1:] for value in values]
        self._value_end = (0, 0)
        return [self._value(value) for value in values]

    def _fetch_external(self, values: list[bytes], external: list[bool]) -> list[bytes]:
        self._value_end = (0, 0)
        return (
            [self._value(value) if outside else value for value, outside in zip(values, external)]
            if external
            else values
        )

    def _value(self, stored: bytes) -> bytes:
        """Return the value that a prefix points to: the bytes after it, or the bytes of a value block."""
        kind = stored[0] >> 6
        if kind == 0:
            return stored[1:]
        if kind != 2:
            raise UnsupportedError(f"value prefix {stored[0]:#x} is not known")
        length, position = varint(stored, 1)
        number, position = varint(stored, position)
        offset, position = varint(stored, position)
        # Pebble appends them in the order of their keys (sstable/valblk/writer.go), so that each block is read once.
        if (number, offset) < self._value_end:
            raise CorruptBackupError("its values are not in the order of its value blocks")
        self._value_end = number, offset + length
        if self._value_block[0] != number:
            self._value_block = number, self._block(self._value_blocks[number])
        value = self._value_block[1][offset : offset + length]
        if len(value) != length:
            raise CorruptBackupError("a value lies outside its value block")
        return value


def _bound(separator: bytes) -> bytes:
    """Return the roach key of an engine key. A separator that is not an engine key is returned as it is."""
    length = separator[-1] if separator else 0
    return separator[: -1 - length] if length in VERSION_LENGTHS and length < len(separator) else separator


def _check_tiling(handles: list[Handle], end: int) -> None:
    position = 0
    for offset, length in sorted(set(handles)):
        if offset != position:
            raise CorruptBackupError(
                f"the blocks leave a gap or overlap at byte {min(offset, position)}: copy it again from the original"
            )
        position = offset + length + TRAILER
    if position != end:
        raise CorruptBackupError(
            f"the blocks end at byte {position}, the footer begins at {end}: copy it again from the original"
        )
