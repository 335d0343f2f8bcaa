# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Migrates backups of growing size and of extreme shapes, and many small tables; prints what each phase takes and the memory of its largest process.

The cost of a row is what a migration takes beyond the start: beyond what the same tables take that have next to no rows.
"""
from __future__ import annotations

import argparse
import pathlib
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from measuring import LARGEST_PROCESS_MIB, Measured, held, machine, markdown_table, median, note, run_program
from migration import Workplace, load_and_verify, read_and_validate, workplace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import delaying_proxy

PHASES = ("read", "import", "verify")
"""The first one validates the dump, too."""
GROWTH_BAR = 1.2
"""The cost of a row of the largest size, divided by that of the smallest."""
SMALL_TABLE_BAR = 20
"""Milliseconds a table."""
PROCESSES = {"read": ("read",), "import and verify": ("import", "verify")}
"""The phases that are one process, so that their memory is one figure."""
Run = dict[str, Measured]


@dataclass(frozen=True)
class Size:
    """A size of TPC-C and how often it is measured."""

    warehouses: int
    items: int
    customers: int
    runs: int


START = Size(1, 10, 1, 5)
SIZES = (Size(1, 16_700, 500, 5), Size(2, 91_000, 2_730, 3), Size(20, 100_000, 3_000, 1))
"""About 10⁵, 10⁶ and 10⁷ rows."""
SHAPES: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("a full backup", "layers", (1,)),
    ("the same rows in a chain of 60 layers", "layers", (60,)),
    ("100 files of 10,000 rows", "many_files", (100, 10_000)),
    ("10,000 files of 100 rows", "many_files", (10_000, 100)),
    ("1,000 columns", "wide", (1000, 10_000)),
    ("rows of 32 MiB", "large_rows", (32 << 20, 40)),
    ("a table of 8 GiB", "large_table", (8,)),
)
"""What each is called, its function in scale_backups.py and the function's arguments."""


def migrate(place: Workplace, backup: pathlib.Path, target_port: int = 0) -> Run:
    """Run all phases without a rehearsal; ``target_port`` is that of a proxy before the target."""
    place.empty_target()
    phases = {"read": read_and_validate(place, backup)}
    target = replace(place.target, port=target_port) if target_port else place.target
    return {**phases, **load_and_verify(place, target)}


def migrate_written(place: Workplace, runs: int, program: str, *arguments: object) -> tuple[int, list[Run]]:
    """Write a backup by a program, migrate it as often as wanted and remove it; return how many rows it has and what was measured."""
    backup = place.directory / "backup"
    note(f"writing with {program} {' '.join(map(str, arguments))}")
    rows = run_program(program, backup, *arguments).result["rows"]
    measured = [migrate(place, backup) for _run in range(runs)]
    shutil.rmtree(backup)
    if any(run["read"].result["rows"] != rows for run in measured):
        raise SystemExit(f"{rows} rows were written, others were read")
    note(f"{rows:,} rows: " + ", ".join(f"{name} {seconds(measured, name):.1f} s, {peak(measured, name):.0f} MiB" for name in PHASES))
    return rows, measured


def seconds(runs: list[Run], *names: str) -> float:
    return median(sum(run[name].seconds for name in names or PHASES) for run in runs)


def peak(runs: list[Run], *names: str) -> float:
    return max(run[name].peak_mib for run in runs for name in names or PHASES)


def row_curve(place: Workplace) -> str:
    """Return the table of TPC-C's sizes."""
    measured = [
        migrate_written(place, size.runs, "tpcc_backup.py", *(f"--{name}={getattr(size, name)}" for name in ("warehouses", "items", "customers")))
        for size in (START, *SIZES)
    ]
    (_rows, start), *sizes = measured
    costs = [(seconds(runs) - seconds(start)) / rows * 1e6 for rows, runs in sizes]
    table = markdown_table(["rows", *(f"{name}: s" for name in PHASES), "whole: s", "s per million rows beyond the start", *(f"{name}: MiB" for name in PROCESSES)], [
        [f"{rows:,}", *(f"{seconds(runs, name):.1f}" for name in PHASES), f"{seconds(runs):.1f}", cost, *(f"{peak(runs, *names):.0f}" for names in PROCESSES.values())]
        for (rows, runs), cost in zip(measured, ["", *(f"{cost:.2f}" for cost in costs)])
    ])
    growth = costs[-1] / costs[0]
    return (f"{table}\nA row of the largest size costs {growth:.2f} times one of the smallest; bar {GROWTH_BAR}: {held(growth, GROWTH_BAR)}. "
            f"{_memory_verdict([run for _rows, runs in measured for run in runs])}\n")


