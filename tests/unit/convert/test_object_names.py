# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The names of object identifiers are those that PostgreSQL itself writes, under new names too, and never those of something else."""
from __future__ import annotations

import copy

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import Arrangement, arrange
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Catalog,
    Column,
    Database,
    EnumMember,
    Function,
    Index,
    IndexColumn,
    Parameter,
    Role,
    Schema,
    Sequence,
    SqlType,
    Table,
    UserType,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.names import written
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_names import (
    TYPE_NAMES,
    object_names,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_numbers import (
    ObjectNumbers,
    object_numbers,
    read_records,
    role_number,
)

INT, TEXT = SqlType("int", 20, 64), SqlType("string", 25)
ROLES = [Role("Anna B"), Role("app")]
REG_TYPES = {24: "regproc", 2202: "regprocedure", 2205: "regclass", 2206: "regtype", 4089: "regnamespace", 4096: "regrole"}
NAMES = ["plain", "_x1", "Mixed", "with space", 'quo"te', "select", "value", "user", "ärger", "1st", "a$b", "json", "type", "n" * 63, ""]


def parameter(name, kind, mode="IN"):
    return Parameter(mode, name, kind, "")


def shop() -> Database:
    """Names of every kind that have to be quoted or cut, and overloaded functions."""
    mood = SqlType("enum", 100112, user_type_id=112)
    key = Index(1, "primary", unique=True, columns=[IndexColumn(1)])
    tables = [Table(120 + number, name, 102, [Column(1, "id", INT, False)], copy.deepcopy(key)) for number, name in enumerate(("orders", "Mixed Case", "select", "ü" * 40))]
    tables.append(Table(130, "orders", 103, [Column(1, "id", INT, False)], copy.deepcopy(key)))
    functions = [
        Function(140, "twice", 102, [parameter("n", INT)], INT, body="SELECT n + n", volatility="IMMUTABLE"),
        Function(141, "twice", 102, [parameter("s", TEXT), parameter("m", SqlType("array", element=mood))], TEXT, body="SELECT s || s", volatility="IMMUTABLE"),
        Function(142, "Odd one", 103, [parameter("n", SqlType("timestamptz", 1184)), parameter("m", mood, "INOUT"), parameter("x", INT, "OUT")],
                 SqlType("tuple", 2249, fields=[mood, INT]), body="SELECT m, 1:::INT8"),
    ]
    return Database(
        101, "shop", [Schema(102, "public"), Schema(103, "Billing")], [UserType(112, "Mood", 103, members=[EnumMember("sad", "80")], array_type_id=113)],
        [Sequence(115, "numbers", 102, value=0)], tables, [View(116, "seen", 103, "SELECT id FROM shop.public.orders", [Column(1, "id", INT)], depends_on=[120])], functions,
    )


def crm() -> Database:
    return Database(201, "crm", [Schema(202, "public")], tables=[Table(203, "people", 202, [Column(1, "id", INT, False)], Index(1, "primary", unique=True, columns=[IndexColumn(1)]))])


def names_of(catalog: Catalog, arrangement=None, numbers=None):
    """Return the arranged catalog, and the names for the tables of each database by the database's name."""
    after = arrange(catalog, arrangement or Arrangement())
    found = object_names(catalog, after, numbers or object_numbers(catalog))
    return after, {database.name: found[database.id] for database in after.databases}


@pytest.mark.parametrize("name", NAMES[:-1])
def test_names_are_quoted_as_postgresql_quotes_them(server, name):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(%s), current_setting('server_version_num')::int", (name,))
        wanted, version = cursor.fetchone()
    assert written(name) == (wanted if version >= 170000 or name != "json" else '"json"')


def test_built_in_types_are_postgresqls(server):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT oid::int8, oid::regtype::text FROM pg_type WHERE oid = ANY (%s)", (list(TYPE_NAMES),))
        assert dict(cursor.fetchall()) == TYPE_NAMES


@pytest.mark.parametrize("arrangement", [
    Arrangement(), Arrangement((("shop.public.orders", "Bestell\"ungen"), ("shop.Billing", "rechnung"), ("shop.Billing.Mood", "laune"))), Arrangement(merged_database="everything"),
])
def test_every_name_means_the_object_in_postgresql(server, arrangement):
    catalog = Catalog([shop(), crm()], ROLES)
    after, names = names_of(catalog, arrangement)
    for database in after.databases:
        connection = server.new_database("names")
        with connection.cursor() as cursor:
            for statement in convert_database(database, [], server.features(), ConvertOptions("skip")).statements:
                cursor.execute(statement.sql)
            cursor.execute('DROP ROLE IF EXISTS "Anna B", app, root, admin; CREATE ROLE "Anna B"; CREATE ROLE app; CREATE ROLE root; CREATE ROLE admin; SET search_path = \'\'')
            for oid, kind in REG_TYPES.items():
                texts = sorted(set(names[database.name][oid].values()) - {"crdb_internal", "pg_extension", "json", "json[]"})
                assert texts or kind in ("regproc", "regprocedure")
                for text in texts:
                    if kind != "regproc" or not text.endswith(".twice"):
                        cursor.execute(f"SELECT %s::{kind}::text", (text,))
                        assert cursor.fetchone() == (text,), kind
        connection.close()
    if arrangement.merged_database:
        found = names["everything"]
        assert found[2205][203] == "crm.people" and found[2205][120] == "shop.orders" and found[2205][130] == '"shop_Billing".orders'
        assert set(found[4089].values()) >= {"shop", '"shop_Billing"', "crm"}
    else:
        assert 203 not in names["shop"][2205] and names["crm"][2205] == {203: "public.people"}
    assert {text for text in names[after.databases[0].name][2202].values() if "twice" in text} == {
        f"{schema}.twice({arguments})" for schema in [("shop" if arrangement.merged_database else "public")]
        for arguments in ("bigint", f"text,{names[after.databases[0].name][2206][100112]}[]")
    }


def test_roles_and_schemas_of_every_release():
    _after, names = names_of(Catalog([shop()], ROLES))
    found = names["shop"]
    # What CockroachDB v22.1 stored.
    assert found[4096][1546506610] == "root" and found[4096][2310524507] == "admin"
    assert found[4096][role_number("Anna B")] == '"Anna B"'
    assert found[4089][102] == "public" and found[4089][103] == '"Billing"'
    tricky = Catalog([Database(2351, "tricky", [Schema(2352, "public")])])
    assert {number: name for number, name in names_of(tricky)[1]["tricky"][4089].items() if number in (337417113, 2535274057)} == {337417113: "public", 2535274057: "pg_catalog"}


def test_restored_objects_are_known_by_the_numbers_that_they_had():
    """RESTORE gives new numbers: what the old ones mean is known by the names, and a new number that some value holds by chance means nothing."""
    numbers = object_numbers(Catalog([shop(), crm()], ROLES))
    restored = shop()
    shift = {item.id: item.id + 1 for item in [*restored.tables, *restored.views, *restored.sequences, *restored.types, *restored.functions, *restored.schemas]}
    for item in [*restored.tables, *restored.views, *restored.sequences, *restored.types, *restored.functions]:
        item.id, item.schema_id = shift[item.id], shift[item.schema_id]
    for schema in restored.schemas:
        schema.id = shift[schema.id]
    restored.types[0].array_type_id += 1
    for function in restored.functions:
        for given in function.parameters:
            kind = given.type.element or given.type
            if kind.user_type_id:
                kind.oid, kind.user_type_id = 100113, 113
    restored.id = 55
    again = read_records(numbers.records())
    assert again == numbers
    _after, names = names_of(Catalog([restored]), numbers=again)
    _after, wanted = names_of(Catalog([shop()], ROLES))
    assert names["shop"] == wanted["shop"]
    assert names["shop"][2205][120] == "public.orders" and 134 not in names["shop"][2205]


def test_without_numbers_nothing_is_guessed():
    _after, names = names_of(Catalog([shop()], ROLES), numbers=ObjectNumbers(roles=("root",)))
    assert {oid: len(found) for oid, found in names["shop"].items()} == {24: 0, 2202: 0, 2205: 0, 2206: len(TYPE_NAMES), 4089: 0, 4096: 1}
