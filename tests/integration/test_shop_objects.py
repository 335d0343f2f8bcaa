# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every index, constraint, sequence value and comment of the sample is found in pg_catalog, by name."""
from __future__ import annotations

import pytest

COLUMNS = {
    ("public", "customers"): "id email name nick vip profile tags last_ip created_at updated_at birthday email_domain name_upper secret",
    ("public", "addresses"): "customer_id line_no street city geo",
    ("public", "categories"): "id parent_id name",
    ("public", "products"): "sku category_id title price weight_kg size_code flags image attrs available opens",
    ("public", "orders"): "id customer_id status invoice placed_at total currency note",
    ("public", "order_items"): "order_id line sku qty unit_price amount",
    ("billing", "payments"): "id order_id amount currency paid_at raw",
    ("Mixed Case", "Order"): "Id|user|select|with space|quote\"d",
    ("public", "no_pk"): "a b rowid",
    ("public", "events"): "id at kind payload",
}

INDEXES = {
    ("customers_pkey", "id", True), ("customers_email_key", "email", True), ("customers_name_idx", "name", False),
    ("customers_vip_idx", "created_at", False), ("customers_lower_email", "lower((email)::text)", False), ("customers_profile_gin", "profile", False),
    ("addresses_pkey", "customer_id,line_no", True), ("categories_pkey", "id", True), ("categories_name_key", "name", True),
    ("products_pkey", "sku", True), ("products_price_hash", "price", False), ("products_attrs_gin", "attrs", False),
    ("products_cat_price", "category_id,price", False), ("orders_pkey", "id", True), ("orders_status_idx", "status,placed_at", False),
    ("orders_invoice_key", "invoice", True), ("order_items_pkey", "order_id,line", True), ("order_items_sku_idx", "sku", False),
    ("payments_pkey", "id", True), ("payments_order_id_idx", "order_id", False), ("Order_pkey", "Id", True),
    ("weird index name", "with space", False), ("no_pk_pkey", "rowid", True), ("events_pkey", "id", True),
}

FOREIGN_KEYS = {
    ("addresses_customer_id_fkey", "public.addresses", "public.customers", "CASCADE", "CASCADE"),
    ("categories_parent_id_fkey", "public.categories", "public.categories", "NO ACTION", "SET NULL"),
    ("products_category_id_fkey", "public.products", "public.categories", "NO ACTION", "NO ACTION"),
    ("fk_customer", "public.orders", "public.customers", "NO ACTION", "NO ACTION"),
    ("order_items_order_id_fkey", "public.order_items", "public.orders", "NO ACTION", "CASCADE"),
    ("order_items_sku_fkey", "public.order_items", "public.products", "CASCADE", "NO ACTION"),
    ("payments_order_id_fkey", "billing.payments", "public.orders", "NO ACTION", "NO ACTION"),
}

CHECKS = {"check_email", "sane_weight", "check_price"}

USER_SCHEMAS = "n.nspname IN ('public', 'billing', 'Mixed Case')"


@pytest.fixture(name="query", scope="module")
def _query(migrated_shop):
    def run(sql):
        with migrated_shop.connect("shop") as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    return run


def test_tables_and_columns_in_order(query):
    found = query(f"""
        SELECT n.nspname, c.relname, string_agg(a.attname, '|' ORDER BY a.attnum)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind = 'r' AND {USER_SCHEMAS} GROUP BY 1, 2""")
    expected = {key: names.split("|") if "|" in names else names.split() for key, names in COLUMNS.items()}
    assert {(schema, table): names.split("|") for schema, table, names in found} == expected


def test_column_types(query):
    found = dict(query("""
        SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname IN ('customers', 'products', 'orders', 'order_items', 'addresses') AND a.attnum > 0"""))
    expected = {
        "customers.id": "uuid NOT NULL", "customers.email": "character varying(255) NOT NULL", "customers.name": "text NOT NULL", "customers.nick": "text",
        "customers.vip": "boolean NOT NULL", "customers.profile": "jsonb", "customers.tags": "text[]", "customers.last_ip": "inet",
        "customers.created_at": "timestamp with time zone NOT NULL", "customers.birthday": "date", "addresses.line_no": "smallint NOT NULL",
        "products.price": "numeric(12,2) NOT NULL", "products.weight_kg": "double precision", "products.size_code": "character(3)", "products.flags": "bit(8)",
        "products.image": "bytea", "products.available": "interval", "products.opens": "time without time zone", "orders.status": "order_status NOT NULL",
        "orders.placed_at": "timestamp without time zone NOT NULL", "orders.currency": "billing.currency NOT NULL", "order_items.line": "integer NOT NULL",
        "order_items.amount": "numeric(14,2)",
    }
    assert {name: found.get(name) for name in expected} == expected


