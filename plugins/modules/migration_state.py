#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Tells which phases of a migration are done."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_state
short_description: Tell which phases of a migration are done
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Reads a dump's manifest and the result files of the phases, and tells which phases are done.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.dump
requirements:
  - cattrs
  - sqlglot
  - zstandard
options:
  state_dir:
    description: The directory of the phases' result files.
    type: path
    required: true
  targets:
    description: The targets, such as V(db.internal:5432). A phase that works on targets is done if it has succeeded on all of them.
    type: list
    elements: str
    default: []
  with_requirements:
    description: Whether to return RV(requires) and RV(loaded_bytes), for which the schema is converted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Read which phases are done
  nomos.cockroach_migrator.migration_state:
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
  register: state
"""

RETURN = r"""
complete:
  description: Whether there is a complete dump.
  returned: success
  type: bool
dump_id:
  description: The id of the dump's content. Empty if there is no complete dump.
  returned: success
  type: str
source_id:
  description: The id of the source of a dump that M(nomos.cockroach_migrator.cockroach_export) made. Empty for other dumps.
  returned: success
  type: str
requires:
  description: What the schema uses if the server has it, V(icu) and names of extensions. Empty without O(with_requirements).
  returned: success
  type: list
  elements: str
loaded_bytes:
  description:
    - The estimated bytes that the dump's rows take in PostgreSQL, with indexes and write-ahead log.
    - V(0) without O(with_requirements).
  returned: success
  type: int
  version_added: 1.3.0
rows_removed:
  description: Whether the dump's rows were removed after they had been verified in the target.
  returned: success
  type: bool
done:
  description: For each phase, whether it succeeded with this dump.
  returned: success
  type: dict
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.loaded_size import loaded_bytes
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import read_state
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def look(module: AnsibleModule) -> Outcome:
    """Read the state; the schema is converted only if its requirements are asked for."""
    given = module.params
    state = read_state(given["dump_dir"], given["state_dir"], given["targets"])
    if state.complete and given["with_requirements"]:
        # Imported here, as it loads the SQL converter, which nothing else of this module needs.
        from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.schema_needs import (
            schema_needs,
        )

        needs = schema_needs(given["dump_dir"])
        return Outcome(replace(state, requires=needs, loaded_bytes=loaded_bytes(given["dump_dir"])))
    return Outcome(state)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **_ansible_module.dump_arguments(),
            state_dir=dict(type="path", required=True),
            targets=dict(type="list", elements="str", default=[]),
            with_requirements=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    _ansible_module.run(module, libraries.WRITE_DUMP, lambda: look(module))


if __name__ == "__main__":
    main()
