# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The full name of an object, part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "backup",
    "cluster",
    "server",
    "role",
    "database",
    "schema",
    "table",
    "view",
    "sequence",
    "type",
    "domain",
    "function",
    "column",
    "index",
    "constraint",
    "trigger",
    "policy",
    "object",
]
"""What a name is of. ``constraint``: also a check, a foreign key and a key without an index; ``function``: also a
procedure; ``type``: an enum or composite type; ``object``: what the source does not tell more of."""


@dataclass(frozen=True)
class FullName:
    """What a message is about. Its text is the parts that there are, joined by dots: ``shop.public.customers.nick``."""

    kind: Kind
    database: str = ""
    schema: str = ""
    table: str = ""
    """The table, view or domain that it is, or belongs to."""
    column: str = ""
    name: str = ""
    """Of anything but a database, schema, table, view, domain or column."""

    def __str__(self) -> str:
        parts = (self.database, self.schema, self.table, self.column, self.name)
        return ".".join(part for part in parts if part)

    def column_named(self, name: str) -> FullName:
        """Return the name of a column of this table or view."""
        return replace(self, kind="column", column=name)

    def part(self, kind: Kind, name: str) -> FullName:
        """Return the name of an index, constraint, trigger or policy of this table, view or domain."""
        return replace(self, kind=kind, name=name)
