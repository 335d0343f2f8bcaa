# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Migrates a TPC-C backup and loads the same rows with a bare ``psql \\copy``, on one server, in one run.

Each phase runs in a process of its own, so that its peak memory (the largest single process, from the operating
system) can be told. The bare load is one ``psql \\copy`` a table, one after the other, from plain text files, then the same primary
keys and indexes, one after the other; it has no foreign keys and verifies nothing. Prints a Markdown table, and which backup it was: the one that
CockroachDB made, where it lies beside the checkout or is named, else one that is made for the run.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from tpcc_backup import Scale, write_backup

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]

from exporting import export_backup

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import open_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_catalog, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import facts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    find_bin_dir,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

DEFAULT_BACKUP = CHECKOUT.parent / "shared" / "fixtures" / "backups" / "tpcc"


def phase(work: pathlib.Path, name: str, *arguments: str) -> dict:
    """Run one phase of this program in a process; return its seconds, peak RSS in MiB and result."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, __file__, "--phase", name, "--work", str(work), *arguments], stdout=subprocess.PIPE)
    output = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"phase {name} failed")
    return {"seconds": time.monotonic() - started, "rss": usage.ru_maxrss / 1024, "result": json.loads(output or b"{}")}


def read(backup: str, work: pathlib.Path, parallelism: int) -> dict:
    return facts(export_backup(BackupRequest(locations=(f"file://{backup}",)), work / "dump", chunk_rows=100_000, parallelism=parallelism))


def bare_statements(work: pathlib.Path) -> tuple[list[str], list[str], list[tuple[str, str, pathlib.Path]]]:
    """Return the DDL before and after the data, and (table, columns, file) to copy."""
    dump = str(work / "dump")
    entry = read_manifest(dump).databases[0]
    conversion = convert_database(read_catalog(dump, entry), [], ServerFeatures(), ConvertOptions())
    before = [statement.sql for statement in conversion.statements if statement.section == "pre-data"]
    after = [statement.sql for statement in conversion.statements if statement.step in ("primary_key", "index")]
    files = []
    for table in entry.tables:
        path = work / "bare" / f"{table.name}.copy"
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as text:
            for chunk in table.chunks:
                reader = open_chunk(os.path.join(dump, table.directory, chunk.file))
                while data := reader.read(1 << 20):
                    text.write(data)
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        files.append((f'"{table.schema}"."{table.name}"', columns, path))
    return before, after, files


def bare_copy(work: pathlib.Path, pg_bin: str, url: str) -> float:
    """Load by psql alone; return the seconds of COPY and indexes."""
    before, after, files = bare_statements(work)
    psql = [shutil.which("psql", path=pg_bin) or "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-d", url, "-c", "CREATE DATABASE bare TEMPLATE template0 ENCODING 'UTF8'"], check=True)
    target = [*psql, "-d", url.rsplit("/", 1)[0] + "/bare"]
    subprocess.run(target, input=";\n".join(before) + ";\n", text=True, check=True)
    started = time.monotonic()
    for table, columns, path in files:
        subprocess.run([*target, "-c", f"\\copy {table} ({columns}) FROM '{path}'"], check=True)
    subprocess.run(target, input=";\n".join(after) + ";\n", text=True, check=True)
    return time.monotonic() - started


def import_phase(work: pathlib.Path, parallelism: int, parameters: ConnectionParameters) -> dict:
    return facts(import_dump(str(work / "dump"), parameters, ImportOptions(parallelism=parallelism)))


def verify_phase(work: pathlib.Path, parallelism: int, parameters: ConnectionParameters) -> dict:
    result = verify_dump(str(work / "dump"), parameters, VerifyOptions(parallelism=parallelism))
    if not result.succeeded:
        raise SystemExit("the verification found differences")
    return facts(result)


def chosen_backup(arguments: argparse.Namespace, work: pathlib.Path) -> tuple[str, str]:
    """Return the backup's directory and what it is; it is made below ``work`` where there is none. Raises SystemExit when the one named is not there."""
    if not arguments.generate and os.path.isdir(arguments.backup or DEFAULT_BACKUP):
        path = str(arguments.backup or DEFAULT_BACKUP)
        return path, f"Backup: {path}."
    if arguments.backup:
        raise SystemExit(f"there is no backup at {arguments.backup}")
    print(f"writing a backup of {arguments.warehouses} warehouses …", file=sys.stderr)
    # In a process of its own: the memory of this one would count as that of the phases, which are forked from it.
    scale = [f"--{name}={getattr(arguments, name)}" for name in ("warehouses", "items", "customers")]
    phase(work, "write", *scale)
    return str(work / "backup"), f"Backup: {arguments.warehouses} warehouses of TPC-C, made for this run, not by CockroachDB; its schema is CockroachDB's."