def test_indexes(query):
    found = query(f"""
        SELECT i.relname, (SELECT string_agg(replace(pg_get_indexdef(x.indexrelid, k, false), '"', ''), ',' ORDER BY k)
                           FROM generate_series(1, x.indnkeyatts) AS k), x.indisunique
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
        JOIN pg_class t ON t.oid = x.indrelid WHERE {USER_SCHEMAS} AND x.indisvalid AND t.relkind = 'r'""")
    assert {(name, columns.replace("lower(email::text)", "lower((email)::text)"), unique) for name, columns, unique in found} == INDEXES


def test_index_details(query):
    definitions = dict(query("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
    assert "(name DESC)" in definitions["customers_name_idx"]
    assert "INCLUDE (vip, birthday)" in definitions["customers_name_idx"]
    assert definitions["customers_vip_idx"].endswith("WHERE vip")
    assert "USING gin" in definitions["customers_profile_gin"] and "USING gin" in definitions["products_attrs_gin"]
    assert definitions["orders_invoice_key"].endswith("WHERE (invoice IS NOT NULL)")
    assert "(category_id, price DESC) INCLUDE (title)" in definitions["products_cat_price"]


def test_foreign_keys(query):
    found = query("""
        SELECT conname, conrelid::regclass::text, confrelid::regclass::text, confupdtype, confdeltype
        FROM pg_constraint WHERE contype = 'f' AND convalidated""")
    actions = {"a": "NO ACTION", "c": "CASCADE", "n": "SET NULL"}

    def full(name):
        return name if "." in name else f"public.{name}"
    assert {(name, full(table), full(target), actions[update], actions[delete]) for name, table, target, update, delete in found} == FOREIGN_KEYS


def test_checks(query):
    assert {name for name, in query("SELECT conname FROM pg_constraint WHERE contype = 'c' AND convalidated AND connamespace = 'public'::regnamespace")} == CHECKS


def test_enums(query):
    found = query("SELECT t.typname, string_agg(e.enumlabel, '|' ORDER BY e.enumsortorder) FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY 1")
    assert dict(found) == {"order_status": "new|paid|shipped|returned", "currency": "EUR|USD|don't|ünïcode"}


def test_sequences_go_on(query):
    assert query("SELECT nextval('public.invoice_no'), nextval('public.invoice_no')") == [(31000, 31005)]
    assert query("SELECT start_value, increment_by, min_value, max_value, last_value FROM pg_sequences WHERE sequencename = 'never_used'") == [(-10, -2, -50, 50, None)]


def test_unique_rowid_goes_on_after_the_highest(query):
    assert query("INSERT INTO categories (name) VALUES ('one more') RETURNING id > (SELECT max(id) FROM categories)") == [(True,)]


def test_generated_columns_and_on_update(query):
    generated = query("SELECT attname FROM pg_attribute WHERE attgenerated <> '' AND NOT attisdropped ORDER BY 1")
    assert [name for name, in generated] == ["amount", "email_domain", "name_upper"]
    before, after = query("""
        WITH old AS (SELECT updated_at FROM customers WHERE name = 'Ada 10')
        SELECT max(updated_at), now() FROM old""")[0]
    query("UPDATE customers SET vip = vip WHERE email LIKE 'user20@%' RETURNING 1")
    changed = query("SELECT updated_at > '2025-01-01' FROM customers WHERE email LIKE 'user20@%'")
    assert changed == [(True,)] and after is not None and before != after


def test_defaults(query):
    found = dict(query("""
        SELECT c.relname || '.' || a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
        JOIN pg_class c ON c.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"""))
    assert found["customers.id"] == "gen_random_uuid()"
    assert found["customers.created_at"] == "now()"
    assert found["orders.status"] == "'new'::order_status"
    assert found["orders.currency"] == "'EUR'::billing.currency"
    assert found["orders.invoice"] == "nextval('invoice_no'::regclass)"
    assert found["products.attrs"] == "'{}'::jsonb"
    assert found["customers.secret"].startswith("'hidden'")


def test_views(query):
    found = query(f"SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {USER_SCHEMAS}")
    assert set(found) == {("public", "order_totals", "v"), ("billing", "open_orders", "v"), ("public", "daily_sales", "m")}


def test_nothing_else_is_left_behind(query):
    schemas = {name for name, in query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")}
    assert schemas == {"public", "billing", "Mixed Case", "cockroach_migrator"}
