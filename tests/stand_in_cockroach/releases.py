# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What each release of CockroachDB refuses, as far as this project asks for it: one table of releases, rules and their public sources.

Statements are looked at word by word (sqlglot's tokens). "Source" is a path in the repository cockroachdb/cockroach, or in cockroachdb/docs
below src/current.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from sqlglot.dialects.postgres import Postgres

Release = tuple[int, int]
FIRST, LAST = (0, 0), (99, 9)
SYNTAX, NOT_SUPPORTED, UNDEFINED, NOT_ALLOWED = "42601", "0A000", "42704", "42501"


@dataclass
class Session:
    """What a connection has set; ``moment`` is the one of BEGIN AS OF SYSTEM TIME, empty outside of such a transaction."""

    release: Release
    internals: bool = True
    may_open_internals: bool = True
    moment: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Rule:
    """``refuses`` tells whether a statement (its words) is refused in the session, from the release ``since`` on and before ``until``."""

    since: Release
    until: Release
    refuses: Callable[[list[str], Session], bool]
    code: str
    message: str
    source: str


class _Words(Postgres):
    """Gives the words of every statement: none is one opaque command."""

    class Tokenizer(Postgres.Tokenizer):
        COMMANDS: set = set()


@functools.cache
def words(sql: str) -> tuple[str, ...]:
    """Return a statement's words: keywords and bare names in capitals, names and strings in their quotes."""
    found = []
    for token in _Words().tokenize(sql):
        text = sql[token.start:token.end + 1]
        found += [text] if text[:1] in "\"'" else text.upper().split()
    return tuple(found)


def moment_of(statement: list[str]) -> str:
    """Return the literal of AS OF SYSTEM TIME, empty when there is none."""
    places = [number for number in range(len(statement) - 4) if statement[number:number + 4] == ["AS", "OF", "SYSTEM", "TIME"]]
    return statement[places[0] + 4] if places else ""


def _begins(*beginning: str) -> Callable[[list[str], Session], bool]:
    return lambda statement, session: statement[:len(beginning)] == list(beginning)


def _is_copy(statement: list[str], session: Session) -> bool:
    return statement[0] == "COPY"


def _copies_another_moment(statement: list[str], session: Session) -> bool:
    return statement[0] == "COPY" and moment_of(statement) not in ("", session.moment)


def _reads_another_moment(statement: list[str], session: Session) -> bool:
    return bool(session.moment) and moment_of(statement) not in ("", session.moment)


def _has_option(name: str) -> Callable[[list[str], Session], bool]:
    return lambda statement, session: statement[0] in ("RESTORE", "SHOW") and "WITH" in statement and name in statement[statement.index("WITH"):]


def _sets(*names: str) -> Callable[[list[str], Session], bool]:
    return lambda statement, session: statement[0] == "SET" and statement[1] in names


def _is_internal(statement: list[str], session: Session) -> bool:
    """SHOW reads the same tables and is never refused."""
    if session.internals or statement[0] == "SHOW":
        return False
    return any(name in ("CRDB_INTERNAL", "SYSTEM", '"system"', '"crdb_internal"') and dot == "." for name, dot in zip(statement, statement[1:]))


def _restores_a_directory(statement: list[str], session: Session) -> bool:
    return statement[0] == "RESTORE" and "IN" not in statement


RULES = (
    Rule(FIRST, (23, 1), _is_copy, SYNTAX, 'at or near "(": syntax error', "releases/v23.1.md: COPY … TO STDOUT is new"),
    Rule((23, 1), LAST, _copies_another_moment, NOT_SUPPORTED, "inconsistent AS OF SYSTEM TIME timestamp",
         "pkg/sql/conn_executor.go execCopyOut, pkg/sql/copy_to.go runCopyTo, pkg/sql/conn_executor_exec.go handleAOST"),
    Rule(FIRST, LAST, _reads_another_moment, NOT_SUPPORTED, "inconsistent AS OF SYSTEM TIME timestamp", "pkg/sql/conn_executor_exec.go handleAOST"),
    Rule(FIRST, (22, 1), _has_option("INCREMENTAL_LOCATION"), SYNTAX, 'at or near "incremental_location": syntax error', "v22.1/restore.md"),
    Rule((26, 2), LAST, _has_option("INCREMENTAL_LOCATION"), SYNTAX, 'at or near "incremental_location": syntax error',
         "_includes/releases/v26.2/v26.2.0-alpha.1.md #159189, #160416"),
    Rule(FIRST, (22, 2), _begins("SHOW", "BACKUP", "FROM"), SYNTAX, 'at or near "from": syntax error', "v22.2/show-backup.md"),
    Rule((24, 3), LAST, _restores_a_directory, SYNTAX, "RESTORE FROM <backup> is not supported", "_includes/v24.3/backups/old-syntax-removed.md"),
    Rule(FIRST, (25, 3), _begins("SHOW", "CREATE", "ALL", "ROUTINES"), SYNTAX, 'at or near "routines": syntax error',
         "pkg/sql/logictest/testdata/logic_test/show_create_all_routines"),
    Rule(FIRST, (25, 3), _begins("SHOW", "CREATE", "ALL", "TRIGGERS"), SYNTAX, 'at or near "triggers": syntax error',
         "pkg/sql/logictest/testdata/logic_test/show_create_all_triggers"),
    Rule(FIRST, (25, 4), _sets("ALLOW_UNSAFE_INTERNALS"), UNDEFINED, 'unrecognized configuration parameter "allow_unsafe_internals"',
         "_includes/releases/v25.4/v25.4.0-alpha.1.md #151887"),
    Rule((25, 4), LAST, _is_internal, NOT_ALLOWED, "Access to crdb_internal and system is restricted.",
         "pkg/sql/unsafesql/unsafesql.go, v26.2/crdb-internal.md"),
)
"""The first that refuses counts."""

UNSAFE_INTERNALS_OFF_SINCE: Release = (26, 1)
"""The default of allow_unsafe_internals: _includes/releases/v26.1/v26.1.0-alpha.2.md #158085."""
GC_SECONDS = (((0, 0), 90000), ((23, 1), 14400))
"""The default of gc.ttlseconds: v22.2 and v23.1 configure-replication-zones.md."""
VARIABLES = frozenset(("TIMEZONE", "EXTRA_FLOAT_DIGITS", "BYTEA_OUTPUT", "STATEMENT_TIMEOUT", "ROW_SECURITY", "ALLOW_UNSAFE_INTERNALS", "CLUSTER"))
"""What may follow SET: v22.1/set-vars.md and later; others are refused."""


def refusal(sql: str, session: Session) -> Optional[tuple[str, str]]:
    """Return message and code with which the session's release refuses a statement, None when it does not."""
    statement = list(words(sql))
    for rule in RULES:
        if rule.since <= session.release < rule.until and rule.refuses(statement, session):
            return rule.message, rule.code
    if statement[0] == "SET" and statement[1] not in VARIABLES:
        return f'unrecognized configuration parameter "{statement[1].lower()}"', UNDEFINED
    return None
