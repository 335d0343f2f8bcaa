# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Overview of the content of a backup."""

from __future__ import annotations

import dataclasses

from ..._arrange.arrangement import Arrangement, arrange
from ..._arrange.selection import Selection, select
from ..._model.expected_database import expected_of
from ..._model.json_form import to_json
from ..._model.unreadable import unreadable_finding
from ..descriptors.catalog_of_descriptors import build_catalog
from .reader import BackupRequest, open_backup


def overview(request: BackupRequest, selection: Selection, arrangement: Arrangement) -> dict:
    """Return ``info``, ``databases`` (name and full table names), ``stored_bytes``, ``findings`` and ``expected`` (what
    a target is to take, see catalog.expected, of what is chosen and under its new names). Raises MigrationError."""
    backup = open_backup(request)
    catalog = build_catalog(backup.descriptors, before_imports=True)
    databases = []
    for database in catalog.databases:
        schemas = {schema.id: schema.name for schema in database.schemas}
        databases.append(
            {"name": database.name, "tables": [f"{schemas[table.schema_id]}.{table.name}" for table in database.tables]}
        )
    stored = sum(layer.get("bytes", 0) for layer in backup.info["layers"])
    findings = to_json([*backup.findings, *catalog.findings, *map(unreadable_finding, catalog.unreadable)])
    # Where something cannot be read, the export says whether it was chosen, and only CockroachDB knows its names.
    expected = (
        []
        if catalog.unreadable
        else [
            dataclasses.asdict(expected_of(database))
            for database in arrange(select(catalog, selection), arrangement).databases
        ]
    )
    return {
        "info": backup.info,
        "databases": databases,
        "stored_bytes": stored,
        "findings": findings,
        "expected": expected,
    }
