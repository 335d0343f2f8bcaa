# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Names that PostgreSQL cannot have, or that its own databases have, are refused by name; another name helps."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import (
    AS_IN_SOURCE,
    Arrangement,
    arrange,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model import catalog as model


def a_catalog(database="shop", schema="sales", table="orders", column="id", kind="mood"):
    columns = [model.Column(1, column, model.SqlType("int", oid=20, width=64), nullable=False)]
    key = model.Index(1, "primary", True, [model.IndexColumn(1)])
    found = model.Database(50, database, schemas=[model.Schema(29, schema)])
    found.tables, found.types = [model.Table(70, table, 29, columns, key)], [model.UserType(71, kind, 29, "enum")]
    return model.Catalog([found])


@pytest.mark.parametrize("names, words", [
    ({"database": "template0"}, "the database template0 would be PostgreSQL's own one"), ({"database": "template1"}, "the database template1 would be PostgreSQL's own one"),
    ({"database": ""}, "a database has an empty name"), ({"schema": ""}, "a schema in the database 'shop' has an empty name"),
    ({"table": ""}, "a table in 'shop.sales' has an empty name"), ({"kind": ""}, "a type in 'shop.sales' has an empty name"), ({"column": ""}, "a column of 'shop.sales.orders' has an empty name"),
    ({"database": "a\0b"}, r"the database 'a\x00b' has the character U+0000"), ({"schema": "a\0b"}, r"the schema 'a\x00b' in the database 'shop' has the character U+0000"),
    ({"table": "a\0b"}, r"the table 'a\x00b' in 'shop.sales' has the character U+0000"), ({"column": "a\0b"}, r"the column 'a\x00b' of 'shop.sales.orders' has the character U+0000"),
])
def test_such_a_name_is_refused(names, words):
    with pytest.raises(ConfigurationError) as caught:
        arrange(a_catalog(**names), AS_IN_SOURCE)
    assert words in str(caught.value) and "rename" in str(caught.value) and "\0" not in str(caught.value)


@pytest.mark.parametrize("names, rename", [
    ({"database": "template1"}, {"template1": "shop"}), ({"table": "a\0b"}, {"shop.sales.a\0b": "orders"}), ({"schema": "a\0b"}, {"shop.a\0b": "sales"}),
])
def test_another_name_helps(names, rename):
    (database,) = arrange(a_catalog(**names), Arrangement(tuple(rename.items()))).databases
    assert (database.name, database.schemas[0].name, database.tables[0].name) == ("shop", "sales", "orders")


def test_a_new_name_may_not_be_a_templates():
    for arrangement in (Arrangement((("shop", "template1"),)), Arrangement(merged_database="template0")):
        with pytest.raises(ConfigurationError, match="PostgreSQL's own one"):
            arrange(a_catalog(), arrangement)
