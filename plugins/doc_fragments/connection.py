# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description: The server's host, or the directory of its Unix socket.
    type: str
    default: localhost
  login_port:
    description: The server's port.
    type: int
    default: 5432
  login_user:
    description: The role to log in as.
    type: str
    default: postgres
  login_password:
    description: The password of O(login_user). If it is empty, libpq looks in C(PGPASSWORD) and C(.pgpass).
    type: str
    default: ""
  login_db:
    description: The database to connect to first.
    type: str
    default: postgres
  ssl_mode:
    description:
      - The C(sslmode) of libpq. If it is not set, libpq's environment counts (C(PGSSLMODE), a service file). Without either it is V(prefer) on
        loopback and Unix sockets and V(require) elsewhere.
      - Before 1.3.0 the default was V(prefer).
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    aliases: [sslmode]
  ca_cert:
    description: A file with the certificate authorities that may have signed the server's certificate, or V(system) for those that the host trusts.
    type: path
    aliases: [ssl_rootcert]
  client_cert:
    description: A file with the client's certificate.
    version_added: 1.3.0
    type: path
    aliases: [ssl_cert]
  client_key:
    description: A file with the key of O(client_cert). Nobody else may be able to read it.
    version_added: 1.3.0
    type: path
    aliases: [ssl_key]
  connect_params:
    description:
      - Further parameters of libpq, such as C(sslcrl), C(target_session_attrs), C(service).
      - Parameters that have an option of their own are refused, and so are names that libpq does not know. C(sslpassword) and the like are treated as
        secrets.
    version_added: 1.3.0
    type: dict
    default: {}
requirements:
  - cattrs
  - psycopg2-binary (or psycopg2)
  - sqlglot
  - zstandard
"""
