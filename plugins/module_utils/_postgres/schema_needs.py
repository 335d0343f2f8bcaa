# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Requirements of a dump's schema on a PostgreSQL server besides its core: ICU and extensions."""

from __future__ import annotations

from .._convert.database import convert_database
from .._convert.server_features import EXTENSIONS, ICU, ConvertOptions, ServerFeatures
from .._dump.manifest import read_catalog, read_manifest
from .._model.catalog import Database
from .._model.conversion_policies import ConversionPolicies


def schema_needs(dump_dir: str) -> list[str]:
    """Return ``icu`` and the names of extensions that the dump's databases use where a server has them, sorted. Raises
    MigrationError."""
    manifest = read_manifest(dump_dir)
    return sorted(
        {
            need
            for entry in manifest.databases
            for need in database_needs(read_catalog(dump_dir, entry), manifest.policies)
        }
    )


def database_needs(database: Database, policies: ConversionPolicies) -> set[str]:
    """Return the requirements of one database."""
    options = ConvertOptions(grants="skip", policies=policies)
    statements = convert_database(database, [], ServerFeatures(extensions=EXTENSIONS), options).statements
    return {ICU for statement in statements if statement.kind == "collation"} | {
        statement.name for statement in statements if statement.step == "extension"
    }
