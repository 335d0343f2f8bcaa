# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Chunks that are read again as soon as they are written, so that a validation need not read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from .._errors import MigrationError
from . import stored_sizes
from .chunk_files import READ_BYTES, open_chunk, read_lines
from .dump_key import DumpKey
from .manifest import MAKE_AGAIN, Chunk


@dataclass
class WrittenChunks:
    """The chunks that were read again, and found as they were written."""

    files: set[tuple[int, str]] = field(default_factory=set)
    """The id of the table and the name of the file."""
    sizes: stored_sizes.Sizes = field(default_factory=dict)
    """What was measured in them."""

    def add(self, table_id: int, chunk: Chunk, sizes: stored_sizes.Sizes) -> None:
        """Take a chunk over."""
        self.files.add((table_id, chunk.file))
        stored_sizes.merge(self.sizes, sizes)


def check_written(
    path: str, chunk: Chunk, wanted: Sequence[stored_sizes.Measured], key: Optional[DumpKey] = None
) -> stored_sizes.Sizes:
    """Read the file of a chunk whose rows were summed up while it was written; return what was measured.

    ``key`` is that of an encrypted dump. The row checksum is that of the text that was compressed, and zstd's own
    checksum says whether it is the text that the file gives. Raises MigrationError for a file that is not what was
    written.
    """
    rows = size = 0
    sizes: stored_sizes.Sizes = {}
    with open_chunk(path, key) as reader:
        if wanted:
            for lines in read_lines(reader):
                rows += len(lines)
                size += sum(map(len, lines)) + len(lines)
                stored_sizes.merge(sizes, stored_sizes.measure(lines, wanted))
                del lines
        else:
            while text := reader.read(READ_BYTES):
                rows += text.count(b"\n")
                size += len(text)
        reader.verify(chunk)
    if (rows, size) != (chunk.rows, chunk.text_bytes):
        raise MigrationError(f"the dump's chunk {path} does not hold what was written to it: {MAKE_AGAIN}")
    return sizes
