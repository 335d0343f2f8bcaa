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
  - Reads a CockroachDB over SQL as of one time and writes the same dump as M(nomos.cockroach_migrator.backup_export).
  - The schema is read from the descriptors, the rows are read in ranges of the primary keys, by COPY if the server has it.
  - From v25.4 on the module's sessions set C(allow_unsafe_internals), which CockroachDB audits. If the system tables stay closed to a member of the role
    admin all the same, the schema is read from C(SHOW CREATE), with a finding that lists what cannot be read there.
  - Stops when row-level security (v25.2 and later) could hide rows from the user.
  - Checks that there is room for the dump before it writes.
  - Fails unless as many rows were read as CockroachDB counts.
  - A complete dump of the same source, selection and names is not written again. An interrupted export resumes where it stopped, as of the same time.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.cockroach_export
  - nomos.cockroach_migrator.cockroach
  - nomos.cockroach_migrator.chosen
  - nomos.cockroach_migrator.export
  - nomos.cockroach_migrator.log
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  kind:
    description:
      - The kind of source that is recorded in the dump. V(restore) is a backup that was restored into a temporary CockroachDB.
      - O(gc_check) has no effect with V(restore).
    type: str
    choices: [cluster, restore]
    default: cluster
  source_id:
    description:
      - The id of the content for O(kind=restore), made from the backup's cluster id and time for example, so that a new temporary CockroachDB counts
        as the same source.
      - Empty means the cluster's own id.
    type: str
    default: ""
  locations:
    description: The locations of the backup, without secrets, for the report.
    type: list
    elements: str
    default: []
  findings:
    description: The findings of M(nomos.cockroach_migrator.cockroach_restore), for the report.
    type: list
    elements: dict
    default: []
  grants_restored:
    description:
      - Whether owners and grants are those of the source. Restoring databases or tables, not the whole cluster, loses them.
      - V(false) adds a finding that says so.
    type: bool
    default: true
  object_numbers:
    description:
      - The C(object_numbers) of M(nomos.cockroach_migrator.cockroach_restore), for O(kind=restore) and O(conversion_policies) with
        C(object_identifiers=text).
      - Without them the object identifiers of restored objects keep their numbers, with a finding.
    type: list
    elements: list
    default: []
    version_added: 1.2.0
requirements:
  - cattrs
  - sqlglot
  - tenacity
  - zstandard
  - pyrage (for an encrypted dump)
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
  description: The time of the data, as a decimal timestamp of CockroachDB.
  returned: success
  type: str
end_time:
  description: The same time in UTC.
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
  description: The seconds that the export took.
  returned: success, except for what would be exported in check mode
  type: float
validated:
  description: Whether the dump was validated in the same step, as M(nomos.cockroach_migrator.dump_validate) does, and O(state_dir) records it.
  returned: success, except for what would be exported in check mode
  version_added: 1.7.0
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_cockroach, _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_export import export_source
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import read_findings
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_numbers import read_records
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.cluster_source import (
    CLUSTER,
    RESTORE,
    ClusterRequest,
    ClusterSource,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


def cluster_source(module: AnsibleModule) -> ClusterSource:
    """Build the source from the arguments."""
    given = module.params
    request = ClusterRequest(
        as_of=given["as_of"],
        kind=given["kind"],
        source_id=given["source_id"],
        locations=tuple(given["locations"]),
        findings=read_findings(given["findings"]),
        grants_restored=given["grants_restored"],
        gc_check=given["gc_check"],
        object_numbers=read_records(given["object_numbers"]) if given["object_numbers"] else None,
    )
    return ClusterSource(_ansible_cockroach.cockroach_parameters(module), request)


def export(module: AnsibleModule, log: MigrationLog) -> Outcome:
    """Export the cluster; warn when a dump of an earlier moment is used again."""
    result = export_source(module, log, cluster_source(module))
    if (
        isinstance(result, ExportResult)
        and not result.changed
        and module.params["kind"] == CLUSTER
        and not module.params["as_of"]
    ):
        module.warn(
            f"The dump in {result.dump_dir} is used again. It holds the data of {result.end_time}: remove it, or set as_of, for newer data."
        )
    return Outcome(result)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("cockroach_export"),
            **_ansible_module.cockroach_arguments(),
            **_ansible_module.log_arguments(),
            **_ansible_module.export_arguments(),
            kind=dict(type="str", choices=[CLUSTER, RESTORE], default=CLUSTER),
            source_id=dict(type="str", default=""),
            locations=dict(type="list", elements="str", default=[]),
            findings=dict(type="list", elements="dict", default=[]),
            grants_restored=dict(type="bool", default=True),
            object_numbers=dict(type="list", elements="list", default=[]),
        ),
        supports_check_mode=True,
    )
    log = _ansible_module.migration_log(module, "cockroach_export")
    _ansible_module.run(module, ("psycopg2", "tenacity", *libraries.WRITE_DUMP), lambda: export(module, log), log)


if __name__ == "__main__":
    main()
