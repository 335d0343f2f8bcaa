# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a PostgreSQL server can do, for the conversion."""
from __future__ import annotations

from typing import Any

from ..convert.features import ServerFeatures


def probe(connection: Any) -> ServerFeatures:
    """Return the features of the connected server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collname = 'und-x-icu')")
        icu = cursor.fetchone()[0]
        cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
        extensions = frozenset(name for (name,) in cursor.fetchall())
    return ServerFeatures(major=connection.server_version // 10000, icu=icu, extensions=extensions)


def existing_roles(connection: Any) -> frozenset[str]:
    """Return the names of the server's roles."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles")
        return frozenset(name for (name,) in cursor.fetchall())
