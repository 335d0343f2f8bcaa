# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Statements say what they need, and it is made before them."""
from __future__ import annotations

import pytest
from corpus import schemas

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.definitions import TableDefinition
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    EXTENSIONS,
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.statements import Need, Statement
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

RELATIONS, TYPES, ROUTINES = ("table", "view", "materialized_view", "sequence", "index", "unique_index", "primary_key", "unique_constraint"), ("type", "domain"), ("function", "procedure")


def made_by(statement: Statement) -> set[Need]:
    """Return what others can need of it."""
    made = {Need("extension", statement.name)} if statement.kind == "extension" else set()
    made |= {Need("schema", statement.name)} if statement.kind == "schema" else set()
    for kind, kinds in (("relation", RELATIONS), ("type", TYPES), ("routine", ROUTINES)):
        made |= {Need(kind, statement.name, statement.schema)} if statement.kind in kinds else set()
    if isinstance(statement.expects, TableDefinition):
        made |= {Need("relation", column.sequence[1], column.sequence[0]) for column in statement.expects.columns if column.identity}
    return made


@pytest.mark.parametrize("schema", schemas(), ids=lambda schema: schema.name)
def test_what_a_statement_needs_comes_before_it(schema):
    catalog = read_schema_text(schema.text, "d")
    keep_unconvertible_as_data(catalog)
    (database,) = catalog.databases
    conversion = convert_database(database, catalog.roles, ServerFeatures(17, True, EXTENSIONS), ConvertOptions("create"))
    there = {Need("role", role.name) for role in catalog.roles} | {Need("schema", "public")}
    schemas_made = {Need("schema", statement.name) for statement in conversion.statements if statement.kind == "schema"}
    for statement in conversion.statements:
        assert statement.expects is not None, statement
        missing = statement.needs - there - (schemas_made if statement.kind == "extension" else set())
        assert not missing, (statement.sql, missing)
        there |= made_by(statement)


def test_what_is_needed_is_named():
    catalog = read_schema_text(
        "CREATE TYPE public.mood AS ENUM ('a');\nCREATE FUNCTION public.f() RETURNS INT8 LANGUAGE SQL AS $$ SELECT 1; $$;\n"
        "CREATE TABLE public.t (id INT8 NOT NULL, m public.mood NULL, c CITEXT NULL, n INT8 NULL DEFAULT public.f(), CONSTRAINT t_pkey PRIMARY KEY (id ASC));\n"
        "CREATE VIEW public.v (id) AS SELECT id FROM d.public.t;\nGRANT SELECT ON TABLE public.t TO app;\n", "d")
    made = convert_database(catalog.databases[0], [], ServerFeatures(17, True, EXTENSIONS), ConvertOptions("existing", frozenset(["app"]))).statements
    needs = {(statement.kind, statement.name): statement.needs for statement in made}
    public, table = Need("schema", "public"), Need("relation", "t", "public")
    assert needs["table", "t"] == {public, Need("type", "mood", "public"), Need("extension", "citext"), Need("routine", "f", "public")}
    assert needs["primary_key", "t_pkey"] == {public, table} and needs["view", "v"] >= {public, table}
    assert needs["grant", "t"] == {public, table, Need("role", "app")}
