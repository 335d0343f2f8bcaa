# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that the modules of phases share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  result_file:
    description:
      - A file that records the last result as JSON, for M(nomos.cockroach_migrator.migration_state) and
        M(nomos.cockroach_migrator.migration_report).
      - Nothing is written in check mode.
    type: path
  run:
    description: The name of the run, recorded in O(result_file). The report says which run has verified a target, unless it is the run of the report.
    version_added: 1.3.0
    type: str
    default: ""
"""
