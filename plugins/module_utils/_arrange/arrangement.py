# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the chosen part of a source is called in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._model.catalog import Catalog
from .merging import merge
from .renaming import rename


@dataclass(frozen=True)
class Arrangement:
    """``rename``: pairs of CockroachDB's full names and new ones. ``merged_database``: the one that all become schemas
    of; empty: each its own."""

    rename: tuple[tuple[str, str], ...] = ()
    merged_database: str = ""

    def identity(self) -> dict[str, Any]:
        """Return what tells a dump with these names from another one; empty when names are left as they are."""
        found: dict[str, Any] = {"rename": dict(self.rename), "merged_database": self.merged_database}
        return {name: value for name, value in found.items() if value}


AS_IN_SOURCE = Arrangement()
"""Every name as CockroachDB has it, every database its own."""


def arrange(catalog: Catalog, arrangement: Arrangement) -> Catalog:
    """Return the catalog with the new names, then with one database when asked for. Raises ConfigurationError."""
    return merge(rename(catalog, dict(arrangement.rename)), arrangement.merged_database)
