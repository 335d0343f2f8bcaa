# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  dump_dir:
    description: The directory of the dump. It is created with mode 0700.
    type: path
    required: true
  role_passwords:
    description: Whether to keep the roles' SCRAM verifiers in a private file of the dump, for an import that creates missing roles.
    type: bool
    default: false
  rows_needed:
    description: Whether to export again if M(nomos.cockroach_migrator.dump_rows) has removed the rows of the dump.
    type: bool
    default: true
"""
