#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs a throw-away or demo PostgreSQL."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_server
short_description: Run a throw-away PostgreSQL server
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Creates, starts, stops and removes a PostgreSQL server, on loopback and a private socket, for rehearsals and demonstrations.
  - PostgreSQL refuses to run as root. If the module runs as root, the server runs as O(os_user).
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
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
      - V(started) creates the server if it is missing and starts it. V(stopped) stops it and keeps its data. V(absent) stops it and removes its data.
    type: str
    choices: [started, stopped, absent]
    default: started
  directory:
    description: The server's own directory, for data, socket and log. It is created if it is missing, and must not hold anything else.
    type: path
    required: true
  bin_dir:
    description: The directory of PostgreSQL's programs. Required unless O(state=absent) and there is no server.
    type: path
  port:
    description: The port on loopback.
    type: int
    default: 5433
  user:
    description: The superuser.
    type: str
    default: postgres
  password:
    description: The password of O(user). It is set at every start. Required for O(state=started).
    type: str
  database:
    description: A database to create.
    type: str
    default: postgres
  like:
    description:
      - Targets that a new server has to resemble, as M(nomos.cockroach_migrator.postgres_preflight) returns their C(server).
      - The server gets a role with no more rights than all the targets give, their roles and settings, and the databases that exist there, with their
        locale and extensions if they are available. O(user) is not created then.
    version_added: 1.3.0
    type: list
    elements: dict
    default: []
  durable:
    description: Whether the server's data has to survive a crash of the host. A throw-away server is faster without that.
    type: bool
    default: false
  os_user:
    description: The user that runs the server when the module runs as root. Empty means V(postgres), or V(nobody) if there is no such user.
    type: str
    default: ""
requirements:
  - cattrs (for O(like))
  - psutil
  - psycopg2-binary (or psycopg2)
"""

EXAMPLES = r"""
- name: Start a throw-away server
  nomos.cockroach_migrator.postgres_server:
    directory: /var/tmp/rehearsal
    bin_dir: /usr/lib/postgresql/17/bin
    port: 5433
    password: "{{ rehearsal_password }}"

- name: Remove the server
  nomos.cockroach_migrator.postgres_server:
    directory: /var/tmp/rehearsal
    bin_dir: /usr/lib/postgresql/17/bin
    state: absent
"""

RETURN = r"""
data_dir:
  description: The data directory.
  returned: when O(state=started)
  type: str
user:
  description: The role to log in as. It is O(user), or with O(like) the role with the same rights as on the targets. Its password is O(password).
  returned: when O(state=started)
  type: str
port:
  description: The port that the server listens on. It differs from O(port) if that port was in use.
  returned: when O(state=started)
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import NEEDS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import (
    WantedServer,
    ensure_server,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["started", "stopped", "absent"], default="started"),
            directory=dict(type="path", required=True),
            bin_dir=dict(type="path"),
            port=dict(type="int", default=5433),
            user=dict(type="str", default="postgres"),
            password=dict(type="str", no_log=True),
            database=dict(type="str", default="postgres"),
            like=dict(type="list", elements="dict", default=[]),
            durable=dict(type="bool", default=False),
            os_user=dict(type="str", default=""),
        ),
        required_if=[("state", "started", ("bin_dir", "password"))],
        supports_check_mode=True,
    )
    needs = (*NEEDS, "cattrs") if module.params["like"] else NEEDS
    _ansible_module.run(
        module, needs, lambda: Outcome(ensure_server(WantedServer(**module.params), check=module.check_mode))
    )


if __name__ == "__main__":
    main()
