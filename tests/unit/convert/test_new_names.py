# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Renaming and merging: SQL texts follow, what cannot is left out or refused, and names that PostgreSQL would take for one are refused."""
from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import Arrangement, arrange
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.merging import merge
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.renaming import rename
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection, select
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.references import References
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model import catalog as model
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.finding_codes import FindingCode
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.findings import Finding
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName

ORDERS = {("shop", "public", "orders"): ("store", "sales", "Bestellungen")}
MOVED = {("shop", "public", "orders"): ("all", "shop", "orders"), ("shop", "public", "f"): ("all", "shop", "f")}
NUMBERS = {("shop", "public", "numbers"): ("shop", "public", "Nummern")}

INT = model.SqlType("int", oid=20, width=64)


@pytest.mark.parametrize("changed, text, wanted", [
    (ORDERS, "SELECT id FROM shop.public.orders", 'SELECT id FROM "store"."sales"."Bestellungen" AS "orders"'),
    (ORDERS, "SELECT o.id FROM shop.public.orders AS o", 'SELECT o.id FROM "store"."sales"."Bestellungen" AS o'),
    (ORDERS, "SELECT o.id FROM shop.public.orders@orders_idx o", 'SELECT o.id FROM "store"."sales"."Bestellungen"@orders_idx o'),
    (ORDERS, "SELECT shop.public.orders.id, orders.x FROM public.orders", 'SELECT "orders".id, orders.x FROM "store"."sales"."Bestellungen" AS "orders"'),
    (ORDERS, 'SELECT 1 FROM shop."public"."orders", other.public.items', 'SELECT 1 FROM "store"."sales"."Bestellungen" AS "orders", other.public.items'),
    (ORDERS, "WITH orders AS (SELECT 1 AS x) SELECT x FROM orders", "WITH orders AS (SELECT 1 AS x) SELECT x FROM orders"),
    (ORDERS, "SELECT 'shop.public.orders', orders FROM shop.public.t", "SELECT 'shop.public.orders', orders FROM shop.public.t"),
    (ORDERS, "SELECT 1 FROM shop.orders", 'SELECT 1 FROM "store"."sales"."Bestellungen" AS "orders"'),
    (ORDERS, "UPDATE shop.public.orders SET id = 1; DELETE FROM shop.public.orders WHERE id = 2",
     'UPDATE "store"."sales"."Bestellungen" AS "orders" SET id = 1; DELETE FROM "store"."sales"."Bestellungen" AS "orders" WHERE id = 2'),
    (MOVED, "SELECT shop.public.f(shop.public.orders.id), public.f(1) FROM shop.public.orders WHERE orders.id > 0",
     'SELECT "all"."shop"."f"("all"."shop"."orders".id), "all"."shop"."f"(1) FROM "all"."shop"."orders" WHERE orders.id > 0'),
    (ORDERS, "SELECT shop.public.orders.* FROM shop.public.orders", 'SELECT "orders".* FROM "store"."sales"."Bestellungen" AS "orders"'),
    (MOVED, "SELECT * FROM public.f(1), shop.public.f(2) AS g", 'SELECT * FROM "all"."shop"."f"(1), "all"."shop"."f"(2) AS g'),
    (NUMBERS, "nextval('shop.public.numbers':::STRING)", "nextval('\"shop\".\"public\".\"Nummern\"':::STRING)"),
    (NUMBERS, "nextval('public.numbers'::REGCLASS) + 1", "nextval('\"shop\".\"public\".\"Nummern\"'::REGCLASS) + 1"),
    (NUMBERS, "nextval(104:::REGCLASS)", "nextval(104:::REGCLASS)"),
])
def test_a_text_follows(changed, text, wanted):
    assert References(changed).follow(text, "shop", "here") == wanted


def test_a_text_that_would_become_ambiguous_is_refused():
    two = {**ORDERS, ("shop", "old", "orders"): ("store", "old", "Alte")}
    with pytest.raises(UnsupportedError, match="two tables"):
        References(two).follow("SELECT 1 FROM shop.public.orders, shop.old.orders", "shop", "here")
    with pytest.raises(UnsupportedError, match="two tables"):
        References(ORDERS).follow("SELECT 1 FROM shop.public.orders, shop.old.orders", "shop", "here")


def test_procedural_text_follows_full_names_only():
    body = "BEGIN PERFORM 1 FROM shop.public.orders WHERE x = 'orders'; END"
    assert References(MOVED).follow_procedural(body, "shop", "f") == body.replace("shop.public.orders", '"all"."shop"."orders"')
    assert References(ORDERS).follow_procedural("BEGIN RETURN 1; END", "shop", "f") == "BEGIN RETURN 1; END"
    for unclear in ("BEGIN SELECT orders.x FROM shop.public.orders; END", "BEGIN PERFORM 1 FROM public.orders; END"):
        with pytest.raises(UnsupportedError):
            References(ORDERS).follow_procedural(unclear, "shop", "f")


