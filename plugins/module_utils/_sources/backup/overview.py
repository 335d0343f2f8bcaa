# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Overview of the content of a backup."""

from __future__ import annotations

from dataclasses import dataclass

from ..._arrange.arrangement import Arrangement, arrange
from ..._arrange.selection import Selection, select
from ..._model.expected_database import ExpectedDatabase, expected_of
from ..._model.findings import Finding
from ..._model.unreadable import unreadable_finding
from ..descriptors.catalog_of_descriptors import build_catalog
from .backup_info import BackupInfo
from .reader import BackupRequest, open_backup


@dataclass(frozen=True)
class DatabaseTables:
    """A database with the full names of its tables."""

    name: str
    tables: list[str]


@dataclass(frozen=True)
class BackupOverview:
    """What a backup holds."""

    info: BackupInfo
    databases: list[DatabaseTables]
    stored_bytes: int
    """The size of the data files."""
    findings: list[Finding]
    expected: list[ExpectedDatabase]
    """What a target is to take of what is chosen, under its new names."""


def overview(request: BackupRequest, selection: Selection, arrangement: Arrangement) -> BackupOverview:
    """Describe a backup. Raises MigrationError."""
    backup = open_backup(request)
    catalog = build_catalog(backup.descriptors, before_imports=True)
    databases = []
    for database in catalog.databases:
        schemas = {schema.id: schema.name for schema in database.schemas}
        databases.append(
            DatabaseTables(database.name, [f"{schemas[table.schema_id]}.{table.name}" for table in database.tables])
        )
    stored = sum(layer.bytes for layer in backup.info.layers)
    findings = [*backup.findings, *catalog.findings, *map(unreadable_finding, catalog.unreadable)]
    # Where something cannot be read, the export says whether it was chosen, and only CockroachDB knows its names.
    expected = (
        []
        if catalog.unreadable
        else [expected_of(database) for database in arrange(select(catalog, selection), arrangement).databases]
    )
    return BackupOverview(backup.info, databases, stored, findings, expected)
