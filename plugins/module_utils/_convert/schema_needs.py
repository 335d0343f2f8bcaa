# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Requirements of a schema on a PostgreSQL server besides its core: ICU and extensions."""

from __future__ import annotations

from .._model.catalog import Database
from .._model.conversion_policies import ConversionPolicies
from .database import convert_database
from .server_features import EXTENSIONS, ICU, ConvertOptions, ServerFeatures


def database_needs(database: Database, policies: ConversionPolicies) -> list[str]:
    """Return ``icu`` and the names of extensions that a database uses where a server has them, sorted."""
    options = ConvertOptions(grants="skip", policies=policies)
    statements = convert_database(database, [], ServerFeatures(extensions=EXTENSIONS), options).statements
    return sorted(
        {ICU for statement in statements if statement.kind == "collation"}
        | {statement.name for statement in statements if statement.step == "extension"}
    )
