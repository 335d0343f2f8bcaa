# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Compares a migration with what a user would take instead, in one run, on the same rows of TPC-C, and counts the rows that arrived.

Into PostgreSQL: ``psql \\copy`` alone, and the importer of the Python package cockroach-migrator 0.1.0 on its own SQL. Out of a running CockroachDB, when
COCKROACH_BINARY names its program: the Python package crdb-dump. The packages are installed from the package index into virtual environments below
.cache/benchmark, which belong to nothing else.
"""
from __future__ import annotations

import argparse
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

from bare_copy import DATABASE, bare_copy, create_empty
from measuring import Measured, machine, markdown_table, note, run_command, run_program
from migration import CHECKOUT, Workplace, load_and_verify, read_and_validate, run_phase, workplace
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NodeOptions,
    ensure_node,
)

CACHE = CHECKOUT / ".cache" / "benchmark"
OLDER = "cockroach-migrator==0.1.0"
CLUSTER_DUMPER = "crdb-dump==0.6.1"


def environment(requirement: str) -> pathlib.Path:
    """Return the programs of a virtual environment that has this package, which is made when it is missing."""
    directory = CACHE / requirement.replace("==", "-")
    done = directory / "installed"
    if not done.exists():
        note(f"installing {requirement} into {directory}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        subprocess.run([str(directory / "bin" / "pip"), "install", "--quiet", requirement], check=True, stdout=sys.stderr)
        done.touch()
    return directory / "bin"


def rows_in(place: Workplace, database: str) -> int:
    """Count the rows of all tables of a database."""
    tables = place.query(database, "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'cockroach_migrator')")
    return sum(place.query(database, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table)))[0][0] for table in tables)


def into_postgresql(place: Workplace, items: int) -> str:
    """Load the rows in three ways; return the table."""
    rows = run_program("tpcc_backup.py", place.directory / "backup", "--items", items, "--customers", items * 3 // 100).result["rows"]
    phases = {"read": read_and_validate(place, place.directory / "backup"), **load_and_verify(place, place.target)}
    run_program("bare_copy.py", place.directory / "dump", place.directory / "bare")
    lines = [("this collection: read, validate, import, verify (`migration_source: backup`, no rehearsal)", sum(phase.seconds for phase in phases.values()), rows_in(place, "tpcc"), "every row, by checksum")]
    place.empty_target()
    place.settle()
    bare = bare_copy(place.directory / "bare", place.bin_dir, place.url)
    lines.insert(0, ("`psql \\copy` alone, from text files that are already there", bare, rows_in(place, DATABASE), "nothing"))
    place.empty_target()
    place.settle()
    older = older_import(place)
    for name, seconds in (("its importer on its own SQL", older["import"]), ("its converter and its importer", older["convert"] + older["import"])):
        lines.append((f"{OLDER.replace('==', ' ')}: {name}", seconds, rows_in(place, DATABASE), "nothing"))
    return markdown_table(["into PostgreSQL", "seconds", "times `\\copy`", "rows/s", f"rows of {rows:,} that arrived", "what it verifies"], [
        [name, f"{seconds:.1f}", f"{seconds / bare:.1f}", f"{arrived / seconds:,.0f}", f"{arrived:,}", verified] for name, seconds, arrived, verified in lines])


def older_import(place: Workplace) -> dict:
    """Let the older program load the rows of the bare load, into tables with their keys and indexes, as it has them when it loads; return its seconds."""
    programs = environment(OLDER)
    printed = place.directory / "printed"
    run_program("printed_rows.py", place.directory / "dump", printed)
    create_empty(place.directory / "bare", place.bin_dir, place.url, finished=True)
    config = {"postgres_host": place.target.host, "postgres_port": place.target.port, "postgres_database": DATABASE,
              "postgres_username": place.target.user, "postgres_password": place.target.password}
    note(f"loading with {OLDER}")
    search = {**os.environ, "PATH": f"{place.bin_dir}:{os.environ['PATH']}"}
    command = [str(programs / "python"), str(pathlib.Path(__file__).with_name("older_importer.py")), str(printed), json.dumps(config)]
    # It writes a migration.log where it runs.
    run_command(command, json_output=False, env=search, cwd=printed)
    measured = json.loads((printed / "measured.json").read_text(encoding="utf-8"))
    if not measured["success"]:
        raise SystemExit(f"{OLDER}: {measured['errors']}")
    return measured


def out_of_cockroachdb(place: Workplace, binary: str) -> str:
    """Export a running CockroachDB in three ways; return the table."""
    node = NodeOptions(str(place.directory / "node"), binary, port=0, http_port=0, cache="256MiB", max_sql_memory="512MiB")
    port = ensure_node("started", node, check=False).port
    try:
        url = f"root@127.0.0.1:{port}"
        note("filling a CockroachDB with its workload tpcc")
        subprocess.run([binary, "workload", "init", "tpcc", "--warehouses=1", f"postgresql://{url}?sslmode=disable"], check=True, capture_output=True)
        shutil.rmtree(place.directory / "dump", ignore_errors=True)
        ours = run_phase("read_cluster", place, cockroach_port=port)
        lines = [("this collection (`migration_source: cluster`)", ours, ours.result["rows"])]
        for name, options in (("as it is", []), ("with larger chunks and in parallel", ["--chunk-size=100000", "--data-parallel"])):
            directory = place.directory / "crdb-dump"
            note(f"exporting with {CLUSTER_DUMPER} {name}")
            lines.append((f"{CLUSTER_DUMPER.replace('==', ' ')} {name}", dump_cluster(directory, url, options), sum(rows_of_files(directory))))
            shutil.rmtree(directory)
    finally:
        ensure_node("absent", node, check=False)
    return markdown_table(["out of a running CockroachDB", "seconds", "rows/s", "rows that arrived", "peak RSS of a process"], [
        [name, f"{measured.seconds:.1f}", f"{rows / measured.seconds:,.0f}", f"{rows:,}", f"{measured.peak_mib:.0f} MiB"] for name, measured, rows in lines])


def dump_cluster(directory: pathlib.Path, url: str, options: list[str]) -> Measured:
    command = [str(environment(CLUSTER_DUMPER) / "crdb-dump"), "export", "--db=tpcc", "--data", "--data-format=csv", f"--out-dir={directory}", *options]
    directory.mkdir()
    return run_command(command, json_output=False, env={**os.environ, "CRDB_URL": f"cockroachdb://{url}/tpcc?sslmode=disable"}, stderr=subprocess.DEVNULL, cwd=directory)


def rows_of_files(directory: pathlib.Path) -> Iterator[int]:
    """Yield the rows of each CSV file, its header not counted."""
    for path in directory.rglob("*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            yield sum(1 for _row in csv.reader(file)) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=16_700, help="of TPC-C into PostgreSQL, each with five more rows: of 100,000 the older importer takes minutes")
    parser.add_argument("--parallelism", type=int, default=0, help="processes and connections; 0: one a core")
    parser.add_argument("--pg-bin", default="", help="where PostgreSQL's programs are")
    parser.add_argument("--work", default="/var/tmp", help="where to put dump and servers for the run")
    arguments = parser.parse_args()
    with workplace(arguments.work, arguments.pg_bin, arguments.parallelism) as place:
        print(into_postgresql(place, arguments.items), flush=True)
        if binary := os.environ.get("COCKROACH_BINARY"):
            print(out_of_cockroachdb(place, binary))
        [(version,)] = place.query("postgres", "SHOW server_version")
        print(f"{machine(version)}, {place.parallelism} processes.\n")


if __name__ == "__main__":
    main()
