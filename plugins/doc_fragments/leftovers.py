# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that the modules share which remove what a migration has left."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  rehearsal_directory:
    description: The directory of the rehearsal's PostgreSQL server. If empty, none is removed.
    type: path
  bin_dir:
    description: The directory of PostgreSQL's programs, which stop the server of an interrupted rehearsal. If empty, the programs are taken that it was
      started with.
    type: path
  cockroach_directory:
    description: The directory of the temporary CockroachDB. If empty, none is removed.
    type: path
  cache_dir:
    description: A directory of downloads to remove. If empty, none is removed.
    type: path
requirements:
  - cattrs
  - psutil
  - psycopg2-binary (or psycopg2)
  - tenacity
"""
