#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rehearses the import of a dump."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_rehearsal
short_description: Rehearse the import of a dump
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.6.0
description:
  - Starts a throw-away PostgreSQL on loopback, imports the dump, verifies it, and always removes the server.
  - Does nothing if the last rehearsal of this dump succeeded, or if the rows of the dump were removed.
  - Fails if anything differs, and warns of what the server lacks for the schema, such as an extension.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.postgres_rehearsal
  - nomos.cockroach_migrator.dump
  - nomos.cockroach_migrator.log
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state_dir:
    description: The directory of the phases' result files, in which the import and the verification are recorded.
    type: path
    required: true
  directory:
    description: The server's own directory. It is removed at the end, and must not hold anything else.
    type: path
    required: true
  bin_dir:
    description: The directory of PostgreSQL's programs.
    type: path
  like:
    description:
      - Targets that the server has to resemble, as M(nomos.cockroach_migrator.postgres_preflight) returns their C(server).
      - The server gets a role with no more rights than all the targets give, their roles and settings, and the databases that exist there, with their
        locale and extensions if they are available. O(user) is not created then.
    type: list
    elements: dict
    default: []
  validate:
    description: Whether the dump is validated first, as M(nomos.cockroach_migrator.dump_validate) does, unless O(state_dir) records that they were.
    type: bool
    default: false
  grants:
    description: Which owners and privileges are set. V(existing) sets those of roles that the server has. V(create) also creates the missing roles,
      without login where the source has no usable password. V(skip) sets none.
    type: str
    choices: [existing, create, skip]
    default: create
  run:
    description: The name of the run, which is recorded.
    type: str
    default: ""
requirements:
  - cattrs
  - psutil
  - psycopg2-binary (or psycopg2)
  - sqlglot
  - tenacity
  - zstandard
  - pyrage (for an encrypted dump)
"""

EXAMPLES = r"""
- name: Rehearse an import
  nomos.cockroach_migrator.postgres_rehearsal:
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
    directory: /var/lib/migration/rehearsal
    bin_dir: /usr/lib/postgresql/17/bin
"""

RETURN = r"""
rehearsed:
  description: Whether the import was rehearsed. V(false) if it had been before, if the rows of the dump were removed, and in check mode.
  returned: unless the rehearsal could not be done
  type: bool
differences:
  description: One line for each table and object that differs.
  returned: unless the rehearsal could not be done
  type: list
  elements: str
ok:
  description: Whether nothing differs.
  returned: unless the rehearsal could not be done
  type: bool
target:
  description: The host and port of the server, joined by a colon. Empty without a rehearsal.
  returned: unless the rehearsal could not be done
  type: str
seconds:
  description: The seconds that the rehearsal took.
  returned: unless the rehearsal could not be done
  type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import Rehearsal, rehearse
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.differences import (
    different_message,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import NEEDS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import WantedServer
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


def run(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Call the rehearsal; the module fails if something differs."""
    given = module.params
    server = WantedServer(
        directory=given["directory"],
        bin_dir=given["bin_dir"],
        port=given["port"],
        user=given["user"],
        password=given["password"],
        database=given["database"],
        like=given["like"],
    )
    rehearsal = Rehearsal(
        dump_dir=given["dump_dir"],
        state_dir=given["state_dir"],
        server=server,
        parallelism=_ansible_module.processes(given["parallelism"]),
        validates=given["validate"],
        grants=given["grants"],
        run=given["run"],
        dump_key=_ansible_module.dump_key(module),
    )
    result = rehearse(rehearsal, log, module.warn, check=module.check_mode)
    return Outcome(result, failure="" if result.succeeded else different_message(result.target, result.differences))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("postgres_rehearsal"),
            **_ansible_module.log_arguments(),
            **_ansible_module.dump_arguments(),
            state_dir=dict(type="path", required=True),
            directory=dict(type="path", required=True),
            bin_dir=dict(type="path"),
            like=dict(type="list", elements="dict", default=[]),
            validate=dict(type="bool", default=False),
            grants=dict(type="str", choices=["existing", "create", "skip"], default="create"),
            run=dict(type="str", default=""),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "postgres_rehearsal")
    _ansible_module.run(module, (*libraries.LOAD, *NEEDS), lambda: run(module, log), log)


if __name__ == "__main__":
    main()
