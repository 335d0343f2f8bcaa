# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The rows that PostgreSQL sends for a ``COPY … TO STDOUT``: they are counted and summed up while they arrive."""

from __future__ import annotations

from ..._values.copy_text import unescape_controls
from ..._values.line_block import split_lines
from ..._values.row_checksum import line_checksums

_BLOCK_BYTES = 1 << 18


class ReadRows:
    """A file for psycopg2's ``copy_expert``, which writes a row at a time; ``end`` follows the last one.

    ``escaped``: whether the text can have a backslash.
    """

    def __init__(self, escaped: bool) -> None:
        self.rows = 0
        self.checksum = 0
        self._escaped = escaped
        self._lines: list[bytes] = []
        self._bytes = 0

    def write(self, line: bytes) -> None:
        """Take a row, as COPY text with its newline."""
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes > _BLOCK_BYTES:
            self.end()

    def end(self) -> None:
        """Sum up the rows that were taken since the last time."""
        # A wide row is not copied together with those before it.
        wide = [self._lines.pop()] if self._lines and len(self._lines[-1]) > _BLOCK_BYTES else []
        self._sum_up(b"".join(self._lines))
        self._lines.clear()
        self._bytes = 0
        self._sum_up(b"".join(wide))

    def _sum_up(self, text: bytes) -> None:
        lines = split_lines(unescape_controls(text) if self._escaped else text)
        self.rows += len(lines)
        self.checksum += line_checksums(lines)
