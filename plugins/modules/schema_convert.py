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
  - The text may be what psql prints (aligned, unaligned, expanded, CSV), what C(cockroach sql) prints (C(--format) table, tsv, csv, raw, records, sql,
    ndjson), a session copied from a terminal or a ticket, JSON or CSV of an IDE with the column C(create_statement), the tables of statements in an
    archive of C(cockroach debug zip), the text of C(pg_dump) of a CockroachDB v26.3 or later, the DDL of DBeaver, DataGrip, pgAdmin, TablePlus and Navicat,
    or a file of SQL; several of these may be in one file. docs/conversion.md of the collection has the list. What was cut, wrapped or redacted is refused.
  - A file of SQL may also be the schema that people wrote, followed by its migrations. A text that drops, renames or changes something is a history,
    and is read in its order.
  - The forms table and aligned lose tabs, and spaces at the ends of lines, inside of string constants. C(--format=raw) is exact.
  - Whatever is changed, weakened or omitted is a finding.
  - A statement that is not understood is refused, together with what needs its object. All other statements are converted and written. The module
    then fails with a list of the refused ones, unless O(allow_partial) is true.
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
      - The directory for C(pre-data.sql) (types, sequences, tables), C(post-data.sql) (keys, indexes, constraints, views and so on), C(findings.json)
        and C(summary.txt), which says what became of each statement. It is created if it is missing.
      - C(psql) loads C(roles.sql), if there is one, then C(pre-data.sql), then C(post-data.sql).
      - If the text describes several databases, the SQL of each is written into a subdirectory of its own.
    type: path
    required: true
  allow_partial:
    description:
      - Whether the module succeeds although statements are refused. RV(partial) and RV(refused) tell which ones, and the files are the same.
      - It fails nevertheless if nothing is left that can be converted.
    type: bool
    default: false
    version_added: 1.5.0
  postgres_version:
    description: The major version of the PostgreSQL that the SQL is for.
    type: int
    choices: [14, 15, 16, 17, 18]
    default: 17
  icu:
    description: Whether that PostgreSQL has ICU collations.
    type: bool
    default: true
  sorts_by_bytes:
    description:
      - Whether the database that the SQL is for sorts text by its bytes, as CockroachDB does. C(SELECT 'a' < 'B') is false in such a database. It has the
        C library's locale C or C.UTF-8, or the builtin provider of PostgreSQL 17 and later.
      - C(createdb -T template0 --locale-provider=libc --lc-collate=C --lc-ctype=C.UTF-8) creates one. PostgreSQL 14 does not have C(--locale-provider).
      - In all other databases, the choice for C(text_order) in O(conversion_policies) decides how text is compared.
    type: bool
    default: false
    version_added: 1.5.0
  extensions:
    description:
      - The extensions that can be created there, such as V(postgis), V(pg_trgm), V(btree_gin), V(citext), V(ltree), V(vector).
      - Without its extension, a type becomes text and an index is omitted, each with a finding.
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

- name: Convert what can be converted of a schema file, and do without the rest
  nomos.cockroach_migrator.schema_convert:
    src: /tmp/schema.sql
    dest: /tmp/converted
    allow_partial: true
  register: schema

- name: Show what is missing
  ansible.builtin.debug:
    msg: "line {{ item.line }}: {{ item.name }}: {{ item.reason }}"
  loop: "{{ schema.refused }}"

- name: Show what differs in PostgreSQL
  ansible.builtin.debug:
    var: schema.findings
"""

RETURN = r"""
files:
  description: The paths of the files. There are none if every statement that makes an object is refused.
  returned: success, and failure because of refused statements
  type: list
  elements: str
objects:
  description: How many objects were converted, with the keys C(databases), C(schemas), C(types), C(sequences), C(tables), C(views), C(functions).
  returned: success, and failure because of refused statements
  type: dict
  sample: {databases: 1, schemas: 2, types: 1, sequences: 2, tables: 10, views: 3, functions: 0}
findings:
  description:
    - What is changed, weakened or omitted. docs/findings.md of the collection describes the codes.
    - Each has C(code), C(severity) (error, warning or info), C(object), C(message), and where there are such C(advice) and the parts of the object's
      name (C(kind), C(database), C(schema), C(table), C(column), C(name)).
  returned: success, and failure because of refused statements
  type: list
  elements: dict
partial:
  description: Whether statements were refused.
  returned: success, and failure because of refused statements
  version_added: 1.5.0
  type: bool
