# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The readers of schema text: statements, and what shells and tools print, up to their conversion."""
from __future__ import annotations

from corpus import schemas
from fuzzing.mutations import changed_text
from fuzzing.reader import FIXTURES, Reader
from fuzzing.scratch import scratch

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
    read_source,
)

_LONGEST = 3000
_TABLE = "CREATE TABLE public.t (id INT8 NOT NULL, name VARCHAR(20) NULL, note STRING[] NULL DEFAULT ARRAY[]:::STRING[], CONSTRAINT t_pkey PRIMARY KEY (id ASC), INDEX i (name ASC) STORING (note));"
_SHELLS = (
    f"# 2 columns\n# row 1\n## 1\nt\n## {len(_TABLE)}\n{_TABLE}\n# 1 row\n",
    'table_name,create_statement\nt,"' + _TABLE.replace('"', '""') + '"\n',
    f"  table_name |  create_statement\n-------------+---------\n  t | {_TABLE}\n(1 row)\n",
    '[{"table_name": "t", "create_statement": "CREATE TABLE t (id INT8 PRIMARY KEY)"}]',
    f"-[ RECORD 1 ]\ntable_name       | t\ncreate_statement | {_TABLE}\n",
    "INSERT INTO results VALUES ('t', 'CREATE TABLE t (id INT8)');\n-- 1 row\n",
    "INSERT INTO x (table_name, create_statement) VALUES ('t', 'CREATE TABLE t (id INT8)');",
)


def _read_text(data: bytes) -> None:
    path = scratch("text") / "schema.sql"
    path.write_bytes(data)
    convert_text(read_source(str(path)), "db", ServerFeatures(), ConvertOptions("create"))


def _statements() -> list[str]:
    """The statements of the corpus, each with those before it where they are short enough, and the outputs of shells."""
    found = []
    for schema in schemas():
        text = ""
        for statement in schema.text.split(";\n"):
            text = text + statement + ";\n" if len(text) + len(statement) < _LONGEST else statement + ";\n"
            if len(text) < _LONGEST:
                found.append(text)
    return found


def _printed() -> list[str]:
    files = sorted((FIXTURES / "handed_over").glob("*.*"))
    return [*_SHELLS, *(text for text in (path.read_text(encoding="utf-8") for path in files if path.suffix != ".md") if len(text) < 2 * _LONGEST)]


def readers() -> list[Reader]:
    """Return the readers of this file."""
    return [Reader("sql", changed_text(_statements()), _read_text, slow=True), Reader("shell_output", changed_text(_printed()), _read_text, slow=True)]
