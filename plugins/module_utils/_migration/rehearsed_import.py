# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The import and the verification of a rehearsal, on the server that runs for it."""

from __future__ import annotations

from typing import Callable, Optional

from .._dump.dump_key import DumpKey
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.load.import_plan import ImportOptions
from .._postgres.schema_needs import schema_needs
from .._postgres.server.requirements import lacking_of_server, missing_message
from .._postgres.verify.verify_options import VerifyOptions
from .._system.migration_log import MigrationLog
from .import_phase import run_import
from .recorded_phase import RecordedPhase
from .report.differences import differences
from .verify_phase import run_verification


def warn_of_lacking_parts(
    dump_dir: str, parameters: ConnectionParameters, bin_dir: str, warn: Callable[[str], None]
) -> None:
    """``warn`` of what the server lacks for the dump's schema. Raises MigrationError."""
    lacking = lacking_of_server(parameters, schema_needs(dump_dir))
    if lacking:
        warn(missing_message(bin_dir, lacking))


def import_and_compare(
    phase: Callable[[str], RecordedPhase],
    parameters: ConnectionParameters,
    log: MigrationLog,
    parallelism: int,
    grants: str,
    dump_key: Optional[DumpKey],
) -> list[str]:
    """Run both phases, which ``phase`` returns by their names; return a line for each difference. Raises
    MigrationError."""
    loading = ImportOptions(parallelism=parallelism, grants=grants, dump_key=dump_key)
    run_import(phase("rehearsal_import"), parameters, loading, log)
    comparing = VerifyOptions(parallelism=parallelism, grants=grants)
    verification, _place = run_verification(phase("rehearsal_verify"), parameters, comparing, log)
    return differences(verification)
