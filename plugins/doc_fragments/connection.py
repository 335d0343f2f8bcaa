# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""
from __future__ import annotations


class ModuleDocFragment:
    """What Ansible asks for."""

    DOCUMENTATION = r"""
options:
  login_host:
    description: The server, or the directory of its Unix socket.
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
    description: Its password.
    type: str
    default: ""
  login_db:
    description: The database to connect to first.
    type: str
    default: postgres
  ssl_mode:
    description: As C(sslmode) of libpq.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: A file with the certificate authorities that may have signed the server's certificate.
    type: path
requirements:
  - psycopg2-binary (or psycopg2)
  - sqlglot
  - zstandard
"""
