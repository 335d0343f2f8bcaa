# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Choosing databases and tables by patterns."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Union

from .._errors import ConfigurationError
from .._model.catalog import Catalog, Database, Sequence, Table, View
from .._model.catalog_names import full_name
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.unreadable import refuse_chosen

BUILT_IN_DATABASES = ("defaultdb", "postgres")


@dataclass(frozen=True)
class Selection:
    """Shell patterns such as ``shop``, ``shop.*`` or ``shop.public.order*``; an empty include means everything."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches the name; a pattern also matches everything inside the object that it names."""
    return any(fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, pattern + ".*") for pattern in patterns)


def _chosen(name: str, selection: Selection) -> bool:
    return (not selection.include or _matches(name, selection.include)) and not _matches(name, selection.exclude)


def select(catalog: Catalog, selection: Selection) -> Catalog:
    """Return the part of ``catalog`` that ``selection`` names, with a finding for each object that loses one that it
    depends on.

    CockroachDB's own databases are included only if they are not empty. Types and sequences stay with their database,
    as tables may use them. Raises ConfigurationError if a pattern matches nothing or if nothing is left,
    UnsupportedError if a chosen object is unreadable.
    """
    catalog.databases = [
        database
        for database in catalog.databases
        if database.name not in BUILT_IN_DATABASES or _holds_something(database)
    ]
    if not selection.include and not selection.exclude:
        catalog.findings += refuse_chosen(catalog.unreadable, catalog.databases, lambda name: True)
        return catalog
    _refuse_unmatched_patterns(catalog, selection)
    findings = list(catalog.findings)
    databases = [database for database in catalog.databases if _restrict(database, selection)]
    findings += refuse_chosen(catalog.unreadable, databases, lambda name: _chosen(name, selection))
    kept = {table.id for database in databases for table in database.tables} | {
        sequence.id for database in databases for sequence in database.sequences
    }
    _omit_views(databases, kept, findings)
    for database in databases:
        for table in database.tables:
            _drop_dangling_keys(database, table, kept, findings)
        database.sequences = [_without_omitted_owner(sequence, kept) for sequence in database.sequences]
    if not databases:
        raise ConfigurationError("databases: the include and exclude patterns leave nothing of this backup")
    return Catalog(databases, catalog.roles, findings)


def _restrict(database: Database, selection: Selection) -> bool:
    """Restrict a database to the chosen tables and views; return whether the database is chosen."""
    tables = [table for table in database.tables if _chosen(str(_full_name(database, table)), selection)]
    views = [view for view in database.views if _chosen(str(_full_name(database, view)), selection)]
    chosen = bool(tables or views) or _chosen(database.name, selection)
    if chosen:
        database.tables, database.views = tables, views
    return chosen


def _holds_something(database: Database) -> bool:
    return bool(database.tables or database.views or database.sequences or database.types or database.functions)


def _full_name(database: Database, item: Union[Table, View]) -> FullName:
    schema = next((schema.name for schema in database.schemas if schema.id == item.schema_id), "public")
    return full_name(item, database.name, schema)


def _refuse_unmatched_patterns(catalog: Catalog, selection: Selection) -> None:
    names = [database.name for database in catalog.databases]
    for database in catalog.databases:
        items: list[Union[Table, View]] = [*database.tables, *database.views]
        names += [str(_full_name(database, item)) for item in items]
    names += [item.full_name for item in catalog.unreadable]
    for pattern in selection.include + selection.exclude:
        if not any(_matches(name, (pattern,)) for name in names):
            raise ConfigurationError(
                f"databases: the pattern {pattern!r} matches nothing in this backup, which has: {', '.join(names[:20])}"
            )


def _omit_views(databases: list[Database], kept: set[int], findings: list[Finding]) -> None:
    """Omit the views that read an object that was not chosen, and the views that read those; in old releases a view may
    read another database."""
    chosen = {view.id for database in databases for view in database.views}
    while True:
        omitted = [
            (database, view)
            for database in databases
            for view in database.views
            if view.id in chosen and not set(view.depends_on) <= kept | chosen
        ]
        if not omitted:
            break
        for database, view in omitted:
            findings.append(Finding.of(FindingCode.VIEW_WITHOUT_SOURCE, _full_name(database, view)))
        chosen -= {view.id for _database, view in omitted}
    for database in databases:
        database.views = [view for view in database.views if view.id in chosen]


def _drop_dangling_keys(database: Database, table: Table, kept: set[int], findings: list[Finding]) -> None:
    for key in table.foreign_keys:
        if key.referenced_table_id not in kept:
            findings.append(
                Finding.of(
                    FindingCode.FOREIGN_KEY_WITHOUT_TARGET,
                    _full_name(database, table).part("constraint", key.name),
                    "The foreign key is omitted, because the table that it refers to was not chosen.",
                )
            )
    table.foreign_keys = [key for key in table.foreign_keys if key.referenced_table_id in kept]


def _without_omitted_owner(sequence: Sequence, kept: set[int]) -> Sequence:
    if sequence.owner_table_id and sequence.owner_table_id not in kept:
        sequence.owner_table_id = sequence.owner_column_id = 0
    return sequence
