#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Forgets a migration so that it begins again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_start_over
short_description: Reset a migration so that it begins again
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.3.0
description:
  - Removes the dump and the results of the phases.
  - A complete dump that still has its rows is renamed instead of removed, since the rows may be nowhere else.
  - No target is touched. If a target database holds the import of an earlier dump, it has to be dropped by hand before the next import.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.dump
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - cattrs
  - sqlglot
  - tenacity
  - zstandard
options:
  state_dir:
    description: The directory of the phases' result files.
    type: path
    required: true
  moment:
    description: The suffix of the new name of a dump that is renamed, such as the current time.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Begin again
  nomos.cockroach_migrator.migration_start_over:
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
    moment: 20261128T150000Z
"""

RETURN = r"""
kept:
  description: The new path of the dump, if it still had its rows. Empty if there was no dump, or if it was removed.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.start_over import start_over
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            state_dir=dict(type="path", required=True),
            moment=dict(type="str", required=True),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(
        module,
        ("tenacity", *libraries.WRITE_DUMP),
        lambda: Outcome(start_over(**module.params, check=module.check_mode)),
    )


if __name__ == "__main__":
    main()
