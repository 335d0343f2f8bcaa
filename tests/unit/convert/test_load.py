# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every statement of every real catalog is PostgreSQL, by its own parser and by real servers."""
from __future__ import annotations

import contextlib
import pathlib

import pglast
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.roles import convert_roles
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.statements import STEPS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.cluster_tables import (
    apply_cluster_tables,
)

BACKUPS = ["shop", "types", "cluster", *(
    pytest.param(name, marks=pytest.mark.shared) for name in ("tpcc", "upstream/chain-v20.2.7/0", "upstream/chain-v20.2.7/8", "upstream/remap-v21.1.1")
)]
CREATE = ConvertOptions(grants="create")
EVERYTHING = ServerFeatures(17, True, frozenset(("postgis", "btree_gin", "pg_trgm", "citext", "vector", "ltree")))
NOTHING = ServerFeatures(14, False)


@pytest.mark.parametrize("name", BACKUPS)
@pytest.mark.parametrize("features", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_each_statement_is_one_command(catalog_of, name, features):
    catalog = catalog_of(name)
    for database in catalog.databases:
        conversion = convert_database(database, catalog.roles, features, CREATE)
        for statement in conversion.statements:
            assert len(pglast.parse_sql(statement.sql)) == 1, statement.sql
        steps = [STEPS.index(statement.step) for statement in conversion.statements]
        assert steps == sorted(steps)


def shop_sequences(catalog):
    """Give the sequences of shop the values that CockroachDB stores."""
    for database in catalog.databases:
        for sequence in database.sequences:
            sequence.value = {"invoice_no": 30995, "never_used": -8}[sequence.name]


def load(connection, conversion):
    with connection.cursor() as cursor:
        for statement in conversion.statements:
            cursor.execute(statement.sql)


@pytest.mark.parametrize("name", BACKUPS)
def test_loads_into_a_real_server(server, catalog_of, name):
    catalog = catalog_of(name)
    shop_sequences(catalog)
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles")
        existing = frozenset(row[0] for row in cursor)
        for statement in convert_roles(catalog.roles, server.features(), ConvertOptions("create", existing)).statements:
            cursor.execute(statement.sql)
    for database in catalog.databases:
        connection = server.new_database("loaded")
        load(connection, convert_database(database, catalog.roles, server.features(), CREATE))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_class c WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) "
                "AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')",
            )
            assert cursor.fetchone()[0] == len(database.tables)
        connection.close()


