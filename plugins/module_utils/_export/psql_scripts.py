# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Files of a dump for people who load it with psql and zstd, and age if it is encrypted: a read-me and a script of
``\\copy`` lines."""

from __future__ import annotations

from .._dump.dump_key import SUFFIX
from .._dump.manifest import DatabaseEntry, TableEntry
from .._model.names import clip, quote

_README = """\
A dump of {databases}, made by the Ansible collection nomos.cockroach_migrator.

The collection's import role loads it in parallel and proves every row. It can also be loaded by hand, with
psql (PostgreSQL 14 or later){programs}, from this directory, one database after the other:

{commands}
Without --locale-provider=libc, the database of a server with ICU does not sort text by its bytes, as CockroachDB does.
PostgreSQL 14 does not have the option and does not need it.

Every file below <database>/data is PostgreSQL COPY text compressed with zstd{also}:

  {command} | less

manifest.json lists the rows, the SHA-256 and the row checksum of each of them; catalog.json is the schema as
CockroachDB had it; manifest.json also lists the findings: what was changed or omitted for PostgreSQL.
Rejected rows, which PostgreSQL cannot hold, are JSON lines below <database>/rejects.
"""

_COMMANDS = """\
  createdb -T template0 -E UTF8 --locale-provider=libc --lc-collate=C --lc-ctype=C.UTF-8 {name}
  psql -X -v ON_ERROR_STOP=1 -d {name} -f {directory}/pre-data.sql
  psql -X -v ON_ERROR_STOP=1 -d {name} -f {directory}/data.sql
  psql -X -v ON_ERROR_STOP=1 -d {name} -f {directory}/post-data.sql
"""


_KEY = "DUMP_KEY_FILE"
"""The environment's variable with the path of the key, as age-keygen writes it."""
_DECRYPT = f'age --decrypt --identity "${_KEY}"'


def readme(databases: list[DatabaseEntry], *, encrypted: bool) -> str:
    """Return the text of README.txt."""
    commands = "\n".join(
        _COMMANDS.format(name=_shell_word(entry.name), directory=entry.directory) for entry in databases
    )
    names = ", ".join(entry.name for entry in databases) or "no database"
    return _README.format(
        databases=names,
        commands=f"  export {_KEY}=/path/of/the/key\n{commands}" if encrypted else commands,
        programs=", zstd and age" if encrypted else " and zstd",
        also=" and encrypted with age (https://age-encryption.org)" if encrypted else "",
        command=f"{_DECRYPT} <file> | zstd -dc" if encrypted else "zstd -dc <file>",
    )


def data_script(tables: list[TableEntry], *, encrypted: bool) -> str:
    """Return a psql script, to be run in the dump's directory, that loads every chunk of ``tables``."""
    lines = ["-- Run with psql in the directory that holds manifest.json, after pre-data.sql."]
    return "\n".join([*lines, *(_load_command(table, encrypted=encrypted) for table in tables if table.rows)]) + "\n"


def _load_command(table: TableEntry, *, encrypted: bool) -> str:
    name = quote(clip(table.schema), clip(table.name))
    if not table.columns:
        return f"INSERT INTO {name} SELECT FROM generate_series(1, {table.rows});"
    columns = ", ".join(quote(clip(column.name)) for column in table.columns)
    files = f"{table.directory}/*.copy.zst"
    # zstd notices if age has ended early: its input is empty or cut off then.
    program = (
        f'for file in {files}{SUFFIX}; do {_DECRYPT} "$file" | zstd -dc || exit 1; done'
        if encrypted
        else f"zstd -dc {files}"
    )
    command = f"\\copy {name} ({columns}) from program '{program}'"
    if "\n" in command or "\r" in command:
        return f"-- psql cannot copy into a table with a line break in its name: {command!r}"
    return command


def _shell_word(name: str) -> str:
    return "'" + name.replace("'", "'\\''") + "'"
