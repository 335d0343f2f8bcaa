# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whatever a database holds and however it is called, every statement is PostgreSQL's."""
from __future__ import annotations

import pglast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_catalogs import databases

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)

FEATURES = (
    ServerFeatures(14, False), ServerFeatures(17, True, frozenset(("postgis", "btree_gin", "pg_trgm", "citext", "vector", "ltree"))),
    ServerFeatures(18, True, frozenset(("ltree",))),
)


@given(database=databases(), features=st.sampled_from(FEATURES))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_statement_is_one_command(database, features):
    conversion = convert_database(database, [], features, ConvertOptions("create"))
    for statement in conversion.statements:
        assert len(pglast.parse_sql(statement.sql)) == 1, statement.sql
    names = [(statement.kind, statement.schema, statement.table, statement.name) for statement in conversion.statements if statement.kind in ("table", "view", "index")]
    assert len(names) == len(set(names))
    assert conversion.statements == convert_database(database, [], features, ConvertOptions("create")).statements
