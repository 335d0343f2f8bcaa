# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the conversion depends on: the server's abilities and the user's choices."""

from __future__ import annotations

from dataclasses import dataclass

from .._model.conversion_policies import DEFAULT_POLICIES, ConversionPolicies

ICU = "icu"
"""How ICU is called among the extensions that a schema needs."""
EXTENSIONS = frozenset(
    (
        "btree_gin",
        "btree_gist",
        "citext",
        "fuzzystrmatch",
        "ltree",
        "pg_trgm",
        "pgcrypto",
        "postgis",
        "unaccent",
        "uuid-ossp",
        "vector",
    )
)
"""All extensions that the conversion can use."""


@dataclass(frozen=True)
class ServerFeatures:
    """The target: major version, whether it has ICU collations, and the extensions that can be created."""

    major: int = 17
    icu: bool = True
    extensions: frozenset[str] = frozenset()
    sorts_by_bytes: bool = True
    """Whether the database compares text by its bytes, as CockroachDB and the databases that the import creates do."""


@dataclass(frozen=True)
class ConvertOptions:
    """``grants``: existing (only to roles that the target has), create (make missing roles) or skip. ``policies``:
    those of the dump."""

    grants: str = "existing"
    existing_roles: frozenset[str] = frozenset()
    policies: ConversionPolicies = DEFAULT_POLICIES
    roles_without_login: frozenset[str] = frozenset()
    """The existing roles that may not log in."""
