# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Types of columns that go by a domain.

A descriptor gives such a column the base type with the domain's oid. Values are the base type's in every respect: all
that reads and writes them sees the base type, and ``domain_id`` keeps the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .._errors import CorruptBackupError
from .catalog import USER_TYPE_OID_BASE, Database, SqlType, UserType


def base_type(domain: UserType) -> SqlType:
    """Return the base type of a domain. Raises CorruptBackupError if the domain has none."""
    if domain.base is None:
        raise CorruptBackupError(f"the domain {domain.name} has no base type")
    return domain.base


def base_problem(base: SqlType) -> str:
    """Return what is wrong with a base type, empty when nothing is: CockroachDB refuses some (create-domain of v26.3's
    documentation)."""
    plain = (
        base.family not in ("array", "tuple")
        and not base.domain_id
        and (base.oid < USER_TYPE_OID_BASE or base.family == "enum")
    )
    return (
        ""
        if plain
        else "its base type is an array, a composite type or a domain, which no known release of CockroachDB takes"
    )


def domain_type(domain: UserType) -> SqlType:
    """Return the type of a column of a domain. Raises CorruptBackupError."""
    return replace(base_type(domain), domain_id=domain.id)


def resolve_domains(database: Database) -> None:
    """Replace every type of the database that has the oid of one of its domains. Raises CorruptBackupError."""
    types = {USER_TYPE_OID_BASE + item.id: domain_type(item) for item in database.types if item.kind == "domain"}
    if not types:
        return
    for columns in [*(table.columns for table in database.tables), *(view.columns for view in database.views)]:
        for column in columns:
            column.type = _resolved(column.type, types)
    for item in database.types:
        item.fields = [_resolved(kind, types) for kind in item.fields]
    for function in database.functions:
        for parameter in function.parameters:
            parameter.type = _resolved(parameter.type, types)
        function.return_type = _resolved(function.return_type, types) if function.return_type else None


def _resolved(kind: SqlType, types: Mapping[int, SqlType]) -> SqlType:
    if kind.element is not None:
        return replace(kind, element=_resolved(kind.element, types))
    if kind.oid in types:
        return types[kind.oid]
    return replace(kind, fields=[_resolved(part, types) for part in kind.fields]) if kind.fields else kind
