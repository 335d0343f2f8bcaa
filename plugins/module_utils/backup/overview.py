# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a backup holds, for people and playbooks."""
from __future__ import annotations

from ..catalog.from_descriptors import build_catalog
from ..catalog.model import to_json
from ..catalog.unreadable import unreadable_finding
from .reader import BackupRequest, open_backup


def overview(request: BackupRequest) -> dict:
    """Return ``info``, ``databases`` (name and full table names), ``stored_bytes`` and ``findings``. Raises MigrationError."""
    backup = open_backup(request)
    catalog = build_catalog(backup.descriptors, before_imports=True)
    databases = []
    for database in catalog.databases:
        schemas = {schema.id: schema.name for schema in database.schemas}
        databases.append({"name": database.name, "tables": [f"{schemas[table.schema_id]}.{table.name}" for table in database.tables]})
    stored = sum(layer.get("bytes", 0) for layer in backup.info["layers"])
    findings = [*backup.findings, *catalog.findings, *map(unreadable_finding, catalog.unreadable)]
    return {"info": backup.info, "databases": databases, "stored_bytes": stored, "findings": to_json(findings)}
