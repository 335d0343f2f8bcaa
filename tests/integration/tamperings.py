# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a person could break in the migrated sample (tests/fixtures/backups/shop), and what the verification has to say of it."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tampering:
    """SQL in the database ``shop`` after a good migration. Each of ``words`` stands in one line of what differs."""

    name: str
    sql: str
    words: tuple[str, ...]


ROWS = (
    Tampering("rows deleted", "DELETE FROM order_items WHERE ctid IN (SELECT ctid FROM order_items LIMIT 777)", ("shop.public.order_items", "17,223 rows instead of 18,000")),
    Tampering("row added", "INSERT INTO events SELECT max(id) + 1, now(), 'new', '{}' FROM events", ("shop.public.events", "9,901 rows instead of 9,900")),
    Tampering(
        "rows doubled", "ALTER TABLE no_pk DROP CONSTRAINT no_pk_pkey; INSERT INTO no_pk SELECT * FROM no_pk", ("shop.public.no_pk", "100 rows instead of 50"),
    ),
    Tampering(
        "one row replaced by another, doubled one", 'ALTER TABLE "Mixed Case"."Order" DROP CONSTRAINT "Order_pkey"; UPDATE "Mixed Case"."Order" o SET '
        '("Id", "user", "select", "with space", "quote""d") = (SELECT * FROM "Mixed Case"."Order" WHERE "Id" = (SELECT min("Id") FROM "Mixed Case"."Order")) '
        'WHERE "Id" = (SELECT max("Id") FROM "Mixed Case"."Order")', ("shop.Mixed Case.Order", "other values"),
    ),
    Tampering("one value changed", "UPDATE products SET price = price + 0.01 WHERE sku = (SELECT min(sku) FROM products)", ("shop.public.products", "other values")),
    Tampering("NULL instead of an empty text", "UPDATE orders SET note = CASE WHEN note IS NULL THEN '' END WHERE id = (SELECT min(id) FROM orders)",
              ("shop.public.orders", "other values")),
    Tampering(
        "two rows' values swapped", "UPDATE billing.payments p SET amount = o.amount FROM billing.payments o WHERE (p.id, o.id) IN ("
        "SELECT a, b FROM (SELECT min(id::text)::uuid, max(id::text)::uuid FROM billing.payments WHERE amount IN ("
        "(SELECT min(amount) FROM billing.payments), (SELECT max(amount) FROM billing.payments))) AS pair (a, b) UNION ALL SELECT b, a FROM ("
        "SELECT min(id::text)::uuid, max(id::text)::uuid FROM billing.payments WHERE amount IN ("
        "(SELECT min(amount) FROM billing.payments), (SELECT max(amount) FROM billing.payments))) AS pair (a, b))", ("shop.billing.payments", "other values"),
    ),
)
"""Each in another table: one verification names them all."""

OBJECTS = (
    Tampering("index dropped", "DROP INDEX customers_vip_idx", ("index", "customers_vip_idx", "missing")),
    Tampering("NOT NULL dropped", "ALTER TABLE events ALTER kind DROP NOT NULL", ("column", "public.events.kind", "NOT NULL")),
    Tampering("foreign key dropped", "ALTER TABLE orders DROP CONSTRAINT fk_customer", ("foreign key", "fk_customer", "missing")),
    Tampering("check dropped", "ALTER TABLE products DROP CONSTRAINT sane_weight", ("check", "sane_weight", "missing")),
    Tampering("sequence set back", "SELECT setval('invoice_no', 10)", ("sequence value", "invoice_no")),
)
"""Each of another object: one verification names them all, and the rows above."""

GROUPS = ((*ROWS, *OBJECTS),)
"""What is broken before one and the same run of the playbook, which has to name all of it."""
