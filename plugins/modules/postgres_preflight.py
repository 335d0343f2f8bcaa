#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Looks at a target before anything is done."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_preflight
short_description: Look at a target before anything is read or made
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.3.0
description:
  - Logs in to the server and finds what an import would be refused for. Login, TLS, version, missing rights, databases of another owner or encoding, tables in
    the way, extensions and roles that may not be made.
  - What is known of the schema decides how much is found. Without O(expected) and without a dump in O(dump_dir) that is the server and the role.
  - Changes nothing. Whether a role that is no superuser may create an extension is tried in a transaction that is rolled back.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.postgres_preflight
  - nomos.cockroach_migrator.connection
options:
  dump_dir:
    description: The directory of the dump, which may not be there yet.
    type: path
  databases:
    description: Names of the databases of the dump to look at. Empty means all.
    type: list
    elements: str
    default: []
  expected:
    description: What is known before there is a dump, as M(nomos.cockroach_migrator.backup_info) returns it.
    type: list
    elements: dict
    default: []
  on_problem:
    description: Whether to fail when something is in the way, or only to return it.
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: nomos.cockroach_migrator.postgres_import
"""

EXAMPLES = r"""
- name: Look at the target
  nomos.cockroach_migrator.postgres_preflight:
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
    expected: "{{ backup.expected }}"
"""

RETURN = r"""
problems:
  description: What is in the way, each a line that names the thing and what to do.
  returned: always
  type: list
  elements: str
notes:
  description: What the import would leave out or do otherwise.
  returned: always
  type: list
  elements: str
server:
  description:
    - What the server and the role are like, for a rehearsal. Its C(version) and C(major), the C(user) with C(superuser), C(createdb), C(createrole) and
      C(may_become), C(roles), C(settings), C(extensions), C(creatable) extensions and C(databases).
    - Empty when the server cannot be reached.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.expected_database import expected_from
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    look_at_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def look(module: AnsibleModule) -> dict:
    """Call the preflight; with problems the module fails unless it is to report them."""
    given = module.params
    try:
        expected = tuple(expected_from(item) for item in given["expected"])
    except TypeError as error:
        raise ConfigurationError(f"expected is not what backup_info returns: {error}") from error
    options = PreflightOptions(
        given["dump_dir"] or "", tuple(given["databases"]), expected, given["grants"], given["content"]
    )
    result = dict(look_at_target(_ansible_module.connection_parameters(module), options), changed=False)
    if result["problems"] and given["on_problem"] == "fail":
        return dict(result, failed=True, msg="; ".join(result["problems"]))
    return result


def main() -> None:
    """Arguments, one function, facts."""
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
