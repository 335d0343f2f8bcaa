#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes the dump of a CockroachDB backup."""
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_export
short_description: Export a CockroachDB backup into a dump directory
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Reads a CockroachDB backup's own files and writes a dump, rows as PostgreSQL's COPY text in compressed chunks and the schema as a catalog and as SQL.
  - Proves that all bytes that the backup's manifest lists were read.
  - A complete dump of the same backup, selection and names is left as it is. One that was broken off goes on where it stopped.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.source
  - nomos.cockroach_migrator.log
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  dump_dir:
    description: The directory of the dump. It is made with mode 0700.
    type: path
    required: true
  include:
    description: Patterns of the databases and tables to take, such as V(shop) or V(shop.public.order*). Empty means all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of the databases and tables to leave out.
    type: list
    elements: str
    default: []
  rename:
    description:
      - New names in PostgreSQL, by CockroachDB's full names, such as C(store) for C(shop), or C(bestellungen) for C(shop.public.orders).
      - A new name is bare, or full with the new names of what holds it.
      - Views, defaults, checks and functions follow. What cannot follow is refused, or left out with a finding.
    version_added: 1.1.0
    type: dict
    default: {}
  merged_database:
    description:
      - The name of one database that all become schemas of. V(public) of the database C(shop) becomes C(shop), any other schema C(shop_<schema>).
      - Empty means that each database becomes one of its own.
    version_added: 1.1.0
    type: str
    default: ""
  chunk_rows:
    description: About how many rows a chunk holds.
    type: int
    default: 100000
  parallelism:
    description: How many processes read. V(0) means one a core, at most eight.
    type: int
    default: 0
  role_passwords:
    description: Whether to keep the roles' SCRAM verifiers in a private file of the dump, for an import that makes missing roles.
    type: bool
    default: false
  rows_needed:
    description: Whether a dump whose rows were removed by M(nomos.cockroach_migrator.dump_rows) has to be made again.
    type: bool
    default: true
  value_policies:
    description:
      - What to do with values that PostgreSQL cannot hold, by kind. V(stop) is the default, the others are V(replace), V(null) and V(reject).
      - The kinds are V(zero_character), V(invalid_utf8), V(length), V(decimal_scale), V(decimal_range), V(real_range), V(timestamp_range),
        V(interval_range), V(json_number) and V(json_depth). What each is replaced by stands in the collection's README.
      - Changed values are findings of the dump. Rejected rows lie below C(rejects) in the dump, and are imported into the table C(cockroach_migrator.rejects).
      - Other policies make another dump.
    type: dict
    default: {}
    version_added: 1.1.0
requirements:
  - sqlglot
seealso:
  - module: nomos.cockroach_migrator.dump_validate
  - module: nomos.cockroach_migrator.postgres_import
"""

EXAMPLES = r"""
- name: Export one database of a backup, without its audit tables
  nomos.cockroach_migrator.backup_export:
    locations: [s3://backups/nightly]
    dump_dir: /var/lib/migration/dump
    include: [shop]
    exclude: [shop.public.audit_*]
"""

RETURN = r"""
dump_dir:
  description: The directory of the dump.
  returned: success
  type: str
databases:
  description: The names of the databases in the dump.
  returned: success, except for what would be exported in check mode
  type: list
  elements: str
tables:
  description: How many tables the dump has.
  returned: success
  type: int
chunks:
  description: How many chunks the dump has.
  returned: success
  type: int
rows:
  description: How many rows the dump has.
  returned: success, except for what would be exported in check mode
  type: int
seconds:
  description: How long it took.
  returned: success, except for what would be exported in check mode
  type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import ansible_module, libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.export import export_backup
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.arrangement import Arrangement
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.dump.value_policies import value_policies
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.migration_log import MigrationLog


def export(module: AnsibleModule, log: MigrationLog) -> dict:
    """Call the export and log it."""
    given = module.params
    result = export_backup(
        ansible_module.backup_request(module), given["dump_dir"], Selection(tuple(given["include"]), tuple(given["exclude"])),
        given["chunk_rows"], ansible_module.processes(given["parallelism"]), log.progress, module.check_mode,
        keep_passwords=given["role_passwords"], rows_needed=given["rows_needed"],
        arrangement=Arrangement(tuple(given["rename"].items()), given["merged_database"]), policies=value_policies(given["value_policies"]),
    )
    if result["changed"]:
        log.write(f"{result.get('rows')} rows of {result['tables']} tables in {result.get('seconds')} s into {result['dump_dir']}")
    return result


def main() -> None:
    """Arguments, one function, facts."""
    module = AnsibleModule(
        argument_spec=dict(
            **ansible_module.source_arguments(),
            **ansible_module.log_arguments(),
            dump_dir=dict(type="path", required=True),
            include=dict(type="list", elements="str", default=[]),
            exclude=dict(type="list", elements="str", default=[]),
            rename=dict(type="dict", default={}),
            merged_database=dict(type="str", default=""),
            chunk_rows=dict(type="int", default=100000),
            parallelism=dict(type="int", default=0),
            role_passwords=dict(type="bool", default=False, no_log=False),
            rows_needed=dict(type="bool", default=True),
            value_policies=dict(type="dict", default={}),
        ),
        supports_check_mode=True,
    )
    needs = libraries.for_locations(module.params["locations"]) + libraries.WRITE_DUMP
    log = ansible_module.migration_log(module, "backup_export")
    ansible_module.run(module, needs, lambda: export(module, log), log)


if __name__ == "__main__":
    main()
