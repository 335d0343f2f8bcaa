# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From one table descriptor to a Table, View or Sequence of the model."""

from __future__ import annotations

from typing import Any

from ..._errors import UnsupportedError
from ..._formats import protobuf
from ..._model.catalog import (
    Check,
    Column,
    Family,
    ForeignKey,
    Index,
    IndexColumn,
    Policy,
    Sequence,
    Table,
    Trigger,
    UniqueWithoutIndex,
    View,
)
from ..._model.full_name import FullName
from . import descriptor_fields as fields
from .privilege_bits import read_privileges
from .sql_types import read_type

_ACTIONS = {0: "NO ACTION", 1: "RESTRICT", 2: "SET NULL", 3: "SET DEFAULT", 4: "CASCADE"}
_MATCHES = {0: "SIMPLE", 1: "FULL", 2: "PARTIAL"}
_VALIDATED, _DROPPING = 0, 3
_INDEX_KINDS = {0: "forward", 1: "inverted", 2: "vector"}
_DISTANCES = {0: "l2", 1: "ip", 2: "cosine"}
_IDENTITIES = {0: "", 1: "ALWAYS", 2: "BY DEFAULT"}
_TRIGGER_TIMES = {1: "BEFORE", 2: "AFTER", 3: "INSTEAD OF"}
_TRIGGER_EVENTS = {1: "INSERT", 2: "UPDATE", 3: "DELETE", 4: "TRUNCATE", 5: "UPSERT"}
_POLICY_TYPES = {1: "PERMISSIVE", 2: "RESTRICTIVE"}
_POLICY_COMMANDS = {1: "ALL", 2: "SELECT", 3: "INSERT", 4: "UPDATE", 5: "DELETE"}


def read_table(message: protobuf.Message, where: FullName) -> Table:
    """Return the public part of a table; running schema changes are ignored."""
    name = protobuf.text(message, 1)
    owner, grants = read_privileges(protobuf.blob(message, 13), str(where))
    table = Table(
        protobuf.integer(message, 3),
        name,
        protobuf.integer(message, 40),
        columns=read_columns(message, where),
        primary_index=read_index(protobuf.blob(message, 10), where),
        indexes=[read_index(data, where) for data in protobuf.blobs(message, 11)],
        families=[_family(data, where) for data in protobuf.blobs(message, 22)],
        checks=_checks(message, where),
        foreign_keys=_foreign_keys(message, where),
        unique_without_index=_unique_without_index(message, where),
        triggers=[_trigger(data, where) for data in protobuf.blobs(message, 64)],
        policies=[_policy(data, where) for data in protobuf.blobs(message, 66)],
        row_level_security=bool(protobuf.integer(message, 68)),
        row_level_security_forced=bool(protobuf.integer(message, 69)),
        ttl=_ttl(message),
        locality=_locality(message),
        data_excluded=bool(protobuf.integer(message, 48)),
        format_version=protobuf.integer(message, 17),
        owner=owner,
        grants=grants,
    )
    _require_columns(table, where)
    return table


def _require_columns(table: Table, where: FullName) -> None:
    """Raise UnsupportedError when a column occurs twice, or a part of the table is about one that it does not have."""
    ids = {column.id for column in table.columns}
    if len(ids) != len(table.columns):
        raise UnsupportedError(f"table {where}: two columns have one id")
    parts: list[tuple[str, list[int]]] = [
        (index.name, [*(column.column_id for column in index.columns), *index.stored_column_ids])
        for index in (table.primary_index, *table.indexes)
    ]
    parts += [(check.name, check.column_ids) for check in table.checks]
    parts += [(key.name, key.column_ids) for key in table.foreign_keys]
    parts += [(constraint.name, constraint.column_ids) for constraint in table.unique_without_index]
    for name, column_ids in parts:
        missing = [number for number in column_ids if number not in ids]
        if missing:
            raise UnsupportedError(f"table {where}: {name} is about the column {missing[0]}, which it does not have")


