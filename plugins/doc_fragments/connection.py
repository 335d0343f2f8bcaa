# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
requirements:
  - cattrs
  - psycopg2-binary (or psycopg2)
  - sqlglot
  - tenacity
  - zstandard
"""
