# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The source that reads a backup's own files: its tasks are ranges of keys, and byte counts prove that it
was read completely."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Callable, Optional

from ..._model.catalog import Catalog, UnfinishedImport
from ..._model.findings import Finding
from ..._model.object_numbers import ObjectNumbers, object_numbers
from ..._model.table_source import TableSource
from ..source import FinishedTask, OutputColumns, Plan, ReadRequest, Result, Source, TaskReading, WriteBlock
from .backup_request import BackupRequest
from .coverage import files_of, prove, unread_ranges
from .key_ranges import KeyRange, row_range, sequence_range
from .read_ahead import interruptible
from .reader import Backup, open_backup
from .row_decoder import RowDecoder, build_row_decoder
from .source_catalog import find_leftovers, source_catalog
from .values import decode_sequence_value

DEFAULT_BYTES_PER_ROW = 150
CHUNK_BYTES = 256 << 20
"""About how many uncompressed bytes of keys and values a chunk has at most, however large the rows are."""
COUNT_BYTES = 256 << 20
"""Uncompressed bytes of keys and values that one task without decoding reads."""


@dataclass(frozen=True)
class BackupTask:
    """One range of keys: the rows of one chunk, or (without a chunk) bytes that are only counted."""

    start: bytes
    end: bytes
    table_id: int = 0
    chunk: int = 0
    counted: bool = True
    """False when another task counts the same bytes (interleaved tables share their root's range)."""
    weight: int = 0
    """About how many bytes of keys and values."""

    @property
    def key(self) -> str:
        """The name of the task in the journal."""
        return f"{self.table_id}/{self.chunk}/{self.start.hex()}-{self.end.hex()}"


