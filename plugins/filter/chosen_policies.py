# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A filter that leaves the choices of conversion_policies that make another dump."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)

DOCUMENTATION = r"""
name: chosen_policies
short_description: Read the choices of the conversion
version_added: 1.2.0
author: The nomos.cockroach_migrator authors (@nomos-oss)
description:
  - Returns the choices of the variable C(conversion_policies) that are not the defaults.
options:
  _input:
    description: The mapping of keys to choices.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the choices that are not the defaults
  ansible.builtin.debug:
    msg: "{{ {'unique_rowid': 'function', 'row_ttl': 'finding'} | nomos.cockroach_migrator.chosen_policies }}"
"""

RETURN = r"""
_value:
  description: The choices.
  type: dict
"""


def chosen_policies(value: Any) -> dict[str, str]:
    """Return the choices that are not the defaults."""
    try:
        return conversion_policies(value).chosen()
    except ConfigurationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict:
        """Return the filters by name."""
        return {"chosen_policies": chosen_policies}
