# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Catalogs of real backups, and real PostgreSQL servers to load them into."""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import psycopg2
import pytest
from postgres_servers import bin_dir, empty, postgres17  # noqa: F401 (fixture)

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.catalog_check import (
    check_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

ID_FIELDS = {1: 3, 2: 2, 3: 4, 4: 3, 5: 2}
"""Kind of descriptor to the field that holds its id."""


def read_descriptors(directory: pathlib.Path) -> dict[int, bytes]:
    """Return the descriptors of an unencrypted one-layer backup of a release before 23.1."""
    manifest = next(directory.rglob("BACKUP_MANIFEST"))
    descriptors = {}
    for data in protobuf.blobs(protobuf.parse(gzip.decompress(manifest.read_bytes())), 5):
        wrapper = protobuf.parse(data)
        kind = next(iter(wrapper))
        descriptors[protobuf.integer(protobuf.parse(protobuf.blob(wrapper, kind)), ID_FIELDS[kind])] = data
    return descriptors


@pytest.fixture(scope="session")
def descriptors_of(request, fixtures_dir):
    """Give the descriptors of a backup by its name; the larger ones are beside the checkout."""
    def read(name):
        directory = fixtures_dir / "backups" / name
        if not directory.is_dir():
            directory = request.getfixturevalue("shared_fixtures") / "backups" / name
        return read_descriptors(directory)
    return read


@pytest.fixture
def catalog_of(descriptors_of):
    """Give a fresh catalog of a backup by its name."""
    return lambda name: build_catalog(descriptors_of(name))


@pytest.fixture
def shop(catalog_of):
    """The sample database."""
    return catalog_of("shop").databases[0]


class Server:
    """A throw-away server behind a private socket."""

    def __init__(self, major: str, directory: pathlib.Path) -> None:
        self.bin, self.directory = pathlib.Path(bin_dir(int(major))), directory
        self.user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            os.chown(directory, pwd.getpwnam("nobody").pw_uid, -1)
        self.run("initdb", "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off -c shared_buffers=16MB"
        self.run("pg_ctl", "-D", str(directory / "data"), "-w", "-l", str(directory / "log"), "-o", options, "start")

    def run(self, tool: str, *arguments: str) -> None:
        """Run a PostgreSQL tool as a user who is not root."""
        user = {"user": self.user} if os.geteuid() == 0 else {}
        subprocess.run([str(self.bin / tool), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.directory, **user)

    def connect(self, database: str = "postgres"):
        """Open a connection that commits each command."""
        connection = psycopg2.connect(host=str(self.directory), user="postgres", dbname=database)
        connection.autocommit = True
        return connection

    def features(self) -> ServerFeatures:
        """Ask the server what it can do."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
            major = cursor.fetchone()[0]
            cursor.execute("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'")
            icu = cursor.fetchone()[0] > 0
            cursor.execute("SELECT name FROM pg_available_extensions")
            return ServerFeatures(major, icu, frozenset(row[0] for row in cursor))

    def new_database(self, name: str):
        """Make an empty database and connect to it."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.connect(name)


@contextlib.contextmanager
def running_server(major: str):
    """A server of its own for what is done inside the block."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="convert-pg-"))
    try:
        server = Server(major, directory)
        try:
            yield server
        finally:
            server.run("pg_ctl", "-D", str(directory / "data"), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def _started():
    """Give the session's server of a version."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda major: stack.enter_context(running_server(major)))


@pytest.fixture(scope="module", params=["15", "17"], name="_reused_server")
def _reused(request, _started):
    return _started(request.param)


@pytest.fixture
def server(_reused_server):
    """The session's server of each supported version, as it is when it is new."""
    yield _reused_server
    with contextlib.closing(_reused_server.connect()) as connection:
        empty(connection)


class Trial:
    """A conversion that runs in a transaction of a database that tests share; nothing of it stays."""

    def __init__(self, connection, features: ServerFeatures, database, options: ConvertOptions) -> None:
        connection.rollback()
        self.connection, self.cursor, self.database = connection, connection.cursor(), database
        self.conversion = convert_database(database, [], features, options)
        for statement in self.conversion.statements:
            self.cursor.execute(statement.sql)

    def rows(self, query: str) -> list[tuple]:
        """Execute commands, and return the rows of the last one."""
        self.cursor.execute(query)
        return self.cursor.fetchall()

    def refuses(self, command: str, message: str) -> None:
        """Assert that PostgreSQL refuses a command."""
        self.cursor.execute("SAVEPOINT refused")
        with pytest.raises(psycopg2.Error, match=message):
            self.cursor.execute(command)
        self.cursor.execute("ROLLBACK TO SAVEPOINT refused")

    def differences(self) -> list[str]:
        """Return what the verification finds wrong."""
        self.cursor.execute("SAVEPOINT verified")
        found = check_catalog(self.connection, self.database, self.conversion.statements, rights_migrated=False)[1]
        self.cursor.execute("ROLLBACK TO SAVEPOINT verified")
        return found

    def findings(self) -> dict[str, str]:
        """Return the severities of the findings by their codes."""
        return {finding.code: finding.severity for finding in self.conversion.findings}


@pytest.fixture(scope="module")
def _trials(_reused_server):
    """A connection to a database in which nothing is ever committed."""
    with contextlib.closing(_reused_server.new_database("trials")) as connection:
        connection.autocommit = False
        yield connection, _reused_server.features()
    with contextlib.closing(_reused_server.connect()) as connection:
        empty(connection)


@pytest.fixture
def trial(_trials):
    """Give a Trial of a database and, if wanted, ConvertOptions and other features. Not for modules whose tests take the whole server."""
    connection, features = _trials
    yield lambda database, options=None, **others: Trial(connection, dataclasses.replace(features, **others), database, options or ConvertOptions("skip"))
    connection.rollback()
