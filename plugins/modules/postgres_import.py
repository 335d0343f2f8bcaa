#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Loads a dump into PostgreSQL."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_import
short_description: Import a dump into PostgreSQL
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Creates the dump's databases next to O(login_db), and loads schema, rows, indexes, constraints and everything else.
  - Each chunk is loaded in one transaction together with its row in a ledger in the target. An interrupted import resumes where it stopped, and no
    row is loaded twice.
  - While tables are loaded, the keys and indexes of those whose rows are complete are built.
  - If tables exist that this dump did not create, the import is refused before anything is changed.
  - Verifies the target in the same step if that is wanted.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.postgres_import
  - nomos.cockroach_migrator.connection
  - nomos.cockroach_migrator.log
  - nomos.cockroach_migrator.phase
  - nomos.cockroach_migrator.dump
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  databases:
    description: Names of the databases of the dump to import. Empty means all.
    type: list
    elements: str
    default: []
  verify:
    description:
      - Whether to verify the target after the import, as M(nomos.cockroach_migrator.postgres_verify) does. The module fails if anything differs.
      - In check mode only what O(result_file) records as imported is verified.
    version_added: 1.6.0
    type: bool
    default: false
  verify_result_file:
    description: A file that records the last result of the verification, as O(result_file) does for the import.
    version_added: 1.6.0
    type: path
requirements:
  - pyrage (for an encrypted dump)
seealso:
  - module: nomos.cockroach_migrator.postgres_verify
"""

EXAMPLES = r"""
- name: Import a dump
  nomos.cockroach_migrator.postgres_import:
    dump_dir: /var/lib/migration/dump
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
"""

RETURN = r"""
databases:
  description: The databases by name, with their tables, rows and times. In check mode, with what there is to do.
  returned: success
  type: dict
findings:
  description:
    - What the conversion for this server changed, weakened or omitted. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: success
  type: list
  elements: dict
seconds:
  description: The seconds that the import took.
  returned: success
  type: float
verification:
  description: What was compared, as M(nomos.cockroach_migrator.postgres_verify) returns it. The module returns this also if it fails because something differs.
  returned: with O(verify), unless the comparison itself failed
  version_added: 1.6.0
  type: dict
differences:
  description: One line for each table and object that differs.
  returned: with O(verify), unless the comparison itself failed
  version_added: 1.6.0
  type: list
  elements: str
ok:
  description: Whether nothing differs. An import that ends has loaded everything but what its findings name.
  returned: unless the import or the comparison failed, except in check mode without a verification
  type: bool
content:
  description: What was imported, the value of O(content).
  returned: success
  type: str
dump_id:
  description: The id of the dump's content.
  returned: success, except in check mode
  type: str
target:
  description: The host and port of the target, joined by a colon.
  returned: success, except in check mode
  type: str
"""

from dataclasses import dataclass, replace
from typing import Union

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module, _ansible_target
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.import_phase import run_import
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import PhasePlace
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.differences import (
    differences,
    different_message,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.verify_phase import run_verification
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import (
    ImportPlan,
    ImportResult,
    VerifyResult,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_options import (
    VerifyOptions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


@dataclass(frozen=True)
class Verified(PhasePlace):
    """What was compared after the import."""

    verification: VerifyResult
    differences: list[str]

    @property
    def succeeded(self) -> bool:
        return self.verification.succeeded


def load(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Call the import, and the verification if that is wanted; in check mode only look."""
    given = module.params
    options = ImportOptions(
        parallelism=_ansible_target.loading_connections(module),
        limits=_ansible_target.load_limits(module),
        grants=given["grants"],
        databases=tuple(given["databases"]),
        content=given["content"],
        dump_key=_ansible_module.dump_key(module),
    )
    parameters = _ansible_target.connection_parameters(module)
    phase = _ansible_target.recorded_phase(module)
    if module.check_mode:
        plan = plan_import(given["dump_dir"], parameters, options)
        imported = given["verify"] and phase.has_succeeded(ImportResult)
        return verified(module, plan) if imported else Outcome(plan)
    result, place = run_import(phase, parameters, options, log)
    return verified(module, result) if given["verify"] else Outcome(result, place)


def verified(module: AnsibleModule, imported: Union[ImportResult, ImportPlan]) -> Outcome:
    """Call the verification; the module fails if something differs."""
    given = module.params
    options = VerifyOptions(
        parallelism=_ansible_target.loading_connections(module),
        limits=_ansible_target.load_limits(module),
        grants=given["grants"],
        databases=tuple(given["databases"]),
        content=given["content"],
        verify_by=given["verify_by"],
    )
    phase = replace(_ansible_target.recorded_phase(module), path=given["verify_result_file"] or "")
    log = _ansible_module.migration_log(module, "postgres_verify")
    result, place = run_verification(phase, _ansible_target.connection_parameters(module), options, log)
    lines = differences(result)
    failure = "" if result.succeeded else different_message(place.target, lines)
    return Outcome(imported, Verified(place.dump_id, place.target, result, lines), failure)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("postgres_import"),
            **_ansible_module.log_arguments(),
            **_ansible_module.phase_arguments(),
            **_ansible_module.dump_arguments(),
            databases=dict(type="list", elements="str", default=[]),
            verify=dict(type="bool", default=False),
            verify_result_file=dict(type="path"),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "postgres_import")
    _ansible_module.run(module, libraries.LOAD, lambda: load(module, log), log)


if __name__ == "__main__":
    main()
