#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes the report of a migration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_report
short_description: Write the report of a migration
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Writes C(validation_report.txt) for people and C(report.json) for programs from the dump's manifest and the results of the phases.
  - The report has a verdict in one line, the rows, checksum and times of each table, and each finding with its advice.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The difference is that of the report for people; C(report.json) says the same.
  idempotent:
    support: full
requirements:
  - cattrs
  - zstandard
options:
  dump_dir:
    description: The directory of the dump. Its manifest and catalogs are enough.
    type: path
    required: true
  report_dir:
    description: The directory of the report.
    type: path
    required: true
  state_dir:
    description: The directory of the phases' result files.
    type: path
    required: true
  failure:
    description: The reason why the migration failed. Empty if it did not fail.
    type: str
    default: ""
  run:
    description:
      - The name of this run, as in O(nomos.cockroach_migrator.postgres_verify#module:run). The report says which verifications were made by another
        run.
    version_added: 1.3.0
    type: str
    default: ""
  target:
    description: The name of the target, such as V(db.internal:5432).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the report
  nomos.cockroach_migrator.migration_report:
    dump_dir: /var/lib/migration/dump
    report_dir: /var/lib/migration/report
    state_dir: /var/lib/migration/state
    target: db.internal:5432
"""

RETURN = r"""
verdict:
  description: The line that says whether the migration is complete and proved.
  returned: success
  type: str
verified:
  description: Whether the last verification found everything in the target, and nothing has failed since.
  returned: success
  type: bool
report:
  description: The path of the report for people.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.files import (
    ReportRequest,
    write_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            report_dir=dict(type="path", required=True),
            state_dir=dict(type="path", required=True),
            failure=dict(type="str", default=""),
            run=dict(type="str", default=""),
            target=dict(type="str", default=""),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(
        module,
        libraries.READ_DUMP,
        lambda: Outcome(write_report(ReportRequest(**module.params), check=module.check_mode, diff=module._diff)),
    )


if __name__ == "__main__":
    main()
