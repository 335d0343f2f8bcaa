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
ok:
  description: V(true), because an import that ends has loaded everything but what its findings name.
  returned: success, except in check mode
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

BEGUN = "the import was begun and has not ended"


def load(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Call the import, log it and keep how it ended; in check mode only look."""
    given = module.params
    options = ImportOptions(
        parallelism=_ansible_module.processes(given["parallelism"]),
        grants=given["grants"],
        databases=tuple(given["databases"]),
        content=given["content"],
    )
    parameters = _ansible_module.connection_parameters(module)
    if module.check_mode:
        return Outcome(plan_import(given["dump_dir"], parameters, options))
    result = import_dump(
        given["dump_dir"],
        parameters,
        options,
        log.progress,
        begin=lambda: _ansible_module.keep_phase(module, None, BEGUN),
    )
    place = _ansible_module.keep_phase(module, result)
    if result.changed:
        log.write(f"imported {given['dump_dir']} into {place.target} in {result.seconds} s")
    return Outcome(result, place)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("postgres_import"),
            **_ansible_module.log_arguments(),
            **_ansible_module.phase_arguments(),
            **_ansible_module.dump_arguments(),
            databases=dict(type="list", elements="str", default=[]),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "postgres_import")
    _ansible_module.run(module, libraries.LOAD, lambda: load(module, log), log)


if __name__ == "__main__":
    main()
