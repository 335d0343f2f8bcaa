# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Reads single tables of a backup in one process and prints how many rows a core reads: decoded, checksummed, compressed and written as a dump.

The start of the process is what the same table takes that has next to no rows; it is not counted. A second of a core is a second of CPU, of the parent and of
the process that reads.
"""
from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from measuring import Measured, held, machine, markdown_table, median, run_program

TABLES = (
    ("TPC-C's order_line", 250_000, "tpcc_backup.py", ("--only=order_line", "--warehouses=3"), ("--only=order_line", "--customers=1")),
    ("a mixed table: text of 50 to 90 bytes, decimal, timestamptz, uuid, bool, jsonb, float8", 120_000, "scale_backups.py", ("mixed", 10, 50_000), ("mixed", 1, 10)),
)
"""Name, least rows a second, and how the table and its start are written."""


def read(directory: Path, program: str, arguments: tuple, runs: int) -> tuple[int, list[Measured]]:
    """Write a backup and read it as often as wanted; return its rows and what was measured."""
    rows = run_program(program, directory / "backup", *arguments).result["rows"]
    measured = []
    for _run in range(runs):
        measured.append(run_program("phases.py", "read", "--dump", directory / "dump", "--backup", f"file://{directory}/backup", "--parallelism", 1))
        shutil.rmtree(directory / "dump")
    shutil.rmtree(directory / "backup")
    return rows, measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", default="/var/tmp", help="where to put backup and dump for the run")
    arguments = parser.parse_args()
    lines = []
    for name, bar, program, table, start in TABLES:
        with tempfile.TemporaryDirectory(prefix="cockroach_migrator_bench_", dir=arguments.work) as directory:
            _rows, started = read(Path(directory), program, start, arguments.runs)
            rows, measured = read(Path(directory), program, table, arguments.runs)
        wall, cpu = (
            rows / (median(getattr(run, field) for run in measured) - median(getattr(run, field) for run in started)) for field in ("seconds", "cpu_seconds"))
        lines.append([name, f"{rows:,}", f"{wall:,.0f}", f"{cpu:,.0f}", f"{bar:,}", held(cpu, bar, at_least=True), f"{max(run.peak_mib for run in measured):.0f} MiB"])
    print(markdown_table(["table", "rows", "rows/s", "rows per second of a core", "bar", "", "peak RSS of a process"], lines))
    print(f"One process, medians of {arguments.runs} runs. {machine()}.\n")


if __name__ == "__main__":
    main()
