# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What SHOW BACKUP says, in the columns of several releases, and what is restored of it."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.backup_contents import (
    Plan,
    choose,
    read_contents,
)

COLUMNS = ("database_name", "parent_schema_name", "object_name", "object_type", "backup_type", "start_time", "end_time", "size_bytes", "rows", "is_full_cluster")
FULL, LATER = "2024-02-29 12:00:00.000001", "2024-02-29 13:00:00"
EVERYTHING = Selection()


def row(database, schema, name, kind, end=FULL, rows=None, full=True):
    return (database, schema, name, kind, "full", None, end, rows and rows * 10, rows, full)


def layer(end, full=True, shop=True):
    rows = [
        row(None, None, "system", "database", end, full=full), row("system", "public", "users", "table", end, 5, full),
        row(None, None, "defaultdb", "database", end, full=full), row("defaultdb", None, "public", "schema", end, full=full),
        row(None, None, "Odd.db", "database", end, full=full), row("Odd.db", "public", "t", "table", end, 2, full),
    ]
    if shop:
        rows += [row(None, None, "shop", "database", end, full=full), row("shop", "public", "kind", "type", end, full=full),
                 row("shop", "public", "a", "table", end, 3, full), row("shop", "sales", "b", "table", end, 4, full)]
    return rows


def test_whole_cluster_goes_into_an_empty_one():
    contents = read_contents(COLUMNS, layer(FULL), "")
    assert choose(contents, EVERYTHING, True, None) == Plan("cluster", ("Odd.db", "shop"))
    assert choose(contents, EVERYTHING, False, None) == Plan("database", ("Odd.db", "shop"))
    assert choose(contents, Selection(("shop",)), True, None) == Plan("database", ("shop",))
    assert (contents.rows, contents.size) == ({"Odd.db": 2, "shop": 7}, {"Odd.db": 20, "shop": 70})


def test_chosen_tables_and_incomplete_databases():
    contents = read_contents(COLUMNS, layer(FULL, full=False), "")
    assert choose(contents, Selection(("shop.sales.*", "Odd.db")), True, None) == Plan("table", ("Odd.db",), (("shop", "sales", "b"),))
    assert choose(contents, Selection((), ("shop.public.a",)), True, None) == Plan("database", ("Odd.db", "shop"))
    assert choose(contents, EVERYTHING, True, frozenset({"shop"})) == Plan("table", ("shop",), (("Odd.db", "public", "t"),))
    with pytest.raises(ConfigurationError, match="matches nothing"):
        choose(contents, Selection(("shp",)), True, None)


def test_objects_are_those_of_the_moment():
    rows = layer(FULL, shop=False) + layer(LATER)
    assert read_contents(COLUMNS, rows, "").databases() == ["defaultdb", "Odd.db", "shop"]
    early = read_contents(COLUMNS, rows, "2024-02-29 12:00:00")
    assert early.databases() == ["defaultdb", "Odd.db"]
    assert early.rows == {"Odd.db": 2}
    assert read_contents(COLUMNS, rows, "").rows == {"Odd.db": 4, "shop": 7}


def test_columns_of_the_oldest_release():
    columns = ("database_name", "table_name", "start_time", "end_time", "size_bytes", "rows", "is_full_cluster")
    contents = read_contents(columns, [("d", "t", None, FULL, 10, 1, False)], "")
    assert choose(contents, EVERYTHING, True, None) == Plan("database", ("d",))


def test_an_empty_backup_is_refused():
    with pytest.raises(ConfigurationError, match="holds nothing"):
        read_contents(COLUMNS, [], "")
    contents = read_contents(COLUMNS, [row(None, None, "defaultdb", "database", full=False)], "")
    with pytest.raises(ConfigurationError, match="no database"):
        choose(contents, EVERYTHING, True, None)
