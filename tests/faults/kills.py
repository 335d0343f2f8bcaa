# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Killing any process of a migration in any phase: SIGKILL, which nothing can catch."""
from __future__ import annotations

import functools
import pathlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from migrations import LONGEST, Migration, Run, main_process

CONTROLLER, CONNECTION, MODULE, WORKER, BACKEND, POSTMASTER, COCKROACH, EVERYTHING = (
    "controller", "connection", "module", "worker", "backend", "postmaster", "CockroachDB", "everything",
)
VICTIMS = {
    CONTROLLER: "ansible-playbook alone; what it has started works on",
    CONNECTION: "all between ansible-playbook and the module, as when an SSH connection breaks: the module works on",
    MODULE: "the module's main process",
    WORKER: "a fork of the module",
    BACKEND: "a session of PostgreSQL that loads, builds or reads",
    POSTMASTER: "PostgreSQL: the target's, in a rehearsal that of the rehearsal",
    COCKROACH: "the temporary CockroachDB (a stand-in)",
    EVERYTHING: "all of these at once, as when the machine dies",
}
RESTORE, RESTORED_EXPORT, EXPORT, REPORT = "restore", "export of the restored cluster", "export", "report and clean-up"
REHEARSAL, IMPORT = "rehearsal", "import"
LOAD, INDEXES, VERIFY = "load", "index build", "verification"
_OF_A_LOAD = (CONTROLLER, CONNECTION, MODULE, BACKEND, POSTMASTER, EVERYTHING)
PHASES = {
    RESTORE: (CONTROLLER, MODULE, COCKROACH, EVERYTHING),
    RESTORED_EXPORT: (MODULE, WORKER, COCKROACH),
    EXPORT: (CONTROLLER, CONNECTION, MODULE, WORKER, EVERYTHING),
    f"{REHEARSAL}: {LOAD}": _OF_A_LOAD,
    f"{REHEARSAL}: {INDEXES}": _OF_A_LOAD,
    f"{REHEARSAL}: {VERIFY}": (*_OF_A_LOAD, WORKER),
    f"{IMPORT}: {LOAD}": _OF_A_LOAD,
    f"{IMPORT}: {INDEXES}": _OF_A_LOAD,
    f"{IMPORT}: {VERIFY}": (*_OF_A_LOAD, WORKER),
    REPORT: (CONTROLLER, MODULE, EVERYTHING),
}
"""Which processes there are in which phase."""
_MODULE_NAME = re.compile(r"(?:AnsiballZ_|\.plugins\.modules\.)(\w+?)(?:\.py)?$")
_PHASE_OF_MODULE = {
    "cockroach_server": RESTORE, "cockroach_restore": RESTORE, "cockroach_export": RESTORED_EXPORT, "backup_export": EXPORT, "postgres_rehearsal": REHEARSAL,
    "postgres_import": IMPORT, "migration_report": REPORT, "migration_cleanup": REPORT,
}
_BUILDS = re.compile(r" (?:CREATE INDEX|ALTER TABLE)$")
_LOADS = re.compile(r" COPY$")
_CLIENT = re.compile(r"^postgres: .* 127\.0\.0\.1\(\d+\) ")
_POLL_SECONDS, _FAST_POLL_SECONDS = 0.03, 0.003
"""The look itself takes some milliseconds. A small sample is loaded, and its indexes are built, within less than the first."""


@dataclass(frozen=True)
class Kill:
    """What is killed in which phase; after which part (0 to 1) of the time that the phase takes."""

    phase: str
    victim: str
    part: float


@dataclass
class Seen:
    """What runs at a moment. ``phase`` is empty where it is none of PHASES."""

    phase: str = ""
    module: psutil.Process | None = None
    module_name: str = ""


