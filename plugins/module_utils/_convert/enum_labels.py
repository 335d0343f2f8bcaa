# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Enums with labels that are longer than PostgreSQL's, which are names of at most 63 bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._model.built_in_types import TEXT
from .._model.catalog import Check, Database, SqlType, UserType
from .._model.catalog_names import full_names
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.names import MAX_BYTES, literal


def fit_labels(database: Database) -> tuple[Database, list[Finding]]:
    """Return the database with a domain over text instead of each enum with a label that is too long, and a finding for
    each. The domain has a check of the labels, and keeps the enum's name and id, and the labels by their stored form.
    """
    made = {item.id: _domain(item) for item in database.types if _has_long_label(item)}
    if not made:
        return database, []
    names = full_names(database)

    def fitted(kind: SqlType) -> SqlType:
        if kind.user_type_id in made:
            return SqlType("string", TEXT, domain_id=kind.domain_id or kind.user_type_id)
        element = fitted(kind.element) if kind.element else None
        return replace(kind, element=element, fields=[fitted(part) for part in kind.fields])

    def with_types(items: list[Any]) -> list[Any]:
        return [replace(item, type=fitted(item.type)) for item in items]

    findings = [Finding.of(FindingCode.ENUM_AS_DOMAIN, names[item.id]) for item in database.types if item.id in made]
    return replace(
        database,
        types=[_fit_type(made.get(item.id, item), fitted) for item in database.types],
        tables=[replace(table, columns=with_types(table.columns)) for table in database.tables],
        views=[replace(view, columns=with_types(view.columns)) for view in database.views],
        functions=[
            replace(
                function,
                parameters=with_types(function.parameters),
                return_type=fitted(function.return_type) if function.return_type else None,
            )
            for function in database.functions
        ],
    ), findings


def _has_long_label(item: UserType) -> bool:
    return any(len(member.name.encode("utf-8")) > MAX_BYTES for member in item.members)


def _domain(item: UserType) -> UserType:
    labels = ", ".join(f"{literal(member.name)}:::STRING" for member in item.members)
    check = Check(f"{item.name}_check", f"value IN ({labels})")
    return replace(item, kind="domain", base=SqlType("string", TEXT), checks=[check])


def _fit_type(item: UserType, fitted: Any) -> UserType:
    base = fitted(item.base) if item.base else None
    return replace(item, base=base, fields=[fitted(kind) for kind in item.fields])
