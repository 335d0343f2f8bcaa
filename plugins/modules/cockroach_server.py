#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs a temporary CockroachDB."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cockroach_server
short_description: Run a temporary single-node CockroachDB
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Makes, starts, stops and removes a single-node CockroachDB of its own, on loopback only, to restore a backup into.
  - The node is found again by its process and its store, so that a broken run leaves nothing behind that a second run does not use or remove.
  - Diagnostics reporting, update checks and crash reports are off.
  - With V(0) as O(port) or O(http_port) the node takes any free port.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.cockroach_server
  - nomos.cockroach_migrator.log
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(started) makes the node where it is missing and starts it, V(stopped) lets it drain and end and keeps its data, V(absent) also removes its directory.
      - A node that runs with other options than these is started anew, on the ports that it has.
    type: str
    choices: [started, stopped, absent]
    default: started
  directory:
    description: The node's own directory, for data, certificates and logs. It is made, and must not hold anything else.
    type: path
    required: true
  binary:
    description: The CockroachDB program. Required for O(state=started).
    type: path
  store_size:
    description: The size of the store, as CockroachDB takes it. Empty means that of the disk.
    type: str
    default: ""
  external_io_dir:
    description: The directory that C(nodelocal) locations are in. Empty means that the node reads no files of this host.
    type: path
  spatial_libs:
    description: The directory of CockroachDB's spatial libraries (C(libgeos)). Empty means where CockroachDB looks by itself.
    type: path
  environment:
    description:
      - Environment variables that the node gets besides a few harmless ones, such as the AWS variables for implicit authentication.
      - They count when the node is started; a node that runs is not started anew for them.
    type: dict
    default: {}
requirements:
  - cryptography
  - psycopg2-binary (or psycopg2)
  - tenacity
"""

EXAMPLES = r"""
- name: Start a temporary CockroachDB
  nomos.cockroach_migrator.cockroach_server:
    directory: /var/tmp/migration/cockroach
    binary: /var/cache/cockroach_migrator/cockroach-v24.3.5/cockroach
  register: node

- name: Remove it
  nomos.cockroach_migrator.cockroach_server:
    directory: /var/tmp/migration/cockroach
    state: absent
"""

RETURN = r"""
host:
  description: The host to connect to. For a secure node a name that its certificate is valid for.
  returned: when O(state=started)
  type: str
port:
  description: The SQL port. Another one than O(port) when that is taken.
  returned: when O(state=started)
  type: int
http_port:
  description: The port of the DB Console. Another one than O(http_port) when that is taken.
  returned: when O(state=started)
  type: int
pid:
  description: The number of the process; 0 in check mode when the node would be started.
  returned: when O(state=started)
  type: int
insecure:
  description: Whether it runs without TLS.
  returned: when O(state=started)
  type: bool
certs_dir:
  description: The directory of the certificates to connect with; empty for an insecure node.
  returned: when O(state=started)
  type: str
log_dir:
  description: The directory of its logs.
  returned: when O(state=started)
  type: str
version:
  description: The release that runs, such as V(v24.3.5); empty in check mode when the node would be started.
  returned: when O(state=started)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NEEDS,
    NodeOptions,
    ensure_node,
)

_SHORTEST_SECRET = 8


def main() -> None:
    """Arguments, one function, facts."""
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("cockroach_server"),
            state=dict(type="str", choices=["started", "stopped", "absent"], default="started"),
            directory=dict(type="path", required=True),
            binary=dict(type="path"),
            store_size=dict(type="str", default=""),
            external_io_dir=dict(type="path"),
            spatial_libs=dict(type="path"),
            environment=dict(type="dict", default={}, no_log=True),
            **_ansible_module.log_arguments(),
        ),
        required_if=[("state", "started", ("binary",))],
        supports_check_mode=True,
    )
    given = module.params
    # A short word such as "true" is no secret, and would be masked wherever it stands.
    module.no_log_values -= {
        value for value in map(str, given["environment"].values()) if len(value) < _SHORTEST_SECRET
    }
    options = NodeOptions(
        directory=given["directory"],
        binary=given["binary"] or "",
        port=given["port"],
        http_port=given["http_port"],
        insecure=given["insecure"],
        certs_dir=given["certs_dir"] or "",
        max_sql_memory=given["max_sql_memory"],
        cache=given["cache"],
        store_size=given["store_size"],
        external_io_dir=given["external_io_dir"] or "",
        spatial_libs=given["spatial_libs"] or "",
        environment={name: str(value) for name, value in given["environment"].items()},
    )
    log = _ansible_module.migration_log(module, "cockroach_server")

    def work() -> dict:
        facts = ensure_node(given["state"], options, module.check_mode)
        if facts["changed"]:
            log.write(
                f"{given['state']}: {options.directory}"
                + (f", CockroachDB {facts['version']} on port {facts['port']}" if "port" in facts else "")
            )
        return facts

    _ansible_module.run(module, NEEDS, work, log)


if __name__ == "__main__":
    main()
