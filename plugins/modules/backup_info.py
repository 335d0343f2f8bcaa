#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Describes a CockroachDB backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Describe a CockroachDB backup
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Reads the manifests of a CockroachDB backup and returns what the backup holds. No CockroachDB is needed.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.backup_info
  - nomos.cockroach_migrator.source
  - nomos.cockroach_migrator.chosen
  - nomos.cockroach_migrator.log
requirements:
  - cattrs
  - sqlglot
seealso:
  - module: nomos.cockroach_migrator.backup_export
"""

EXAMPLES = r"""
- name: Read a backup's table of contents
  nomos.cockroach_migrator.backup_info:
    locations: [s3://backups/nightly]
  register: backup

- name: Show the time of its data
  ansible.builtin.debug:
    msg: "{{ backup.info.end_time }}"
"""

RETURN = r"""
info:
  description: The backup's layers with their formats and sizes, its cluster and the time of its data.
  returned: success
  type: dict
databases:
  description: The databases in the backup, with the full names of their tables.
  returned: success
  type: list
  elements: dict
  sample: [{name: shop, tables: [public.customers]}]
expected:
  description:
    - What the chosen objects would be in a target, under their names in PostgreSQL, for M(nomos.cockroach_migrator.postgres_preflight). Each database has
      C(name), C(schemas), C(relations), C(types), C(owners) and C(grantees).
  returned: success
  type: list
  elements: dict
stored_bytes:
  description: The size of the backup's data files in bytes.
  returned: success
  type: int
findings:
  description:
    - What is worth knowing about the backup. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_backup, _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import Arrangement
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.overview import (
    BackupOverview,
    overview,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.location import libraries_for
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def look(module: AnsibleModule) -> BackupOverview:
    """Call the overview."""
    given = module.params
    selection, arrangement = (
        Selection(tuple(given["include"]), tuple(given["exclude"])),
        Arrangement(tuple(given["rename"].items()), given["merged_database"]),
    )
    return overview(_ansible_backup.backup_request(module), selection, arrangement)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("backup_info"),
            **_ansible_module.location_arguments(),
            **_ansible_module.chosen_arguments(),
            **_ansible_module.log_arguments(),
        ),
        supports_check_mode=True,
        no_log=True,  # nothing in the host's syslog: it would be written before the secrets in URIs are known
    )
    needs = libraries_for(module.params["locations"]) + libraries.WRITE_DUMP
    _ansible_module.run(module, needs, lambda: Outcome(look(module)))


if __name__ == "__main__":
    main()
