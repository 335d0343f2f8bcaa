# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The names of the chosen objects in PostgreSQL: renamed, and merged into one database if asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._model.catalog import Catalog
from .impossible_names import refuse_impossible_names


@dataclass(frozen=True)
class Arrangement:
    """``rename``: pairs of CockroachDB's full names and new names. ``merged_database``: the name of the one database of
    which all databases become schemas; if empty, each stays a database."""

    rename: tuple[tuple[str, str], ...] = ()
    merged_database: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what distinguishes a dump with these names from one with others; empty if no name changes."""
        found: dict[str, Any] = {"rename": dict(self.rename), "merged_database": self.merged_database}
        return {name: value for name, value in found.items() if value}


AS_IN_SOURCE = Arrangement()
"""No name changes, and every database stays one."""


def arrange(catalog: Catalog, arrangement: Arrangement) -> Catalog:
    """Return the catalog with the new names, merged into one database if asked for. Raises ConfigurationError."""
    if arrangement != AS_IN_SOURCE:
        # Imported here, as they load the SQL parser, which a look at a backup needs for nothing else.
        from .merging import merge
        from .renaming import rename

        catalog = merge(rename(catalog, dict(arrangement.rename)), arrangement.merged_database)
    refuse_impossible_names(catalog)
    return catalog
