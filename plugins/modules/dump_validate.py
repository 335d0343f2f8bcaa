#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Checks a dump's files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dump_validate
short_description: Validate the files of a dump
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Reads every chunk of a dump and compares its SHA-256, rows and row checksum with the dump's manifest. Missing and unexpected files are named.
  - Fails when anything differs.
  - Names what PostgreSQL's limits change in the schema, the tables with rows that fit into no page of PostgreSQL, and the indexes and keys with values that
    may be too long for PostgreSQL's indexes.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.dump_validate
  - nomos.cockroach_migrator.log
  - nomos.cockroach_migrator.phase
  - nomos.cockroach_migrator.dump
options:
  skip_if_done:
    description:
      - Whether the module is skipped if O(result_file) records that this dump was validated successfully, if the rows of the dump were removed, and in check
        mode if there is no complete dump.
    version_added: 1.6.0
    type: bool
    default: false
requirements:
  - cattrs
  - tenacity
  - zstandard
  - pyrage (for an encrypted dump)
"""

EXAMPLES = r"""
- name: Validate a dump
  nomos.cockroach_migrator.dump_validate:
    dump_dir: /var/lib/migration/dump
"""

RETURN = r"""
rows:
  description: How many rows were read.
  returned: success
  type: int
chunks:
  description: How many chunks were read.
  returned: success
  type: int
rejected:
  description: How many rejected rows the dump has.
  returned: success
  type: int
problems:
  description: The files that differ from the manifest, one line each. The module returns this also if it fails because of them.
  returned: unless the manifest cannot be read
  type: list
  elements: str
findings:
  description:
    - What PostgreSQL's limits change or may refuse in an import of the dump. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: unless the manifest cannot be read
  type: list
  elements: dict
ok:
  description: Whether every file is what the manifest says.
  returned: unless the manifest cannot be read
  type: bool
tables:
  description: How many tables the dump has.
  returned: unless the manifest cannot be read
  type: int
bytes:
  description: The size of the chunks in bytes.
  returned: unless the manifest cannot be read
  type: int
seconds:
  description: The seconds that the validation took.
  returned: unless the manifest cannot be read
  type: float
dump_id:
  description: The id of the dump's content.
  returned: unless the manifest cannot be read
  type: str
target:
  description: Empty, because a dump is validated without a target.
  returned: unless the manifest cannot be read
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module, _ansible_target
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome, Skipped
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import is_complete
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import rows_removed
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.validate_phase import (
    damage,
    run_validation,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import ValidateResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


def reason_to_skip(module: AnsibleModule) -> str:
    """Return why nothing is to be validated, else an empty text."""
    dump_dir = module.params["dump_dir"]
    if not is_complete(dump_dir):
        return "there is no complete dump yet" if module.check_mode else ""
    if rows_removed(dump_dir):
        return "the rows of the dump were removed"
    done = _ansible_target.recorded_phase(module).has_succeeded(ValidateResult)
    return "the dump was validated before" if done else ""


def validate(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Call the validation unless there is nothing to do."""
    reason = reason_to_skip(module) if module.params["skip_if_done"] else ""
    if reason:
        return Outcome(Skipped(reason))
    processes = _ansible_module.processes(module.params["parallelism"])
    result, place = run_validation(
        _ansible_target.recorded_phase(module), processes, log, _ansible_module.dump_key(module)
    )
    return Outcome(result, place, "" if result.succeeded else damage(module.params["dump_dir"], result))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("dump_validate"),
            **_ansible_module.log_arguments(),
            **_ansible_module.phase_arguments(),
            **_ansible_module.dump_arguments(),
            skip_if_done=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "dump_validate")
    _ansible_module.run(module, ("tenacity", *libraries.READ_DUMP), lambda: validate(module, log), log)


if __name__ == "__main__":
    main()
