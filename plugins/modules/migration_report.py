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
  - Cleans up in the same step if that is wanted.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.leftovers
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The difference is that of the report for people; C(report.json) says the same.
  idempotent:
    support: full
requirements:
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
  must_be_verified:
    description:
      - Whether to fail, once the report is written, if the last verification of O(target) did not find everything there, or none was
        made. A run that imports says so, since its verdict may be that of another run at the same time.
    version_added: 1.7.0
    type: bool
    default: false
  clean_up:
    description: Whether to remove, after the report, what the migration has left, as M(nomos.cockroach_migrator.migration_cleanup) does.
    version_added: 1.7.0
    type: bool
    default: false
  targets:
    description: All targets, such as V(db.internal:5432), for O(clean_up). The rows are kept unless all of them have been verified.
    version_added: 1.7.0
    type: list
    elements: str
    default: []
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
kept:
  description: The reason why the rows are kept. Empty if they are removed or there never were any.
  returned: with O(clean_up)
  version_added: 1.7.0
  type: str
"""

from dataclasses import fields, replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_cleanup, _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.files import (
    ReportRequest,
    write_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def report(module: AnsibleModule) -> Outcome:
    """Write the report; then clean up if that is wanted."""
    given = module.params
    request = ReportRequest(**{item.name: given[item.name] for item in fields(ReportRequest)})
    written = write_report(request, check=module.check_mode, diff=module._diff)
    if given["must_be_verified"] and not module.check_mode and not written.verified:
        return Outcome(written, failure=f"{written.verdict}. The report is {written.report}")
    if not given["clean_up"]:
        return Outcome(written)
    cleaned = _ansible_cleanup.clean(module)
    return Outcome(written, replace(cleaned, changed=written.changed or cleaned.changed))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            **_ansible_cleanup.leftovers_arguments(),
            report_dir=dict(type="path", required=True),
            state_dir=dict(type="path", required=True),
            failure=dict(type="str", default=""),
            run=dict(type="str", default=""),
            target=dict(type="str", default=""),
            must_be_verified=dict(type="bool", default=False),
            clean_up=dict(type="bool", default=False),
            targets=dict(type="list", elements="str", default=[]),
        ),
        supports_check_mode=True,
    )
    needs = _ansible_cleanup.NEEDS if module.params["clean_up"] else ()
    _ansible_module.run(module, (*libraries.READ_DUMP, *needs), lambda: report(module))


if __name__ == "__main__":
    main()
