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
  - Reads a CockroachDB backup's own files and writes a dump. The rows become PostgreSQL's COPY text in compressed chunks, the schema becomes a
    catalog and SQL.
  - Proves that all bytes that the backup's manifest lists were read.
  - A complete dump of the same backup, selection and names is not written again. An interrupted export resumes where it stopped.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.backup_export
  - nomos.cockroach_migrator.source
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
requirements:
  - cattrs
  - sqlglot
  - tenacity
  - pyrage (for an encrypted dump)
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

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_backup, _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_export import export_source
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_source import BackupSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.location import libraries_for
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("backup_export"),
            **_ansible_module.location_arguments(),
            **_ansible_module.log_arguments(),
            **_ansible_module.export_arguments(),
        ),
        supports_check_mode=True,
        no_log=True,  # nothing in the host's syslog: it would be written before the secrets in URIs are known
    )
    needs = ("tenacity", *libraries_for(module.params["locations"]), *libraries.WRITE_DUMP)
    log = _ansible_module.migration_log(module, "backup_export")
    _ansible_module.run(
        module,
        needs,
        lambda: Outcome(export_source(module, log, BackupSource(_ansible_backup.backup_request(module)))),
        log,
    )


if __name__ == "__main__":
    main()
