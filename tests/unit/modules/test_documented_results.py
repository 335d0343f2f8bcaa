# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a module returns is what its documentation says: each key of RETURN is a field of a result, and no field is missing there."""
from __future__ import annotations

import ast
import dataclasses
import importlib
import pathlib

import pytest
import yaml

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import RowsRemoval
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportPlan, ExportResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.clean_up import CleanUp
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import DumpComparison
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.directory import MigrationDirectory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import PhasePlace
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import RehearsalResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.files import WrittenReport
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.start_over import StartedOver
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import MigrationState
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import (
    IF_KNOWN,
    ImportPlan,
    ImportResult,
    RollbackResult,
    ValidateResult,
    VerifyResult,
    facts,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import PreflightResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_binaries import (
    PostgresBinaries,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import (
    StoppedServer,
    ThrowAwayServer,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.overview import BackupOverview
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_binary import (
    CockroachBinary,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    StartedNode,
    StoppedNode,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import RestoreResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.host import HostCheck

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
MODULES = CHECKOUT / "plugins" / "modules"


def module(name: str):
    """The module's own Python module, for a result that is made there."""
    return importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.plugins.modules.{name}")


RESULTS = {
    "backup_export": (ExportResult, ExportPlan),
    "backup_info": (BackupOverview,),
    "cockroach_binary": (CockroachBinary,),
    "cockroach_export": (ExportResult, ExportPlan),
    "cockroach_restore": (RestoreResult,),
    "cockroach_server": (StartedNode, StoppedNode),
    "dump_compare": (DumpComparison,),
    "dump_rows": (RowsRemoval,),
    "dump_validate": (ValidateResult, PhasePlace),
    "host_check": (HostCheck, MigrationDirectory),
    "migration_cleanup": (CleanUp,),
    "migration_report": (WrittenReport, CleanUp),
    "migration_rollback": (RollbackResult, module("migration_rollback").Shown),
    "migration_start_over": (StartedOver,),
    "migration_state": (MigrationState,),
    "postgres_binaries": (PostgresBinaries,),
    "postgres_import": (ImportResult, ImportPlan, module("postgres_import").Verified),
    "postgres_preflight": (PreflightResult,),
    "postgres_rehearsal": (RehearsalResult,),
    "postgres_server": (ThrowAwayServer, StoppedServer),
    "postgres_verify": (VerifyResult, module("postgres_verify").Compared),
    "schema_convert": (module("schema_convert").ConvertedSchema,),
}
COMMON = {"changed", "diff", "warnings"}
"""What Ansible's own documentation describes."""
OF_ONE_MOMENT = {"as_of", "end_time"}
"""A backup has one end time: what a source chooses is none of its results."""


def documented(name: str) -> dict:
    """The module's RETURN."""
    tree = ast.parse((MODULES / f"{name}.py").read_text(encoding="utf-8"))
    texts = {node.targets[0].id: node.value.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)}
    return yaml.safe_load(texts["RETURN"]) or {}


def keys(kind: type) -> set[str]:
    """The facts that a result has."""
    return {field.name for field in dataclasses.fields(kind)} | ({"ok"} if hasattr(kind, "succeeded") else set())


def test_every_module_is_here():
    assert {path.stem for path in MODULES.glob("*.py")} - {"check_settings"} == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_module_returns_what_is_documented(name):
    returned = set().union(*map(keys, RESULTS[name])) - COMMON
    if name == "backup_export":
        returned -= OF_ONE_MOMENT
    assert set(documented(name)) == returned


@pytest.mark.parametrize("name", RESULTS)
def test_results_cannot_be_changed(name):
    assert all(kind.__dataclass_params__.frozen for kind in RESULTS[name])


def test_a_failure_keeps_the_facts():
    """A verification that differs is a failure with its facts; losing the key once went unnoticed."""
    result = ValidateResult(["a chunk is missing"], 1, 2, 3, 0, 4, 0.5)
    found = Outcome(result, PhasePlace("id", "t:5432"), "the dump is damaged").facts()
    assert (found["failed"], found["msg"], found["changed"], found["ok"]) == (True, "the dump is damaged", False, False)
    assert found["problems"] == ["a chunk is missing"] and (found["dump_id"], found["target"]) == ("id", "t:5432")
    assert "failed" not in Outcome(result).facts()


def test_what_is_not_known_is_no_fact():
    @dataclasses.dataclass(frozen=True)
    class Result:
        never: None = dataclasses.field(default=None, metadata=IF_KNOWN)
        nothing: None = None

    assert facts(Result()) == {"nothing": None}
