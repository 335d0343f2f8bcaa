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
  state_dir:
    description: The directory of the phases' result files, which say what was imported into O(targets). If it is given, a new dump is validated in
      the same step, which costs next to nothing, and that is recorded there.
    version_added: 1.6.0
    type: path
  targets:
    description:
      - The targets that the rows are for, such as V(db.internal:5432). Once the dump has been imported into all of them, O(state_dir) says so, and its
        rows were removed, they are not exported again.
    version_added: 1.6.0
    type: list
    elements: str
    default: []
"""