SHOP_RELATIONS = {
    "Mixed Case.Order r", "Mixed Case.Order_pkey i", "Mixed Case.weird index name i",
    "billing.never_used S", "billing.open_orders v", "billing.payments r", "billing.payments_order_id_idx i", "billing.payments_pkey i",
    "public.addresses r", "public.addresses_pkey i", "public.categories r", "public.categories_id_seq S", "public.categories_name_key i",
    "public.categories_pkey i", "public.customers r", "public.customers_email_key i", "public.customers_lower_email i", "public.customers_name_idx i",
    "public.customers_pkey i", "public.customers_profile_gin i", "public.customers_vip_idx i", "public.daily_sales m", "public.events r",
    "public.events_pkey i", "public.invoice_no S", "public.no_pk r", "public.no_pk_pkey i", "public.no_pk_rowid_seq S", "public.order_items r",
    "public.order_items_pkey i", "public.order_items_sku_idx i", "public.order_totals v", "public.orders r", "public.orders_id_seq S",
    "public.orders_invoice_key i", "public.orders_pkey i", "public.orders_status_idx i", "public.products r", "public.products_attrs_gin i",
    "public.products_cat_price i", "public.products_pkey i", "public.products_price_hash i",
}
SHOP_INDEXES = {
    "customers_name_idx": "(name DESC) INCLUDE (vip, birthday)", "customers_vip_idx": "(created_at) WHERE vip",
    "customers_lower_email": "(lower((email)::text))", "customers_profile_gin": "gin (profile)", "products_attrs_gin": "gin (attrs)",
    "products_cat_price": "(category_id, price DESC) INCLUDE (title)", "products_price_hash": "btree (price)",
    "orders_status_idx": "(status, placed_at DESC)", "orders_invoice_key": "(invoice) WHERE (invoice IS NOT NULL)",
    "addresses_pkey": "UNIQUE INDEX", "weird index name": '("with space")',
}
SHOP_CONSTRAINTS = {
    "check_email": "CHECK ((strpos((email)::text, '@'::text) > (1)::bigint))", "sane_weight": "CHECK (((weight_kg IS NULL) OR (weight_kg < (10000.0)::double precision)))",
    "check_price": "CHECK ((price >= (0)::numeric))", "customers_pkey": "PRIMARY KEY (id)", "addresses_pkey": "PRIMARY KEY (customer_id, line_no)",
    "categories_pkey": "PRIMARY KEY (id)", "products_pkey": "PRIMARY KEY (sku)", "orders_pkey": "PRIMARY KEY (id)", "order_items_pkey": "PRIMARY KEY (order_id, line)",
    "payments_pkey": "PRIMARY KEY (id)", "Order_pkey": 'PRIMARY KEY ("Id")', "no_pk_pkey": "PRIMARY KEY (rowid)", "events_pkey": "PRIMARY KEY (id)",
    "customers_email_key": "UNIQUE (email)", "categories_name_key": "UNIQUE (name)",
    "addresses_customer_id_fkey": "FOREIGN KEY (customer_id) REFERENCES customers(id) ON UPDATE CASCADE ON DELETE CASCADE",
    "categories_parent_id_fkey": "FOREIGN KEY (parent_id) REFERENCES categories(id) ON DELETE SET NULL",
    "products_category_id_fkey": "FOREIGN KEY (category_id) REFERENCES categories(id)", "fk_customer": "FOREIGN KEY (customer_id) REFERENCES customers(id)",
    "order_items_order_id_fkey": "FOREIGN KEY (order_id) REFERENCES orders(id) ON DELETE CASCADE",
    "order_items_sku_fkey": "FOREIGN KEY (sku) REFERENCES products(sku) ON UPDATE CASCADE", "payments_order_id_fkey": "FOREIGN KEY (order_id) REFERENCES orders(id)",
}
SHOP_CUSTOMERS = [
    ("id", "uuid", "gen_random_uuid()", "", True), ("email", "character varying(255)", None, "", True), ("name", "text", None, "", True),
    ("nick", "text", None, "", False), ("vip", "boolean", "false", "", True), ("profile", "jsonb", None, "", False),
    ("tags", "text[]", "ARRAY[]::text[]", "", False), ("last_ip", "inet", None, "", False), ("created_at", "timestamp with time zone", "now()", "", True),
    ("updated_at", "timestamp with time zone", "now()", "", False), ("birthday", "date", None, "", False),
    ("email_domain", "text", "split_part((email)::text, '@'::text, 2)", "s", False), ("name_upper", "text", "upper(name)", "s", False),
    ("secret", "text", "'hidden'::text", "", False),
]


def test_shop_is_found_in_the_catalog_by_name(server, catalog_of):
    catalog = catalog_of("shop")
    shop_sequences(catalog)
    connection = server.new_database("shop")
    conversion = convert_database(catalog.databases[0], [], server.features(), ConvertOptions("skip"))
    load(connection, conversion)
    user_schemas = "n.nspname IN ('public', 'billing', 'Mixed Case')"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {user_schemas}")
        assert {row[0] for row in cursor} == SHOP_RELATIONS
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'billing', 'Mixed Case')")
        indexes = dict(cursor.fetchall())
        for name, definition in SHOP_INDEXES.items():
            assert definition in indexes[name], name
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace "
            f"WHERE {user_schemas} AND contype IN ('p', 'u', 'f', 'c')",
        )
        assert dict(cursor.fetchall()) == SHOP_CONSTRAINTS
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid), attgenerated::text, attnotnull FROM pg_attribute "
            "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 'customers'::regclass AND attnum > 0 ORDER BY attnum",
        )
        assert cursor.fetchall() == SHOP_CUSTOMERS
        cursor.execute("SELECT nextval('invoice_no'), nextval('billing.never_used')")
        assert cursor.fetchone() == (31000, -10)
        cursor.execute(
            "SELECT collname FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = 'customers'::regclass AND attname = 'nick'",
        )
        assert cursor.fetchone()[0] == ("de" if server.features().icu else "default")
        cursor.execute("SELECT enumlabel FROM pg_enum WHERE enumtypid = 'billing.currency'::regtype ORDER BY enumsortorder")
        assert [row[0] for row in cursor] == ["EUR", "USD", "don't", "ünïcode"]
    connection.close()


