# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A database without objects that cannot be converted, and without what needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Union

from .._convert.sequence_bounds import identity_sequence
from .._model.catalog import (
    USER_TYPE_OID_BASE,
    Database,
    Function,
    Sequence,
    SqlType,
    Table,
    UnreadableObject,
    UserType,
    View,
)
from .._model.catalog_names import full_names
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.unreadable import omitted_key, refusal_of_user, user_types

_User = Union[UserType, Table, View, Function]


def without_refused(
    database: Database, refused: Iterable[UnreadableObject]
) -> tuple[Database, list[UnreadableObject], list[Finding]]:
    """Return the database without these objects, the objects that are refused because they need one of them, and a
    finding for each foreign key that is omitted."""
    names, gone = full_names(database), {item.id: item for item in refused}
    users = _refuse_users(database, names, gone)
    findings = [finding for table in database.tables for finding in _omitted_keys(table, names, gone)]
    kept = replace(
        database,
        types=[item for item in database.types if item.id not in gone],
        sequences=[_without_owner(item, gone) for item in database.sequences if item.id not in gone],
        tables=[_without_keys(item, gone) for item in database.tables if item.id not in gone],
        views=[item for item in database.views if item.id not in gone],
        functions=[item for item in database.functions if item.id not in gone],
    )
    return kept, users, findings


def _refuse_users(
    database: Database, names: dict[int, FullName], gone: dict[int, UnreadableObject]
) -> list[UnreadableObject]:
    """Add to ``gone`` what needs something in it, and return that."""
    items: list[_User] = [*database.types, *database.tables, *database.views, *database.functions]
    found: list[UnreadableObject] = []
    while True:
        before = len(found)
        for item in items:
            missing = [gone[number] for number in _needs(item) if number in gone]
            if missing and item.id not in gone:
                reason, root = refusal_of_user(missing[0])
                gone[item.id] = UnreadableObject(item.id, names[item.id], reason, because=root)
                found.append(gone[item.id])
        if len(found) == before:
            return [*found, *_refuse_identities(database, names, gone)]


def _refuse_identities(
    database: Database, names: dict[int, FullName], gone: dict[int, UnreadableObject]
) -> Iterator[UnreadableObject]:
    """Add to ``gone`` the sequences of the identity columns of refused tables, and yield them."""
    sequences = {sequence.id: sequence for sequence in database.sequences}
    for table in database.tables:
        for column in table.columns if table.id in gone else ():
            sequence = identity_sequence(column, sequences) if column.identity else None
            if sequence is not None and sequence.id not in gone:
                reason, root = refusal_of_user(gone[table.id])
                gone[sequence.id] = UnreadableObject(sequence.id, names[sequence.id], reason, because=root)
                yield gone[sequence.id]


def _needs(item: _User) -> Iterator[int]:
    """Yield the ids of the types, relations and functions without which PostgreSQL cannot make the object."""
    if isinstance(item, Table):
        for column in item.columns:
            yield from user_types(column.type)
            yield from column.uses_sequence_ids
    elif isinstance(item, UserType):
        for kind in [*item.fields, *([item.base] if item.base else [])]:
            yield from user_types(kind)
    elif isinstance(item, View):
        yield from item.depends_on
    else:
        for kind in [*(parameter.type for parameter in item.parameters), *filter(None, [item.return_type])]:
            yield from _types_and_rows(kind)
        if item.language == "SQL":
            yield from item.depends_on


def _types_and_rows(kind: SqlType) -> Iterator[int]:
    """Yield the ids of user types, and of tables whose rows are meant."""
    yield from user_types(kind)
    if kind.family == "tuple" and kind.oid > USER_TYPE_OID_BASE:
        yield kind.oid - USER_TYPE_OID_BASE


def _omitted_keys(table: Table, names: dict[int, FullName], gone: dict[int, UnreadableObject]) -> Iterator[Finding]:
    for key in table.foreign_keys:
        if table.id not in gone and key.referenced_table_id in gone:
            yield omitted_key(names[table.id].part("constraint", key.name), gone[key.referenced_table_id])


def _without_keys(table: Table, gone: dict[int, UnreadableObject]) -> Table:
    kept = [key for key in table.foreign_keys if key.referenced_table_id not in gone]
    return table if len(kept) == len(table.foreign_keys) else replace(table, foreign_keys=kept)


def _without_owner(sequence: Sequence, gone: dict[int, UnreadableObject]) -> Sequence:
    return replace(sequence, owner_table_id=0, owner_column_id=0) if sequence.owner_table_id in gone else sequence
