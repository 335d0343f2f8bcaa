# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A full-cluster backup brings comments, roles, memberships, owners and grants."""
from __future__ import annotations

import csv
import io

import pytest

BUILT_IN = {"root", "admin"}


@pytest.fixture(name="query", scope="module")
def _query(migrated_cluster):
    def run(sql):
        with migrated_cluster.connect("shop") as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    return run


@pytest.fixture(name="source_rows", scope="module")
def _source_rows(fixtures_dir):
    def rows(file, header):
        """The file holds several tables, one after the other."""
        lines = (fixtures_dir / "truth" / "cluster" / file).read_text(encoding="utf-8").splitlines()
        start = lines.index(header)
        columns = header.count(",")
        block = lines[start:start + 1]
        for line in lines[start + 1:]:
            if line.count(",") != columns or line.startswith(("username,option", "role,member", "username,isRole")):
                break
            block.append(line)
        return list(csv.DictReader(io.StringIO("\n".join(block))))
    return rows


def test_comments(query):
    assert query("""
        SELECT obj_description('public.customers'::regclass), col_description('public.customers'::regclass, 4),
               obj_description('public.customers_email_key'::regclass), shobj_description((SELECT oid FROM pg_database WHERE datname = 'shop'), 'pg_database')
    """) == [("People who buy; it's a \"comment\"", "collated", "one account per address", "the sample shop")]


def test_roles(query, source_rows):
    wanted = {row["username"]: row["isRole"] for row in source_rows("roles.csv", "username,isRole") if row["username"] not in BUILT_IN}
    found = {name: (login, createdb) for name, login, createdb in query("SELECT rolname, rolcanlogin, rolcreatedb FROM pg_roles WHERE rolname !~ '^pg_'")}
    assert set(wanted) <= set(found)
    # No user of the sample has a password that PostgreSQL could use.
    assert not any(found[name][0] for name in wanted)
    assert found["weird-user"][1]


def test_memberships(query):
    assert ("analysts", "reader") in query(
        "SELECT r.rolname, m.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member")


def test_table_grants_are_those_of_the_source(query, source_rows):
    header = "database_name,schema_name,table_name,grantee,privilege_type,is_grantable"
    wanted = {
        (row["schema_name"], row["table_name"], row["grantee"], row["privilege_type"])
        for row in source_rows("grants.csv", header) if row["grantee"] not in BUILT_IN
    }
    tables = {(schema, table) for schema, table, _grantee, _privilege in wanted}
    found = {
        row for row in query("""
            SELECT table_schema, table_name, grantee, privilege_type FROM information_schema.role_table_grants
            WHERE grantee <> grantor AND table_schema IN ('public', 'billing', 'Mixed Case')""") if row[:2] in tables
    }
    assert found == wanted


def test_owner(query):
    assert query("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.events'::regclass") == [("app",)]
