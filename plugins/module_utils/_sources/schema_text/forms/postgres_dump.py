# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""pg_dump's text of a CockroachDB, and the scripts of tools that read pg_catalog as pg_dump does.

CockroachDB v26.3 and later serve pg_dump with the session setting pg_dump_compatibility (postgres or cockroachdb):
pkg/sql/sessiondatapb, pkg/sql/pg_catalog.go, pkg/cmd/roachtest/tests/pg_dump.go. Whether the text is CockroachDB's is
told by its server_version, which is 13.0.0 (pkg/sql/vars.go), while PostgreSQL's has two numbers since 10; in a text
without that line by what only CockroachDB has.
"""

from __future__ import annotations

import re

from ...._errors import UnsupportedError
from ...._model.finding_codes import FindingCode
from ...._model.findings import Finding
from ...._model.full_name import FullName
from ...._model.names import quote
from .. import parsing
from ..cursor import Statement

_HEAD = re.compile(r"-- PostgreSQL database (cluster )?dump\s*")
_TAIL = re.compile(r"-- PostgreSQL database dump complete\s*")
_VERSION = re.compile(r"-- Dumped from database version (\S+).*")
_COCKROACH_VERSION = re.compile(r"\d+\.0\.0")
_SET_CONFIG = re.compile(r"SELECT pg_catalog\.set_config\('search_path', '', false\);\s*")
_SETTING = re.compile(
    r"SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding|"
    r"standard_conforming_strings|escape_string_warning|check_function_bodies|xmloption|client_min_messages|"
    r"row_security|default_tablespace|default_table_access_method) = .*;\s*"
)
"""Matches what pg_dump sets for those who load its text: src/bin/pg_dump/pg_backup_archiver.c."""
_RESTRICT = re.compile(r"\\(un)?restrict\b.*")
_CONNECT = re.compile(r"\\connect (?:-reuse-previous=on )?(?:\"dbname='(.*)'\"|\"(.*)\"|(\S+))\s*")
_ONLY_COCKROACH = re.compile(
    r"\b(unique_rowid|unordered_unique_rowid|gen_random_ulid|uuid_v4|experimental_uuid_v4|crdb_internal\w*|crdb_region|"
    r"gateway_region|default_to_database_primary_region|rehome_row|mod\(fnv32)\b|\bSTRING\b|\bSTORING\b|:::|"
    r"USING hash WITH \(bucket_count|schema_locked|ttl_expire_after"
)
_INTEGER, _INT4, _BIGINT = "INTEGER", "INT4   ", "BIGINT"
"""The first two have the same length, so that places in the text stay."""


def lines_of_dumps(lines: list[str]) -> frozenset[int]:
    """Replace in the lines what only psql understands, and return the numbers, from 1 on, of those that pg_dump wrote.

    Raises UnsupportedError for pg_dump's text of a PostgreSQL.
    """
    heads = [number for number, line in enumerate(lines) if _HEAD.fullmatch(line)]
    if not heads and any(_SET_CONFIG.fullmatch(line) for line in lines):
        heads = [0]
    found: set[int] = set()
    for head in heads:
        end = next((at for at in range(head, len(lines)) if _TAIL.fullmatch(lines[at])), len(lines))
        _refuse_postgres(lines, head, end)
        # The dash above the head belongs to it.
        found.update(range(max(head, 1), end + 1))
    # pg_dumpall connects between the dumps.
    for number in range(heads[0] if heads else len(lines), len(lines)):
        lines[number] = _for_reader(lines[number])
    return frozenset(found)


def with_int4(text: str, where: str) -> str:
    """Return the text with CockroachDB's name of the type that pg_catalog calls ``integer``; CockroachDB itself means
    INT8 by it.

    PostgreSQL quotes a column of this name, so that every bare word is the type.
    """
    parts, end = [], 0
    for word in parsing.words(text, where):
        if word.keyword == _INTEGER:
            parts += [text[end : word.start], _INT4]
            end = word.end
    return "".join([*parts, text[end:]])


def ambiguous_integers(statements: list[Statement]) -> list[Finding]:
    """Return the finding for the type ``integer`` in a text that also says ``bigint``: people mean INT8 by it in
    CockroachDB, tools mean INT4."""
    words = {word.keyword for statement in statements for word in statement.words}
    if not words.issuperset((_INTEGER, _BIGINT)):
        return []
    first = next(item for item in statements if any(word.keyword == _INTEGER for word in item.words))
    message = f"From line {first.first_line} on the text has both INTEGER and BIGINT: INTEGER is read as INT8."
    return [Finding.of(FindingCode.INTEGER_WIDTH, FullName("object", name="the text"), message)]


def _refuse_postgres(lines: list[str], head: int, end: int) -> None:
    version = next((found.group(1) for found in map(_VERSION.fullmatch, lines[head:end]) if found), "")
    if _COCKROACH_VERSION.fullmatch(version):
        return
    if version:
        raise UnsupportedError(
            f"line {head + 1} of the schema text begins what pg_dump wrote of a PostgreSQL {version}, not of a "
            "CockroachDB: load it with psql"
        )
    if not any(_ONLY_COCKROACH.search(line) for line in lines[head:end]):
        raise UnsupportedError(
            f"what pg_dump wrote from line {head + 1} of the schema text on says neither the version of its database "
            "nor anything that only CockroachDB has: load it with psql if it is PostgreSQL's own SQL, else keep the "
            "line -- Dumped from database version"
        )


def _for_reader(line: str) -> str:
    if _RESTRICT.fullmatch(line) or _SET_CONFIG.fullmatch(line) or _SETTING.fullmatch(line):
        return ""
    found = _CONNECT.fullmatch(line)
    if found:
        name = next(filter(None, found.groups()), "")
        return f"USE {quote(name)};"
    return line
