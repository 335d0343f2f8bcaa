# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that takes the secrets off a backup's location."""

from __future__ import annotations

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.storage_uri import public_uri

DOCUMENTATION = r"""
name: public_location
short_description: Remove the secrets from a backup's location
version_added: 1.1.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Returns a storage URI without its user and its parameters.
options:
  _input:
    description: The location.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the backup is
  ansible.builtin.debug:
    msg: "{{ backup_location | nomos.cockroach_migrator.public_location }}"
"""

RETURN = r"""
_value:
  description: The location without secrets.
  type: str
"""


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"public_location": public_uri}
