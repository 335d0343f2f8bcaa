# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Indexes and keys of more columns than PostgreSQL's have."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from .._model.catalog import Column, Database, Index, Table, UniqueWithoutIndex, View
from .._model.catalog_names import full_names
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.postgres_limits import MAX_INDEX_COLUMNS
from .._model.stored_columns import shard_columns, written_keys


def fit_indexes(database: Database) -> tuple[Database, list[Finding]]:
    """Return the database with indexes of at most as many columns as PostgreSQL's have, and a finding for each that was
    changed.

    An index without room for its stored columns loses them; one of too many columns keeps the first ones (an inverted
    one its last, too). A key or unique index of too many columns becomes a unique constraint without an index, and one
    over expressions is omitted.
    """
    names, findings = full_names(database), list[Finding]()
    tables = [_fit_table(table, names[table.id], findings) for table in database.tables]
    views = [_fit_view(view, names[view.id], findings) for view in database.views]
    return replace(database, tables=tables, views=views), findings


def _fit_table(table: Table, where: FullName, findings: list[Finding]) -> Table:
    columns = {column.id: column for column in table.columns}
    indexes, keys = [], list(table.unique_without_index)
    for index in table.indexes:
        if index.unique and _too_many(index, columns):
            key = _as_constraint(index, columns, where.part("index", index.name), findings)
            keys += [key] if key else []
        else:
            indexes.append(_fit(index, columns, where.part("index", index.name), findings))
    primary = table.primary_index
    if _too_many(primary, columns):
        key = _as_constraint(primary, columns, where.part("index", primary.name), findings)
        keys += [key] if key else []
        primary = replace(primary, columns=[])
    if indexes == table.indexes and primary is table.primary_index:
        return table
    fitted = replace(table, indexes=indexes, unique_without_index=keys, primary_index=primary)
    needless = shard_columns(table) - shard_columns(fitted)
    return replace(fitted, columns=[column for column in table.columns if column.name not in needless])


def _fit_view(view: View, where: FullName, findings: list[Finding]) -> View:
    columns, indexes = {column.id: column for column in view.columns}, []
    for index in view.indexes:
        about = where.part("index", index.name)
        if index.unique and _too_many(index, columns):
            findings.append(_omitted(index, columns, about))
        else:
            indexes.append(_fit(index, columns, about, findings))
    return view if indexes == view.indexes else replace(view, indexes=indexes)


def _too_many(index: Index, columns: dict[int, Column]) -> bool:
    return len(written_keys(index, columns)) > MAX_INDEX_COLUMNS


def _as_constraint(
    index: Index, columns: dict[int, Column], about: FullName, findings: list[Finding]
) -> Optional[UniqueWithoutIndex]:
    parts = written_keys(index, columns)
    if any(columns[part.column_id].inaccessible for part in parts):
        findings.append(_omitted(index, columns, about))
        return None
    return UniqueWithoutIndex(index.name, [part.column_id for part in parts], index.predicate, comment=index.comment)


def _fit(index: Index, columns: dict[int, Column], about: FullName, findings: list[Finding]) -> Index:
    parts = written_keys(index, columns)
    stored = [number for number in index.stored_column_ids if columns[number].name != index.shard_column]
    if len(parts) + len(stored) <= MAX_INDEX_COLUMNS:
        return index
    if len(parts) <= MAX_INDEX_COLUMNS:
        findings.append(_changed(about, f"is made without its {len(stored)} columns of STORING"))
        return replace(index, stored_column_ids=[])
    last = [] if index.kind == "forward" else parts[-1:]
    kept = parts[: MAX_INDEX_COLUMNS - len(last)] + last
    findings.append(_changed(about, f"has {MAX_INDEX_COLUMNS} of its {len(parts)} columns"))
    return replace(index, columns=kept, implicit_columns=0, stored_column_ids=[])


def _changed(about: FullName, what: str) -> Finding:
    return Finding.of(
        FindingCode.INDEX_TOO_WIDE,
        about,
        f"The index {what}: those of PostgreSQL have at most {MAX_INDEX_COLUMNS}, INCLUDE counted.",
    )


def _omitted(index: Index, columns: dict[int, Column], about: FullName) -> Finding:
    return Finding.of(
        FindingCode.INDEX_LEFT_OUT,
        about,
        f"The unique index of {len(written_keys(index, columns))} columns is omitted: PostgreSQL's have at most "
        f"{MAX_INDEX_COLUMNS}.",
        "Write a trigger, or a unique index on a hash of the columns.",
        severity="error",
    )
