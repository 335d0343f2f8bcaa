# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The full name of an object, part by part."""

from __future__ import annotations

from collections.abc import Iterable
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
    "parameter",
    "index",
    "constraint",
    "trigger",
    "policy",
    "object",
]
"""What a name is of. ``type``: an enum or composite type; ``function``: also a procedure; ``constraint``: a check, a
foreign key, a key without an index; ``object``: the source does not say."""


@dataclass(frozen=True)
class FullName:
    """What a message is about. As text it is its parts joined by dots: ``shop.public.customers.nick``."""

    kind: Kind
    database: str = ""
    schema: str = ""
    table: str = ""
    """The table or view that it is; the table, view, type or function that it belongs to."""
    column: str = ""
    """Also of a composite type."""
    name: str = ""
    """Of anything but a database, schema, table, view or column."""

    def __str__(self) -> str:
        parts = (self.database, self.schema, self.table, self.column, self.name)
        return ".".join(part for part in parts if part)

    def column_named(self, name: str) -> FullName:
        """Return the name of a column of this table, view or type."""
        return replace(self, kind="column", table=self.table or self.name, column=name, name="")

    def part(self, kind: Kind, name: str) -> FullName:
        """Return the name of a constraint, index, trigger, policy or parameter of this table, view, type or
        function."""
        return replace(self, kind=kind, table=self.table or self.name, name=name)

    def unnamed(self, message: object) -> str:
        """Return a message about this object without the name that it begins with: a finding has the name itself."""
        return str(message).removeprefix(f"{self}: ")


def list_by_table(names: Iterable[FullName]) -> str:
    """Return the names of one database's objects, each table once: ``public.orders (total, orders_total_idx),
    public.sums``."""
    parts: dict[str, list[str]] = {}
    for name in names:
        part = (name.column or name.name) if name.table else ""
        whole = ".".join(filter(None, (name.schema, name.table or name.name)))
        parts.setdefault(whole, []).extend([part] if part else [])
    return ", ".join(f"{whole} ({', '.join(found)})" if found else whole for whole, found in parts.items())


CLUSTER = FullName("cluster", name="the cluster")
ALL_DATABASES = FullName("cluster", name="all databases")
