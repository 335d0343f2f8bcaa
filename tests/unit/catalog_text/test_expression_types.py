# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The columns that CockroachDB makes for expression indexes have the types that it gave them.

``expression_types.json`` holds what a real CockroachDB wrote into its descriptors.
"""
from __future__ import annotations

import json

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)


@pytest.fixture(name="recorded", scope="module")
def _recorded(fixtures_dir):
    return json.loads((fixtures_dir / "cockroach_answers" / "expression_types.json").read_text(encoding="utf-8"))


def test_types_are_those_of_cockroachdb(recorded):
    expressions = recorded["types"]
    keys = ", ".join(f"{'INVERTED ' if kind.endswith(']') or kind.startswith(('JSON', 'GEO')) else ''}INDEX i{number} (({text}) ASC)"
                     for number, (text, kind) in enumerate(expressions.items()))
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(expressions.values()))
    database = read_schema_text(
        "CREATE TYPE public.mood AS ENUM ('a', 'b');\n"
        f"CREATE TABLE public.t (id INT8, {recorded['columns']}, {keys});\nCREATE TABLE public.types ({columns})", "d").databases[0]
    table, declared = database.tables
    found = {column.id: column.type for column in table.columns}
    wrong = {text: (found[index.columns[-1].column_id], column.type)
             for text, index, column in zip(expressions, table.indexes, declared.columns) if found[index.columns[-1].column_id] != column.type}
    assert len(table.indexes) == len(expressions) > 250
    assert not wrong