def measure(arguments: argparse.Namespace) -> str:
    """Run all phases on one server and return the table."""
    with tempfile.TemporaryDirectory(prefix="cockroach_migrator_bench_", dir=arguments.work) as directory:
        work = pathlib.Path(directory)
        work.chmod(0o755)
        backup, what = chosen_backup(arguments, work)
        bin_dir = find_bin_dir(arguments.pg_bin)
        with temporary_server(ServerOptions(str(work / "server"), bin_dir, durable=True)) as parameters:
            server = json.dumps({"host": parameters.host, "port": parameters.port, "user": parameters.user})
            os.environ["PGOPTIONS"] = "-c client_min_messages=warning"
            os.environ["BENCHMARK_PASSWORD"] = os.environ["PGPASSWORD"] = parameters.password
            options = ("--parallelism", str(arguments.parallelism), "--server", server)
            phases = {name: phase(work, name, *options, "--backup", backup) for name in ("read", "import", "verify")}
            bare = bare_copy(work, bin_dir, f"postgresql://{parameters.user}@{parameters.host}:{parameters.port}/postgres")
    return table(phases, bare, phases["read"]["result"]["rows"], arguments.parallelism) + f"\n{what}\n"


def table(phases: dict[str, dict], bare: float, rows: int, parallelism: int) -> str:
    """Return the figures as Markdown."""
    whole = sum(figures["seconds"] for figures in phases.values())
    lines = ["| phase | seconds | rows/s | ratio to `\\copy` | peak RSS of a process |", "|---|---|---|---|---|"]
    for name, figures in phases.items():
        seconds = figures["seconds"]
        lines.append(f"| {name} | {seconds:.1f} | {rows / seconds:,.0f} | {seconds / bare:.2f} | {figures['rss']:.0f} MiB |")
    lines.append(f"| **whole** | {whole:.1f} | {rows / whole:,.0f} | **{whole / bare:.2f}** | {max(figures['rss'] for figures in phases.values()):.0f} MiB |")
    lines.append(f"| bare `\\copy` with the same keys and indexes | {bare:.1f} | {rows / bare:,.0f} | 1 | |")
    per_core = rows / phases["read"]["seconds"] / parallelism
    return "\n".join(lines) + f"\n\n{rows:,} rows, {parallelism} processes; reading: {per_core:,.0f} rows/s a core, start of the process included.\n"


def run_phase(arguments: argparse.Namespace) -> dict:
    work = pathlib.Path(arguments.work)
    if arguments.phase == "write":
        return {"rows": write_backup(work / "backup", Scale(arguments.warehouses, arguments.items, arguments.customers))}
    if arguments.phase == "read":
        return read(arguments.backup, work, arguments.parallelism)
    parameters = ConnectionParameters(password=os.environ["BENCHMARK_PASSWORD"], **json.loads(arguments.server))
    return {"import": import_phase, "verify": verify_phase}[arguments.phase](work, arguments.parallelism, parameters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", default="", help=f"a directory with a TPC-C backup collection; {DEFAULT_BACKUP} where it is there")
    parser.add_argument("--generate", action="store_true", help="make a backup, also where there is one")
    parser.add_argument("--warehouses", type=int, default=2, help="of a backup that is made: about 550,000 rows each")
    parser.add_argument("--items", type=int, default=100_000, help="of such a backup (TPC-C wants 100,000)")
    parser.add_argument("--customers", type=int, default=3_000, help="of such a backup, a district (TPC-C wants 3,000)")
    parser.add_argument("--parallelism", type=int, default=os.cpu_count())
    parser.add_argument("--pg-bin", default="", help="where PostgreSQL's programs are")
    parser.add_argument("--work", default="/var/tmp", help="where to put dump and server for the run")
    parser.add_argument("--phase", choices=["write", "read", "import", "verify"], help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phase:
        print(json.dumps(run_phase(arguments)))
    else:
        print(measure(arguments))


if __name__ == "__main__":
    main()
