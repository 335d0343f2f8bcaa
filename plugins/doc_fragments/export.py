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
  chunk_rows:
    description: The number of rows in a chunk, approximately.
    type: int
    default: 100000
  parallelism:
    description: How many processes read. V(0) means one a core, at most eight.
    type: int
    default: 0
  role_passwords:
    description: Whether to keep the roles' SCRAM verifiers in a private file of the dump, for an import that creates missing roles.
    type: bool
    default: false
  rows_needed:
    description: Whether to export again if M(nomos.cockroach_migrator.dump_rows) has removed the rows of the dump.
    type: bool
    default: true
  value_policies:
    description:
      - What to do with values that PostgreSQL cannot hold, by kind. V(stop) is the default, the others are V(replace), V(null) and V(reject).
      - The kinds are V(zero_character), V(invalid_utf8), V(length), V(decimal_scale), V(decimal_range), V(real_range), V(timestamp_range),
        V(interval_range), V(json_number) and V(json_depth). The collection's page docs/value-policies.md says what replaces each.
      - Changed values are findings of the dump. Rejected rows lie below C(rejects) in the dump, and are imported into the table
        C(cockroach_migrator.rejects).
      - Other policies make another dump.
    type: dict
    default: {}
  conversion_policies:
    description:
      - What to use where PostgreSQL has two counterparts of a construct. The first choice of each key is the default.
      - V(unique_rowid) is V(identity) or V(function), V(object_identifiers) is V(oid) or V(text), V(unique_without_index) is V(index) or V(trigger),
        V(row_ttl) is V(finding) or V(job). The collection's page docs/conversion.md explains each choice.
      - The dump records the choices, and its import and verification follow them. Other choices make another dump.
    type: dict
    version_added: 1.2.0
    default: {}
"""
