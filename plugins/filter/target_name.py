# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that names a target of a migration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import BY_NAME

DOCUMENTATION = r"""
name: target_name
short_description: Name a target of a migration
version_added: 1.1.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Returns C(host:port) of the variables C(postgres_host) and C(postgres_port), or of their defaults.
options:
  _input:
    description: The variables of a host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the targets
  ansible.builtin.debug:
    msg: "{{ groups.migration_targets | map('extract', hostvars) | map('nomos.cockroach_migrator.target_name') | list }}"
"""

RETURN = r"""
_value:
  description: The name of the target.
  type: str
"""


def target_name(variables: Mapping[str, Any]) -> str:
    """Return ``host:port``."""
    host, port = (variables.get(name) or BY_NAME[name].default for name in ("postgres_host", "postgres_port"))
    return f"{host}:{port}"


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"target_name": target_name}
