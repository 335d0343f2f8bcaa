#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Proves that PostgreSQL holds a dump."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_verify
short_description: Verify that PostgreSQL holds what a dump holds
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Compares every table's rows and row checksum, computed from what PostgreSQL stored, with the dump's manifest.
  - Counts the rejected rows in the table C(cockroach_migrator.rejects).
  - Compares every object of the dump's schema with PostgreSQL's catalog, and the values of the sequences.
  - Fails if anything differs, and returns everything that was compared.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.postgres_verify
  - nomos.cockroach_migrator.connection
  - nomos.cockroach_migrator.log
  - nomos.cockroach_migrator.phase
options:
  dump_dir:
    description: The directory of the dump. Its manifest and catalogs are enough.
    type: path
    required: true
  databases:
    description: Names of the databases of the dump to verify. Empty means all.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Verify an import
  nomos.cockroach_migrator.postgres_verify:
    dump_dir: /var/lib/migration/dump
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
"""

RETURN = r"""
databases:
  description:
    - The databases by name, with their tables, the rows and checksums that were expected and found, and the objects that are missing or differ.
    - The module returns this also if it fails because something differs.
  returned: unless the comparison itself failed
  type: dict
differences:
  description: One line for each table and object that differs.
  returned: unless the comparison itself failed
  type: list
  elements: str
  version_added: 1.3.0
ok:
  description: Whether nothing differs.
  returned: unless the comparison itself failed
  type: bool
seconds:
  description: The seconds that the verification took.
  returned: unless the comparison itself failed
  type: float
content:
  description: What was compared, the value of O(content).
  returned: unless the comparison itself failed
  type: str
dump_id:
  description: The id of the dump's content.
  returned: unless the comparison itself failed
  type: str
target:
  description: The host and port of the target, joined by a colon.
  returned: unless the comparison itself failed
  type: str
"""

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module, _ansible_target
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import PhasePlace
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.differences import (
    differences,
    different_message,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.verify_phase import run_verification
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_options import (
    VerifyOptions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


@dataclass(frozen=True)
class Compared(PhasePlace):
    """What was compared, and one line for each difference."""

    differences: list[str]


def verify(module: AnsibleModule, log: MigrationLog) -> Outcome:
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
    result, place = run_verification(
        _ansible_target.recorded_phase(module), _ansible_target.connection_parameters(module), options, log
    )
    compared = Compared(place.dump_id, place.target, differences(result))
    return Outcome(result, compared, "" if result.succeeded else different_message(place.target, compared.differences))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("postgres_verify"),
            **_ansible_module.log_arguments(),
            **_ansible_module.phase_arguments(),
            **_ansible_module.dump_arguments(),
            databases=dict(type="list", elements="str", default=[]),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "postgres_verify")
    _ansible_module.run(module, libraries.LOAD, lambda: verify(module, log), log)


if __name__ == "__main__":
    main()
