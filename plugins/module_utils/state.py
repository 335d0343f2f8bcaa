# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which phases of a migration are done, from the dump and the result files of the phases."""
from __future__ import annotations

import os

from .dump.layout import is_complete, read_manifest
from .dump.rows import rows_removed
from .result_file import read_result

PHASES = ("validate", "rehearsal_import", "rehearsal_verify", "target_import", "target_verify")


def current_results(state_dir: str, dump_id: str, target: str) -> dict[str, dict]:
    """Return the results (by phase) that belong to this dump, and for the target's phases to this target. Raises MigrationError."""
    results = {phase: read_result(os.path.join(state_dir, f"{phase}.json")) or {} for phase in PHASES}
    return {
        phase: result for phase, result in results.items()
        if result and result["dump_id"] == dump_id and (not phase.startswith("target_") or result["target"] == target)
    }


def read_state(dump_dir: str, state_dir: str, target: str) -> dict:
    """Return ``complete`` (there is a dump), ``dump_id``, ``source_id``, ``rows_removed`` and ``done`` (phase to whether it succeeded with this dump).

    Raises MigrationError.
    """
    complete = is_complete(dump_dir)
    manifest = read_manifest(dump_dir) if complete else None
    dump_id = manifest.dump_id if manifest else ""
    source_id = manifest.source.get("identity", {}).get("source_id", "") if manifest else ""
    results = current_results(state_dir, dump_id, target) if complete else {}
    done = {phase: phase in results and not results[phase].get("failed") for phase in PHASES}
    return {"changed": False, "complete": complete, "dump_id": dump_id, "source_id": source_id, "rows_removed": rows_removed(dump_dir), "done": done}
