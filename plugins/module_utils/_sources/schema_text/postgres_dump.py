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
from dataclasses import dataclass, replace

from ..._errors import UnsupportedError
from ..._model.names import quote
from . import parsing
from .pieces import Piece

_HEAD = re.compile(r"-- PostgreSQL database (cluster )?dump\s*")
_TAIL = re.compile(r"-- PostgreSQL database dump complete\s*")
_VERSION = re.compile(r"-- Dumped from database version (\S+).*")
_COCKROACH_VERSION = re.compile(r"\d+\.0\.0")
_SET_CONFIG = re.compile(r"SELECT pg_catalog\.set_config\('search_path', '', false\);\s*")
_RESTRICT = re.compile(r"\\(un)?restrict\b.*")
_CONNECT = re.compile(r"\\connect (?:-reuse-previous=on )?(?:\"dbname='(.*)'\"|\"(.*)\"|(\S+))\s*")
_ONLY_COCKROACH = re.compile(
    r"\b(unique_rowid|unordered_unique_rowid|gen_random_ulid|uuid_v4|experimental_uuid_v4|crdb_internal\w*|crdb_region|"
    r"gateway_region|default_to_database_primary_region|rehome_row|mod\(fnv32)\b|\bSTRING\b|\bSTORING\b|:::|"
    r"USING hash WITH \(bucket_count|schema_locked|ttl_expire_after"
)
_PGADMIN = re.compile(r"-- (Table|View|Index|Type|SEQUENCE|FUNCTION): \S+\s*")
_DATAGRIP_OWNER = re.compile(r"    owner to \S+;\s*")
_PLAIN_INTEGER, _INTEGER = "INTEGER", "INT4   "
"""INTEGER is INT8 in CockroachDB's SQL, and INT4 where PostgreSQL's names are written; both have the same length, so
that places in the text stay."""


@dataclass(frozen=True)
class PostgresTexts:
    """Which lines, numbered from 1, have PostgreSQL's names of types."""

    lines: frozenset[int]

    def translated(self, piece: Piece) -> Piece:
        """Return the piece with CockroachDB's name of the type ``integer``, which CockroachDB's own SQL reads as INT8.

        PostgreSQL quotes a column of this name, so that every bare word is the type.
        """
        if piece.line not in self.lines or _PLAIN_INTEGER not in piece.text.upper():
            return piece
        text = piece.text
        for word in parsing.words(text, f"line {piece.line} or later"):
            if word.keyword == _PLAIN_INTEGER:
                text = text[: word.start] + _INTEGER + text[word.end :]
        return replace(piece, text=text)


def postgres_texts(lines: list[str]) -> PostgresTexts:
    """Replace in the lines what only psql understands, and return where PostgreSQL's names of types are.

    Raises UnsupportedError for pg_dump's text of a PostgreSQL.
    """
    heads = [number for number, line in enumerate(lines) if _HEAD.fullmatch(line)]
    if not heads and any(_SET_CONFIG.fullmatch(line) for line in lines):
        heads = [0]
    if not heads:
        by_tool = any(_PGADMIN.fullmatch(line) or _DATAGRIP_OWNER.fullmatch(line) for line in lines)
        return PostgresTexts(frozenset(range(1, len(lines) + 1) if by_tool else ()))
    found: set[int] = set()
    for head in heads:
        end = next((at for at in range(head, len(lines)) if _TAIL.fullmatch(lines[at])), len(lines))
        _refuse_postgres(lines, head, end)
        found.update(range(head + 1, end + 1))
    for number in range(heads[0], len(lines)):
        lines[number] = _for_reader(lines[number])
    return PostgresTexts(frozenset(found))


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
    if _RESTRICT.fullmatch(line) or _SET_CONFIG.fullmatch(line):
        return ""
    found = _CONNECT.fullmatch(line)
    if found:
        name = next(filter(None, found.groups()), "")
        return f"USE {quote(name)};"
    return line
