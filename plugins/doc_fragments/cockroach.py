# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - The running CockroachDB as a URL, such as V(postgresql://migrator@db.internal:26257/defaultdb?sslmode=verify-full). It replaces the options below.
      - If the URL has no C(sslmode), V(verify-full) is used.
    type: str
    default: ""
  login_host:
    description: The host of a node.
    type: str
    default: 127.0.0.1
  login_port:
    description: The node's SQL port.
    type: int
    default: 26257
  login_user:
    description: The user to log in as.
    type: str
    default: root
  login_password:
    description: The password of O(login_user).
    type: str
    default: ""
  ssl_mode:
    description: The C(sslmode) of libpq. A node without TLS needs V(disable). The password and all rows then go over the network in clear text.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: verify-full
  certs_dir:
    description:
      - A directory with C(ca.crt) and, for a login by certificate, C(client.USER.crt) and C(client.USER.key), as CockroachDB names them.
      - Not used with O(ssl_mode=disable).
    type: path
  ca_cert:
    description: The certificate authority's certificate (C(ca.crt)).
    type: path
  client_cert:
    description: The user's client certificate (such as C(client.root.crt)).
    type: path
  client_key:
    description: The private key of O(client_cert).
    type: path
requirements:
  - psycopg2-binary (or psycopg2)
"""
