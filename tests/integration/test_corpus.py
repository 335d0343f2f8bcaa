# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The corpus loads into real servers, and their catalogs hold what a person wrote down before, object by object."""
from __future__ import annotations

import contextlib
import shutil

import pglast
import pytest
from corpus import schemas
from postgres_description import describe_database
from postgres_servers import CORPUS_SERVERS, open_directory
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.roles import convert_roles
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import (
    existing_roles,
    probe,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.catalog_check import (
    check_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

DATABASE = "d"
"""The name of the database in the corpus's findings, and of the one that it is loaded into."""
LEAST_TABLES = 150


@pytest.fixture(scope="module", params=CORPUS_SERVERS, name="postgres")
def _postgres(request):
    """Connection parameters of a server of each kind."""
    programs = CORPUS_SERVERS[request.param]()
    directory = open_directory()
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs)) as parameters:
            yield parameters
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def scratch_database(postgres):
    """Give a connection to an empty database; it is dropped afterwards, with all roles that were made meanwhile."""
    with contextlib.closing(connect(postgres)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        before = existing_roles(admin)
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(DATABASE)))
        try:
            with contextlib.closing(connect(postgres, DATABASE)) as connection:
                yield connection
        finally:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(DATABASE)))
            for role in sorted(existing_roles(admin) - before):
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("schema", schemas(), ids=lambda schema: schema.name)
def test_the_catalog_holds_what_was_written_down(postgres, schema):
    catalog = read_schema_text(schema.text, DATABASE)
    keep_unconvertible_as_data(catalog)
    (database,) = catalog.databases
    with scratch_database(postgres) as connection:
        features, options = probe(connection), ConvertOptions("create", existing_roles(connection))
        roles, conversion = convert_roles(catalog.roles, features, options), convert_database(database, catalog.roles, features, options)
        with connection.cursor() as cursor:
            for statement in (*roles.statements, *conversion.statements):
                assert len(pglast.parse_sql(statement.sql)) == 1, statement.sql
                cursor.execute(statement.sql)
        connection.commit()
        found = describe_database(connection)
        problems = check_catalog(connection, database, conversion.statements, rights_migrated=True)[1]
    assert not problems
    found |= {f"finding {item.severity} {item.code} {item.object}" for item in (*catalog.findings, *roles.findings, *conversion.findings)}
    expected = set().union(*(construct.expected(features) for construct in schema.constructs()))
    differences = [f"not written down: {line}" for line in sorted(found - expected)] + [f"not there: {line}" for line in sorted(expected - found)]
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("schema", schemas(), ids=lambda schema: schema.name)
def test_every_construct_is_shown(schema):
    """A construct that is only a finding has no object of its own; any other has one."""
    for construct in schema.constructs():
        findings = [line for line, _conditions in construct.lines if line.startswith("finding ")]
        assert findings if construct.only_a_finding else len(findings) < len(construct.lines), construct.name


def test_its_size():
    tables = sum(len(item.databases[0].tables) for item in (read_schema_text(schema.text, DATABASE) for schema in schemas()))
    assert tables >= LEAST_TABLES
