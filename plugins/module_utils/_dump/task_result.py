# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a task of an export has done, as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .._values.problem_rows import Change
from .manifest import Chunk, RejectFile


@dataclass(frozen=True)
class TaskResult:
    """A task that is finished; its files are on disk. Its JSON value is a line of the journal."""

    key: str
    """The task's name in the journal."""
    table_id: int
    """The descriptor id of the table, 0 for a task without rows."""
    chunk: Optional[Chunk] = None
    rows: Optional[int] = None
    """Of the chunk."""
    changes: list[Change] = field(default_factory=list)
    """The values that a policy changed."""
    rejects: Optional[RejectFile] = None
    """The file of the rejected rows."""
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    """Why rows were rejected: column, kind of the value, number of rows."""
    tally: Optional[dict[str, int]] = None
    """What the source has counted for its proof, see ``TaskReading``."""

    @property
    def rows_read(self) -> int:
        """How many rows the source gave, with the rejected ones."""
        return (self.rows or 0) + (self.rejects.rows if self.rejects else 0)
