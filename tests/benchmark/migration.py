# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A migration as ``migrate.yml`` runs it: its phases one after the other, each in a process of its own (``phases.py``)."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

from measuring import Measured, run_program

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]

from postgres_servers import query
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    find_bin_dir,
    temporary_server,
)


@dataclass(frozen=True)
class Workplace:
    """Where a benchmark works: an empty directory, a target that is durable as a production server is, and how many processes are used."""

    directory: pathlib.Path
    bin_dir: str
    target: ConnectionParameters
    parallelism: int

    @property
    def url(self) -> str:
        """The target's address for psql, without a database."""
        return f"postgresql://{self.target.user}@{self.target.host}:{self.target.port}"

    def query(self, database: str, text: str) -> list[tuple]:
        """Run one text of SQL in the target with autocommit; return its rows."""
        return query(self.target, database, text) or []

    def settle(self) -> None:
        """Write what earlier parts left in the server's memory, so that the next one does not pay for it."""
        self.query("postgres", "CHECKPOINT")

    def empty_target(self) -> None:
        """Remove all databases that the benchmark made."""
        for name, in self.query("postgres", "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"):
            self.query("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def workplace(parent: str, pg_bin: str = "", parallelism: int = 0) -> Iterator[Workplace]:
    """Make a directory and start a server in it; both are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="cockroach_migrator_bench_", dir=parent) as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        bin_dir = find_bin_dir(pg_bin)
        with temporary_server(ServerOptions(str(directory / "server"), bin_dir, durable=True)) as parameters:
            os.environ["PGOPTIONS"] = "-c client_min_messages=warning"
            os.environ["PGPASSWORD"] = parameters.password
            yield Workplace(directory, bin_dir, parameters, parallelism or os.cpu_count() or 1)


def run_phase(name: str, place: Workplace, target: ConnectionParameters | None = None, **options: object) -> Measured:
    """Run one phase with the dump of this workplace; ``options`` are further ones of phases.py, a list means several."""
    arguments = ["--dump", str(place.directory / "dump"), "--parallelism", str(place.parallelism)]
    if target:
        os.environ["BENCHMARK_PASSWORD"] = target.password
        arguments += ["--server", json.dumps({"host": target.host, "port": target.port, "user": target.user})]
    for option, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            arguments += [f"--{option.replace('_', '-')}", str(item)]
    return run_program("phases.py", name, *arguments)


def read_and_validate(place: Workplace, backup: object) -> Measured:
    """Export a backup anew; its dump is validated in the same step."""
    for name in ("dump", "state"):
        shutil.rmtree(place.directory / name, ignore_errors=True)
    return run_phase("read", place, backup=f"file://{backup}", state=place.directory / "state")


def load_and_verify(place: Workplace, target: ConnectionParameters) -> dict[str, Measured]:
    """Import the dump into the target and verify it, in one process; the import has its start."""
    place.settle()
    both = run_phase("load", place, target)
    seconds, cpu_seconds = both.result["seconds"], both.result["cpu_seconds"]
    return {"import": replace(both, seconds=both.seconds - seconds, cpu_seconds=both.cpu_seconds - cpu_seconds),
            "verify": replace(both, seconds=seconds, cpu_seconds=cpu_seconds)}


def rehearse(place: Workplace) -> Measured:
    """Import the dump into a throw-away server and verify it; the server's start and removal are part of it."""
    return run_phase("rehearse", place, directory=place.directory / "rehearsal", bin_dir=place.bin_dir, state=place.directory / "state")
