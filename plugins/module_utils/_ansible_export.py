# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the modules backup_export and cockroach_export share: options and log of the one export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Union

from ansible.module_utils.basic import AnsibleModule

from ._ansible_module import dump_key, processes
from ._arrange.arrangement import Arrangement
from ._arrange.selection import Selection
from ._dump.written_chunks import WrittenChunks
from ._errors import MigrationError
from ._export.run import ExportOptions, ExportPlan, ExportResult, export
from ._migration.recorded_phase import RecordedPhase
from ._migration.state import read_state, result_path
from ._migration.validate_phase import damage, run_validation
from ._model.conversion_policies import conversion_policies
from ._sources.source import Source
from ._system.host import check_host
from ._system.migration_log import MigrationLog
from ._values.value_policies import value_policies


def export_source(module: AnsibleModule, log: MigrationLog, source: Source[Any]) -> Union[ExportResult, ExportPlan]:
    """Export the source into C(dump_dir), validate a new dump where C(state_dir) can record that, and log both. Raises
    MigrationError."""
    check_host(module.params["dump_dir"], needed_bytes=0)
    options, written = _options(module), WrittenChunks()
    result = export(source, module.params["dump_dir"], options, log.progress, module.check_mode, written)
    if isinstance(result, ExportPlan) or not result.changed:
        return result
    log.write(f"{result.rows} rows of {result.tables} tables in {result.seconds} s into {result.dump_dir}")
    if not module.params["state_dir"]:
        return result
    _validate(module, options, log, written)
    return replace(result, validated=True)


def _validate(module: AnsibleModule, options: ExportOptions, log: MigrationLog, written: WrittenChunks) -> None:
    """Validate the dump. Of its chunks only those of an interrupted run are left to read: the others were read again as
    soon as they were written."""
    given = module.params
    phase = RecordedPhase(given["dump_dir"], "", result_path(given["state_dir"], "validate", ""), run="")
    result, _place = run_validation(phase, options.parallelism, log, options.key, written)
    if not result.succeeded:
        raise MigrationError(damage(given["dump_dir"], result))


def _options(module: AnsibleModule) -> ExportOptions:
    """Build the options from the arguments of the doc fragment C(export)."""
    given = module.params
    return ExportOptions(
        selection=Selection(tuple(given["include"]), tuple(given["exclude"])),
        chunk_rows=given["chunk_rows"],
        parallelism=processes(given["parallelism"]),
        keep_passwords=given["role_passwords"],
        rows_needed=given["rows_needed"] and not _rows_were_imported(given),
        arrangement=Arrangement(tuple(given["rename"].items()), given["merged_database"]),
        policies=value_policies(given["value_policies"]),
        conversion=conversion_policies(given["conversion_policies"]),
        key=dump_key(module),
    )


def _rows_were_imported(given: dict[str, Any]) -> bool:
    """Tell whether the dump's rows were removed, and all targets have been imported into."""
    if not given["state_dir"] or not given["targets"]:
        return False
    state = read_state(given["dump_dir"], given["state_dir"], given["targets"])
    return state.rows_removed and state.done["target_import"]
