# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Importing a dump as a phase of a migration, recorded and logged: into a target or the rehearsal's server."""

from __future__ import annotations

from .._dump import dump_lock
from .._errors import MigrationError
from .._model.results import ImportResult
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.load.how_far import how_far
from .._postgres.load.import_plan import ImportOptions
from .._postgres.load.load import import_dump
from .._system.migration_log import MigrationLog
from .recorded_phase import PhasePlace, RecordedPhase

_BEGUN = "the import was begun and has not ended"
_TWO_WAYS = (
    "The same command goes on from there; the playbook rollback shows what was made, and removes it with "
    "-e rollback_confirmed=true"
)


def run_import(
    phase: RecordedPhase, parameters: ConnectionParameters, options: ImportOptions, log: MigrationLog
) -> tuple[ImportResult, PhasePlace]:
    """Import the dump. An import that fails stays recorded as one that has not ended, with how far it is. Raises
    MigrationError."""
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        phase.record(None, _BEGUN)

    try:
        with dump_lock.reading(phase.dump_dir):
            result = import_dump(phase.dump_dir, parameters, options, log.progress, begin, log.write)
    except MigrationError as error:
        # The rehearsal's server is no target: it is gone at once.
        if not begun or not phase.target:
            raise
        text = f"{error}. {_how_far(phase, parameters, options)}"
        phase.record(None, text)
        raise MigrationError(text) from error
    place = phase.record(result)
    if result.changed:
        log.write(f"imported {phase.dump_dir} into {phase.target} in {result.seconds} s")
    return result, place


def _how_far(phase: RecordedPhase, parameters: ConnectionParameters, options: ImportOptions) -> str:
    try:
        lines = "; ".join(how_far(phase.dump_dir, parameters, options))
    except MigrationError as error:
        lines = f"the ledger in its databases says, which cannot be read now ({error})"
    return f"How far the import into {phase.target} is: {lines}. {_TWO_WAYS}"
