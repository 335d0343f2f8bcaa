# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Importing a dump as a phase of a migration, recorded and logged: into a target or the rehearsal's server."""

from __future__ import annotations

from .._dump import dump_lock
from .._model.results import ImportResult
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.load.import_plan import ImportOptions
from .._postgres.load.load import import_dump
from .._system.migration_log import MigrationLog
from .recorded_phase import PhasePlace, RecordedPhase

_BEGUN = "the import was begun and has not ended"


def run_import(
    phase: RecordedPhase, parameters: ConnectionParameters, options: ImportOptions, log: MigrationLog
) -> tuple[ImportResult, PhasePlace]:
    """Import the dump. An import that fails stays recorded as one that has not ended. Raises MigrationError."""

    def begin() -> None:
        phase.record(None, _BEGUN)

    with dump_lock.reading(phase.dump_dir):
        result = import_dump(phase.dump_dir, parameters, options, log.progress, begin, log.write)
    place = phase.record(result)
    if result.changed:
        log.write(f"imported {phase.dump_dir} into {phase.target} in {result.seconds} s")
    return result, place
