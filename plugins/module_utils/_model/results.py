# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Results of the phases of a migration.

The property ``succeeded`` alone says whether a phase, or a part of it, succeeded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .findings import Finding
from .json_form import to_json


@dataclass(frozen=True)
class TableVerification:
    """A table: what the dump says and what PostgreSQL has. Nothing was found (None) where columns are missing."""

    rows: int
    rows_found: Optional[int]
    checksum: str
    """Sum over the rows, decimal."""
    checksum_found: Optional[str]
    rejected: int
    """Number of rejected rows."""
    rejected_found: int
    seconds: float
    missing_columns: list[str] = field(default_factory=list)
    """Every column of the table if the table is missing."""

    @property
    def succeeded(self) -> bool:
        """Whether the table holds the dump's rows, each with its values, and no others."""
        found = (self.rows_found, self.checksum_found, self.rejected_found)
        return not self.missing_columns and (self.rows, self.checksum, self.rejected) == found


@dataclass(frozen=True)
class DatabaseVerification:
    """A database: its tables by full name (none when rows were not looked at), and its objects."""

    tables: dict[str, TableVerification]
    objects_checked: int
    objects_missing: list[str]
    """One line for each object that is missing or different: its kind, its name and what differs."""

    @property
    def rows(self) -> int:
        return sum(table.rows_found or 0 for table in self.tables.values())

    @property
    def succeeded(self) -> bool:
        """Whether rows and objects are those of the dump."""
        return not self.objects_missing and all(table.succeeded for table in self.tables.values())


@dataclass(frozen=True)
class VerifyResult:
    """The verification of a dump's databases, by their names in PostgreSQL."""

    databases: dict[str, DatabaseVerification]
    seconds: float
    content: str
    """What was verified: ``all``, ``schema`` or ``data``."""

    @property
    def succeeded(self) -> bool:
        """Whether PostgreSQL holds what the dump holds, in every database that was looked at."""
        return all(database.succeeded for database in self.databases.values())


@dataclass(frozen=True)
class TableImport:
    """A table's rows; ``seconds`` of all attempts, ``chunks_loaded`` by the last one."""

    rows: int
    rejected: int
    chunks_loaded: int
    seconds: float


@dataclass(frozen=True)
class DatabaseImport:
    """A database: what the last attempt did (``changed``, ``created``, ``statements``), and what is there now."""

    changed: bool
    created: bool
    statements: int
    rows: int
    tables: dict[str, TableImport]
    seconds: float


@dataclass(frozen=True)
class ImportResult:
    """A completed import; an import that fails raises an error instead."""

    changed: bool
    databases: dict[str, DatabaseImport]
    findings: list[Finding]
    seconds: float
    content: str

    @property
    def succeeded(self) -> bool:
        """Always True: a completed import has loaded everything except what its findings name."""
        return True


@dataclass(frozen=True)
class DatabasePlan:
    """What an import would do in a database."""

    create: bool
    statements: int
    chunks: int
    rows: int


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do (check mode)."""

    changed: bool
    databases: dict[str, DatabasePlan]
    findings: list[Finding]
    seconds: float
    content: str


@dataclass(frozen=True)
class DatabaseRollback:
    """A database, or all roles of the server: what a rollback has removed and set back, one line each, and what it has
    kept, by the reason."""

    changed: bool
    removed: list[str]
    kept: dict[str, str]


@dataclass(frozen=True)
class RollbackResult:
    """What a rollback did, or would do."""

    changed: bool
    dump_id: str
    """Empty if the server holds no import."""
    databases: dict[str, DatabaseRollback]
    roles: DatabaseRollback
    not_examined: list[str]
    """Databases of the server that the role may not connect to."""
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether nothing of the import is kept."""
        return not any(part.kept for part in (*self.databases.values(), self.roles))


@dataclass(frozen=True)
class ValidateResult:
    """The files of a dump compared with its manifest."""

    problems: list[str]
    """One line each."""
    tables: int
    chunks: int
    rows: int
    rejected: int
    bytes: int
    seconds: float
    findings: list[Finding] = field(default_factory=list)
    """What PostgreSQL's limits change or may refuse in any import of the dump."""

    @property
    def succeeded(self) -> bool:
        """Whether every file is what the manifest says."""
        return not self.problems


_OMITTED = "omitted"
IF_KNOWN = {_OMITTED: None}
"""Metadata of a field that ``facts`` omits where it is None: what only some ends of a module know."""


Result = Union[ImportResult, ValidateResult, VerifyResult]


def facts(value: Any) -> Any:
    """Return a result in the form that a module returns: JSON values with every field, and ``ok`` for everything that
    can succeed or fail."""
    if isinstance(value, Finding):
        return to_json(value)
    if dataclasses.is_dataclass(value):
        fields = ((spec, getattr(value, spec.name)) for spec in dataclasses.fields(value))
        result = {spec.name: facts(item) for spec, item in fields if item is not None or _OMITTED not in spec.metadata}
        return {**result, "ok": value.succeeded} if hasattr(value, "succeeded") else result
    if isinstance(value, (list, tuple)):
        return [facts(item) for item in value]
    if isinstance(value, dict):
        return {key: facts(item) for key, item in value.items()}
    return value
