#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Looks at a target before anything is done."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_preflight
short_description: Check a target before anything is read or created
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.3.0
description:
  - Logs in to the server and finds what an import would be refused for. This covers login, TLS, version, missing rights, databases of another owner
    or encoding, tables that already exist, and extensions and roles that may not be created.
  - How much is found depends on what is known of the schema. Without O(expected) and without a dump in O(dump_dir) only the server and the role are checked.
  - Nothing is changed. Whether a role without superuser may create an extension is tried in a transaction that is rolled back.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.postgres_preflight
  - nomos.cockroach_migrator.connection
options:
  dump_dir:
    description: The directory of the dump. It may be missing.
    type: path
  databases:
    description: Names of the databases of the dump to check. Empty means all.
    type: list
    elements: str
    default: []
  expected:
    description: What is known before there is a dump, as returned by M(nomos.cockroach_migrator.backup_info).
    type: list
    elements: dict
    default: []
  on_problem:
    description: V(fail) fails if there are problems. V(report) only returns them.
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: nomos.cockroach_migrator.postgres_import
"""

EXAMPLES = r"""
- name: Check the target
  nomos.cockroach_migrator.postgres_preflight:
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
    expected: "{{ backup.expected }}"
"""

RETURN = r"""
problems:
  description: What an import would be refused for. Each line names the object and what to do.
  returned: always
  type: list
  elements: str
notes:
  description: What the import would omit or do differently.
  returned: always
  type: list
  elements: str
server:
  description:
    - The properties of the server and the role, for a rehearsal. They are C(version) and C(major), the C(user) with C(superuser), C(createdb),
      C(createrole) and
      C(may_become), C(roles), C(settings), C(extensions), C(creatable) extensions and C(databases).
    - Empty if the server cannot be reached.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module, _ansible_target
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.expected_database import ExpectedDatabase
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import from_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    check_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def look(module: AnsibleModule) -> Outcome:
    """Call the preflight; with problems the module fails unless it is to report them."""
    given = module.params
    try:
        expected = tuple(from_json(list[ExpectedDatabase], given["expected"]))
    except ValueError as error:
        raise ConfigurationError(f"expected is not what backup_info returns: {error}") from error
    options = PreflightOptions(
        given["dump_dir"] or "",
        tuple(given["databases"]),
        expected,
        given["grants"],
        given["content"],
        _ansible_target.load_limits(module),
    )
    result = check_target(_ansible_target.connection_parameters(module), options)
    return Outcome(result, failure="; ".join(result.problems) if given["on_problem"] == "fail" else "")


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("postgres_preflight"),
            dump_dir=dict(type="path"),
            databases=dict(type="list", elements="str", default=[]),
            expected=dict(type="list", elements="dict", default=[]),
            on_problem=dict(type="str", choices=["fail", "report"], default="fail"),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.LOAD, lambda: look(module))


if __name__ == "__main__":
    main()
