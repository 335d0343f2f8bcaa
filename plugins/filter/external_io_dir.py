# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that tells which local directory a CockroachDB node needs to read a backup."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore import storage_uri

DOCUMENTATION = r"""
name: external_io_dir
short_description: Tell which local directory a CockroachDB node needs to read a backup
version_added: 1.1.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Returns the nearest directory above all C(file://) locations, for C(--external-io-dir). Empty if none of the locations is local.
options:
  _input:
    description: The locations of a backup.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Start a node that can read the backup
  nomos.cockroach_migrator.cockroach_server:
    directory: /var/tmp/cockroach
    binary: /usr/local/bin/cockroach
    external_io_dir: "{{ ['file:///backups/nightly'] | nomos.cockroach_migrator.external_io_dir }}"
"""

RETURN = r"""
_value:
  description: The directory, or an empty string.
  type: str
"""


def external_io_dir(locations: list[str]) -> str:
    """Return the directory. Raises AnsibleFilterError."""
    try:
        return storage_uri.external_io_dir(locations)
    except MigrationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"external_io_dir": external_io_dir}
