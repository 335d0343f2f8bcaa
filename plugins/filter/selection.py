# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that reads the variable C(databases)."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import settings_check

DOCUMENTATION = r"""
name: selection
short_description: Read the patterns of databases and tables
version_added: 1.0.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Converts all forms in which patterns may be given to one form.
options:
  _input:
    description: One pattern, a list of patterns to include, or a mapping with the lists C(include) and C(exclude).
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show what is included
  ansible.builtin.debug:
    msg: "{{ ['shop', 'crm.public.*'] | nomos.cockroach_migrator.selection }}"
"""

RETURN = r"""
_value:
  description: A mapping with the lists C(include) and C(exclude).
  type: dict
"""


def selection(value: Any) -> dict[str, list[str]]:
    """Return the lists ``include`` and ``exclude``. Raises AnsibleFilterError."""
    try:
        include, exclude = settings_check.selection(value)
    except MigrationError as error:
        raise AnsibleFilterError(str(error)) from error
    return {"include": include, "exclude": exclude}


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"selection": selection}