def read_view(message: protobuf.Message, where: FullName) -> View:
    """Return a view; a materialized view keeps its indexes, and its rows are computed again."""
    name = protobuf.text(message, 1)
    owner, grants = read_privileges(protobuf.blob(message, 13), str(where))
    materialized = bool(protobuf.integer(message, 41))
    return View(
        protobuf.integer(message, 3),
        name,
        protobuf.integer(message, 40),
        protobuf.text(message, 24),
        read_columns(message, where),
        materialized,
        [read_index(data, where) for data in protobuf.blobs(message, 11)] if materialized else [],
        [*protobuf.integers(message, 25), *protobuf.integers(message, 55)],
        owner,
        grants,
    )


def read_sequence(message: protobuf.Message, where: FullName) -> Sequence:
    """Return a sequence; its value is in the data, not in the descriptor."""
    name = protobuf.text(message, 1)
    owner, grants = read_privileges(protobuf.blob(message, 13), str(where))
    options = protobuf.parse(protobuf.blob(message, 28))
    fields.refuse_unknown(options, fields.SEQUENCE_OPTIONS, f"sequence {where}")
    owned_by = protobuf.parse(protobuf.blob(options, 6))
    return Sequence(
        protobuf.integer(message, 3),
        name,
        protobuf.integer(message, 40),
        protobuf.integer(options, 1),
        protobuf.integer(options, 2),
        protobuf.integer(options, 3),
        protobuf.integer(options, 4),
        max(1, protobuf.integer(options, 7)),
        bool(protobuf.integer(options, 5)),
        protobuf.text(options, 8),
        protobuf.integer(owned_by, 2),
        protobuf.integer(owned_by, 1),
        owner=owner,
        grants=grants,
    )


def read_columns(message: protobuf.Message, where: FullName) -> list[Column]:
    """Return the columns in the order in which CockroachDB prints them (pg_attribute_num, else the column id)."""
    columns = []
    for data in protobuf.blobs(message, 8):
        item = protobuf.parse(data)
        name = protobuf.text(item, 1)
        fields.refuse_unknown(item, fields.COLUMN, f"column {where.column_named(name)}")
        if protobuf.integer(item, 15):
            continue
        identity = protobuf.integer(item, 19)
        if identity not in _IDENTITIES:
            raise UnsupportedError(f"column {where.column_named(name)}: the identity kind {identity} is not known")
        columns.append(
            Column(
                protobuf.integer(item, 2),
                name,
                read_type(protobuf.blob(item, 3), f"column {where.column_named(name)}"),
                bool(protobuf.integer(item, 4)),
                protobuf.text(item, 5),
                protobuf.text(item, 11),
                bool(protobuf.integer(item, 16)),
                protobuf.text(item, 18),
                bool(protobuf.integer(item, 6)),
                bool(protobuf.integer(item, 17)),
                _IDENTITIES[identity],
                protobuf.text(item, 20),
                protobuf.integers(item, 10),
                protobuf.integers(item, 12),
                protobuf.integer(item, 13),
            )
        )
    return sorted(columns, key=lambda column: column.ordinal or column.id)


def read_index(data: bytes, where: FullName) -> Index:
    """Return one index; raises UnsupportedError for an index kind that is not known."""
    message = protobuf.parse(data)
    name = protobuf.text(message, 1)
    fields.refuse_unknown(message, fields.INDEX, f"index {where}@{name}")
    kind = protobuf.integer(message, 16)
    if kind not in _INDEX_KINDS:
        raise UnsupportedError(f"index {where}@{name} is of the unknown kind {kind}")
    directions = protobuf.integers(message, 8)
    columns = [
        IndexColumn(column_id, position < len(directions) and directions[position] == 1)
        for position, column_id in enumerate(protobuf.integers(message, 6))
    ]
    sharded = protobuf.parse(protobuf.blob(message, 20))
    is_sharded = bool(protobuf.integer(sharded, 1))
    interleave = protobuf.parse(protobuf.blob(message, 11))
    ancestors = [protobuf.parse(item) for item in protobuf.blobs(interleave, 1)]
    partitioning = protobuf.parse(protobuf.blob(message, 15))
    return Index(
        protobuf.integer(message, 2),
        name,
        bool(protobuf.integer(message, 3)),
        columns,
        protobuf.integers(message, 7),
        protobuf.integers(message, 14),
        _INDEX_KINDS[kind],
        protobuf.text(message, 23),
        protobuf.text(sharded, 2) if is_sharded else "",
        protobuf.integer(sharded, 3) if is_sharded else 0,
        protobuf.integers(message, 13),
        [(protobuf.integer(item, 1), protobuf.integer(item, 2), protobuf.integer(item, 3)) for item in ancestors],
        bool(protobuf.integer(message, 28)),
        _named(_DISTANCES, protobuf.parse(protobuf.blob(message, 30)), 8, f"index {where}@{name}"),
        bool(protobuf.integer(message, 17)),
        bool(protobuf.integer(partitioning, 1)),
        protobuf.integer(partitioning, 4),
    )