def test_identity_and_on_update_work(server, catalog_of):
    catalog = catalog_of("shop")
    shop_sequences(catalog)
    connection = server.new_database("works")
    conversion = convert_database(catalog.databases[0], [], server.features(), ConvertOptions("skip"))
    first = [statement for statement in conversion.statements if statement.section == "pre-data"]
    with connection.cursor() as cursor:
        for statement in first:
            cursor.execute(statement.sql)
        cursor.execute("INSERT INTO categories (id, name) VALUES (41, 'top')")
        for statement in conversion.statements[len(first):]:
            cursor.execute(statement.sql)
        cursor.execute("INSERT INTO categories (name) VALUES ('next') RETURNING id")
        assert cursor.fetchone()[0] == 42
        cursor.execute("INSERT INTO no_pk (a) VALUES (1) RETURNING rowid")
        assert cursor.fetchone()[0] == 1
        cursor.execute("INSERT INTO customers (email, name, updated_at) VALUES ('a@b', 'a', '2001-01-01') RETURNING email_domain, name_upper")
        assert cursor.fetchone() == ("b", "A")
        cursor.execute("UPDATE customers SET vip = true RETURNING updated_at = now()")
        assert cursor.fetchone()[0] is True
        cursor.execute("UPDATE customers SET updated_at = '2002-02-02' RETURNING updated_at = '2002-02-02'")
        assert cursor.fetchone()[0] is True
    connection.close()


TRUTH_COMMENTS = [
    {"type": "0", "object_id": "358", "sub_id": "0", "comment": "the sample shop 100%"},
    {"type": "1", "object_id": "368", "sub_id": "0", "comment": "People who buy; it's a \"comment\""},
    {"type": "2", "object_id": "368", "sub_id": "4", "comment": "collated"},
    {"type": "3", "object_id": "368", "sub_id": "2", "comment": "one account per address"},
]


def test_comments(server, catalog_of):
    catalog = catalog_of("cluster")
    shop_sequences(catalog)
    apply_cluster_tables(catalog, {"comments": TRUTH_COMMENTS})
    connection = server.new_database("comments")
    database = next(database for database in catalog.databases if database.name == "shop")
    load(connection, convert_database(database, [], server.features(), ConvertOptions("skip")))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database'), obj_description('customers'::regclass), "
            "col_description('customers'::regclass, 4), obj_description('customers_email_key'::regclass)",
        )
        assert list(cursor.fetchone()) == [row["comment"] for row in TRUTH_COMMENTS]
    connection.close()


