#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Removes the rows of a dump that PostgreSQL holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dump_rows
short_description: Remove the rows of a dump
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Removes the chunks of a dump that has been verified in its targets. Manifest, catalogs and SQL are kept for later runs and for the report.
  - The chunks of a dump that has not been verified in all its targets are kept.
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
  - zstandard
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
  state:
    description: V(absent) removes the rows.
    type: str
    choices: [absent]
    default: absent
"""

EXAMPLES = r"""
- name: Remove the rows that the target holds
  nomos.cockroach_migrator.dump_rows:
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
    targets: ["db.internal:5432"]
    state: absent
"""

RETURN = r"""
kept:
  description: The reason why the rows are kept. Empty if they are removed or there never were any.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import remove_rows
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import verified_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            state_dir=dict(type="path", required=True),
            targets=dict(type="list", elements="str", required=True),
            state=dict(type="str", choices=["absent"], default="absent"),
        ),
        supports_check_mode=True,
    )
    given = module.params
    _ansible_module.run(
        module,
        libraries.READ_DUMP,
        lambda: Outcome(
            remove_rows(
                given["dump_dir"],
                verified_dump(given["dump_dir"], given["state_dir"], given["targets"]),
                module.check_mode,
            )
        ),
    )


if __name__ == "__main__":
    main()
