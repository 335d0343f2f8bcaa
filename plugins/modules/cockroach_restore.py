#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Restores a backup into a CockroachDB."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cockroach_restore
short_description: Restore a CockroachDB backup into a temporary CockroachDB
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Restores a backup with CockroachDB's own RESTORE. A backup of a whole cluster is restored as a whole into an empty CockroachDB. Of any other backup the
    chosen databases or tables are restored.
  - RESTORE runs as a detached job, and the module waits for it. The job is cancelled at the time limit or if the play is interrupted. A second run finds it.
  - Before the restore, the release of CockroachDB is compared with the backup's own manifest, if that can be read.
  - After the restore of a whole cluster, its schedules are paused, and its backups, changefeeds and exports are cancelled in the temporary CockroachDB.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.cockroach_restore
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
  locations:
    description:
      - The locations of the backup. This is one C(s3://bucket/prefix) or C(file:///directory) of a backup collection, or a full backup's directory
        followed by its incremental backups in order.
      - Any other URI that CockroachDB knows is passed through with its parameters, such as C(gs://), C(azure-blob://), C(nodelocal://), C(userfile://),
        C(external://), or C(s3://) with parameters of its own. These parameters are never shown.
      - If the URIs name directories that BACKUP TO made, O(subdirectory) is empty.
    type: list
    elements: str
    required: true
  incremental_location:
    description: The locations of the incremental backups, if BACKUP was given an C(incremental_location).
    type: list
    elements: str
    default: []
  aws_assume_role:
    description: The ARNs of the roles that CockroachDB assumes, in order. This needs v22.2 or later.
    type: list
    elements: str
    default: []
  external_io_dir:
    description:
      - The directory that CockroachDB was started with for external files (C(--external-io-dir)), for local O(locations).
      - Empty means the nearest directory above all of them.
    type: path
  include:
    description: Patterns of databases and tables to restore, such as V(shop) or V(shop.public.order*). Empty means all.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of databases and tables to exclude.
    type: list
    elements: str
    default: []
  options:
    description: Options of RESTORE, for chosen tables that refer to objects which are not restored.
    type: list
    elements: str
    choices: [skip_missing_foreign_keys, skip_missing_sequences, skip_missing_sequence_owners, skip_missing_views, skip_missing_udfs]
    default: []
  poll_interval:
    description: Seconds between two queries of the job's state.
    type: float
    default: 2.0
  state_file:
    description: A file that records what was restored and the job's id, for a second run. Its directory is created.
    type: path
    required: true
requirements:
  - boto3 (for locations in S3)
  - cattrs
  - cramjam
  - cryptography
  - google-crc32c
  - numpy
  - sqlglot
  - tenacity
  - xxhash
  - zstandard
seealso:
  - module: nomos.cockroach_migrator.backup_info
"""

EXAMPLES = r"""
- name: Restore the newest backup into a temporary CockroachDB
  nomos.cockroach_migrator.cockroach_restore:
    locations: [s3://backups/nightly]
    aws_access_key_id: "{{ key }}"
    aws_secret_access_key: "{{ secret }}"
    login_port: 26257
    ssl_mode: disable
    state_file: /var/tmp/migration/state/restore.json

- name: Restore two tables of a backup in Google's storage
  nomos.cockroach_migrator.cockroach_restore:
    locations: ["gs://backups/nightly?AUTH=specified&CREDENTIALS={{ credentials | b64encode | urlencode }}"]
    include: [shop.public.orders, shop.public.customers]
    options: [skip_missing_foreign_keys]
    ssl_mode: disable
    state_file: /var/tmp/migration/state/restore.json
"""

RETURN = r"""
job_id:
  description: The id of the RESTORE job, or of the last one if there were two. Empty in check mode.
  returned: success
  type: str
  sample: "1230405459825360897"
coverage:
  description: The coverage of the restore, V(cluster), V(database) or V(table).
  returned: success
  type: str
databases:
  description: The databases that were restored, completely or in part.
  returned: success
  type: list
  elements: str
rows:
  description: The number of rows as CockroachDB counts them in the backup, over all its layers.
  returned: success
  type: int
bytes:
  description: The size of the data in the backup in bytes.
  returned: success
  type: int
seconds:
  description: The seconds that the restore took.
  returned: success
  type: float
findings:
  description:
    - The findings about the restore. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: success
  type: list
  elements: dict
object_numbers:
  description:
    - The numbers that the backup's objects had, each as a list of the number, the kind and the parts of the full name. RESTORE gives new ones, but
      object identifiers (C(REGCLASS) and its like) in rows keep the old ones.
    - Empty when the backup's manifest cannot be read without CockroachDB.
  returned: success
  type: list
  elements: list
  sample: [[104, database, shop], [106, relation, shop, public, orders]]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import (
    _ansible_backup,
    _ansible_cockroach,
    _ansible_module,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.location import libraries_for
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore_statement import SKIPS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.storage_uri import is_own


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("cockroach_restore"),
            **_ansible_module.cockroach_arguments(),
            **_ansible_module.log_arguments(),
            locations=dict(type="list", elements="str", required=True),
            incremental_location=dict(type="list", elements="str", default=[]),
            aws_assume_role=dict(type="list", elements="str", default=[]),
            external_io_dir=dict(type="path"),
            include=dict(type="list", elements="str", default=[]),
            exclude=dict(type="list", elements="str", default=[]),
            options=dict(type="list", elements="str", choices=list(SKIPS), default=[]),
            poll_interval=dict(type="float", default=2.0),
            state_file=dict(type="path", required=True),
        ),
        supports_check_mode=True,
        no_log=True,  # nothing in the host's syslog: it would be written before the secrets in URIs are known
    )
    request = restore_request(module)
    module.no_log_values.update(request.secrets())
    log = _ansible_module.migration_log(module, "restore")
    needs = {
        *libraries_for(filter(is_own, request.locations + request.incremental_location)),
        "cattrs",
        "psycopg2",
        "sqlglot",
        "tenacity",
    }
    _ansible_module.run(
        module,
        sorted(needs),
        lambda: Outcome(
            restore_backup(_ansible_cockroach.cockroach_parameters(module), request, log.progress, module.check_mode)
        ),
        log,
    )


def restore_request(module: AnsibleModule) -> RestoreRequest:
    """Build the request from the module's arguments."""
    given = module.params
    return RestoreRequest(
        locations=tuple(given["locations"]),
        state_file=given["state_file"],
        subdirectory=given["subdirectory"],
        as_of=given["as_of"],
        storage=_ansible_backup.storage_options(module),
        incremental_location=_filled(given["incremental_location"]),
        auth=given["aws_auth"],
        assume_role=_filled(given["aws_assume_role"]),
        passphrase=given["encryption_passphrase"],
        kms_uris=_filled(given["kms_uris"]),
        io_dir=given["external_io_dir"] or "",
        selection=Selection(tuple(given["include"]), tuple(given["exclude"])),
        options=tuple(given["options"]),
        time_limit=given["time_limit"],
        poll_interval=given["poll_interval"],
    )


def _filled(values: list[str]) -> tuple[str, ...]:
    """Return a list without empty texts, which an empty variable of a playbook becomes."""
    return tuple(filter(None, values))


if __name__ == "__main__":
    main()