def two_databases():
    """shop with a view, a function and a trigger; crm, whose table and view refer to shop as old releases could, and whose public schema has the same id."""
    shop = model.Database(50, "shop", schemas=[model.Schema(29, "public"), model.Schema(60, "billing")])
    crm = model.Database(51, "crm", schemas=[model.Schema(29, "public")], owner="anna", comment="who buys")
    column = model.Column(1, "id", INT, nullable=False)
    key = model.Index(1, "primary", True, [model.IndexColumn(1)])
    shop.tables = [
        model.Table(70, "orders", 29, [column, model.Column(2, "n", INT, default="nextval('shop.public.numbers':::STRING)")], key,
                    triggers=[model.Trigger("t", "BEFORE", ["INSERT"], True, "", 90, [])]),
        model.Table(71, "orders", 60, [column], key),
    ]
    shop.sequences = [model.Sequence(75, "numbers", 29, value=7)]
    shop.views = [
        model.View(80, "open", 60, "SELECT id FROM shop.public.orders WHERE orders.n > 1", [column], depends_on=[70]),
        model.View(81, "both", 29, "SELECT orders.id FROM shop.public.orders, shop.billing.orders", [column], depends_on=[70, 71]),
        model.View(82, "again", 29, "SELECT id FROM shop.public.both", [column], depends_on=[81]),
    ]
    shop.functions = [model.Function(90, "f", 29, language="PLPGSQL", body="BEGIN SELECT orders.n FROM shop.public.orders; RETURN NEW; END")]
    crm.tables = [model.Table(72, "customers", 29, [column, model.Column(2, "order_id", INT)], key, foreign_keys=[model.ForeignKey("to_order", [2], 70, [1])])]
    crm.views = [model.View(83, "buyers", 29, "SELECT c.id, o.n FROM crm.public.customers AS c JOIN shop.public.orders AS o ON o.id = c.order_id",
                            [column, model.Column(2, "n", INT)], depends_on=[70, 72])]
    return model.Catalog([shop, crm], findings=[Finding.of(FindingCode.HIDDEN_COLUMN, FullName("column", "shop", "public", "orders", "n"))])


def test_what_cannot_follow_a_new_name_is_left_out_with_a_finding():
    catalog = two_databases()
    found = rename(catalog, {"shop.public.orders": "orders_of_public", "shop.billing.orders": "orders_of_billing", "shop": "store"})
    store = found.databases[0]
    assert [view.name for view in store.views] == ["open"] and store.functions == [] and store.tables[0].triggers == []
    left_out = {finding.object for finding in found.findings if finding.code == "rename_not_followed"}
    assert left_out == {"store.public.both", "store.public.again", "store.public.f", "store.public.orders_of_public.t"}
    assert found.findings[0].object == "store.public.orders_of_public.n"
    assert store.tables[0].columns[1].default == "nextval('\"store\".\"public\".\"numbers\"':::STRING)"
    assert catalog.databases[0].name == "shop" and catalog.databases[0].tables[0].name == "orders", "the catalog that was given has changed"


@pytest.mark.parametrize("mapping, words", [
    ({"shop.public.order": "x"}, "did you mean shop.public.orders"),
    ({"zzz": "x"}, "it has: crm"),
    ({"shop.public.orders": "numbers"}, "two objects would be shop.public.numbers"),
    ({"shop.billing": "public"}, "two schemas would be shop.public"),
    ({"shop": "crm"}, "two databases would be crm"),
    ({"shop.public.orders": "billing.orders"}, "things stay where they are"),
    ({"shop": "store", "shop.public": "shop.sales"}, "things stay where they are"),
    ({"shop": "a.b"}, "has no dot"),
    ({"shop.public": "pg_sales"}, "for itself"),
    ({"shop.public": "cockroach_migrator"}, "for itself"),
    ({"shop": "x" * 64}, "63 bytes"),
    ({"shop": 1}, "has to be a string"),
])
def test_new_names_that_cannot_be_are_refused(mapping, words):
    with pytest.raises(ConfigurationError, match=words):
        rename(two_databases(), mapping)


def test_schemas_of_one_name_are_refused():
    catalog = two_databases()
    catalog.databases[1].name = "shop_billing"
    with pytest.raises(ConfigurationError, match="two schemas would be all.shop_billing"):
        merge(catalog, "all")
    assert [schema.name for schema in merge(rename(catalog, {"shop_billing": "crm"}), "all").databases[0].schemas] == ["shop", "shop_billing", "crm"]


@dataclasses.dataclass
class LaterDatabase(model.Database):
    """Stands in for a Database that has learnt something new, which merging does not know."""

    new_things: list = dataclasses.field(default_factory=list)


def test_what_merging_has_no_place_for_is_a_finding():
    found = merge(model.Catalog([LaterDatabase(50, "shop", new_things=[1]), LaterDatabase(51, "crm")]), "all").findings
    assert [(finding.object, finding.message[:14]) for finding in found if finding.code == "database_part_left_out"] == [("shop", "The new things")]


def test_keys_and_views_across_databases_work_in_one(server):
    merged = arrange(two_databases(), Arrangement((("shop.public.orders", "orders_of_public"),), "all")).databases[0]
    assert (merged.owner, merged.schemas[2].comment) == ("", "who buys")
    conversion = convert_database(merged, [], server.features(), ConvertOptions(grants="skip"))
    with server.new_database("all") as connection, connection.cursor() as cursor:
        for statement in conversion.statements:
            cursor.execute(statement.sql)
        cursor.execute("SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
        assert cursor.fetchall() == [("crm.customers", "shop.orders_of_public")]
        cursor.execute("INSERT INTO shop.orders_of_public (id) VALUES (1) RETURNING n")
        number = cursor.fetchone()[0]
        cursor.execute("INSERT INTO crm.customers VALUES (5, 1); SELECT * FROM crm.buyers")
        assert cursor.fetchall() == [(5, number)]
        cursor.execute("SELECT * FROM shop_billing.open")
        assert cursor.fetchall() == [(1,)]
    connection.close()


def test_a_selection_keeps_what_refers_to_another_chosen_database():
    catalog = select(two_databases(), Selection(include=("shop", "crm")))
    assert catalog.databases[1].tables[0].foreign_keys and catalog.databases[1].views
    catalog = select(two_databases(), Selection(include=("crm",)))
    assert not catalog.databases[0].tables[0].foreign_keys and not catalog.databases[0].views