refused:
  description: The refused statements, in the order of the text.
  returned: success, and failure because of refused statements
  version_added: 1.5.0
  type: list
  elements: dict
  sample:
    - kind: table
      name: shop.public.orders
      line: 12
      command: CREATE TABLE
      statement: "CREATE TABLE orders (id INT8 PRIMARY KEY, place FROB)"
      reason: the type FROB is not known, at line 14, column 11
      because: ""
  contains:
    kind:
      description: The kind of object that the statement is about.
      type: str
    name:
      description: The full name of that object, the name of the database if the statement names none.
      type: str
    line:
      description: The line where the statement begins. It is V(0) for an object that another statement has renamed.
      type: int
    command:
      description: The statement's command, such as C(CREATE TABLE) or C(GRANT). It is empty if the statement begins with no word.
      type: str
    statement:
      description: The statement's beginning, without passwords and URLs.
      type: str
    reason:
      description: What is not understood, and where.
      type: str
    because:
      description: The refused object that the statement needs. It is empty if the statement itself is not understood.
      type: str
summary:
  description:
    - What became of the text.
    - C(converted) means without a finding about its definition. C(changed) means with a finding about the object, or one of its columns or parameters,
      which says that its definition or its meaning differs in PostgreSQL, or with an C(ALTER) statement that is refused. Findings about rows, owners,
      privileges and values do not count.
    - C(omitted) means that a finding says that it is not there. C(refused) means that it is in RV(refused).
  returned: success, and failure because of refused statements
  version_added: 1.5.0
  type: dict
  contains:
    objects:
      description:
        - How many objects of each kind were C(converted), C(changed), C(omitted) and C(refused). The kinds are C(schemas), C(types), C(sequences),
          C(tables), C(views), C(functions), C(indexes), C(constraints), C(triggers) and C(policies), as far as the text has them.
        - Primary keys belong to their tables.
      type: dict
      sample: {tables: {converted: 7, changed: 2, omitted: 0, refused: 1}}
    statements:
      description:
        - Every statement in the order of the text, with its C(line), C(command), and the C(kind) and C(name) of what it is about.
        - Its C(outcome) is that of the object that it makes. A C(CREATE TABLE) is also C(changed) if that is so for one of the indexes or constraints in it.
          It is C(superseded) if a later statement drops or renames its object. Other statements are C(converted), C(omitted) or C(refused).
      type: list
      elements: dict
      sample: [{line: 1, command: CREATE TABLE, kind: table, name: shop.public.items, outcome: converted}]
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
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.conversion_summary import (
    ConversionSummary,
    RefusedStatement,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
    read_source,
    refusal_message,
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
    """The files that were written, or in check mode would be, and what is in none of them."""

    changed: bool
    files: list[str]
    """Their paths."""
    objects: dict[str, int]
    """How many of each kind the text describes."""
    findings: list[Finding]
    partial: bool
    """Whether statements were refused."""
    refused: list[RefusedStatement]
    summary: ConversionSummary
    diff: Optional[list[dict[str, str]]] = field(default=None, metadata=IF_KNOWN)
    """Of the files, where it is asked for, as Ansible shows it."""


def convert(given: dict, check_mode: bool, diff: bool = False) -> Outcome:
    """Convert and write what is not there; with ``diff`` return the differences of the files, too. Refused statements
    are a failure unless they are allowed and something is left."""
    text = read_source(given["src"]) if given["src"] else given["text"]
    features = ServerFeatures(
        given["postgres_version"], given["icu"], frozenset(given["extensions"]), given["sorts_by_bytes"]
    )
    options = ConvertOptions(grants=given["grants"], policies=conversion_policies(given["conversion_policies"]))
    result = convert_text(text, given["database"], features, options)
    differences = write_files(given["dest"], result.files, check_mode)
    files = [os.path.join(given["dest"], name) for name in result.files]
    schema = ConvertedSchema(
        bool(differences),
        files,
        result.objects,
        result.findings,
        bool(result.refused),
        result.refused,
        result.summary,
        differences if diff else None,
    )
    failed = result.refused and not (given["allow_partial"] and files)
    return Outcome(schema, failure=refusal_message(result, given["dest"]) if failed else "")


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            **module_arguments("schema_convert"),
            src=dict(type="path"),
            text=dict(type="str", no_log=False),
            database=dict(type="str", default=""),
            dest=dict(type="path", required=True),
            allow_partial=dict(type="bool", default=False),
            postgres_version=dict(type="int", default=17, choices=[14, 15, 16, 17, 18]),
            icu=dict(type="bool", default=True),
            sorts_by_bytes=dict(type="bool", default=False),
            extensions=dict(type="list", elements="str", default=[]),
            grants=dict(type="str", choices=["create", "skip"], default="create"),
        ),
        required_one_of=[("src", "text")],
        mutually_exclusive=[("src", "text")],
        supports_check_mode=True,
    )
    _ansible_module.run(module, NEEDS, lambda: convert(module.params, module.check_mode, module._diff))


if __name__ == "__main__":
    main()
