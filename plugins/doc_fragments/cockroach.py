# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description: The host of a node.
    type: str
    default: 127.0.0.1
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
