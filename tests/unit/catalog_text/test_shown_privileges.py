# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Owners, grants and roles as SHOW statements tell them."""
from __future__ import annotations

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Grant
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.shown_privileges import (
    apply_grants,
    apply_owners,
    apply_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

TEXT = """
CREATE DATABASE shop;
USE shop;
CREATE SCHEMA sales;
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE SEQUENCE public.numbers;
CREATE TABLE sales.orders (id INT8 NOT NULL, CONSTRAINT orders_pkey PRIMARY KEY (id ASC));
CREATE VIEW public.latest (id) AS SELECT id FROM shop.sales.orders;
CREATE FUNCTION public.twice(n INT8) RETURNS INT8 LANGUAGE SQL AS 'SELECT n + n';
CREATE FUNCTION public.half(n INT8) RETURNS INT8 LANGUAGE SQL AS 'SELECT n // 2';
CREATE FUNCTION public.half(n FLOAT8) RETURNS FLOAT8 LANGUAGE SQL AS 'SELECT n / 2';
"""


def grant(schema, name, kind, privilege, grantable="f", grantee="clerk"):
    return {"database_name": "shop", "schema_name": schema, "object_name": name, "object_type": kind, "grantee": grantee, "privilege_type": privilege, "is_grantable": grantable}


def test_every_kind_of_object_gets_its_grants_and_owner():
    database = read_schema_text(TEXT).databases[0]
    apply_owners(
        database, [{"schema_name": "public", "owner": "admin"}, {"schema_name": "sales", "owner": "boss"}],
        [{"schema_name": "sales", "table_name": "orders", "owner": "boss"}, {"schema_name": "public", "table_name": "latest", "owner": "root"}],
        [{"schema": "public", "name": "mood", "owner": "clerk"}],
    )
    findings = apply_grants(database, [
        grant(None, None, "database", "CONNECT"), grant("sales", None, "schema", "USAGE"), grant("sales", "orders", "table", "SELECT"),
        grant("sales", "orders", "table", "INSERT", "t"), grant("public", "latest", "table", "SELECT"), grant("public", "numbers", "sequence", "USAGE"),
        grant("public", "mood", "type", "USAGE"), grant("public", "twice(n int8)", "routine", "EXECUTE"), grant("public", "half(int8)", "routine", "EXECUTE"),
        grant("pg_catalog", "pg_class", "table", "SELECT", grantee="public"), grant("public", "mood", "table", "SELECT"),
    ])
    table, view, sequence, mood, twice = database.tables[0], database.views[0], database.sequences[0], database.types[0], database.functions[0]
    assert (table.owner, view.owner, mood.owner, [schema.owner for schema in database.schemas]) == ("boss", "root", "clerk", ["admin", "boss"])
    assert table.grants == [Grant("clerk", ["SELECT", "INSERT"], ["INSERT"])] and database.grants == [Grant("clerk", ["CONNECT"])]
    assert view.grants == [Grant("clerk", ["SELECT"])] and sequence.grants == mood.grants == [Grant("clerk", ["USAGE"])]
    assert twice.grants == [Grant("clerk", ["EXECUTE"])] and [schema.grants for schema in database.schemas] == [[], [Grant("clerk", ["USAGE"])]]
    assert [(item.code, item.object) for item in findings] == [("grant_not_known", "shop.public.half(int8)")]


def test_roles():
    catalog = read_schema_text(TEXT)
    apply_roles(catalog, [
        {"username": "admin", "options": "{CREATEROLE}"}, {"username": "root", "options": "{CREATEROLE}"}, {"username": "staff", "options": "{NOLOGIN}"},
        {"username": "clerk", "options": '{CREATEDB,"VALID UNTIL=2030-01-01 00:00:00+00:00"}'},
    ], [{"role_name": "admin", "member": "root", "is_admin": "t"}, {"role_name": "staff", "member": "clerk", "is_admin": "t"}])
    clerk, staff = catalog.roles
    assert (clerk.name, clerk.login, clerk.options, clerk.valid_until) == ("clerk", True, ["CREATEDB"], "2030-01-01 00:00:00+00:00")
    assert (clerk.member_of, clerk.admin_of) == (["staff"], ["staff"]) and (staff.name, staff.login) == ("staff", False)
