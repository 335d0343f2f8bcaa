# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a dump's schema needs of a PostgreSQL server besides its core: ICU and extensions."""
from __future__ import annotations

from ..convert.database import convert_database
from ..convert.features import EXTENSIONS, ConvertOptions, ServerFeatures
from .layout import read_catalog, read_manifest

ICU = "icu"


def schema_needs(dump_dir: str) -> list[str]:
    """Return ``icu`` and the names of extensions that the dump's databases use where a server has them, sorted. Raises MigrationError."""
    needs = set()
    manifest = read_manifest(dump_dir)
    options = ConvertOptions(grants="skip", policies=manifest.policies)
    for entry in manifest.databases:
        database = read_catalog(dump_dir, entry)
        for statement in convert_database(database, [], ServerFeatures(extensions=EXTENSIONS), options).statements:
            if statement.kind == "collation":
                needs.add(ICU)
            elif statement.step == "extension":
                needs.add(statement.name)
    return sorted(needs)
