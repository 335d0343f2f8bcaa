# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Migrations that are to survive a fault: as a playbook, or as the same modules one after the other without Ansible's controller."""
from __future__ import annotations

import getpass
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")]

import tenacity
from postgres_servers import query
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    running_port,
    start_server,
    stop_server,
)

LONGEST = 600
"""Seconds that a run may take."""
_RECOVERY_SECONDS = 120
IN_USE = re.compile(r"is in use: |another import into the database .* is running|another session has just created the database")
"""What a run says that must not work beside another one."""


class BrokenError(Exception):
    """What a migration that met a fault has promised and not held."""


@dataclass
class Target:
    """A durable PostgreSQL that a fault may stop; its password is kept, for it is made once."""

    directory: pathlib.Path
    bin_dir: str
    parameters: ConnectionParameters = None

    def start(self) -> None:
        """Start the server unless it runs; what a killed one has left of its processes is waited for, also until init has asked how it ended."""
        wait_for_end(lambda: [] if running_port(str(self.directory)) else [*self._postmaster(), *backends_of(self.directory)])
        options = ServerOptions(str(self.directory), self.bin_dir, port=self.parameters.port if self.parameters else 0, durable=True)
        # After a backend was killed PostgreSQL ends all others and recovers, and lets nobody in meanwhile.
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TargetError), stop=tenacity.stop_after_delay(_RECOVERY_SECONDS), wait=tenacity.wait_fixed(0.2), reraise=True)
        self.parameters = attempts(start_server, options).parameters

    def _postmaster(self) -> list[psutil.Process]:
        process = main_process(self.directory)
        return [process] if process else []

    def kill(self) -> None:
        """End the server at once."""
        for process in self._postmaster():
            process.send_signal(signal.SIGQUIT)
        wait_for_end(lambda: [*self._postmaster(), *backends_of(self.directory)])

    def stop(self) -> None:
        stop_server(str(self.directory), self.bin_dir)

    def query(self, database: str, text: Any) -> list[tuple]:
        """Run one text of SQL with autocommit; return its rows."""
        return query(self.parameters, database, text) or []

    def empty(self) -> None:
        """Remove what a migration has made."""
        for name, in self.query("", "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"):
            self.query("", sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass
class Sample:
    """A backup, and how it is migrated."""

    name: str
    backup: str
    """A location."""
    database: str
    chunk_rows: int
    truth: pathlib.Path | None = None
    """A directory for compare_truth.py."""
    digests: dict[str, tuple] = field(default_factory=dict)
    """Where there is none: what an undisturbed migration has given."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Further variables of the playbook."""


@dataclass(frozen=True)
class Beginning:
    """What is done before a fault. ``done`` has a dump and the records of its rehearsal."""

    done: pathlib.Path | None = None
    is_rehearsed: bool = False


NOTHING = Beginning()


@dataclass
class Migration:
    """A migration of a sample into a target, below a directory of its own."""

    sample: Sample
    target: Target
    directory: pathlib.Path
    by_playbook: bool = True
    steps: Sequence[str] = ("export", "rehearsal", "import", "report")
    """Without a playbook: what is done."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Further variables of the playbook, for this fault."""

    elsewhere: pathlib.Path | None = None
    """What the migration writes, if not below its directory."""

    @property
    def work(self) -> pathlib.Path:
        """What the migration writes."""
        return self.elsewhere or self.directory / "work"

    @property
    def place(self) -> pathlib.Path:
        """Where dump, state, report and rehearsal are."""
        return self.work / f"cockroach_migrator-{getpass.getuser()}" if self.by_playbook else self.work

    def make(self, begin: Beginning = NOTHING) -> None:
        """Make the directory and begin with what was done."""
        for path in (self.work, self.directory):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.directory, self.work):
            path.mkdir()
            path.chmod(0o755)
        (self.directory / "tmp").mkdir()
        if begin.done:
            self.place.mkdir(exist_ok=True)
            self.place.chmod(0o711)
            shutil.copytree(begin.done / "dump", self.place / "dump")
        if begin.is_rehearsed:
            shutil.copytree(begin.done / "state", self.place / "state")
        self.target.start()
        self.target.empty()

    def command(self) -> list[str]:
        """Return the command that migrates, the same one each time."""
        path = self.directory / "variables.json"
        variables = self._variables() if self.by_playbook else self._modules()
        path.write_text(json.dumps(variables), encoding="utf-8")
        if self.by_playbook:
            return [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), str(CHECKOUT / "migrate.yml"), f"-e@{path}"]
        return [sys.executable, str(HERE / "module_chain.py"), str(path)]

    def start(self) -> Run:
        """Begin to migrate."""
        environment = {
            **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"), "ANSIBLE_REMOTE_TEMP": str(self.directory / "tmp"), "TMPDIR": str(self.directory / "tmp"),
            "PYTHONPATH": str(CHECKOUT / ".collections"), "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  (the processes write on after this one is killed)
        process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=self.directory, start_new_session=True)
        return Run(process, output)

    def run(self) -> Run:
        """Migrate."""
        run = self.start()
        run.wait()
        return run

    def processes(self) -> list[psutil.Process]:
        """Return all processes that work for the migration, those that have lost their parents, too; not the target's."""
        return [*processes_below(self.directory), *(processes_below(self.elsewhere) if self.elsewhere else ())]

    def _variables(self) -> dict[str, Any]:
        where = self.target.parameters
        return {
            "migration_source": "backup", "s3_backup_path": self.sample.backup, "temp_dir": str(self.work), "chunk_rows": self.sample.chunk_rows, "parallelism": 2,
            "postgres_host": where.host, "postgres_port": where.port, "postgres_password": where.password, **self.sample.settings, **self.settings,
        }

    def _modules(self) -> list[tuple[str, dict[str, Any]]]:
        where, work, name = self.target.parameters, self.work, f"{self.target.parameters.host}:{self.target.parameters.port}"
        common = {"dump_dir": str(work / "dump"), "parallelism": 2, "log_file": str(work / "migration.log")}
        state = {"dump_dir": str(work / "dump"), "state_dir": str(work / "state"), "rehearsal_directory": str(work / "rehearsal")}
        modules = {
            "export": ("backup_export", {
                **common, "locations": [self.sample.backup], "chunk_rows": self.sample.chunk_rows, "state_dir": str(work / "state"), "targets": [name], **self.settings,
            }),
            "rehearsal": ("postgres_rehearsal", {
                **common, "state_dir": str(work / "state"), "directory": str(work / "rehearsal"), "bin_dir": self.target.bin_dir, "validate": True,
            }),
            "import": ("postgres_import", {
                **common, "login_host": where.host, "login_port": where.port, "login_user": where.user, "login_password": where.password, "ssl_mode": "disable",
                "result_file": str(work / "state" / f"target_import@{name}.json"), "verify": True, "verify_result_file": str(work / "state" / f"target_verify@{name}.json"),
            }),
            "report": ("migration_report", {**state, "report_dir": str(work / "report"), "target": name, "targets": [name], "clean_up": True, "bin_dir": self.target.bin_dir}),
        }
        return [modules[step] for step in self.steps]


