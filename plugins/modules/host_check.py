#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Checks that a host can run a migration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Check that a host can run a migration
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Checks that the Python packages are installed, that the directory belongs to the user and nobody else can write to it, and that its file system has room.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
options:
  directory:
    description: The directory of the migration. It may be missing.
    type: path
    required: true
  needed_bytes:
    description: The bytes that its file system must have free.
    type: int
    default: 0
  purpose:
    description: What the room is for. The message uses it if there is not enough.
    type: str
    default: the dump
    version_added: 1.3.0
"""

EXAMPLES = r"""
- name: Check that there is room for a dump
  nomos.cockroach_migrator.host_check:
    directory: /var/lib/migration
    needed_bytes: "{{ backup.stored_bytes }}"
"""

RETURN = r"""
free_bytes:
  description: The free bytes on the directory's file system.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.host import check_host


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            directory=dict(type="path", required=True),
            needed_bytes=dict(type="int", default=0),
            purpose=dict(type="str", default="the dump"),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.PACKAGES, lambda: Outcome(check_host(**module.params)))


if __name__ == "__main__":
    main()
