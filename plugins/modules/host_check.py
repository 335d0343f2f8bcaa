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
  - Makes the directory and tells how far the migration in it has come, if that is wanted.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.host_check
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description: The directory of the migration. It may be missing. The name of the user who runs the module replaces C({user}).
    type: path
    required: true
  create:
    description: Whether to make the directory, which others can pass through but not read.
    version_added: 1.6.0
    type: bool
    default: false
  dump_dir:
    description: The directory of the dump, absolute or below O(directory). If it is given, C(state) says how far the migration has come.
    version_added: 1.6.0
    type: str
    default: ""
  state_dir:
    description: The directory of the phases' result files, absolute or below O(directory).
    version_added: 1.6.0
    type: str
    default: state
  targets:
    description: The targets whose phases C(state) tells of, such as V(db.internal:5432).
    version_added: 1.6.0
    type: list
    elements: str
    default: []
  require_dump_key:
    description: Whether to fail unless O(dump_encryption_key) or O(dump_encryption_key_command) gives the key of what is in O(dump_dir), a dump or an
      interrupted export. For a dump that is not encrypted that is none.
    version_added: 1.7.0
    type: bool
    default: false
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
directory:
  description: The absolute path of the directory.
  returned: success
  version_added: 1.6.0
  type: str
state:
  description: How far the migration has come, as M(nomos.cockroach_migrator.migration_state) returns it.
  returned: success, with O(dump_dir)
  version_added: 1.6.0
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.key_check import require_key_of_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.directory import (
    MigrationDirectory,
    make_directory,
    state_below,
    with_user,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.host import check_host


def look(module: AnsibleModule) -> Outcome:
    """Check the directory, make it and read the state as far as that is wanted."""
    given = module.params
    directory = with_user(given["directory"])
    key = _ansible_module.dump_key(module)
    if given["require_dump_key"]:
        require_key_of_dump(os.path.join(directory, given["dump_dir"]), key)
    found = check_host(directory, given["needed_bytes"], given["purpose"])
    changed = given["create"] and make_directory(directory, check=module.check_mode)
    wants_state = bool(given["dump_dir"])
    state = state_below(directory, given["dump_dir"], given["state_dir"], given["targets"]) if wants_state else None
    return Outcome(found, also=MigrationDirectory(changed, directory, state))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("host_check"),
            directory=dict(type="path", required=True),
            require_dump_key=dict(type="bool", default=False, no_log=False),
            needed_bytes=dict(type="int", default=0),
            purpose=dict(type="str", default="the dump"),
            create=dict(type="bool", default=False),
            dump_dir=dict(type="str", default=""),
            state_dir=dict(type="str", default="state"),
            targets=dict(type="list", elements="str", default=[]),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.PACKAGES, lambda: look(module))


if __name__ == "__main__":
    main()
