# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Check constraints and foreign keys."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.catalog import ForeignKey, SqlType, Table
from .._model.conversion_policies import TEXT
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .._model.object_numbers import OBJECT_IDENTIFIERS
from .._model.stored_columns import shard_columns
from . import needs
from .context import Context
from .definitions import CheckDefinition, ForeignKeyDefinition
from .expressions import expressions
from .expressions.families import declared_family
from .statements import Need, Subject
from .tables import kept_columns

_WRITING_ACTIONS = ("CASCADE", "SET NULL", "SET DEFAULT")

_COMPARABLE = (
    frozenset(("int", "float", "decimal")),
    frozenset(("date", "timestamp", "timestamptz")),
    *(frozenset((family,)) for family in ("string", "uuid", "bytes", "bool", "json", "inet", "interval")),
)
"""Families of types that PostgreSQL compares with each other."""


def create_checks(table: Table, context: Context) -> None:
    """Add the check constraints; those that CockroachDB has not validated are NOT VALID here, too."""
    columns = kept_columns(table)
    shards = {column.id for column in table.columns if column.name in shard_columns(table)}
    for check in table.checks:
        if shards & set(check.column_ids):
            # It goes with the column that only serves a hash-sharded index.
            continue
        where = context.full_name(table).part("constraint", check.name)
        try:
            found = expressions.convert_in_table(check.expression, context, where, columns)
        except UnsupportedError as error:
            context.find(FindingCode.CHECK_LEFT_OUT, where, f"The check constraint is omitted: {where.unnamed(error)}.")
            continue
        context.report_cut(check.name, where)
        step, name = "late" if found.calls & context.late_functions else "check", clip(check.name)
        _report_validity(check.validated, where, context)
        made = CheckDefinition(found.sql, check.validated)
        text, calls = made.create(quote(name), context.qualified(table)), needs.of_calls(found.calls, context)
        context.conversion.add(
            step, Subject("check", name, context.schema(table), clip(table.name)), text, expects=made, needs=calls
        )


def _report_validity(validated: bool, where: FullName, context: Context) -> None:
    if not validated:
        context.find(FindingCode.NOT_VALID, where)


def create_foreign_keys(table: Table, context: Context) -> None:
    """Add the foreign keys. The keys and unique indexes of all tables must have been added before."""
    for key in table.foreign_keys:
        where = context.full_name(table).part("constraint", key.name)
        referenced = context.tables.get(key.referenced_table_id)
        if referenced is None:
            context.find(
                FindingCode.FOREIGN_KEY_LEFT_OUT,
                where,
                "The foreign key is omitted: the table that it refers to is in another database or not in the backup.",
                "PostgreSQL has no foreign keys between databases.",
            )
            continue
        if (referenced.id, frozenset(key.referenced_column_ids)) not in context.unique_keys:
            context.find(
                FindingCode.FOREIGN_KEY_LEFT_OUT,
                where,
                f"The foreign key is omitted: {context.full_name(referenced)} has no key or unique index on the "
                "columns that it refers to, or none that PostgreSQL accepts.",
                "Create one, then add the foreign key by hand.",
            )
            continue
        _create_foreign_key(key, table, referenced, context, where)


def _comparable(left: SqlType, right: SqlType) -> bool:
    """Whether PostgreSQL has an equality operator of both types; True for types that are not in the table."""
    kinds = [declared_family(kind) for kind in (left, right)]
    groups = [next((group for group in _COMPARABLE if kind in group), None) for kind in kinds]
    return None in groups or groups[0] == groups[1]


def _create_foreign_key(key: ForeignKey, table: Table, referenced: Table, context: Context, where: FullName) -> None:
    own, other = context.columns(table), context.columns(referenced)
    pairs = [
        (own[left].type.oid, other[right].type.oid) for left, right in zip(key.column_ids, key.referenced_column_ids)
    ]
    if context.options.policies.object_identifiers == TEXT and any(
        (left in OBJECT_IDENTIFIERS) != (right in OBJECT_IDENTIFIERS) for left, right in pairs
    ):
        context.find(
            FindingCode.FOREIGN_KEY_LEFT_OUT,
            where,
            "The foreign key is omitted: it compares object identifiers, which become text, with plain numbers.",
            "Keep the numbers (object_identifiers: oid) to have the foreign key.",
        )
        return
    for left, right in zip(key.column_ids, key.referenced_column_ids):
        column, target = own[left], other[right]
        if not _comparable(column.type, target.type):
            context.find(
                FindingCode.FOREIGN_KEY_LEFT_OUT,
                where,
                f"The foreign key is omitted: PostgreSQL cannot compare {column.name} ({column.type.family}) with "
                f"{target.name} ({target.type.family}).",
                "Give both columns one type, then add the foreign key by hand.",
            )
            return
    on_delete, on_update = key.on_delete, key.on_update
    if any(own[column_id].computed for column_id in key.column_ids):
        on_delete = "NO ACTION" if on_delete in ("SET NULL", "SET DEFAULT") else on_delete
        on_update = "NO ACTION" if on_update in _WRITING_ACTIONS else on_update
        if (on_delete, on_update) != (key.on_delete, key.on_update):
            context.find(FindingCode.FOREIGN_KEY_ACTION, where)
    context.report_cut(key.name, where)
    if key.match == "PARTIAL":
        context.find(FindingCode.FOREIGN_KEY_MATCH, where)
    _report_validity(key.validated, where, context)
    made = ForeignKeyDefinition(
        tuple(clip(own[column_id].name) for column_id in key.column_ids),
        (context.schema(referenced), clip(referenced.name)),
        tuple(clip(other[column_id].name) for column_id in key.referenced_column_ids),
        "FULL" if key.match == "FULL" else "SIMPLE",
        on_delete,
        on_update,
        key.validated,
    )
    sql = made.create(quote(clip(key.name)), context.qualified(table))
    other_table = [Need("relation", clip(referenced.name), context.schema(referenced))]
    context.conversion.add(
        "foreign_key",
        Subject("foreign_key", clip(key.name), context.schema(table), clip(table.name)),
        sql,
        expects=made,
        needs=other_table,
    )
