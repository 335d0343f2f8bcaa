# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Requirements of a dump's schema on a PostgreSQL server besides its core: ICU and extensions."""

from __future__ import annotations

from .._convert.schema_needs import database_needs
from .._dump.manifest import read_catalog, read_manifest


def schema_needs(dump_dir: str) -> list[str]:
    """Return ``icu`` and the names of extensions that the dump's databases use where a server has them, sorted, as this
    release converts them. Raises MigrationError."""
    manifest = read_manifest(dump_dir)
    return sorted(
        {
            need
            for entry in manifest.databases
            for need in database_needs(read_catalog(dump_dir, entry), manifest.policies)
        }
    )
