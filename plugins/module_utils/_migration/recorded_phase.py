# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A phase on a dump whose end is recorded in a result file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .._dump.manifest import read_manifest
from .._model.results import Result
from .result_file import PhaseRecord, read_record, utc_now, write_record


@dataclass(frozen=True)
class PhasePlace:
    """What a phase worked on."""

    dump_id: str
    target: str
    """``host:port``, or empty."""


@dataclass(frozen=True)
class RecordedPhase:
    """One phase with one dump, in one run."""

    dump_dir: str
    target: str
    """``host:port``, or empty."""
    path: str
    """The result file. If empty, nothing is recorded."""
    run: str
    check: bool = False
    """Whether nothing is recorded all the same."""

    def record(self, result: Optional[Result], failure: str = "") -> PhasePlace:
        """Record how the phase ended, or why it did not; return what it worked on. Raises MigrationError."""
        place = PhasePlace(read_manifest(self.dump_dir).dump_id, self.target)
        if self.path and not self.check:
            record = PhaseRecord(place.dump_id, place.target, self.run, utc_now(), failure=failure, result=result)
            write_record(self.path, record)
        return place

    def has_succeeded(self, kind: type) -> bool:
        """Tell whether the phase, whose result is a ``kind``, succeeded the last time with this dump. Raises
        MigrationError."""
        record = read_record(self.path, kind) if self.path else None
        return record is not None and record.succeeded and record.dump_id == read_manifest(self.dump_dir).dump_id
