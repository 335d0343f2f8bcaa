# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which phases of a migration are done, from the dump and the result files of the phases."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .._dump.manifest import Manifest, is_complete, read_manifest
from .._dump.removed_rows import rows_removed
from .._model.names import clip
from .._model.results import ImportResult, ValidateResult, VerifyResult
from .result_file import PhaseRecord, read_record

PHASES: Mapping[str, type] = {
    "validate": ValidateResult,
    "rehearsal_import": ImportResult,
    "rehearsal_verify": VerifyResult,
    "target_import": ImportResult,
    "target_verify": VerifyResult,
}
TARGET_PHASES = ("target_import", "target_verify")

Records = dict[str, PhaseRecord]
"""By phase."""


def result_path(state_dir: str, phase: str, target: str) -> str:
    """Return the path of a phase's result file; the target (``host:port``) matters to its own phases only."""
    suffix = f"@{target.replace('/', '%2F')}" if phase in TARGET_PHASES else ""
    return os.path.join(state_dir, f"{phase}{suffix}.json")


def current_records(state_dir: str, manifest: Optional[Manifest], target: str) -> Records:
    """Return how the phases ended with this whole dump, those of the target with this target.

    An import or a verification of some of the dump's databases is none of the dump. Raises MigrationError.
    """
    if manifest is None:
        return {}
    found = {phase: read_record(result_path(state_dir, phase, target), kind) for phase, kind in PHASES.items()}
    return {
        phase: record
        for phase, record in found.items()
        if record
        and record.dump_id == manifest.dump_id
        and (phase not in TARGET_PHASES or record.target == target)
        and _is_whole(record.result, manifest)
    }


def _is_whole(result: Any, manifest: Manifest) -> bool:
    if not isinstance(result, (ImportResult, VerifyResult)):
        return True
    tables = {
        clip(entry.name): {table.full_name for table in entry.tables} if result.content != "schema" else set()
        for entry in manifest.databases
    }
    return {name: set(database.tables) for name, database in result.databases.items()} == tables


def is_proved(records: Mapping[str, PhaseRecord]) -> bool:
    """Tell whether the last verification of the target found everything that it looked for, and no import has come
    after it."""
    imported, verified = records.get("target_import"), records.get("target_verify")
    if verified is None or not verified.succeeded:
        return False
    return imported is None or imported.succeeded and imported.finished_at <= verified.finished_at


def _rows_are_proved(records: Mapping[str, PhaseRecord]) -> bool:
    result = records["target_verify"].result if is_proved(records) else None
    return isinstance(result, VerifyResult) and result.content != "schema"


def verified_dump(dump_dir: str, state_dir: str, targets: Sequence[str]) -> str:
    """Return the id of the dump if the last verification found its rows in every one of ``targets``, else empty. Raises
    MigrationError."""
    manifest = read_manifest(dump_dir) if is_complete(dump_dir) else None
    proved = bool(targets) and all(_rows_are_proved(current_records(state_dir, manifest, target)) for target in targets)
    return manifest.dump_id if manifest and proved else ""


@dataclass(frozen=True)
class MigrationState:
    """How far a migration has come."""

    complete: bool
    """Whether there is a complete dump."""
    dump_id: str
    source_id: str
    rows_removed: bool
    done: dict[str, bool]
    """For each phase, whether it succeeded with this dump the last time; the phases of targets: in every one of them,
    and there is one."""
    requires: list[str] = field(default_factory=list)
    """What the schema uses of PostgreSQL: ``icu`` and names of extensions."""
    loaded_bytes: int = 0
    """About what the rows take in PostgreSQL."""


def read_state(dump_dir: str, state_dir: str, targets: Sequence[str]) -> MigrationState:
    """Return how far a migration has come, without what its schema requires. Raises MigrationError."""
    manifest = read_manifest(dump_dir) if is_complete(dump_dir) else None
    found = [current_records(state_dir, manifest, target) for target in targets or [""]]
    return MigrationState(
        complete=manifest is not None,
        dump_id=manifest.dump_id if manifest else "",
        source_id=manifest.identity.get("source_id", "") if manifest else "",
        rows_removed=rows_removed(dump_dir),
        done={phase: all(phase in records and records[phase].succeeded for records in found) for phase in PHASES},
    )
