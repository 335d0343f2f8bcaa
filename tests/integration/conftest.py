# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Servers and migrations that several tests share."""
from __future__ import annotations

import contextlib
import pathlib
import shutil
import sys
import tempfile

import pytest
from postgres_servers import VERSIONS, bin_dir, empty, open_directory, postgres17  # noqa: F401 (a fixture)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "stand_in_cockroach"))

import s3_server as s3
from journey import migrate

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)


@contextlib.contextmanager
def running_postgres(major: int):
    """A server of its own for what is done inside the block."""
    programs = bin_dir(major)
    directory = open_directory()
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs)) as parameters:
            yield parameters
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module", params=VERSIONS, name="major")
def _major(request):
    """Each version that the project is verified on."""
    return request.param


@pytest.fixture(scope="module", name="module_postgres")
def _module_postgres(major):
    """A server for what a module's fixture makes for all of its tests; no single test changes it."""
    with running_postgres(major) as parameters:
        yield parameters


@pytest.fixture(scope="session", name="servers")
def _servers():
    """Give the session's server of a version, which each test that changes it leaves as it was when it was new."""
    started = {}
    with contextlib.ExitStack() as stack:

        def server(major: int):
            if major not in started:
                started[major] = stack.enter_context(running_postgres(major))
            return started[major]

        yield server


@contextlib.contextmanager
def emptied(parameters):
    """Remove afterwards what was made on a server."""
    yield parameters
    with contextlib.closing(connect(parameters)) as connection:
        connection.autocommit = True
        empty(connection)


@pytest.fixture(name="postgres")
def _postgres(servers, major):
    """A server of each version as it is when it is new."""
    with emptied(servers(major)) as parameters:
        yield parameters


@pytest.fixture(name="work")
def _work():
    """A directory that every user can pass through."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="playbooks_", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(name="empty_postgres")
def _empty_postgres(servers):
    """A server of the newest version that nothing was imported into."""
    with emptied(servers(VERSIONS[-1])) as parameters:
        yield parameters


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server on loopback."""
    if not s3.installed():
        pytest.skip("s3rver is not installed: make test installs it")
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def migrated_shop(major, fixtures_dir, tmp_path_factory):
    """The sample, migrated into a server of its own."""
    with running_postgres(major) as parameters:
        yield migrate(parameters, [f"file://{fixtures_dir}/backups/shop"], tmp_path_factory.mktemp("dump") / "shop")


@pytest.fixture(scope="module")
def migrated_cluster(major, fixtures_dir, tmp_path_factory):
    """The cluster backup, migrated with its roles into a server of its own."""
    with running_postgres(major) as parameters:
        yield migrate(parameters, [f"file://{fixtures_dir}/backups/cluster"], tmp_path_factory.mktemp("dump") / "cluster", grants="create")
