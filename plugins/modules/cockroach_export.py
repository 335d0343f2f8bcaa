#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes the dump of a running CockroachDB."""
from __future__ import annotations

DOCUMENTATION = r"""
module: cockroach_export
short_description: Export a running CockroachDB into a dump directory
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Reads a CockroachDB over SQL at one moment and writes the same dump as M(nomos.cockroach_migrator.backup_export).
  - Reads the schema from the descriptors and the rows in ranges of the primary keys, by COPY where the server has it. The text of the shell is never parsed.
  - Proves that as many rows were read as CockroachDB counts.
  - A complete dump of the same source, selection and names is left as it is. One that was broken off goes on where it stopped, at the same moment.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.cockroach
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
  as_of:
    description:
      - The moment to read the data at, as C(AS OF SYSTEM TIME) takes it. Empty means now.
      - CockroachDB keeps old rows for C(gc.ttlseconds) only. An export has to end before.
    type: str
    default: ""
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
    type: dict
    default: {}
  merged_database:
    description:
      - The name of one database that all become schemas of. V(public) of the database C(shop) becomes C(shop), any other schema C(shop_<schema>).
      - Empty means that each database becomes one of its own.
    type: str
    default: ""
  chunk_rows:
    description: How many rows a chunk holds.
    type: int
    default: 100000
  parallelism:
    description: How many processes read, each with its own connection. V(0) means one a core, at most eight.
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
  kind:
    description: What the dump says of its source. V(restore) is a backup that was restored into a temporary CockroachDB.
    type: str
    choices: [cluster, restore]
    default: cluster
  source_id:
    description:
      - What names the content for O(kind=restore), such as the backup's cluster id and time, so that a new temporary CockroachDB counts as the same source.
      - Empty means the cluster's own id.
    type: str
    default: ""
  locations:
    description: Where the data comes from, for the report. Without secrets.
    type: list
    elements: str
    default: []
  findings:
    description: What M(nomos.cockroach_migrator.cockroach_restore) found, for the report.
    type: list
    elements: dict
    default: []
  grants_restored:
    description:
      - Whether owners and grants are those of the source. Restoring databases or tables, not the whole cluster, loses them.
      - V(false) adds a finding that says so.
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
requirements:
  - sqlglot
  - tenacity
  - zstandard
seealso:
  - module: nomos.cockroach_migrator.cockroach_restore
  - module: nomos.cockroach_migrator.dump_validate
  - module: nomos.cockroach_migrator.postgres_import
"""

EXAMPLES = r"""
- name: Export one database of a running cluster
  nomos.cockroach_migrator.cockroach_export:
    url: postgresql://migrator@db.internal:26257/defaultdb?sslmode=verify-full&sslrootcert=/etc/cockroach/ca.crt
    login_password: "{{ vault_cockroach_password }}"
    dump_dir: /var/lib/migration/dump
    include: [shop]
"""

RETURN = r"""
dump_dir:
  description: The directory of the dump.
  returned: success
  type: str
as_of:
  description: The moment of the data, as a decimal timestamp of CockroachDB.
  returned: success
  type: str
end_time:
  description: The same moment as a UTC time.
  returned: success, except for what would be exported in check mode
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
  returned: success, except for what would be exported in check mode
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
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.arrangement import Arrangement
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.model import Finding, from_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.cockroach.export import ExportRequest, export_cluster
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.dump.value_policies import value_policies
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.migration_log import MigrationLog


def export(module: AnsibleModule, log: MigrationLog) -> dict:
    """Call the export and log it."""
    given = module.params
    request = ExportRequest(
        given["dump_dir"], Selection(tuple(given["include"]), tuple(given["exclude"])), given["chunk_rows"], ansible_module.processes(given["parallelism"]),
        as_of=given["as_of"], kind=given["kind"], source_id=given["source_id"], locations=tuple(given["locations"]),
        findings=tuple(from_json(Finding, finding) for finding in given["findings"]), grants_restored=given["grants_restored"],
        keep_passwords=given["role_passwords"], rows_needed=given["rows_needed"],
        arrangement=Arrangement(tuple(given["rename"].items()), given["merged_database"]), policies=value_policies(given["value_policies"]),
    )
    result = export_cluster(ansible_module.cockroach_parameters(module), request, log.progress, module.check_mode)
    if result["changed"]:
        log.write(f"{result.get('rows')} rows of {result['tables']} tables in {result.get('seconds')} s into {result['dump_dir']}")
    elif given["kind"] == "cluster" and not given["as_of"]:
        module.warn(f"The dump in {result['dump_dir']} is used again. It holds the data of {result['end_time']}: remove it, or set as_of, for newer data.")
    return result


def main() -> None:
    """Arguments, one function, facts."""
    module = AnsibleModule(
        argument_spec=dict(
            **ansible_module.cockroach_arguments(),
            **ansible_module.log_arguments(),
            dump_dir=dict(type="path", required=True),
            as_of=dict(type="str", default=""),
            include=dict(type="list", elements="str", default=[]),
            exclude=dict(type="list", elements="str", default=[]),
            rename=dict(type="dict", default={}),
            merged_database=dict(type="str", default=""),
            chunk_rows=dict(type="int", default=100000),
            parallelism=dict(type="int", default=0),
            role_passwords=dict(type="bool", default=False, no_log=False),
            rows_needed=dict(type="bool", default=True),
            value_policies=dict(type="dict", default={}),
            kind=dict(type="str", choices=["cluster", "restore"], default="cluster"),
            source_id=dict(type="str", default=""),
            locations=dict(type="list", elements="str", default=[]),
            findings=dict(type="list", elements="dict", default=[]),
            grants_restored=dict(type="bool", default=True),
        ),
        supports_check_mode=True,
    )
    log = ansible_module.migration_log(module, "cockroach_export")
    ansible_module.run(module, ("psycopg2", "tenacity", *libraries.WRITE_DUMP), lambda: export(module, log), log)


if __name__ == "__main__":
    main()
