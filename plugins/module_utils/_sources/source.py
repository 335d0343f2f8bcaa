# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What an export asks of a source: a backup's own files, or a CockroachDB that answers over SQL.

A source gives the catalog and the rows of one moment, as PostgreSQL's COPY text, and proves that they are all there. It
knows nothing of the dump that they become.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Generic, Optional, Protocol, TypeVar

from .._errors import CockroachError
from .._model.catalog import Catalog
from .._model.findings import Finding
from .._model.object_numbers import ObjectNumbers
from .._model.table_source import TableSource
from .._values.line_block import LineBlock
from .._values.problem_rows import Change, RejectedRow
from .._values.value_policies import ValuePolicies

WriteBlock = Callable[[LineBlock], None]
"""Takes rows."""
Result = TypeVar("Result")


class MomentGoneError(CockroachError):
    """The source no longer keeps the rows of the moment that the export reads."""


@dataclass(frozen=True)
class OutputColumn:
    """A column of the COPY text."""

    name: str
    escaped: bool
    """False: the text never holds backslash, tab, newline or carriage return."""


@dataclass(frozen=True)
class OutputColumns:
    """The columns of a table's rows."""

    loaded: tuple[OutputColumn, ...]
    """The COPY column list."""
    computed: tuple[OutputColumn, ...]
    """The stored computed columns, whose text is for checksums only."""


class Task(Protocol):
    """A part of the source that one process reads: the rows of one chunk, or what is only counted for the proof."""

    @property
    def table_id(self) -> int:
        """The descriptor id of the table, 0 when no rows are asked for."""

    @property
    def chunk(self) -> int:
        """The number of the chunk within its table, from 1; 0 when no rows are asked for."""

    @property
    def key(self) -> str:
        """The name of the task in the journal: the same in every run of the same export."""

    @property
    def weight(self) -> int:
        """The size in a unit of the source's own, so that all processes end together."""


TaskType = TypeVar("TaskType", bound=Task)


@dataclass(frozen=True)
class ReadRequest:
    """Which rows an export reads, and how."""

    tables: Mapping[int, TableSource]
    """The chosen tables by descriptor id, with their names in PostgreSQL."""
    policies: ValuePolicies
    """For values that PostgreSQL cannot hold."""
    chunk_rows: int
    """About how many rows a chunk has."""
    parallelism: int
    """How many processes read."""


@dataclass(frozen=True)
class Plan(Generic[TaskType]):
    """All tasks of an export, and about how many bytes its chunks will take. Tasks that lie beside each other in the
    source follow each other here."""

    tasks: Sequence[TaskType]
    stored_bytes: int = 0
    """Of rows that the source itself keeps compressed, as well as chunks are."""
    text_bytes: int = 0
    """Of rows as text, which is not yet compressed."""


@dataclass(frozen=True)
class TaskReading:
    """What a task reported besides its rows."""

    changes: list[Change] = field(default_factory=list)
    """The values that a policy changed."""
    rejects: list[RejectedRow] = field(default_factory=list)
    """The rejected rows, as ``ProblemRows.take`` returns them."""
    tally: Optional[dict[str, int]] = None
    """What the source has counted for its proof; None for a source that counts nothing."""


@dataclass(frozen=True)
class FinishedTask:
    """What the proof needs to know of a task, of this run or an earlier one."""

    table_id: int
    rows: int
    """Written and rejected ones."""
    tally: Mapping[str, int]
    """As ``TaskReading`` has it."""


class Source(Protocol[TaskType]):
    """A source of rows.

    Everything up to ``object_numbers`` is asked inside of a ``with`` block, in the order in which it stands here;
    ``plan`` and what follows after that block. ``retrying`` and ``read`` are called in forks of the process that
    planned. Every method raises MigrationError, in one line that names the object and what to do.
    """

    counts_to_plan: bool
    """Whether planning has the server count the tables' rows, which check mode spares it."""

    @abstractmethod
    def __enter__(self) -> Any:
        """Open the source for its catalog."""

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """Close what ``__enter__`` opened."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return JSON values that distinguish the content from any other, but for a moment that ``choose_moment``
        chooses."""

    @abstractmethod
    def choose_moment(self, begun: str) -> str:
        """Fix the moment that is read, and return it as a decimal timestamp; empty when the identity implies it.

        ``begun`` is the moment of an interrupted export of the same identity, which is resumed; empty for a new
        one.
        """

    @abstractmethod
    def catalog(self) -> Catalog:
        """Return everything that the source holds at the moment."""

    @abstractmethod
    def read_chosen(self, chosen: Catalog, parallelism: int) -> None:
        """Fill in what is read of the chosen objects only: the values of sequences. Refuses tables whose rows cannot
        all be read by so many processes."""

    @abstractmethod
    def object_numbers(self, chosen: Catalog) -> tuple[ObjectNumbers, list[Finding]]:
        """Return the numbers that object identifiers in rows hold, and what has to be said of them."""

    @abstractmethod
    def plan(self, request: ReadRequest) -> Plan[TaskType]:
        """Cut the chosen tables into tasks."""

    @abstractmethod
    def columns(self, table_id: int) -> OutputColumns:
        """Return the columns of a planned table's rows."""

    def read_next(self, tasks: Sequence[TaskType]) -> None:
        """Take notice of the tasks that this process will most likely read, in their order, after the one that it
        reads now."""

    @abstractmethod
    def retrying(self, task: TaskType, action: Callable[[], Result]) -> Result:
        """Return what ``action`` returns, which reads a task; it is called again after an error that passes."""

    @abstractmethod
    def read(self, task: TaskType, write: WriteBlock) -> TaskReading:
        """Give the rows of a task to ``write``, block by block in the order of the primary key. A task without a chunk
        gives none."""

    @abstractmethod
    def prove(self, finished: Iterable[FinishedTask]) -> list[Finding]:
        """Raise MigrationError unless all rows have been read, as far as the source can prove it; return what
        cannot be proved, and what the source lacks."""

    @abstractmethod
    def findings(self) -> list[Finding]:
        """Return what was found in the source itself, not in its catalog."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of the source, as JSON values without secrets."""
