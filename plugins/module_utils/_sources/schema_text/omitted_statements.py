# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Statements that say nothing about the schema: omitted, and counted by their kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ..._model.finding_codes import FindingCode, Severity
from ..._model.findings import Finding
from ..._model.full_name import FullName
from .cursor import Cursor, Statement

_SHOWN = 5
READING = frozenset(
    """
    ANALYSE ANALYZE CALL CANCEL CLOSE CLUSTER DEALLOCATE DECLARE DISCARD DO EXECUTE EXPLAIN EXPORT FETCH
    INSPECT LISTEN LOCK MOVE NOTIFY PAUSE PREPARE REASSIGN REFRESH REINDEX RESET RESUME SELECT SHOW UNLISTEN
    VACUUM VALUES WITH
    """.split()
)
"""First words of statements that leave the schema as it is."""
TRANSACTIONS = frozenset("ABORT BEGIN COMMIT END RELEASE SAVEPOINT START".split())
CHANGING_ROWS = frozenset("DELETE TRUNCATE UPDATE".split())
ADDING_ROWS = frozenset("COPY IMPORT INSERT RESTORE UPSERT".split())
UNRELATED = frozenset("BACKUP ROLLBACK".split())
"""First words of statements that are omitted with a warning."""
UNRELATED_OBJECTS = (
    "STATISTICS",
    "CHANGEFEED",
    "SCHEDULES",
    "SCHEDULE",
    "EXTENSION",
    "EXTERNAL",
    "TENANT",
    "VIRTUAL",
    "LOGICAL",
    "JOB",
    "BACKUP",
    "RANGE",
    "OWNED",
    "PUBLICATION",
    "SUBSCRIPTION",
    "SYSTEM",
)
"""Kinds of objects, after CREATE, ALTER or DROP, that are no part of a schema."""

OMITTED_STATEMENTS = frozenset(
    (
        FindingCode.CLUSTER_SETTINGS,
        FindingCode.ROLE_SETTINGS,
        FindingCode.ROWS_LEFT_OUT,
        FindingCode.SESSION_SETTING,
        FindingCode.SPLIT,
        FindingCode.STATEMENT_LEFT_OUT,
        FindingCode.SYSTEM_PRIVILEGES,
        FindingCode.TEMPORARY_TABLE,
        FindingCode.ZONE_CONFIGURATION,
    )
)
"""What is found about a statement that is omitted as a whole."""


@dataclass
class _Omitted:
    code: FindingCode
    database: str
    severity: Optional[Severity]
    line: int
    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass
class OmittedStatements:
    """The statements omitted so far, by kind."""

    numbers: set[int] = field(default_factory=set)
    """The numbers of the statements."""
    _kinds: dict[tuple[str, str], _Omitted] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        statement: Statement,
        code: FindingCode = FindingCode.STATEMENT_LEFT_OUT,
        severity: Optional[Severity] = None,
        name: str = "",
    ) -> None:
        """Count a statement of this kind, such as INSERT; ``name`` is the object that it is about."""
        found = self._kinds.setdefault(
            (kind, statement.database), _Omitted(code, statement.database, severity, statement.first_line)
        )
        found.count += 1
        self.numbers.add(statement.number)
        if name and name not in found.names:
            found.names.append(name)

    def findings(self) -> list[Finding]:
        """Return one finding for each kind and database."""
        return [
            Finding.of(item.code, FullName("database", item.database), _message(kind, item), severity=item.severity)
            for (kind, _database), item in self._kinds.items()
        ]


def _message(kind: str, item: _Omitted) -> str:
    if item.count == 1:
        text = f"1 {kind} statement is omitted, at line {item.line}"
    else:
        text = f"{item.count} {kind} statements are omitted, the first at line {item.line}"
    if not item.names:
        return f"{text}."
    others = len(item.names) - _SHOWN
    return f"{text}: {', '.join(item.names[:_SHOWN])}" + (f" and {others} others." if others > 0 else ".")


def is_omitted(cursor: Cursor) -> bool:
    """Whether the statement at whose beginning the cursor stands is of a kind that this file omits."""
    word = cursor.peek().keyword
    if word in ("CREATE", "ALTER", "DROP"):
        return cursor.peek(1).keyword in UNRELATED_OBJECTS or cursor.at(word, "FULL")
    if cursor.at("COMMENT", "ON", "EXTENSION"):
        return True
    return word in READING | TRANSACTIONS | CHANGING_ROWS | ADDING_ROWS | UNRELATED


def omit(cursor: Cursor, omitted: OmittedStatements) -> None:
    """Count the statement at whose beginning the cursor stands."""
    statement, word = cursor.statement, cursor.take().keyword
    omitted.numbers.add(statement.number)
    if word in ADDING_ROWS:
        omitted.add(word, statement, FindingCode.ROWS_LEFT_OUT, name=_table_of(cursor))
    elif word in CHANGING_ROWS or word in READING:
        omitted.add(word, statement, severity="info")
    elif word not in TRANSACTIONS:
        omitted.add(word if word in UNRELATED else f"{word} {cursor.peek().keyword}", statement)
    cursor.rest()


def _table_of(cursor: Cursor) -> str:
    cursor.accept_one("TABLE", "INTO", "DATABASE")
    is_name = cursor.peek().kind in ("word", "name") and not cursor.at("FROM")
    return ".".join(word.identifier for word in cursor.path_here()) if is_name else ""
