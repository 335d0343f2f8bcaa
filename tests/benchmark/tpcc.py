# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Migrates a TPC-C backup and loads the same rows with a bare ``psql \\copy``, on one server, several times in turn.

Prints a Markdown table of the medians, and which backup it was: the one that CockroachDB made, where it lies beside the checkout or is named, else one
that is made for the run.
"""
from __future__ import annotations

import argparse
import os

from bare_copy import bare_copy
from measuring import LARGEST_PROCESS_MIB, Measured, held, machine, markdown_table, median, note, run_program
from migration import CHECKOUT, Workplace, load_and_verify, read_and_validate, rehearse, workplace

DEFAULT_BACKUP = CHECKOUT.parent / "shared" / "fixtures" / "backups" / "tpcc"
WHOLE_BAR, REHEARSED_BAR = 1.8, 2.8
REHEARSAL = "rehearsal"
PHASES = ("read", "import", "verify")
REHEARSED_PHASES = ("read", REHEARSAL, "import", "verify")
NAMES = {"read": "read, the validation of the dump included"}
"""What the table calls them, where that is something else."""
Run = dict[str, Measured]
"""What one run measured: the phases, the rehearsal and the bare load."""


def chosen_backup(arguments: argparse.Namespace, place: Workplace) -> tuple[str, str]:
    """Return the backup's directory and what it is; it is made where there is none. Raises SystemExit when the one named is not there."""
    if not arguments.generate and os.path.isdir(arguments.backup or DEFAULT_BACKUP):
        path = str(arguments.backup or DEFAULT_BACKUP)
        return path, "a backup that CockroachDB made of its own workload tpcc" if not arguments.backup else f"the backup {path}"
    if arguments.backup:
        raise SystemExit(f"there is no backup at {arguments.backup}")
    note(f"writing a backup of {arguments.warehouses} warehouses")
    scale = [f"--{name}={getattr(arguments, name)}" for name in ("warehouses", "items", "customers")]
    run_program("tpcc_backup.py", place.directory / "backup", *scale)
    return str(place.directory / "backup"), f"a backup of {arguments.warehouses} warehouses, made for this run, not by CockroachDB; its schema is CockroachDB's"


def one_run(place: Workplace, backup: str, number: int) -> Run:
    """Migrate and load; which of both is first changes from run to run."""
    place.empty_target()
    result = {"read": read_and_validate(place, backup)}
    if not number:
        run_program("bare_copy.py", place.directory / "dump", place.directory / "bare")
    steps = [lambda: result.update(load_and_verify(place, place.target)), lambda: result.update(bare=_bare(place))]
    for step in steps if number % 2 else reversed(steps):
        step()
    result[REHEARSAL] = rehearse(place)
    note(f"run {number + 1}: " + ", ".join(f"{name} {figures.seconds:.1f} s" for name, figures in result.items()))
    return result


def _bare(place: Workplace) -> Measured:
    place.settle()
    return Measured(bare_copy(place.directory / "bare", place.bin_dir, place.url))


def whole(run: Run, rehearsed: bool = False) -> float:
    """Return the seconds of a migration."""
    return sum(run[name].seconds for name in (REHEARSED_PHASES if rehearsed else PHASES))


def table(runs: list[Run], rows: int) -> str:
    """Return the medians as Markdown; a ratio is the median of the runs' ratios."""
    def line(name: str, *parts: str) -> list[str]:
        seconds = [sum(run[part].seconds for part in parts) for run in runs]
        ratio = median(value / run["bare"].seconds for value, run in zip(seconds, runs))
        typical, peak = median(seconds), max(run[part].peak_mib for run in runs for part in parts)
        ours = [f"{median(sum(run[part].cpu_seconds for part in parts) for run in runs):.1f}", f"{peak:.0f} MiB"] if peak else ["", ""]
        return [name, f"{typical:.1f}", f"{rows / typical:,.0f}", f"{ratio:.2f}", *ours]

    return markdown_table(["phase", "seconds", "rows/s", "ratio to `\\copy`", "seconds of CPU", "peak RSS of a process"], [
        *(line(NAMES.get(name, name), name) for name in (*PHASES, REHEARSAL)),
        line("**whole**, `test_postgresql_import: false`", *PHASES), line("**whole**, with the rehearsal", *REHEARSED_PHASES),
        line("bare `\\copy` with the same keys and indexes", "bare"),
    ])


def verdict(runs: list[Run]) -> str:
    """Say which bars are held."""
    plain, rehearsed = (median(whole(run, kind) / run["bare"].seconds for run in runs) for kind in (False, True))
    peak = max(figures.peak_mib for run in runs for figures in run.values())
    return (f"Bars: {WHOLE_BAR} times the bare load {held(plain, WHOLE_BAR)} ({plain:.2f}), with the rehearsal {REHEARSED_BAR} {held(rehearsed, REHEARSED_BAR)} "
            f"({rehearsed:.2f}), {LARGEST_PROCESS_MIB} MiB a process {held(peak, LARGEST_PROCESS_MIB)} ({peak:.0f}).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", default="", help=f"a directory with a TPC-C backup collection; {DEFAULT_BACKUP} where it is there")
    parser.add_argument("--generate", action="store_true", help="make a backup, also where there is one")
    parser.add_argument("--warehouses", type=int, default=2, help="of a backup that is made: about 500,000 rows each")
    parser.add_argument("--items", type=int, default=100_000, help="of such a backup (TPC-C wants 100,000)")
    parser.add_argument("--customers", type=int, default=3_000, help="of such a backup, a district (TPC-C wants 3,000)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parallelism", type=int, default=0, help="processes and connections; 0: one a core")
    parser.add_argument("--pg-bin", default="", help="where PostgreSQL's programs are")
    parser.add_argument("--work", default="/var/tmp", help="where to put dump and server for the run")
    arguments = parser.parse_args()
    with workplace(arguments.work, arguments.pg_bin, arguments.parallelism) as place:
        backup, what = chosen_backup(arguments, place)
        runs = [one_run(place, backup, number) for number in range(arguments.runs)]
        rows = runs[0]["read"].result["rows"]
        [(version,)] = place.query("postgres", "SHOW server_version")
        print(table(runs, rows))
        print(f"{rows:,} rows of TPC-C ({what}), {place.parallelism} processes; medians of {len(runs)} runs, in each of which the bare load and the migration "
              f"took turns.\n{verdict(runs)}\n{machine(version)}.\n")


if __name__ == "__main__":
    main()
