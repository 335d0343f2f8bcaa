#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Compares two dumps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dump_compare
short_description: Compare two dumps of the same data
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Compares the dumps that two sources made of the same data. Schemas are compared by the SQL commands that they become, tables by their number of
    rows and row checksum.
  - The chunks may differ. The rows themselves are not read again; see M(nomos.cockroach_migrator.dump_validate).
  - Owners and grants are not compared if one of the dumps comes from a restore that did not restore them. RV(not_compared) says so.
  - Fails when the dumps differ.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
requirements:
  - cattrs
  - sqlglot
  - zstandard
options:
  first:
    description: The directory of a dump.
    type: path
    required: true
  second:
    description: The directory of the other dump.
    type: path
    required: true
seealso:
  - module: nomos.cockroach_migrator.backup_export
  - module: nomos.cockroach_migrator.cockroach_export
"""

EXAMPLES = r"""
- name: Compare the dumps of a backup's files and of the restored backup
  nomos.cockroach_migrator.dump_compare:
    first: /var/lib/migration/dump-of-the-backup
    second: /var/lib/migration/dump-of-the-restored-backup
"""

RETURN = r"""
equal:
  description: Whether both dumps hold the same.
  returned: always
  type: bool
tables:
  description: How many tables were compared.
  returned: always
  type: int
rows:
  description: How many rows these tables have in the first dump.
  returned: always
  type: int
differences:
  description: The differences, one line each.
  returned: always
  type: list
  elements: str
not_compared:
  description: What could not be compared.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries

SHOWN = 5


def compare(first: str, second: str) -> Outcome:
    """Compare; a difference is a failure."""
    result = compare_dumps(first, second)
    if result.equal:
        return Outcome(result)
    more = len(result.differences) - SHOWN
    shown = "; ".join(result.differences[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return Outcome(result, failure=f"the dumps {first} and {second} differ: {shown}")


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(first=dict(type="path", required=True), second=dict(type="path", required=True)),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.WRITE_DUMP, lambda: compare(module.params["first"], module.params["second"]))


if __name__ == "__main__":
    main()
