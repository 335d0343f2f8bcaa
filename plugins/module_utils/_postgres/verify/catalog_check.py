# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing PostgreSQL's catalog with the definitions that the conversion's statements expect: one comparer for each
property that somebody could change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..._convert.definitions import (
    TableDefinition,
)
from ..._convert.statements import Statement
from ..._errors import UnsupportedError
from ..._model.catalog import Database
from ..._model.names import clip
from ..load.statement_runner import describe
from . import compare_objects, compare_rights, compare_tables
from .catalog_facts import SOURCES, read_facts
from .catalog_rights import read_rights
from .comparison import (
    PUBLIC_SCHEMA,
    ROUTINES,
    Check,
    Comparer,
    comparer_of_columns,
    comparer_of_existence,
    comparer_of_relations,
    comparer_with_twin,
)
from .twins import make_twins


def check_catalog(
    connection: Any, database: Database, statements: Iterable[Statement], rights_migrated: bool
) -> tuple[int, list[str]]:
    """Compare the objects that the statements have created; return the number of compared objects, and a line for each
    that is missing, different or unexpected.

    ``rights_migrated``: owners and privileges were migrated. Nothing stays changed: the caller rolls the transaction
    back. Raises UnsupportedError for a kind of statement that cannot be checked, TargetError if the user may not create
    temporary objects.
    """
    wanted = list(statements)
    for statement in wanted:
        if statement.kind not in _CHECKED:
            raise UnsupportedError(
                f"verification does not know the kind of object {statement.kind!r} ({describe(statement)})"
            )
    with connection.cursor() as cursor:
        check = _read_catalog(cursor, database, wanted, rights_migrated)
        differences = [line for compare in COMPARERS.values() for line in compare(check)]
    columns = sum(
        len(statement.expects.columns) for statement in wanted if isinstance(statement.expects, TableDefinition)
    )
    return len(wanted) + columns, differences


def _read_catalog(cursor: Any, database: Database, statements: list[Statement], rights_migrated: bool) -> Check:
    twins = make_twins(cursor, statements)
    names = {statement.schema for statement in statements if statement.schema} | {
        statement.name for statement in statements if statement.kind == "schema"
    }
    routines = sorted({statement.name for statement in statements if statement.kind in ROUTINES})
    cursor.execute("SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY(%s)", (sorted(names),))
    schemas = dict(cursor.fetchall())
    found = {source: read_facts(cursor, source, schemas, routines, twins.facts.get(source)) for source in SOURCES}
    rights = read_rights(cursor, sorted(names), routines)
    cursor.execute("SELECT extname FROM pg_extension")
    extensions = frozenset(name for (name,) in cursor.fetchall())
    places = {schema.id: clip(schema.name) for schema in database.schemas}
    closed = frozenset(
        (places[function.schema_id], clip(function.name))
        for function in database.functions
        if function.grants and all(grant.role != PUBLIC_SCHEMA for grant in function.grants)
    )
    sources = {(places[table.schema_id], clip(table.name)): table for table in database.tables}
    return Check(cursor, statements, twins, found, rights, extensions, sources, closed, rights_migrated)


COMPARERS: dict[str, Comparer] = {
    "extension": comparer_of_existence("extension", lambda check, name: name in check.extensions),
    "schema": comparer_of_existence("schema", lambda check, name: ("SCHEMA", "", "", name) in check.rights.holders),
    "collation": comparer_with_twin("collations", ("collation",), "provider", "locale", "deterministic"),
    "type": comparer_with_twin("types", ("type", "domain"), "kind"),
    "enum label": comparer_with_twin("types", ("type",), "labels", existence=False),
    "composite attribute": comparer_with_twin("types", ("type",), "attributes", existence=False),
    "domain rule": comparer_with_twin(
        "types", ("type", "domain"), "base type", "default", "NOT NULL", "checks", existence=False
    ),
    "sequence": compare_objects.sequences,
    "sequence value": compare_objects.sequence_values,
    "sequence owner": compare_objects.sequence_owners,
    "routine": compare_objects.routines,
    "table": comparer_of_relations("table"),
    "column": compare_tables.columns,
    "NOT NULL": comparer_of_columns("NOT NULL"),
    "default": comparer_of_columns("default"),
    "identity": compare_tables.identities,
    "generated expression": comparer_of_columns("generated expression", "storage"),
    "primary key": compare_tables.comparer_of_keys("primary_key", "PRIMARY KEY"),
    "unique constraint": compare_tables.comparer_of_keys("unique_constraint", "UNIQUE", "EXCLUDE"),
    "check": compare_tables.checks,
    "foreign key": compare_tables.foreign_keys,
    "index": compare_tables.indexes,
    "view": compare_objects.comparer_of_views("view"),
    "materialized view": compare_objects.comparer_of_views("materialized_view"),
    "trigger": compare_tables.triggers,
    "policy": compare_tables.policies,
    "row security": compare_tables.row_security,
    "rule": compare_tables.rules,
    "comment": compare_rights.comments,
    "owner": compare_rights.owners,
    "privilege": compare_rights.privileges,
    "default privilege": compare_rights.default_privileges,
    "database setting": compare_objects.settings,
}
"""The comparers by the property that they compare, in the order in which differences are reported. The tests remove one
after the other."""
_CHECKED = frozenset(
    (
        "extension",
        "schema",
        "collation",
        "type",
        "domain",
        "domain_check",
        "sequence",
        "sequence_value",
        "sequence_owned_by",
        "function",
        "procedure",
        "table",
        "column_default",
        "primary_key",
        "unique_constraint",
        "check",
        "foreign_key",
        "index",
        "unique_index",
        "view",
        "materialized_view",
        "trigger",
        "constraint_trigger",
        "policy",
        "row_level_security",
        "comment",
        "routine_comment",
        "owner",
        "routine_owner",
        "grant",
        "routine_grant",
        "default_privilege",
        "database_setting",
    )
)
"""The kinds of statements that the comparers know."""
