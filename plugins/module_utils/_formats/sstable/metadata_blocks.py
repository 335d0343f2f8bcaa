# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The metadata blocks of an SST: index, metaindex, properties and value index."""

from __future__ import annotations

from ..._errors import CorruptBackupError
from . import row_blocks
from .columnar_blocks import ColumnarBlock
from .footer import Handle, parse_handle

TWO_LEVEL_INDEX = 2


def name_values(block: bytes) -> dict[bytes, bytes]:
    """Read a metaindex or properties block. A row block begins with 0x00, a columnar one with its version, 0x01."""
    if block[:1] == b"\x01":
        columns = ColumnarBlock(block)
        return dict(zip(columns.strings(0), columns.strings(1)))
    return dict(row_blocks.entries(block))


def index_entries(block: bytes, columnar: bool) -> list[tuple[bytes, Handle]]:
    """Return (separator as an engine key, handle) of an index block; the block's keys are <= its separator."""
    if columnar:
        columns = ColumnarBlock(block)
        return list(zip(columns.strings(0), zip(columns.uints(1), columns.uints(2))))
    return [(key[: -row_blocks.TRAILER], parse_handle(value, 0)[0]) for key, value in row_blocks.entries(block)]


def value_blocks(index: bytes, widths: bytes) -> list[Handle]:
    """Read the value index: rows of block number, offset and length, each as wide as ``widths`` says."""
    width = sum(widths)
    if len(widths) != 3 or not width or len(index) % width:
        raise CorruptBackupError("the index of its value blocks is damaged")
    result: list[Handle] = []
    for place in range(0, len(index), width):
        middle, last = place + widths[0], place + widths[0] + widths[1]
        if int.from_bytes(index[place:middle], "little") != len(result):
            raise CorruptBackupError("its value blocks are not numbered one after the other")
        result.append(
            (int.from_bytes(index[middle:last], "little"), int.from_bytes(index[last : place + width], "little"))
        )
    return result