def shapes(place: Workplace, chosen: Sequence[str]) -> str:
    """Return the table of the extreme shapes."""
    lines, all_runs = [], []
    for name, function, numbers in SHAPES:
        if chosen and function not in chosen:
            continue
        rows, runs = migrate_written(place, 1, "scale_backups.py", function, *numbers)
        all_runs += runs
        lines.append([name, f"{rows:,}", *(f"{seconds(runs, phase):.1f}" for phase in PHASES), f"{seconds(runs):.1f}", *(f"{peak(runs, *names):.0f}" for names in PROCESSES.values())])
    heads = ["backup", "rows", *(f"{name}: s" for name in PHASES), "whole: s", *(f"{name}: MiB" for name in PROCESSES)]
    return f"{markdown_table(heads, lines)}\n{_memory_verdict(all_runs)}\n"


def small_tables(place: Workplace, tables: int, rows: int = 10, indexes: int = 2) -> str:
    """Return the table of many small tables, near the target and a millisecond away."""
    backup = place.directory / "backup"
    note(f"writing {tables} tables")
    run_program("small_tables.py", backup, "--tables", tables, "--rows", rows, "--indexes", indexes)
    near = migrate(place, backup)
    with delaying_proxy.running(place.target.port, delaying_proxy.Distance(round_trip=0.001)) as proxy:
        far = migrate(place, backup, proxy.port)
        round_trips = proxy.traffic.requests
    shutil.rmtree(backup)
    table = markdown_table(["target", *(f"{name}: ms a table" for name in PHASES), "whole: ms a table", "bar", *(f"{name}: MiB" for name in PROCESSES)], [
        [name, *(f"{run[phase].seconds / tables * 1000:.1f}" for phase in PHASES), f"{seconds([run]) / tables * 1000:.1f}",
         held(seconds([run]) / tables * 1000, SMALL_TABLE_BAR), *(f"{peak([run], *names):.0f}" for names in PROCESSES.values())]
        for name, run in (("on this machine", near), ("1 ms away", far))
    ])
    return f"{table}\n{tables:,} tables of {rows} rows with a primary key and {indexes} indexes; {round_trips / tables:.1f} round trips a table. {_memory_verdict([near, far])}\n"


def _memory_verdict(runs: list[Run]) -> str:
    highest = peak(runs)
    return f"No process above {LARGEST_PROCESS_MIB} MiB: {held(highest, LARGEST_PROCESS_MIB)} ({highest:.0f} MiB)."


PARTS: dict[str, Callable[[Workplace, argparse.Namespace], str]] = {
    "rows": lambda place, _arguments: row_curve(place),
    "shapes": lambda place, arguments: shapes(place, arguments.shape or ()),
    "small_tables": lambda place, arguments: small_tables(place, arguments.tables),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what is measured: {', '.join(PARTS)}; all of it without any")
    parser.add_argument("--shape", action="append", choices=[function for _name, function, _numbers in SHAPES], help="only these shapes")
    parser.add_argument("--tables", type=int, default=5000, help="how many small tables")
    parser.add_argument("--parallelism", type=int, default=0, help="processes and connections; 0: one a core")
    parser.add_argument("--pg-bin", default="", help="where PostgreSQL's programs are")
    parser.add_argument("--work", default="/var/tmp", help="where to put backup, dump and server for the run; 20 GiB are needed")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    with workplace(arguments.work, arguments.pg_bin, arguments.parallelism) as place:
        for part in arguments.parts or PARTS:
            print(PARTS[part](place, arguments), flush=True)
        [(version,)] = place.query("postgres", "SHOW server_version")
        print(f"{machine(version)}, {place.parallelism} processes.")


if __name__ == "__main__":
    main()
