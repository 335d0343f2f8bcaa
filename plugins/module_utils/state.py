# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which phases of a migration are done, from the dump and the result files of the phases."""
from __future__ import annotations

import os

from .dump.layout import is_complete, read_manifest
from .dump.loaded_size import loaded_bytes
from .dump.needs import schema_needs
from .dump.rows import rows_removed
from .result_file import read_result

PHASES = ("validate", "rehearsal_import", "rehearsal_verify", "target_import", "target_verify")


TARGET_PHASES = ("target_import", "target_verify")


def result_path(state_dir: str, phase: str, target: str) -> str:
    """Return the path of a phase's result file; the target (``host:port``) matters to its own phases only."""
    suffix = f"@{target.replace('/', '%2F')}" if phase in TARGET_PHASES else ""
    return os.path.join(state_dir, f"{phase}{suffix}.json")


def current_results(state_dir: str, dump_id: str, target: str) -> dict[str, dict]:
    """Return the results (by phase) that belong to this dump, and for the target's phases to this target. Raises MigrationError."""
    results = {phase: read_result(result_path(state_dir, phase, target)) or {} for phase in PHASES}
    return {
        phase: result for phase, result in results.items()
        if result and result["dump_id"] == dump_id and (phase not in TARGET_PHASES or result["target"] == target)
    }


def verified_dump(state_dir: str, targets: list[str]) -> str:
    """Return the id of the dump whose rows the verifications found in every one of ``targets``, empty if none. Raises MigrationError."""
    results = [read_result(result_path(state_dir, "target_verify", target)) or {} for target in targets]
    found = {"" if result.get("failed") or result.get("content") == "schema" else result.get("dump_id", "") for result in results}
    return found.pop() if len(found) == 1 else ""


def read_state(dump_dir: str, state_dir: str, targets: list[str], with_requirements: bool) -> dict:
    """Return ``complete`` (there is a dump), ``dump_id``, ``source_id``, ``requires`` (of PostgreSQL: ``icu``, extensions; it converts the
    schema, so only ``with_requirements``), ``loaded_bytes`` (about what the rows take there; likewise), ``rows_removed`` and
    ``done`` (phase to whether it succeeded with this dump; the phases of targets: in every one of ``targets``, and there is one).

    Raises MigrationError.
    """
    complete = is_complete(dump_dir)
    manifest = read_manifest(dump_dir) if complete else None
    dump_id = manifest.dump_id if manifest else ""
    source_id = manifest.source.get("identity", {}).get("source_id", "") if manifest else ""
    found = [current_results(state_dir, dump_id, target) if complete else {} for target in targets or [""]]
    done = {phase: all(phase in results and not results[phase].get("failed") for results in found) for phase in PHASES}
    return {
        "changed": False, "complete": complete, "dump_id": dump_id, "source_id": source_id,
        "requires": schema_needs(dump_dir) if complete and with_requirements else [],
        "loaded_bytes": loaded_bytes(dump_dir) if complete and with_requirements else 0, "rows_removed": rows_removed(dump_dir), "done": done,
    }
