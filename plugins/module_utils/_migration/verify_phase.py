# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Verifying an import as a phase of a migration, recorded and logged: in a target or in the rehearsal's server."""

from __future__ import annotations

from .._dump import dump_lock
from .._errors import MigrationError
from .._model.results import VerifyResult
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.verify.verify import verify_dump
from .._postgres.verify.verify_options import VerifyOptions
from .._system.masking import forms_of, mask
from .._system.migration_log import MigrationLog
from .recorded_phase import PhasePlace, RecordedPhase


def run_verification(
    phase: RecordedPhase, parameters: ConnectionParameters, options: VerifyOptions, log: MigrationLog
) -> tuple[VerifyResult, PhasePlace]:
    """Compare the server with the dump. Raises MigrationError, which is recorded, if they cannot be compared."""
    try:
        with dump_lock.reading(phase.dump_dir):
            result = verify_dump(phase.dump_dir, parameters, options, log.progress, log.write)
    except MigrationError as error:
        phase.record(None, mask(str(error), forms_of(parameters.secrets)))
        raise
    place = phase.record(result)
    if result.succeeded:
        log.write(f"verified {phase.dump_dir} in {phase.target} in {result.seconds} s: nothing differs")
    return result, place
