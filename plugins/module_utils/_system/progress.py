# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How far a phase is; as text, what migration.log has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Progress:
    """How many of a phase's tasks, chunks, statements or tables' pieces are done."""

    done: int
    total: int
    rows: Optional[int] = None
    """How many rows these hold; None where rows are not counted."""
    phase: str = ""
    """The phase or the step of it; empty where a module has only one."""
    database: str = ""
    """Empty if the phase takes all databases together."""

    def __str__(self) -> str:
        parts = {"phase": self.phase, "database": self.database, "done": self.done, "total": self.total}
        shown = [f"{name} {value}" for name, value in parts.items() if value != ""]
        return ", ".join([*shown, *([] if self.rows is None else [f"rows {self.rows}"])])


@dataclass(frozen=True)
class RestoreProgress:
    """How far CockroachDB says that its RESTORE job is."""

    job: int
    percent: int

    def __str__(self) -> str:
        return f"restore job {self.job}, percent {self.percent}"


ReportProgress = Callable[[Progress], None]
ReportRestoreProgress = Callable[[RestoreProgress], None]