class BackupSource(Source[BackupTask]):
    """A backup, see source.Source. ``with`` finds its layers and reads their manifests."""

    kind = "backup"
    counts_to_plan = False

    def __init__(self, request: BackupRequest) -> None:
        self._request = request
        self._backup: Backup
        self._imports: dict[int, UnfinishedImport] = {}
        self._sequences: list[KeyRange] = []
        self._read: list[KeyRange] = []
        """What is decoded."""
        self._to_read: ReadRequest
        self._decoders: dict[int, RowDecoder] = {}

    def __enter__(self) -> BackupSource:
        with interruptible():
            self._backup = open_backup(self._request)
        return self

    def __exit__(self, *error: object) -> None:
        """Files are opened when they are needed; each process opens its own."""

    def identity(self) -> dict[str, Any]:
        """A backup has one content at each end time."""
        return {"cluster_id": self._backup.info.cluster_id, "end_time": list(self._backup.end_time)}

    def choose_moment(self, begun: str) -> str:
        """The end time, which the identity has."""
        return ""

    def catalog(self) -> Catalog:
        """Return what the descriptors and the system tables of the backup say."""
        found = source_catalog(self._backup)
        find_leftovers(self._backup, found)
        self._imports = found.unfinished_imports
        return found

    def read_chosen(self, chosen: Catalog, parallelism: int) -> None:
        """Read the values of the sequences."""
        for database in chosen.databases:
            for sequence in database.sequences:
                start, end = sequence_range(sequence)
                sequence.value = self._sequence_value(start, end)
                self._sequences.append((start, end))

    def object_numbers(self, chosen: Catalog) -> tuple[ObjectNumbers, list[Finding]]:
        """The descriptors' ids are those of the cluster that wrote the values."""
        return object_numbers(chosen), []

    def plan(self, request: ReadRequest) -> Plan[BackupTask]:
        """Cut the key ranges of the tables into chunks, and everything else in their files into ranges to count."""
        self._to_read = request
        with self._threads_ending():
            self._backup.open_to_split(
                (row_range(table.table), self._size(table)[1]) for table in request.tables.values()
            )
            tasks = [task for table in request.tables.values() for task in self._table_tasks(table)]
            tables = [table.table for table in request.tables.values()]
            self._read = [row_range(table) for table in tables if not table.primary_index.interleave_ancestors]
            self._read += self._sequences
            tasks += [BackupTask(start, end) for start, end in self._sequences]
            for start, end in unread_ranges(self._backup, self._read):
                tasks += [BackupTask(*piece) for piece in self._pieces(start, end, COUNT_BYTES)]
            files = files_of(self._backup, self._read).values()
        self._backup.close()
        return Plan(
            sorted(tasks, key=lambda task: (task.start, task.end)),
            stored_bytes=sum(entry.stored_size for entry in files),
            text_bytes=sum(entry.data_size or 0 for entry in files if not entry.stored_size),
        )

    def columns(self, table_id: int) -> OutputColumns:
        """Return the columns that the table's decoder writes."""
        decoder = self._decoder(table_id)
        return OutputColumns(decoder.columns, decoder.computed)

    def read_next(self, tasks: Sequence[BackupTask]) -> None:
        """Their files are opened while the task before them is read."""
        self._backup.read_next([(task.start, task.end) for task in tasks])

    def retrying(self, task: BackupTask, action: Callable[[], Result]) -> Result:
        """storage.py repeats the reading of a file; no whole task is repeated."""
        return action()

    def read(self, task: BackupTask, write: WriteBlock) -> TaskReading:
        """Decode the live rows of the range, and count the bytes of all its keys and values by file."""
        tally: dict[int, int] = {}
        if not task.chunk:
            with self._threads_ending():
                self._backup.count(task.start, task.end, tally)
            return TaskReading(tally=_counted(task, tally))
        decoder = self._decoder(task.table_id)
        batches = self._backup.scan(task.start, task.end, tally, self._imports.get(task.table_id))
        with self._threads_ending():
            for block in decoder.rows(batches):
                write(block)
                del block
        changes, rejects = decoder.problems.take()
        return TaskReading(changes, rejects, _counted(task, tally))

    def prove(self, finished: Iterable[FinishedTask]) -> list[Finding]:
        """Compare the bytes read of every file with its size in the backup's manifest (coverage.py)."""
        tally: Counter[int] = Counter()
        for task in finished:
            tally.update({int(number): size for number, size in task.tally.items()})
        return prove(self._backup, self._read, tally)

    def findings(self) -> list[Finding]:
        """Return what the layers and their files are."""
        return self._backup.findings

    def describe(self) -> dict[str, Any]:
        """Return locations, layers, releases and times of the backup."""
        return {**asdict(self._backup.info), "kind": self.kind}

    @contextlib.contextmanager
    def _threads_ending(self) -> Iterator[None]:
        """Context manager: after an error nothing is read ahead any more."""
        try:
            with interruptible():
                yield
        except BaseException:
            self._backup.close()
            raise

    def _table_tasks(self, table: TableSource) -> list[BackupTask]:
        start, end = row_range(table.table)
        if not self._backup.files(start, end):
            return []
        size, chunk_size = self._size(table)
        pieces = list(self._pieces(start, end, chunk_size))
        counted = not table.table.primary_index.interleave_ancestors
        weight = size // len(pieces)
        return [
            BackupTask(*piece, table.table.id, chunk, counted, weight) for chunk, piece in enumerate(pieces, start=1)
        ]

    def _size(self, table: TableSource) -> tuple[int, int]:
        """Return about how many bytes of keys and values a table has, and how many of them make a chunk."""
        files = self._backup.files(*row_range(table.table))
        size = sum(entry.data_size or 0 for entry in files)
        rows = sum(entry.rows for entry in files)
        row_bytes = max(1, size // rows) if rows else DEFAULT_BYTES_PER_ROW
        return size, min(CHUNK_BYTES, self._to_read.chunk_rows * row_bytes)

    def _pieces(self, start: bytes, end: bytes, target_bytes: int) -> Iterator[KeyRange]:
        bounds = [start, *self._backup.split(start, end, target_bytes), end]
        return zip(bounds, bounds[1:])

    def _sequence_value(self, start: bytes, end: bytes) -> Optional[int]:
        for _keys, values in self._backup.scan(start, end, {}):
            for value in values:
                return decode_sequence_value(value)
        return None

    def _decoder(self, table_id: int) -> RowDecoder:
        """Return the decoder of a table; the one used last is kept, as a table's tasks follow each other."""
        if table_id not in self._decoders:
            table = self._to_read.tables[table_id]
            self._decoders = {
                table_id: build_row_decoder(
                    table.table, table.user_types, table.name, self._to_read.policies, table.object_names
                )
            }
        return self._decoders[table_id]


def _counted(task: BackupTask, tally: dict[int, int]) -> dict[str, int]:
    return {str(number): size for number, size in tally.items()} if task.counted else {}
