#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Checks the user's variables; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_settings
short_description: Check the variables of a migration
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.0.0
description:
  - Refuses unknown and mistyped variables, and names the nearest known one. Refuses placeholders of the sample and values that cannot be used.
  - Runs on the controller. The messages never hold a secret.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes.read_only
  - nomos.cockroach_migrator.attributes
options:
  ignored:
    description: Names of variables that are unknown but meant for something else.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check the variables
  nomos.cockroach_migrator.check_settings:
"""

RETURN = r""" # """