@dataclass
class Run:
    """A run of a migration, and what it has said so far."""

    process: subprocess.Popen
    _output: Any

    def wait(self, seconds: float = LONGEST) -> int:
        """Wait for the end; return how it ended. Raises BrokenError for a run that hangs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise BrokenError(f"the run has not ended after {seconds} seconds: {self.output[-3000:]}") from None

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    @property
    def succeeded(self) -> bool:
        return self.process.returncode == 0

    @property
    def was_refused(self) -> bool:
        """Whether it was told that another run is at work."""
        return not self.succeeded and bool(IN_USE.search(self.output))


def processes_below(directory: pathlib.Path) -> list[psutil.Process]:
    """Return the processes, but for this one, that work in a directory or have its name in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and (
                any(f"{directory}/" in part for part in process.info["cmdline"] or ()) or f"{process.cwd()}/".startswith(f"{directory}/")
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def main_process(directory: pathlib.Path) -> psutil.Process | None:
    """Return a server's main process, also one that has ended and whose parent has not asked how."""
    try:
        with (directory / "data" / "postmaster.pid").open(encoding="utf-8") as file:
            process = psutil.Process(int(file.readline()))
        return process if process.name().startswith("postgres") else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def backends_of(directory: pathlib.Path) -> list[psutil.Process]:
    """Return the processes of a server that have its data directory as theirs, also those whose postmaster was killed."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if (process.info["name"] or "").startswith("postgres") and process.cwd() == str(directory / "data"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_for_end(processes: Any, seconds: float = LONGEST) -> None:
    """Wait until a function returns no processes any more. Raises BrokenError for those that stay."""
    def look() -> list[str]:
        return [f"{process.pid} {' '.join(_command(process))[:200]}" for process in processes()]

    try:
        tenacity.Retrying(retry=tenacity.retry_if_result(bool), stop=tenacity.stop_after_delay(seconds), wait=tenacity.wait_fixed(0.1))(look)
    except tenacity.RetryError as error:
        raise BrokenError(f"processes stay: {error.last_attempt.result()}") from None


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def digests(target: Target, database: str) -> dict[str, tuple]:
    """Return the number and the sum of the hashes of each table's rows."""
    tables = target.query(database, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', "
                                    "'cockroach_migrator')")
    return {name: target.query(database, f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {name} AS t")[0] for name, in tables}
