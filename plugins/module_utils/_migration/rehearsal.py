# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Rehearsing an import: a throw-away PostgreSQL is started, loaded with the dump, verified and removed."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Optional

from .._dump.dump_key import DumpKey
from .._dump.key_check import require_key_of_dump
from .._dump.loaded_size import loaded_bytes
from .._errors import MigrationError
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.connect.libpq_environment import without_libpq_environment
from .._postgres.server.postgres_server import remove_server
from .._postgres.server.throwaway import WantedServer, start_wanted
from .._system.host import check_host
from .._system.migration_log import MigrationLog
from .recorded_phase import RecordedPhase
from .rehearsal_lock import only_rehearsal
from .state import read_state, result_path
from .validate_phase import damage, run_validation

_HOST = "127.0.0.1"
_PASSWORD_BYTES = 20


@dataclass(frozen=True)
class Rehearsal:
    """What is rehearsed, and where."""

    dump_dir: str
    state_dir: str
    server: WantedServer
    """Without a password, it gets a random one."""
    parallelism: int
    validates: bool
    """Whether the files of the dump are validated first, unless they have been."""
    grants: str
    run: str
    dump_key: Optional[DumpKey] = None
    """The key of an encrypted dump."""


@dataclass(frozen=True)
class RehearsalResult:
    """How a rehearsal ended, or that there was none to do."""

    changed: bool
    rehearsed: bool
    """Not if this dump was rehearsed before, or its rows were removed."""
    target: str = ""
    """The server, ``host:port``."""
    differences: list[str] = field(default_factory=list)
    """One line for each table and object of the server that differs from the dump."""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def rehearse(rehearsal: Rehearsal, log: MigrationLog, warn: Callable[[str], None], *, check: bool) -> RehearsalResult:
    """Rehearse the import unless it has been done with this dump; ``warn`` of what the server lacks for its schema.

    The phases are recorded in ``state_dir``. With ``check`` nothing is done. Raises MigrationError.
    """
    state = read_state(rehearsal.dump_dir, rehearsal.state_dir, ())
    if state.done["rehearsal_verify"] or state.rows_removed:
        return RehearsalResult(changed=False, rehearsed=False)
    if check:
        return RehearsalResult(changed=True, rehearsed=False)
    require_key_of_dump(rehearsal.dump_dir, rehearsal.dump_key)
    started = time.monotonic()
    if rehearsal.validates and not state.done["validate"]:
        _validate(rehearsal, log)
    with only_rehearsal(rehearsal.server.directory):
        target, found = _rehearse(rehearsal, log, warn)
    return RehearsalResult(
        changed=True,
        rehearsed=True,
        target=target,
        differences=found,
        seconds=round(time.monotonic() - started, 3),
    )


def _rehearse(rehearsal: Rehearsal, log: MigrationLog, warn: Callable[[str], None]) -> tuple[str, list[str]]:
    """Return what the server was called, and a line for each difference."""

    def phase(name: str) -> RecordedPhase:
        path = result_path(rehearsal.state_dir, name, "")
        return RecordedPhase(rehearsal.dump_dir, parameters.place, path, rehearsal.run)

    size = loaded_bytes(rehearsal.dump_dir)
    with without_libpq_environment(), _throwaway_server(rehearsal.server, size) as parameters:
        from .rehearsed_import import import_and_compare, warn_of_lacking_parts

        warn_of_lacking_parts(rehearsal.dump_dir, parameters, rehearsal.server.bin_dir or "", warn)
        how = (rehearsal.parallelism, rehearsal.grants, rehearsal.dump_key)
        return parameters.place, import_and_compare(phase, parameters, log, *how)


def _validate(rehearsal: Rehearsal, log: MigrationLog) -> None:
    phase = RecordedPhase(rehearsal.dump_dir, "", result_path(rehearsal.state_dir, "validate", ""), rehearsal.run)
    result, _place = run_validation(phase, rehearsal.parallelism, log, rehearsal.dump_key)
    if not result.succeeded:
        raise MigrationError(damage(rehearsal.dump_dir, result))


@contextlib.contextmanager
def _throwaway_server(wanted: WantedServer, needed_bytes: int) -> Iterator[ConnectionParameters]:
    """Start the server, without anything that an interrupted rehearsal has left, and remove it whatever happens."""
    remove_server(wanted.directory, wanted.bin_dir or "", check=False)
    check_host(wanted.directory, needed_bytes, "the rehearsal's PostgreSQL")
    password = wanted.password or secrets.token_hex(_PASSWORD_BYTES)
    try:
        with ThreadPoolExecutor(1) as beside:
            starting = beside.submit(start_wanted, replace(wanted, password=password))
            # Imported while the server starts: it loads the SQL converter, which takes as long as half of that.
            from . import rehearsed_import  # noqa: F401
        server = starting.result()
        yield ConnectionParameters(_HOST, server.port, server.user, password, wanted.database, sslmode="disable")
    finally:
        remove_server(wanted.directory, wanted.bin_dir or "", check=False)
