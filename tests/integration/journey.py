# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A whole migration as the roles run it: export, import, verification."""
from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys
import unittest.mock
from dataclasses import dataclass

from exporting import export_backup

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import ImportResult, VerifyResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify import pieces
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest


@dataclass
class Migration:
    """A finished migration."""

    parameters: ConnectionParameters
    dump_dir: str
    imported: ImportResult
    verified: VerifyResult

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


def export(locations, dump_dir, **request) -> ExportResult:
    """Export a backup in small chunks."""
    return export_backup(BackupRequest(locations=tuple(locations), **request), dump_dir)


def migrate(parameters: ConnectionParameters, locations, dump_dir, grants="existing", **request) -> Migration:
    """Run the whole road."""
    export(locations, dump_dir, **request)
    imported = import_dump(str(dump_dir), parameters, ImportOptions(parallelism=2, grants=grants))
    return Migration(parameters, str(dump_dir), imported, verify(parameters, str(dump_dir), grants))


def verify(parameters: ConnectionParameters, dump_dir: str, grants: str) -> VerifyResult:
    """Verify a migration, with the rows of small tables read back, too. The server has to compute the same checksums."""
    with unittest.mock.patch.object(pieces, "SMALL_PAGES", -1):
        verified = verify_dump(dump_dir, parameters, VerifyOptions(parallelism=2, grants=grants))
    by_server = verify_dump(dump_dir, parameters, VerifyOptions(parallelism=2, grants=grants, verify_by="server", content="data"))
    for name, database in verified.databases.items():
        for table, found in database.tables.items():
            assert dataclasses.replace(found, seconds=0) == dataclasses.replace(by_server.databases[name].tables[table], seconds=0), table
    return verified
