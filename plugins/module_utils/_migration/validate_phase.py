# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Validating the files of a dump as a phase of a migration, recorded and logged."""

from __future__ import annotations

from typing import Optional

from .._dump import dump_lock
from .._dump.dump_key import DumpKey
from .._dump.validate import validate_dump
from .._dump.written_chunks import WrittenChunks
from .._model.results import ValidateResult
from .._system.migration_log import MigrationLog
from .recorded_phase import PhasePlace, RecordedPhase

_MOST_PROBLEMS = 5
"""In a sentence; the result has all of them."""


def run_validation(
    phase: RecordedPhase,
    processes: int,
    log: MigrationLog,
    key: Optional[DumpKey] = None,
    written: Optional[WrittenChunks] = None,
) -> tuple[ValidateResult, PhasePlace]:
    """Compare the files with the manifest; not the chunks that were ``written`` now and read again. ``key`` is that of
    an encrypted dump. Raises MigrationError if the manifest cannot be used."""
    with dump_lock.reading(phase.dump_dir):
        result = validate_dump(phase.dump_dir, processes, log.progress, key, written)
    place = phase.record(result)
    if result.succeeded:
        for finding in result.findings:
            log.write(f"{finding.object}: {finding.message}")
        log.write(f"{result.chunks} chunks with {result.rows} rows are as the manifest says")
    return result, place


def damage(dump_dir: str, result: ValidateResult) -> str:
    """Return one sentence that names the first problems of a dump that is damaged, and what to do."""
    return f"the dump in {dump_dir} is damaged: {'; '.join(result.problems[:_MOST_PROBLEMS])}; make it again"
