# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The SSTs that one process has open, and those that it opens in threads before it reads them."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Optional

from ..._errors import CorruptBackupError
from ..._formats.sstable.table import Table
from .file_spans import FileSpan
from .read_ahead import LIMIT, PIECE, SMALLEST_PIECE, Fetch, ReadAhead
from .stored_file import Ends, open_file, read_ends, size_of_ends

CACHE_BYTES = 32 << 20
"""Bytes of memory for the files that stay open, without what is read ahead of them."""
_MOST_TABLES = 128
_TABLE_BYTES, _BLOCK_BYTES = 20 << 10, 400
"""About what each of them, and each of its blocks, takes beside the file's bytes."""
FILES_AHEAD = 16
"""How many files are opened ahead, of all that are read side by side."""


class OpenTables:
    """Holds few large files or many small ones. ``close`` it before the process forks; the tables are inherited."""

    def __init__(self, keys: Sequence[Optional[bytes]], verify: bool) -> None:
        """``keys`` are each layer's data key; ``verify`` whether checksums are."""
        self._keys, self._verify = keys, verify
        self._ahead = ReadAhead()
        self._tables: OrderedDict[str, Table] = OrderedDict()
        self._opening: dict[str, Fetch[Ends]] = {}
        self._size = 0
        self._held: Counter[str] = Counter()
        self.streams = 1
        """How many files are read side by side, which share the memory."""

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _ahead=ReadAhead(), _tables=OrderedDict(), _opening={}, _size=0, _held=Counter())

    def get(self, source: FileSpan, index_only: bool = False) -> Table:
        """Open a file, or return it as it was opened; one that is damaged is read once more. ``index_only``: no block
        of it is needed now. Raises MigrationError naming it."""
        name = source.ref.path
        table = self._tables.get(name)
        if table is None:
            table = source.storage.read_twice_if_damaged(source.path, partial(self._open, source, index_only))
            self._tables[name] = table
            self._size += _size(table)
            self._make_room(name)
        self._tables.move_to_end(name)
        return table

    def _open(self, source: FileSpan, index_only: bool) -> Table:
        ends = self._ends(source, index_only)
        file = open_file(source.storage, source.path, self._keys[source.ref.layer], ends, self._ahead)
        if source.entry.sha512 and self._verify:
            _check_sha512(file, source.entry.sha512)
        return Table(file, self._verify)

    def open_ahead(self, sources: Iterable[FileSpan], index_only: bool = False) -> None:
        """Begin to open the next files, as far as there is room."""
        for source in sources:
            name = source.ref.path
            if name not in self._tables and name not in self._opening:
                size = size_of_ends(source.size, index_only)
                fetch = self._ahead.begin(size, self._reading(source, index_only), leaving=LIMIT // 2)
                if fetch is None:
                    return
                self._opening[name] = fetch

    def is_ready(self, source: FileSpan) -> bool:
        """Whether a file is open, or what ``get`` needs to open it is there."""
        opening = self._opening.get(source.ref.path)
        return source.ref.path in self._tables or (opening is not None and opening.done())

    @property
    def files_ahead(self) -> int:
        """How many of the next files each stream may open ahead, its current one included."""
        return max(2, FILES_AHEAD // self.streams)

    def expect(self, table: Table, first: int, last: int) -> None:
        """Say that the blocks ``first`` to ``last`` of a table will be read in order."""
        piece = LIMIT // (4 * self.streams)
        table.expect(first, last, max(SMALLEST_PIECE, min(PIECE, piece)))

    @contextlib.contextmanager
    def held(self, source: FileSpan) -> Iterator[None]:
        """Context manager: the file stays open, once it is."""
        self._held[source.ref.path] += 1
        try:
            yield
        finally:
            self._held[source.ref.path] -= 1

    def forget(self, source: FileSpan) -> None:
        """Drop what was read ahead of a file that was read to its end."""
        table = self._tables.get(source.ref.path)
        if table:
            table.file.forget()

    def keep(self, names: set[str]) -> None:
        """Drop what was read ahead of all files but these."""
        for name in self._opening.keys() - names:
            self._opening.pop(name).drop()
        for name, table in self._tables.items():
            if name not in names:
                table.file.forget()

    def close(self) -> None:
        """Drop what was read ahead, and end the threads until they are needed again."""
        self.keep(set())
        self._ahead.close()

    def _make_room(self, opened: str) -> None:
        if self._size <= CACHE_BYTES and len(self._tables) <= _MOST_TABLES:
            return
        for name in [name for name in self._tables if name != opened and not self._held[name]]:
            table = self._tables.pop(name)
            table.file.forget()
            self._size -= _size(table)
            if self._size <= CACHE_BYTES and len(self._tables) <= _MOST_TABLES:
                return

    def _reading(self, source: FileSpan, index_only: bool) -> partial[Ends]:
        # Of an encrypted file the first bytes are needed first.
        size = None if self._keys[source.ref.layer] else source.size
        return partial(read_ends, source.storage, source.path, size, index_only)

    def _ends(self, source: FileSpan, index_only: bool) -> Ends:
        fetch = self._opening.pop(source.ref.path, None)
        if fetch is None:
            return self._reading(source, index_only)()
        try:
            return fetch.result()
        finally:
            fetch.drop()


def _size(table: Table) -> int:
    return table.file.held + _TABLE_BYTES + len(table.handles) * _BLOCK_BYTES


def _check_sha512(file, expected: bytes) -> None:
    digest = hashlib.sha512()
    file.expect(0, file.size, PIECE)
    for offset in range(0, file.size, PIECE):
        digest.update(file.read(offset, PIECE))
    if digest.digest() != expected:
        raise CorruptBackupError(
            f"{file.name}: its SHA-512 is not the one in the manifest: the file is damaged, copy it again from the "
            "original"
        )
