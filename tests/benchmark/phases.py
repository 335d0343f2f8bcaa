# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs one phase of a migration as the module of that phase does, in this process, and prints what it did as JSON.

Each phase imports what its module imports: the start of the process is part of what is measured. The target's password is in the environment variable BENCHMARK_PASSWORD.
"""
from __future__ import annotations

import argparse
import gc
import json
import os
import pathlib
import sys
from typing import Any

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent / ".collections"), str(TESTS)]

CHUNK_ROWS = 100_000
"""The default of migrate.yml."""


def read(arguments: argparse.Namespace) -> dict:
    """Export the backup, and validate the new dump where there is a place to record that."""
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.written_chunks import WrittenChunks
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportOptions, export
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import (
        RecordedPhase,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import result_path
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.validate_phase import (
        run_validation,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_source import (
        BackupSource,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

    written = WrittenChunks()
    source = BackupSource(BackupRequest(locations=tuple(arguments.backup)))
    exported = export(source, arguments.dump, ExportOptions(CHUNK_ROWS, parallelism=arguments.parallelism), written=written)
    if arguments.state:
        phase = RecordedPhase(arguments.dump, "", result_path(arguments.state, "validate", ""), run="")
        _succeeded(run_validation(phase, arguments.parallelism, MigrationLog("", ""), written=written)[0])
    return {"rows": exported.rows}


def read_cluster(arguments: argparse.Namespace) -> dict:
    from exporting import export_cluster

    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
        CockroachParameters,
    )

    parameters = CockroachParameters(port=arguments.cockroach_port, user="root", sslmode="disable")
    return {"rows": export_cluster(parameters, arguments.dump, chunk_rows=CHUNK_ROWS, parallelism=arguments.parallelism).rows}


def load(arguments: argparse.Namespace) -> dict:
    """Import and verify in one process, as the playbook's import role does; return the seconds of the verification."""
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
        ImportOptions,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
        VerifyOptions,
        verify_dump,
    )

    import_dump(arguments.dump, _target(arguments), ImportOptions(parallelism=arguments.parallelism))
    cpu_seconds = _cpu_seconds()
    verified = _succeeded(verify_dump(arguments.dump, _target(arguments), VerifyOptions(parallelism=arguments.parallelism)))
    return {"seconds": verified.seconds, "cpu_seconds": _cpu_seconds() - cpu_seconds}


def rehearse(arguments: argparse.Namespace) -> dict:
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import Rehearsal
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import rehearse as run
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import (
        WantedServer,
    )
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

    server = WantedServer(arguments.directory, bin_dir=arguments.bin_dir)
    rehearsal = Rehearsal(
        dump_dir=arguments.dump, state_dir=arguments.state, server=server, parallelism=arguments.parallelism, validates=True, grants="create", run="")
    return {"seconds": _succeeded(run(rehearsal, MigrationLog("", "rehearsal"), lambda _warning: None, check=False)).seconds}


PHASES = {"read": read, "read_cluster": read_cluster, "load": load, "rehearse": rehearse}


def _target(arguments: argparse.Namespace) -> Any:
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
        ConnectionParameters,
    )

    return ConnectionParameters(password=os.environ["BENCHMARK_PASSWORD"], **json.loads(arguments.server))


def _cpu_seconds() -> float:
    """Return those of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _succeeded(result: Any) -> Any:
    if not result.succeeded:
        raise SystemExit("the check found differences")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--state", help="the directory of the phases' result files")
    parser.add_argument("--backup", action="append", help="a layer's or collection's URI; of several layers each has to be named")
    parser.add_argument("--server", help="host, port and user of the target as JSON")
    parser.add_argument("--cockroach-port", type=int)
    parser.add_argument("--directory", help="of the rehearsal's server")
    parser.add_argument("--bin-dir", help="its programs")
    parser.add_argument("--parallelism", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    gc.set_threshold(50_000)  # as every module does, see _ansible_module.py
    print(json.dumps(PHASES[arguments.phase](arguments)))


if __name__ == "__main__":
    main()
