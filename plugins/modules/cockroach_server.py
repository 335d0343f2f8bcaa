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
  - Creates, starts, stops and removes a temporary single-node CockroachDB, on loopback only, to restore a backup into.
  - The node is found again by its process and its store, so that a second run uses or removes whatever an interrupted run left there.
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
      - V(started) creates the node if it is missing and starts it. V(stopped) drains and stops it, and keeps its data. V(absent) also removes its directory.
      - A node that runs with other options is restarted, on the same ports.
    type: str
    choices: [started, stopped, absent]
    default: started
  directory:
    description: The node's own directory, for data, certificates and logs. It is created if it is missing, and must not hold anything else.
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
    description: The directory below which C(nodelocal) locations are. Empty means that the node reads no files of this host.
    type: path
  spatial_libs:
    description: The directory of CockroachDB's spatial libraries (C(libgeos)). Empty means the places where CockroachDB itself looks.
    type: path
  environment:
    description:
      - Further environment variables of the node, such as the AWS variables for implicit authentication.
      - They take effect when the node is started. A running node is not restarted because of them.
    type: dict
    default: {}
requirements:
  - cryptography (for O(certs_dir))
  - psutil
  - psycopg2-binary (or psycopg2)
  - tenacity
"""

EXAMPLES = r"""
- name: Start a temporary CockroachDB
  nomos.cockroach_migrator.cockroach_server:
    directory: /var/tmp/migration/cockroach
    binary: /var/cache/cockroach_migrator/cockroach-v24.3.5/cockroach
  register: node

- name: Remove the temporary CockroachDB
  nomos.cockroach_migrator.cockroach_server:
    directory: /var/tmp/migration/cockroach
    state: absent
"""

RETURN = r"""
host:
  description: The host to connect to. For a secure node it is a name that the certificate is valid for.
  returned: when O(state=started)
  type: str
port:
  description: The SQL port. It differs from O(port) if that port was in use.
  returned: when O(state=started)
  type: int
http_port:
  description: The port of the DB Console. It differs from O(http_port) if that port was in use.
  returned: when O(state=started)
  type: int
pid:
  description: The process id. V(0) in check mode if the node would be started.
  returned: when O(state=started)
  type: int
insecure:
  description: Whether the node runs without TLS.
  returned: when O(state=started)
  type: bool
certs_dir:
  description: The directory of the certificates to connect with. Empty for an insecure node.
  returned: when O(state=started)
  type: str
log_dir:
  description: The directory of the node's logs.
  returned: when O(state=started)
  type: str
version:
  description: The release that runs, such as V(v24.3.5). Empty in check mode if the node would be started.
  returned: when O(state=started)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NEEDS,
    NodeOptions,
    StartedNode,
    ensure_node,
)

_SHORTEST_SECRET = 8


def main() -> None:
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

    def work() -> Outcome:
        node = ensure_node(given["state"], options, module.check_mode)
        if node.changed:
            runs = f", CockroachDB {node.version} on port {node.port}" if isinstance(node, StartedNode) else ""
            log.write(f"{given['state']}: {options.directory}{runs}")
        return Outcome(node)

    _ansible_module.run(module, NEEDS, work, log)


if __name__ == "__main__":
    main()
