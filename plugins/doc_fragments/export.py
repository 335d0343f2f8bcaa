# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Documentation that several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible asks for."""

    DOCUMENTATION = r"""
options:
  dump_dir:
    description: The directory of the dump. It is made with mode 0700.
    type: path
    required: true
  chunk_rows:
    description: About how many rows a chunk holds.
    type: int
    default: 100000
  parallelism:
    description: How many processes read. V(0) means one a core, at most eight.
    type: int
    default: 0
  role_passwords:
    description: Whether to keep the roles' SCRAM verifiers in a private file of the dump, for an import that makes missing roles.
    type: bool
    default: false
  rows_needed:
    description: Whether a dump whose rows were removed by M(nomos.cockroach_migrator.dump_rows) has to be made again.
    type: bool
    default: true
  value_policies:
    description:
      - What to do with values that PostgreSQL cannot hold, by kind. V(stop) is the default, the others are V(replace), V(null) and V(reject).
      - The kinds are V(zero_character), V(invalid_utf8), V(length), V(decimal_scale), V(decimal_range), V(real_range), V(timestamp_range),
        V(interval_range), V(json_number) and V(json_depth). What each is replaced by stands in the collection's README.
      - Changed values are findings of the dump. Rejected rows lie below C(rejects) in the dump, and are imported into the table C(cockroach_migrator.rejects).
      - Other policies make another dump.
    type: dict
    default: {}
  conversion_policies:
    description:
      - What becomes of things that have two counterparts in PostgreSQL. The first choice of each key is the default.
      - V(unique_rowid) is V(identity) or V(function), V(object_identifiers) is V(oid) or V(text), V(unique_without_index) is V(index) or V(trigger),
        V(row_ttl) is V(finding) or V(job). What each does stands in the collection's README.
      - The dump keeps the choices, so that its import and verification follow them. Other choices make another dump.
    type: dict
    version_added: 1.2.0
    default: {}
"""
