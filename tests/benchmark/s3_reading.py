# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Reads one backup from an S3 server of this machine: near, and through a proxy that makes it as far away as a server elsewhere.

Prints a Markdown table: the speed of each as a share of the near one's, how many requests it took, and what was fetched more than once. The server (s3rver, see ``make
test``) and the proxy take their time from the same cores as the readers, near and far alike.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import tempfile
from dataclasses import dataclass

from measuring import Measured, held, machine, markdown_table, median, note, run_command, run_program

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "integration")]

import delaying_proxy
import s3_server

MIB, GIB = 1 << 20, 1 << 30
SHARE_BAR = 0.8
"""Of the near speed."""


@dataclass(frozen=True)
class Reading:
    """One export and what has passed the proxy."""

    measured: Measured
    traffic: delaying_proxy.Traffic

    @property
    def seconds(self) -> float:
        """Without the start of the process."""
        return self.measured.result["seconds"]


def read(arguments: argparse.Namespace) -> dict:
    """Export the backup at the proxy of the port given."""
    from exporting import export_backup

    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import (
        StorageOptions,
    )

    options = StorageOptions(s3_server.ACCESS_KEY, s3_server.SECRET_KEY, region="us-east-1", endpoint_url=f"http://127.0.0.1:{arguments.port}")
    with tempfile.TemporaryDirectory(prefix="cockroach_migrator_bench_", dir=arguments.work) as dump:
        request = BackupRequest(locations=(arguments.location,), storage=options)
        result = export_backup(request, pathlib.Path(dump) / "dump", chunk_rows=100_000, parallelism=arguments.parallelism)
    return {"rows": result.rows, "seconds": result.seconds}


def timed_read(arguments: argparse.Namespace, location: str, proxy: delaying_proxy.DelayingProxy) -> Reading:
    """Run ``read`` in a process."""
    before = proxy.traffic
    command = [sys.executable, __file__, "--port", str(proxy.port), "--location", location, "--parallelism", str(arguments.parallelism), "--work", arguments.work]
    return Reading(run_command(command), proxy.traffic - before)


def measure(arguments: argparse.Namespace) -> str:
    """Read in turn, near and far; return the table of medians."""
    with tempfile.TemporaryDirectory(prefix="cockroach_migrator_bench_", dir=arguments.work) as directory:
        backup = pathlib.Path(arguments.backup or f"{directory}/backup")
        if not arguments.backup:
            note(f"writing a backup of {arguments.warehouses} warehouses")
            run_program("tpcc_backup.py", backup, "--warehouses", arguments.warehouses)
        stored = sum(path.stat().st_size for path in backup.rglob("*") if path.is_file())
        objects = sum(path.is_file() for path in backup.rglob("*"))
        far = delaying_proxy.Distance(arguments.round_trip / 1000, arguments.bandwidth * 1e6 / 8)
        with s3_server.running(pathlib.Path(directory) / "s3") as server:
            location = server.upload(backup, "tpcc")
            port = int(server.url.rsplit(":", 1)[1])
            with delaying_proxy.running(port, delaying_proxy.Distance()) as near, delaying_proxy.running(port, far) as distant:
                runs = [(timed_read(arguments, location, near), timed_read(arguments, location, distant)) for _run in range(arguments.runs)]
    rows = runs[0][0].measured.result["rows"]
    return f"{table(arguments, runs, stored)}\n{rows:,} rows in {objects} objects of {stored / MIB:.0f} MiB, {arguments.parallelism} processes. {machine()}.\n"


def table(arguments: argparse.Namespace, runs: list[tuple[Reading, Reading]], stored: int) -> str:
    """Return the medians as Markdown."""
    lines = []
    share = median(near.seconds / far.seconds for near, far in runs)
    verdict = f"{SHARE_BAR:.0%}: {held(share, SHARE_BAR, at_least=True)}"
    for place, name in enumerate(("near", f"{arguments.round_trip:g} ms a request, {arguments.bandwidth:g} Mbit/s")):
        results = [run[place] for run in runs]
        requests, received = (median(getattr(result.traffic, field) for result in results) for field in ("requests", "received"))
        lines.append([
            name, f"{median(result.seconds for result in results):.1f}", f"**{share:.0%}**" if place else "100%", verdict if place else "", f"{requests:.0f}",
            f"{requests / stored * GIB:,.0f}", f"{received / stored:.2f} times", f"{max(result.measured.peak_mib for result in results):.0f} MiB"])
    heads = ["server", "seconds", "share of the near speed", "bar", "requests", "requests per GiB", "fetched", "peak RSS of a process"]
    return markdown_table(heads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backup", default="", help="a directory with a backup; one of TPC-C is made for the run without it")
    parser.add_argument("--warehouses", type=int, default=12, help="of a backup that is made: about 550,000 rows each")
    parser.add_argument("--parallelism", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--round-trip", type=float, default=30.0, help="milliseconds")
    parser.add_argument("--bandwidth", type=float, default=1000.0, help="Mbit/s")
    parser.add_argument("--work", default="/var/tmp", help="where to put backup, server and dump for the run")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--location", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    print(json.dumps(read(arguments)) if arguments.port else measure(arguments))


if __name__ == "__main__":
    main()
