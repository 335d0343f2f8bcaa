# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that reads the text of a file of AWS keys."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.aws_keys import parse_aws_keys

DOCUMENTATION = r"""
name: aws_keys
short_description: Read the text of a file of AWS keys
version_added: 1.0.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Reads lines such as C(export AWS_ACCESS_KEY=…), with or without C(export) and quotes.
  - Known names are E(AWS_ACCESS_KEY), E(AWS_ACCESS_KEY_ID), E(AWS_SECRET_KEY), E(AWS_SECRET_ACCESS_KEY), E(AWS_SESSION_TOKEN) and E(AWS_REGION).
options:
  _input:
    description: The text of the file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read a backup's table of contents with the keys of a file
  nomos.cockroach_migrator.backup_info:
    locations: [s3://backups/nightly]
    aws_access_key_id: "{{ keys.access_key_id }}"
    aws_secret_access_key: "{{ keys.secret_access_key }}"
  vars:
    keys: "{{ lookup('ansible.builtin.file', 'aws.keys') | nomos.cockroach_migrator.aws_keys }}"
"""

RETURN = r"""
_value:
  description: The keys C(access_key_id), C(secret_access_key) and, where given, C(session_token) and C(region).
  type: dict
"""


def aws_keys(text: str) -> dict[str, str]:
    """Return the keys in the text. Raises AnsibleFilterError."""
    try:
        return parse_aws_keys(text)
    except MigrationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"aws_keys": aws_keys}
