#!/usr/bin/python
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Converts the text of a CockroachDB schema."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schema_convert
short_description: Convert the text of a CockroachDB schema to PostgreSQL
author: The nomos.cockroach_migrator authors (@nomos-oss)
version_added: 1.1.0
description:
  - Reads the output of C(SHOW CREATE ALL SCHEMAS), C(SHOW CREATE ALL TYPES), C(SHOW CREATE ALL TABLES), C(SHOW CREATE ALL ROUTINES),
    C(SHOW CREATE ALL TRIGGERS), C(SHOW CREATE TABLE) and the like, of CockroachDB v20.1 to v26, and writes PostgreSQL's SQL. No CockroachDB is needed.
  - The text may be what psql prints (aligned, unaligned, expanded, CSV), what C(cockroach sql) prints (C(--format) table, tsv, csv, raw, records, sql),
    or a file of SQL. The forms table and aligned lose tabs, and spaces at the ends of lines, inside of string constants. C(--format=raw) is exact.
  - Whatever is changed, weakened or omitted is a finding. A statement that is not understood is an error that names the statement and its line.
  - The text holds no rows and no values of sequences, and owners and grants only if it has them. Use a backup or a running cluster to move a whole database.
extends_documentation_fragment:
  - nomos.cockroach_migrator.attributes
  - nomos.cockroach_migrator.settings.schema_convert
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - cattrs
  - sqlglot
options:
  src:
    description: A file on the host that holds the text, in UTF-8. One of O(src) and O(text) is required.
    type: path
  text:
    description: The text itself. It is logged like any argument. Use O(src) for a text that holds passwords.
    type: str
  database:
    description:
      - The name of the database that the text describes, for findings and for names without a database.
      - Empty means the one that the text creates or names, else V(defaultdb).
    type: str
    default: ""
  dest:
    description:
      - The directory for C(pre-data.sql) (types, sequences, tables), C(post-data.sql) (keys, indexes, constraints, views and so on) and C(findings.json).
        It is created if it is missing.
      - If the text describes several databases, the SQL of each is written into a subdirectory of its own.
    type: path
    required: true
  postgres_version:
    description: The major version of the PostgreSQL that the SQL is for.
    type: int
    default: 17
  icu:
    description: Whether that PostgreSQL has ICU collations.
    type: bool
    default: true
  sorts_by_bytes:
    description:
      - Whether the database that the SQL is for sorts text by its bytes, as CockroachDB does. C(SELECT 'a' < 'B') is false in such a database. It has the
        C library's locale C or C.UTF-8 (C(createdb -T template0 --lc-collate=C --lc-ctype=C.UTF-8)), or the builtin provider of PostgreSQL 17 and later.
      - In all other databases, the choice for C(text_order) in O(conversion_policies) decides how text is compared.
    type: bool
    default: false
    version_added: 1.5.0
  extensions:
    description: The extensions that can be created there, such as V(postgis), V(pg_trgm), V(btree_gin), V(citext), V(ltree), V(vector).
    type: list
    elements: str
    default: []
  grants:
    description:
      - What becomes of C(GRANT), C(OWNER TO) and roles in the text. With V(create) they are converted, and C(roles.sql) creates the roles. Run it
        first if they are missing. V(skip) omits all of them.
    type: str
    choices: [create, skip]
    default: create
seealso:
  - module: nomos.cockroach_migrator.backup_export
  - module: nomos.cockroach_migrator.cockroach_export
"""

EXAMPLES = r"""
- name: Convert what "cockroach sql --format=raw -e 'SHOW CREATE ALL TYPES; SHOW CREATE ALL TABLES'" printed
  nomos.cockroach_migrator.schema_convert:
    src: /tmp/shop.txt
    database: shop
    dest: /tmp/shop
    extensions: [pg_trgm]
  register: schema

- name: Show what differs in PostgreSQL
  ansible.builtin.debug:
    var: schema.findings
"""

RETURN = r"""
files:
  description: The paths of the files.
  returned: success
  type: list
  elements: str
objects:
  description: How many objects the text describes, with the keys C(databases), C(schemas), C(types), C(sequences), C(tables), C(views), C(functions).
  returned: success
  type: dict
  sample: {databases: 1, schemas: 2, types: 1, sequences: 2, tables: 10, views: 3, functions: 0}
findings:
  description:
    - What is changed, weakened or omitted. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: success
  type: list
  elements: dict
"""

import os
from dataclasses import dataclass, field
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._ansible_module import Outcome
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
    read_source,
    write_files,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import module_arguments
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import Finding
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import IF_KNOWN

NEEDS = ("cattrs", "sqlglot")


@dataclass(frozen=True)
class ConvertedSchema:
    """The files that were written, or in check mode would be."""

    changed: bool
    files: list[str]
    """Their paths."""
    objects: dict[str, int]
    """How many of each kind the text describes."""
    findings: list[Finding]
    diff: Optional[list[dict[str, str]]] = field(default=None, metadata=IF_KNOWN)
    """Of the files, where it is asked for, as Ansible shows it."""


def convert(given: dict, check_mode: bool, diff: bool = False) -> ConvertedSchema:
    """Convert and write what is not there; with ``diff`` return the differences of the files, too."""
    text = read_source(given["src"]) if given["src"] else given["text"]
    features = ServerFeatures(
        given["postgres_version"], given["icu"], frozenset(given["extensions"]), given["sorts_by_bytes"]
    )
    options = ConvertOptions(grants=given["grants"], policies=conversion_policies(given["conversion_policies"]))
    result = convert_text(text, given["database"], features, options)
    differences = write_files(given["dest"], result.files, check_mode)
    files = [os.path.join(given["dest"], name) for name in result.files]
    return ConvertedSchema(bool(differences), files, result.objects, result.findings, differences if diff else None)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("schema_convert"),
            src=dict(type="path"),
            text=dict(type="str", no_log=False),
            database=dict(type="str", default=""),
            dest=dict(type="path", required=True),
            postgres_version=dict(type="int", default=17),
            icu=dict(type="bool", default=True),
            sorts_by_bytes=dict(type="bool", default=False),
            extensions=dict(type="list", elements="str", default=[]),
            grants=dict(type="str", choices=["create", "skip"], default="create"),
        ),
        required_one_of=[("src", "text")],
        mutually_exclusive=[("src", "text")],
        supports_check_mode=True,
    )
    _ansible_module.run(module, NEEDS, lambda: Outcome(convert(module.params, module.check_mode, module._diff)))


if __name__ == "__main__":
    main()
