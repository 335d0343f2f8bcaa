# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Conversion of one database: from its catalog to PostgreSQL commands and findings."""

from __future__ import annotations

from typing import Any, Union

from .._errors import UnsupportedError
from .._model.catalog import Database, Role, UserType
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .._model.postgres_limits import MAX_TABLE_COLUMNS
from .._model.unreadable import RefusedObjectsError
from .comments import create_comments
from .computed import fit_to_server
from .constraints import create_checks, create_foreign_keys
from .context import Context
from .database_settings import create_settings
from .default_privileges import create_default_privileges
from .definitions import CompositeDefinition, EnumDefinition, Existence
from .domains import create_domain
from .enum_labels import fit_labels
from .expressions import null_order, text_order
from .expressions.nesting import deep
from .grants import available_roles, create_grants
from .indexes import create_indexes, create_primary_key
from .routines import add_routine, convert_routines
from .row_level_security import create_policies
from .sequence_bounds import fit_sequences, identity_sequence
from .sequences import continue_after_data, create_sequence, own_sequence, set_value
from .server_features import ConvertOptions, ServerFeatures
from .statements import Conversion, Subject
from .tables import create_table
from .triggers import create_on_update
from .types import type_name
from .unique_without_index import create_unique_without_index
from .user_triggers import create_triggers
from .views import create_views
from .wide_indexes import fit_indexes

_TYPE_ORDER = {"domain": 1, "composite": 2}


@deep
def convert_database(
    database: Database, roles: list[Role], features: ServerFeatures, options: ConvertOptions
) -> Conversion:
    """Return the commands that create ``database`` in an empty PostgreSQL database, in load order, with findings.

    Objects without a counterpart are omitted with a finding. Raises RefusedObjectsError for all those that rows or
    other objects need, such as tables with a column type without a counterpart.
    """
    database, findings = fit_to_server(database, features, options)
    for fit in (fit_sequences, fit_labels, fit_indexes):
        database, fitted = fit(database)
        findings += fitted
    context = Context(database, features, options)
    context.conversion.findings += findings
    context.available_roles = available_roles(roles, context)
    _claim_names(context)
    for schema in database.schemas:
        bare = context.schemas[schema.id]
        context.conversion.add(
            "schema", Subject("schema", bare), f"CREATE SCHEMA IF NOT EXISTS {quote(bare)}", expects=Existence()
        )
    # Domains are based on enums, and composite types may have fields of both.
    context.for_each(sorted(database.types, key=_type_order), _create_type)
    routines = convert_routines(context)
    for routine in routines.values():
        if not routine.late:
            add_routine(routine, "function", context)
    _create_tables_and_sequences(context)
    context.for_each(database.tables, create_primary_key)
    context.for_each(
        database.tables,
        create_indexes,
        create_unique_without_index,
        create_checks,
        create_on_update,
        create_triggers,
        create_policies,
    )
    context.for_each(database.tables, create_foreign_keys)
    if context.refused:
        raise RefusedObjectsError(list(context.refused.values()))
    _set_sequences(context)
    create_views(context, {number: routine for number, routine in routines.items() if routine.late})
    null_order.report(context)
    text_order.report(context)
    _report_regions(context)
    create_comments(context, routines)
    create_grants(context, routines)
    create_default_privileges(context)
    create_settings(context)
    context.conversion.sort()
    return context.conversion


def _claim_names(context: Context) -> None:
    """Reserve the names of tables, views, sequences and types first, so that only indexes and helper objects are
    renamed."""
    database = context.database
    items: list[Any] = [*database.tables, *database.views, *database.sequences, *database.types]
    context.for_each(items, _claim_name)
    for schema in context.database.schemas:
        context.report_cut(schema.name, FullName("schema", context.database.name, schema.name))
    for function in context.database.functions:
        context.scope.reserve(context.schemas[function.schema_id], function.name)
        context.report_cut(function.name, context.full_name(function))


def _claim_name(item: Any, context: Context) -> None:
    context.scope.claim(context.schema(item), item.name)
    context.report_cut(item.name, context.full_name(item))


def _type_order(item: UserType) -> tuple[int, bool]:
    """Return a key that sorts each type behind those that it is made of; an enum may have become a domain."""
    return _TYPE_ORDER.get(item.kind, 0), item.base is not None and bool(item.base.domain_id)


def _create_type(user_type: UserType, context: Context) -> None:
    if user_type.kind == "domain":
        create_domain(user_type, context)
        return
    schema, name = context.schema(user_type), clip(user_type.name)
    made: Union[EnumDefinition, CompositeDefinition] = (
        _composite(user_type, context)
        if user_type.kind == "composite"
        else EnumDefinition(tuple(member.name for member in user_type.members))
    )
    context.conversion.add("type", Subject("type", name, schema), made.create(quote(schema, name)), expects=made)


def _composite(user_type: UserType, context: Context) -> CompositeDefinition:
    where, names = context.full_name(user_type), user_type.field_names
    if len(names) > MAX_TABLE_COLUMNS:
        raise UnsupportedError(
            f"{where}: it has {len(names)} fields, and composite types of PostgreSQL at most {MAX_TABLE_COLUMNS}"
        )
    for name in names:
        context.report_cut(name, where.column_named(name))
    return CompositeDefinition(
        tuple((clip(name), type_name(kind, context, where)) for name, kind in zip(names, user_type.fields))
    )


def _create_tables_and_sequences(context: Context) -> None:
    for table in context.database.tables:
        for column in table.columns:
            sequence = identity_sequence(column, context.sequences) if column.identity else None
            if sequence is not None:
                context.identity_sequence_ids.add(sequence.id)
    sequences = [item for item in context.database.sequences if item.id not in context.identity_sequence_ids]
    context.for_each(sequences, create_sequence)
    context.for_each(context.database.tables, create_table)


def _set_sequences(context: Context) -> None:
    for sequence in context.database.sequences:
        set_value(sequence, context)
        own_sequence(sequence, context)
    for table, column, name in context.row_id_sequences:
        continue_after_data(context.schema(table), name, table, column, context)


def _report_regions(context: Context) -> None:
    database = context.database
    if database.regions:
        context.find(
            FindingCode.REGIONS,
            FullName("database", database.name),
            f"The database's regions ({', '.join(database.regions)}) have no counterpart and are omitted.",
        )