def _family(data: bytes, where: FullName) -> Family:
    message = protobuf.parse(data)
    fields.refuse_unknown(message, fields.FAMILY, f"family of {where}")
    return Family(
        protobuf.integer(message, 2),
        protobuf.text(message, 1),
        protobuf.integers(message, 4),
        protobuf.integer(message, 5),
    )


def _checks(message: protobuf.Message, where: FullName) -> list[Check]:
    """Return the user-defined checks: not those of hash-sharded indexes and not a NOT NULL that is being added."""
    checks = []
    for data in protobuf.blobs(message, 20):
        item = protobuf.parse(data)
        name = protobuf.text(item, 2)
        fields.refuse_unknown(item, fields.CHECK, f"check {where.part('constraint', name)}")
        validity = protobuf.integer(item, 3)
        if validity == _DROPPING or protobuf.integer(item, 6) or protobuf.integer(item, 7):
            continue
        checks.append(
            Check(
                name,
                protobuf.text(item, 1),
                protobuf.integers(item, 5),
                validity == _VALIDATED,
                protobuf.integer(item, 8),
            )
        )
    return checks


def _action(number: int, where: object) -> str:
    if number not in _ACTIONS:
        raise UnsupportedError(f"foreign key {where}: the action {number} is not known")
    return _ACTIONS[number]


def _foreign_keys(message: protobuf.Message, where: FullName) -> list[ForeignKey]:
    keys = []
    for data in protobuf.blobs(message, 36):
        item = protobuf.parse(data)
        name = protobuf.text(item, 5)
        fields.refuse_unknown(item, fields.FOREIGN_KEY, f"foreign key {where.part('constraint', name)}")
        validity = protobuf.integer(item, 6)
        if validity == _DROPPING:
            continue
        keys.append(
            ForeignKey(
                name,
                protobuf.integers(item, 2),
                protobuf.integer(item, 4),
                protobuf.integers(item, 3),
                _action(protobuf.integer(item, 7), where.part("constraint", name)),
                _action(protobuf.integer(item, 8), where.part("constraint", name)),
                _named(_MATCHES, item, 9, f"foreign key {where.part('constraint', name)}"),
                validity == _VALIDATED,
                protobuf.integer(item, 14),
            )
        )
    return keys


def read_index_foreign_keys(message: protobuf.Message) -> list[tuple[list[int], protobuf.Message]]:
    """Return the foreign keys that releases up to v19.1 keep in an index: (its key column ids, the reference)."""
    found = []
    for data in [*protobuf.blobs(message, 10), *protobuf.blobs(message, 11)]:
        index = protobuf.parse(data)
        if protobuf.blob(index, 9):
            reference = protobuf.parse(protobuf.blob(index, 9))
            if protobuf.integer(reference, 1):
                found.append((protobuf.integers(index, 6), reference))
    return found


