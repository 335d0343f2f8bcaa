# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Undoing a migration's import on a target: which dump it was, what people read of it, and that no result file says any
more that the target holds the dump."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._dump.manifest import is_complete, read_manifest
from .._errors import ConfigurationError
from .._model.names import clip, first_of
from .._model.results import DatabaseRollback, RollbackResult
from .._postgres.connect.connection_parameters import ConnectionParameters
from .._postgres.rollback.rollback import RollbackOptions, roll_back
from .._system.migration_log import MigrationLog
from .state import TARGET_PHASES, result_path

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class RollbackText:
    """What a rollback did, or with ``check`` would do, for people."""

    verdict: str
    """One line. It begins with UNDONE, KEPT or NOTHING TO UNDO, or without a change with REMOVES or KEEPS."""
    lines: list[str]
    """One for each object."""


@dataclass(frozen=True)
class Migration:
    """Where the files of a migration are. Empty names stand for none."""

    dump_dir: str
    state_dir: str
    target: str
    """``host:port``."""


def run_rollback(
    migration: Migration, parameters: ConnectionParameters, options: RollbackOptions, log: MigrationLog
) -> RollbackResult:
    """Undo the import of the dump that ``options`` names, or else of the one in the dump's directory, or else of the
    only one that the target holds. Raises MigrationError."""
    result = roll_back(parameters, _with_dump(migration.dump_dir, options), log.progress)
    if not options.check:
        _forget(migration)
        for line in describe(result, migration.target, check=False).lines if result.changed else []:
            log.write(line)
    return result


def _with_dump(dump_dir: str, options: RollbackOptions) -> RollbackOptions:
    if options.dump_id or not dump_dir or not is_complete(dump_dir):
        return options
    manifest = read_manifest(dump_dir)
    names = tuple(clip(entry.name) for entry in manifest.databases)
    return replace(options, dump_id=manifest.dump_id, databases=options.databases or names)


def _forget(migration: Migration) -> None:
    """Remove the results of the import into the target and of its verification. Raises ConfigurationError."""
    if not migration.state_dir:
        return
    for phase in TARGET_PHASES:
        path = result_path(migration.state_dir, phase, migration.target)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be removed: {error.strerror}") from error


def describe(result: RollbackResult, target: str, *, check: bool) -> RollbackText:
    """Return what is shown of a rollback of ``target``."""
    parts: list[tuple[str, DatabaseRollback]] = [
        *((f"database {name}", database) for name, database in sorted(result.databases.items())),
        ("roles of the server", result.roles),
    ]
    removed = [
        f"{where}: removes {line}" if check else f"{where}: removed {line}"
        for where, part in parts
        for line in part.removed
    ]
    kept = [f"{where}: keeps the {name}: {reason}" for where, part in parts for name, reason in part.kept.items()]
    names = [name for _where, part in parts for name in part.kept]
    lines = [
        *removed,
        *kept,
        *(f"not looked into, for want of the right to connect: {name}" for name in result.not_examined),
    ]
    return RollbackText(_verdict(target, len(removed), names, check=check), lines)


def _verdict(target: str, removed: int, kept: Sequence[str], *, check: bool) -> str:
    if not removed and not kept:
        return f"NOTHING TO UNDO: {target} holds no import"
    keeping = f"{len(kept)} objects of the import are kept: {first_of(kept, _NAMES_SHOWN)}"
    if check:
        return f"{'KEEPS' if kept else 'REMOVES'}: {removed} objects of {target} would be removed" + (
            f"; {keeping}" if kept else ""
        )
    if kept:
        return f"KEPT: {target} is not as it was before the import: {removed} objects were removed; {keeping}"
    return f"UNDONE: {target} is as it was before the import; {removed} objects were removed"
