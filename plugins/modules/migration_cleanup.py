#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Removes what a migration has left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_cleanup
short_description: Remove what a migration has left
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.6.0
description:
  - Stops and removes the servers of an interrupted rehearsal or restore, and removes the downloads.
  - Removes the rows of a dump if they were found in all its targets, as M(nomos.cockroach_migrator.dump_rows) does.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.dump
  - nomos.cockroach_migrator.leftovers
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state_dir:
    description: The directory of the phases' result files.
    type: path
    required: true
  targets:
    description: The targets, such as V(db.internal:5432). The rows are kept unless all of them have been verified.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Remove the temporary servers, and the rows if the target holds them
  nomos.cockroach_migrator.migration_cleanup:
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
    targets: ["db.internal:5432"]
    rehearsal_directory: /var/lib/migration/rehearsal
    cockroach_directory: /var/lib/migration/cockroach
"""

RETURN = r"""
kept:
  description: The reason why the rows are kept. Empty if they are removed or there never were any.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_cleanup, _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            state_dir=dict(type="path", required=True),
            targets=dict(type="list", elements="str", required=True),
            **_ansible_cleanup.leftovers_arguments(),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, ("cattrs", *_ansible_cleanup.NEEDS), lambda: Outcome(_ansible_cleanup.clean(module)))


if __name__ == "__main__":
    main()
