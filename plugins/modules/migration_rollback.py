#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Undoes the import of a dump."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_rollback
short_description: Undo the import of a dump
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.7.0
description:
  - Removes from a PostgreSQL server what an import has made there, and sets back what it has changed of databases, schemas, default privileges
    and sequences that were there before. Every import records that in the target, so that the dump need not be there any more.
  - What was there before the import stays. What somebody has changed since is kept and named, with everything that it needs.
    A table is removed only if it holds exactly the rows that were loaded. Nothing is removed by CASCADE.
  - An import that was interrupted is undone like one that has ended. A rollback that was interrupted goes on with its next run.
  - Check mode shows what would be removed and kept.
  - Fails if something is kept.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.migration_rollback
  - nomos.cockroach_migrator.connection
  - nomos.cockroach_migrator.log
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  dump_dir:
    description: The directory of the dump. If it is there, the import of this dump is undone, unless O(dump_id) names another one.
    type: path
  dump_id:
    description: The id of the dump whose import is undone. Without it and without a dump it is the only one that the server holds.
    type: str
    default: ""
  databases:
    description: Names of the databases on the server to look into. Empty means those of the dump, and without a dump all.
    type: list
    elements: str
    default: []
  state_dir:
    description: The directory of the phases' result files. Those of the import and the verification of this target are removed.
    type: path
  compare_rows:
    description: Whether the rows of every table are compared. V(false) is possible in check mode only, for a list of what was made within a second.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show what a rollback would remove
  nomos.cockroach_migrator.migration_rollback:
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
  check_mode: true

- name: Undo the import of a dump
  nomos.cockroach_migrator.migration_rollback:
    login_host: db.internal
    login_password: "{{ vault_postgres_password }}"
    dump_dir: /var/lib/migration/dump
    state_dir: /var/lib/migration/state
"""

RETURN = r"""
databases:
  description:
    - The databases by name. Each has C(changed), C(removed) (one line for each thing that is removed or set back) and C(kept) (the reason by what is kept).
    - The module returns this also if it fails because something is kept.
  returned: unless the rollback itself failed
  type: dict
roles:
  description: What becomes of the roles of the server that the import has created, like one of RV(databases).
  returned: unless the rollback itself failed
  type: dict
dump_id:
  description: The id of the dump whose import is undone. Empty if the server holds none.
  returned: unless the rollback itself failed
  type: str
not_examined:
  description: Names of databases that the role may not connect to, where no dump says which databases there are.
  returned: unless the rollback itself failed
  type: list
  elements: str
verdict:
  description: One line that begins with UNDONE, KEPT or NOTHING TO UNDO, in check mode with REMOVES, KEEPS or NOTHING TO UNDO.
  returned: unless the rollback itself failed
  type: str
lines:
  description: One line for each thing that is removed, set back or kept.
  returned: unless the rollback itself failed
  type: list
  elements: str
ok:
  description: Whether nothing of the import is kept.
  returned: unless the rollback itself failed
  type: bool
seconds:
  description: The seconds that the rollback took.
  returned: unless the rollback itself failed
  type: float
"""

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module, _ansible_target
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rollback_phase import (
    Migration,
    RollbackText,
    describe,
    run_rollback,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import RollbackResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback.rollback import (
    RollbackOptions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


@dataclass(frozen=True)
class Shown(RollbackText):
    """What people read, and what --diff shows."""

    diff: dict[str, str]


def undo(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Call the rollback; the module fails if something is kept, unless it only looks."""
    given, check = module.params, module.check_mode
    if not given["compare_rows"] and not check:
        raise ConfigurationError("compare_rows: false removes nothing: run the module in check mode")
    options = RollbackOptions(
        dump_id=given["dump_id"],
        databases=tuple(given["databases"]),
        parallelism=_ansible_module.processes(given["parallelism"]),
        compares_rows=given["compare_rows"],
        check=check,
    )
    migration = Migration(given["dump_dir"] or "", given["state_dir"] or "", _ansible_target.target_of(module))
    result = run_rollback(migration, _ansible_target.connection_parameters(module), options, log)
    shown = shown_of(result, migration.target, check=check)
    return Outcome(result, shown, "" if check or result.succeeded else f"{shown.verdict}; {REMEDY}")


REMEDY = "undo what keeps them, and run the rollback again, or keep them as they are"


def shown_of(result: RollbackResult, target: str, *, check: bool) -> Shown:
    """Return what people read of a rollback."""
    text = describe(result, target, check=check)
    parts = {**result.databases, "roles of the server": result.roles}
    kept = [f"{name}: {item}" for name, part in parts.items() for item in part.kept]
    removed = [f"{name}: {item}" for name, part in parts.items() for item in part.removed]
    diff = {
        "before": "".join(f"{line}\n" for line in sorted(kept + removed)),
        "after": "".join(f"{line}\n" for line in sorted(kept)),
    }
    return Shown(text.verdict, text.lines, diff)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("migration_rollback"),
            **_ansible_module.log_arguments(),
            dump_dir=dict(type="path"),
            dump_id=dict(type="str", default=""),
            databases=dict(type="list", elements="str", default=[]),
            state_dir=dict(type="path"),
            compare_rows=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "migration_rollback")
    _ansible_module.run(module, libraries.LOAD, lambda: undo(module, log), log)


if __name__ == "__main__":
    main()
