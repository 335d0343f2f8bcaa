# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The table of built-in types against PostgreSQL's own catalog."""
from __future__ import annotations

import contextlib

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.built_in_types import (
    BUILT_IN_TYPES,
    usual_oid,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect

COCKROACH_ONLY = range(90000, 100000)
JSON = 114
"""PostgreSQL's json, which CockroachDB stores as jsonb."""


def test_postgresql_has_these_oids(postgres17):
    shared = {oid: kind for oid, kind in BUILT_IN_TYPES.items() if oid not in COCKROACH_ONLY}
    with contextlib.closing(connect(postgres17)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT oid::int8, typarray::int8 FROM pg_type WHERE oid = ANY (%s)", (list(shared),))
        arrays = dict(cursor.fetchall())
        assert set(arrays) == set(shared)
        pseudo = {2283: 2277}  # anyelement: its arrays are anyarray
        assert {oid: kind.array_oid for oid, kind in shared.items() if kind.array_oid} == {
            oid: pseudo.get(oid, arrays[oid]) for oid, kind in shared.items() if kind.array_oid
        }
        for oid, kind in shared.items():
            if kind.postgres and oid != JSON:
                cursor.execute("SELECT %s::regtype::oid::int8", (kind.postgres,))
                assert cursor.fetchone()[0] == oid, kind


@pytest.mark.parametrize("family, oid", [("json", 3802), ("oid", 26), ("int", 20), ("string", 25), ("float", 701)])
def test_the_usual_type_of_a_family(family, oid):
    assert usual_oid(family) == oid
