#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Forgets a migration so that it begins again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_start_over
short_description: Forget a migration so that it begins again
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.3.0
description:
  - Removes the results of the phases, and the dump.
  - A complete dump that still has its rows is not removed but put aside, since they may be nowhere else.
  - No target is touched. A target database of the migration has to be dropped by somebody, or is found to hold the import of its dump.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  dump_dir:
    description: The directory of the dump.
    type: path
    required: true
  state_dir:
    description: The directory of the result files.
    type: path
    required: true
  moment:
    description: What is added to the name of a dump that is put aside.
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
  description: Where the dump is now, if it had its rows. Empty if there was none, or if it was removed.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.start_over import start_over
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def main() -> None:
    """Arguments, one function, facts."""
    module = AnsibleModule(
        argument_spec=dict(
            dump_dir=dict(type="path", required=True),
            state_dir=dict(type="path", required=True),
            moment=dict(type="str", required=True),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.WRITE_DUMP, lambda: start_over(**module.params, check=module.check_mode))


if __name__ == "__main__":
    main()
