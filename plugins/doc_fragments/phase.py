# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that the modules of phases share."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible asks for."""

    DOCUMENTATION = r"""
options:
  result_file:
    description:
      - A file that keeps as JSON how it ended the last time, for M(nomos.cockroach_migrator.migration_state) and
        M(nomos.cockroach_migrator.migration_report).
      - Nothing is written in check mode.
    type: path
  run:
    description: The name of the run that this is part of, kept in O(result_file). A report says which run has verified, unless it is the report's own.
    version_added: 1.3.0
    type: str
    default: ""
"""