class Observer:
    """Looks at a run of a migration."""

    def __init__(self, migration: Migration, run: Run) -> None:
        self._migration = migration
        self.root = psutil.Process(run.process.pid)
        self._has_loaded: set[str] = set()

    def look(self) -> Seen:
        """Return what runs now."""
        for process in self._descendants():
            name = _module_of(process)
            if name in _PHASE_OF_MODULE:
                phase = _PHASE_OF_MODULE[name]
                return Seen(f"{phase}: {self._step(phase)}" if phase in (REHEARSAL, IMPORT) else phase, process, name)
        return Seen()

    def victims(self, victim: str, seen: Seen, chance: random.Random) -> list[psutil.Process]:
        """Return the processes to kill, in this order; none if there are none of these."""
        module = seen.module
        children = [process for process in module.children() if _module_of(process) == seen.module_name] if module else []
        backends, nodes = self._backends(seen.phase), self._nodes()
        found: dict[str, Callable[[], list[psutil.Process]]] = {
            CONTROLLER: lambda: [self.root],
            CONNECTION: lambda: [process for process in module.parents() if self.root in process.parents()],
            MODULE: lambda: [module],
            WORKER: lambda: [chance.choice(children)] if children else [],
            BACKEND: lambda: [chance.choice(backends)] if backends else [],
            POSTMASTER: lambda: [backends[0].parent()] if backends else [],
            COCKROACH: lambda: nodes,
            EVERYTHING: lambda: [self.root, *self._descendants(), *_families(backends), *nodes],
        }
        return [process for process in found[victim]() if process is not None]

    def _descendants(self) -> list[psutil.Process]:
        return self.root.children(recursive=True)

    def _server(self, phase: str) -> str:
        return str(self._migration.place / "rehearsal") if phase.startswith(REHEARSAL) else str(self._migration.target.directory)

    def _backends(self, phase: str) -> list[psutil.Process]:
        """Return the sessions of the phase's PostgreSQL."""
        if not phase.startswith((REHEARSAL, IMPORT)):
            return []
        postmaster = main_process(pathlib.Path(self._server(phase)))
        return [process for process in postmaster.children() if _CLIENT.match(_title(process))] if postmaster else []

    def _nodes(self) -> list[psutil.Process]:
        return [process for process in self._migration.processes() if "start-single-node" in (process.info["cmdline"] or ())]

    def _step(self, phase: str) -> str:
        """Return which part of a rehearsal or an import is at work, from what PostgreSQL says of its sessions and the record of the import."""
        pattern = "rehearsal_import.json" if phase == REHEARSAL else "target_import@*.json"
        records = [path.read_text(encoding="utf-8") for path in self._migration.place.glob(f"state/{pattern}")]
        if any('"result"' in record for record in records):
            return VERIFY
        titles = [_title(process) for process in self._backends(phase)]
        if any(_LOADS.search(title) for title in titles):
            self._has_loaded.add(phase)
        return INDEXES if phase in self._has_loaded and any(_BUILDS.search(title) for title in titles) else LOAD if phase in self._has_loaded else "begin"


def _families(backends: list[psutil.Process]) -> list[psutil.Process]:
    postmasters = {process.parent() for process in backends}
    return [process for postmaster in postmasters if postmaster for process in (postmaster, *postmaster.children())]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def _module_of(process: psutil.Process) -> str:
    """Return the name of the module that a process runs: not that of the shell before it."""
    try:
        line = process.cmdline()
    except psutil.Error:
        return ""
    names = [match[1] for part in line[1:4] if (match := _MODULE_NAME.search(part))] if line and "python" in line[0] else []
    return names[0] if names else ""


def spans(migration: Migration) -> dict[str, float]:
    """Migrate without a fault; return how many seconds each phase was seen. Raises SystemExit when that fails."""
    run = migration.start()
    observer, found, before = Observer(migration, run), dict.fromkeys(PHASES, 0.0), time.monotonic()
    while run.process.poll() is None:
        seen = _safely(observer.look, Seen())
        now = time.monotonic()
        if seen.phase in found:
            found[seen.phase] += now - before
        before = now
        time.sleep(_POLL_SECONDS)
    if not run.succeeded:
        raise SystemExit(f"the migration of {migration.sample.name} fails without any fault: {run.output[-4000:]}")
    return found


def strike(kill: Kill, migration: Migration, run: Run, span: float, chance: random.Random) -> bool:
    """Wait for the moment and kill; return whether there was anything to kill before the run ended."""
    observer, begun, deadline = Observer(migration, run), 0.0, time.monotonic() + LONGEST
    while run.process.poll() is None and time.monotonic() < deadline:
        seen = _safely(observer.look, Seen())
        if seen.phase == kill.phase:
            begun = begun or time.monotonic()
            if time.monotonic() - begun >= kill.part * span and _kill(_safely(functools.partial(observer.victims, kill.victim, seen, chance), [])):
                return True
        time.sleep(_FAST_POLL_SECONDS if kill.phase.endswith((INDEXES, LOAD)) else _POLL_SECONDS)
    return False


def _kill(processes: list[psutil.Process]) -> bool:
    killed = 0
    for process in processes:
        try:
            process.kill()
            killed += 1
        except psutil.NoSuchProcess:
            continue
    return killed > 0


def _safely(look, otherwise):
    """Call what looks at processes, which may end while it looks."""
    try:
        return look()
    except (psutil.Error, OSError):
        return otherwise