def test_grants_and_roles_of_the_cluster(server, catalog_of, fixtures_dir):
    catalog = catalog_of("cluster")
    shop_sequences(catalog)
    apply_cluster_tables(catalog, {
        "users": [
            {"username": "analysts", "hashedPassword": "", "isRole": "t"}, {"username": "app", "hashedPassword": None, "isRole": "f"},
            {"username": "reader", "hashedPassword": "\\x", "isRole": "f"}, {"username": "root", "hashedPassword": "", "isRole": "f"},
            {"username": "weird-user", "hashedPassword": "", "isRole": "f"},
        ],
        "role_options": [{"username": "analysts", "option": "NOLOGIN", "value": None}, {"username": "weird-user", "option": "CREATEDB", "value": None}],
        "role_members": [
            {"role": "admin", "member": "root", "isAdmin": "t"}, {"role": "analysts", "member": "reader", "isAdmin": "f"},
        ],
    })
    assert [role.name for role in catalog.roles] == ["analysts", "app", "reader", "weird-user"]
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles")
        existing = frozenset(row[0] for row in cursor)
        for statement in convert_roles(catalog.roles, server.features(), ConvertOptions("create", existing)).statements:
            cursor.execute(statement.sql)
    connection = server.new_database("granted")
    database = next(database for database in catalog.databases if database.name == "shop")
    load(connection, convert_database(database, catalog.roles, server.features(), CREATE))
    truth = pathlib.Path(fixtures_dir / "truth" / "cluster" / "grants.csv").read_text(encoding="utf-8").splitlines()[1:]
    wanted = {tuple(line.split(",")[1:5]) for line in truth if line.split(",")[3] not in ("admin", "root")}
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_schema, table_name, grantee, privilege_type FROM information_schema.role_table_grants WHERE grantee IN ('app', 'analysts', 'weird-user')")
        found = set(cursor.fetchall())
        tables = {(schema, table) for schema, table, _grantee, _privilege in wanted}
        assert {row for row in found if row[:2] in tables} == wanted
        cursor.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'events'")
        assert cursor.fetchone()[0] == "app"
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolcreatedb AND rolname IN ('app', 'analysts', 'reader', 'weird-user')")
        assert cursor.fetchall() == [("weird-user",)]
        cursor.execute("SELECT pg_has_role('reader', 'analysts', 'member'), has_database_privilege('app', current_database(), 'connect')")
        assert cursor.fetchone() == (True, True)
    connection.close()


def test_missing_roles_are_named_once(catalog_of):
    catalog = catalog_of("shop")
    conversion = convert_database(catalog.databases[0], catalog.roles, NOTHING, ConvertOptions("existing", frozenset(("app",))))
    missing = [finding.object for finding in conversion.findings if finding.code == "role_missing"]
    assert missing == ["analysts", "weird-user"]
    assert not [statement for statement in conversion.statements if '"analysts"' in statement.sql]
    assert [statement for statement in conversion.statements if statement.step == "grant" and '"app"' in statement.sql]


def test_what_is_left_of_a_text_with_refused_statements_loads(server):
    """Of foreign keys, views, functions, grants and comments, none names what is missing."""
    text = """CREATE TYPE mood AS ENUM ('ok');
CREATE TABLE odd (id INT8 PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, place FROB);
CREATE TABLE even (id INT8 PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, place TRIGGER);
CREATE SEQUENCE numbers;
ALTER SEQUENCE numbers OWNED BY even.id;
CREATE TABLE kept (id INT8 PRIMARY KEY DEFAULT nextval('numbers'), m mood, odd_id INT8 REFERENCES odd, even_id INT8 REFERENCES even, INDEX (odd_id));
CREATE TABLE broken (id INT8 PRIMARY KEY, CHECK (id > (1));
CREATE VIEW odds AS SELECT id FROM odd;
CREATE VIEW evens AS SELECT e.id FROM even e JOIN odds o ON e.id = o.id;
CREATE VIEW keeps AS SELECT id FROM kept;
CREATE FUNCTION evens_of() RETURNS SETOF even LANGUAGE SQL AS 'SELECT * FROM even';
CREATE FUNCTION kept_of() RETURNS INT8 LANGUAGE SQL AS 'SELECT max(id) FROM kept';
CREATE INDEX ON odd (place);
COMMENT ON TABLE even IS 'even';
COMMENT ON TABLE kept IS 'kept';
"""
    made = convert_text(text, "d", server.features(), ConvertOptions(grants="skip"))
    assert sorted(item.name for item in made.refused) == [
        "d.public.broken", "d.public.even", "d.public.evens", "d.public.evens_of", "d.public.odd", "d.public.odd", "d.public.odds"]
    with contextlib.closing(server.new_database("partial")) as connection, connection.cursor() as cursor:
        cursor.execute(made.files["pre-data.sql"])
        cursor.execute(made.files["post-data.sql"])
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1")
        assert [name for name, in cursor] == ["keeps", "kept", "numbers"]
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conrelid = 'kept'::regclass AND contype = 'f'")
        assert cursor.fetchone() == (0,)
