# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Random databases load into a real PostgreSQL, and its catalog holds what was made."""
from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, Phase, given, settings
from psycopg2 import sql
from random_catalogs import databases

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import probe
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.catalog_check import (
    check_catalog,
)

SCRATCH = "random_catalog"
OPTIONS = ConvertOptions("skip")


def test_every_database_loads_and_comes_back_the_same(postgres):
    with contextlib.closing(connect(postgres)) as admin:
        features = probe(admin)
        admin.commit()
        admin.autocommit = True

        @given(database=databases())
        @settings(max_examples=15, deadline=None, database=None, derandomize=True, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
        def load(database):
            with admin.cursor() as cursor:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(SCRATCH)))
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(SCRATCH)))
            conversion = convert_database(database, [], features, OPTIONS)
            with contextlib.closing(connect(postgres, SCRATCH)) as connection:
                with connection.cursor() as cursor:
                    for statement in conversion.statements:
                        cursor.execute(statement.sql)
                connection.commit()
                assert not check_catalog(connection, database, conversion.statements, rights_migrated=False)[1]

        load()
