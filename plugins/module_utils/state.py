# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which phases of a migration are done, from the dump and the result files of the phases."""
from __future__ import annotations

import os

from .dump.layout import is_complete, read_manifest
from .dump.rows import rows_removed
from .result_file import read_result

PHASES = ("validate", "rehearsal_import", "rehearsal_verify", "target_import", "target_verify")


def read_state(dump_dir: str, state_dir: str) -> dict:
    """Return ``complete`` (there is a dump), ``dump_id``, ``rows_removed`` and ``done`` (phase to whether it succeeded with this dump)."""
    complete = is_complete(dump_dir)
    dump_id = read_manifest(dump_dir).dump_id if complete else ""
    results = {phase: read_result(os.path.join(state_dir, f"{phase}.json")) or {} for phase in PHASES}
    done = {phase: complete and result.get("dump_id") == dump_id and not result.get("failed") for phase, result in results.items()}
    return {"changed": False, "complete": complete, "dump_id": dump_id, "rows_removed": rows_removed(dump_dir), "done": done}