def old_foreign_key(column_ids: list[int], reference: protobuf.Message, referenced: Table) -> ForeignKey:
    """Build the foreign key of an index reference: as many key columns on both sides as it says, 0 meaning all."""
    count = protobuf.integer(reference, 5) or len(column_ids)
    index_id = protobuf.integer(reference, 2)
    indexes = [index for index in [referenced.primary_index, *referenced.indexes] if index.id == index_id]
    if not indexes:
        raise UnsupportedError(f"a foreign key refers to the index {index_id} of {referenced.name}, which is not there")
    name = protobuf.text(reference, 3)
    return ForeignKey(
        name,
        column_ids[:count],
        referenced.id,
        [column.column_id for column in indexes[0].columns[:count]],
        _action(protobuf.integer(reference, 6), name),
        _action(protobuf.integer(reference, 7), name),
        _named(_MATCHES, reference, 8, f"foreign key {name}"),
        protobuf.integer(reference, 4) == _VALIDATED,
    )


def _unique_without_index(message: protobuf.Message, where: FullName) -> list[UniqueWithoutIndex]:
    constraints = []
    for data in protobuf.blobs(message, 43):
        item = protobuf.parse(data)
        name = protobuf.text(item, 3)
        fields.refuse_unknown(item, fields.UNIQUE_WITHOUT_INDEX, f"constraint {where.part('constraint', name)}")
        validity = protobuf.integer(item, 4)
        if validity != _DROPPING:
            constraints.append(
                UniqueWithoutIndex(
                    name,
                    protobuf.integers(item, 2),
                    protobuf.text(item, 5),
                    validity == _VALIDATED,
                    protobuf.integer(item, 6),
                )
            )
    return constraints


def _trigger(data: bytes, where: FullName) -> Trigger:
    message = protobuf.parse(data)
    name = protobuf.text(message, 2)
    fields.refuse_unknown(message, fields.TRIGGER, f"trigger {where.part('trigger', name)}")
    events = [protobuf.parse(event) for event in protobuf.blobs(message, 4)]
    return Trigger(
        name,
        _named(_TRIGGER_TIMES, message, 3, f"trigger {where.part('trigger', name)}"),
        [_named(_TRIGGER_EVENTS, event, 1, f"trigger {where.part('trigger', name)}") for event in events],
        bool(protobuf.integer(message, 7)),
        protobuf.text(message, 8),
        protobuf.integer(message, 9),
        protobuf.texts(message, 10),
        bool(protobuf.integer(message, 12)),
        [item for event in events for item in protobuf.texts(event, 2)],
        protobuf.text(message, 5),
        protobuf.text(message, 6),
    )


def _named(names: dict[int, str], message: protobuf.Message, field: int, what: str) -> str:
    number = protobuf.integer(message, field)
    if number not in names:
        raise UnsupportedError(f"{what}: the value {number} of field {field} is not known")
    return names[number]


def _policy(data: bytes, where: FullName) -> Policy:
    message = protobuf.parse(data)
    name = protobuf.text(message, 2)
    what = f"policy {where.part('policy', name)}"
    fields.refuse_unknown(message, fields.POLICY, what)
    return Policy(
        name=name,
        type=_named(_POLICY_TYPES, message, 3, what),
        command=_named(_POLICY_COMMANDS, message, 4, what),
        roles=protobuf.texts(message, 5),
        using=protobuf.text(message, 6),
        with_check=protobuf.text(message, 7),
    )


def _ttl(message: protobuf.Message) -> dict[str, Any]:
    if 47 not in message:
        return {}
    ttl = protobuf.parse(protobuf.blob(message, 47))
    found: dict[str, Any] = {
        "duration": protobuf.text(ttl, 1),
        "expiration": protobuf.text(ttl, 11),
        "cron": protobuf.text(ttl, 4),
        "delete_batch_size": protobuf.integer(ttl, 3),
        "paused": bool(protobuf.integer(ttl, 8)),
    }
    return {key: value for key, value in found.items() if value} or {"enabled": True}


def _locality(message: protobuf.Message) -> str:
    locality = protobuf.parse(protobuf.blob(message, 42))
    for number, name, before_detail in (
        (1, "GLOBAL", ""),
        (2, "REGIONAL BY TABLE", " IN "),
        (3, "REGIONAL BY ROW", " AS "),
    ):
        if number in locality:
            detail = protobuf.text(protobuf.parse(protobuf.blob(locality, number)), 1)
            return name + (before_detail + detail if detail else "")
    return ""
