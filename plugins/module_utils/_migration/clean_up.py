# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Removing what a migration leaves: temporary servers, downloads, and the rows of a dump that its targets hold."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

from .._dump import dump_lock
from .._dump.removed_rows import remove_rows
from .._errors import ConfigurationError
from .._postgres.server.postgres_server import remove_server
from .._sources.restore.cockroach_server import NodeOptions, ensure_node
from .._system.file_errors import advice
from .rehearsal_lock import only_rehearsal
from .state import verified_dump


@dataclass(frozen=True)
class Leftovers:
    """What may be removed. An empty directory's name stands for none."""

    dump_dir: str
    state_dir: str
    targets: Sequence[str]
    rehearsal_directory: str
    bin_dir: str
    cockroach_directory: str
    cache_dir: str


@dataclass(frozen=True)
class CleanUp:
    """What became of it."""

    changed: bool
    kept: str
    """The reason why the rows of the dump are kept. Empty if they are removed or there never were any."""
    warnings: list[str] = field(default_factory=list)


def clean_up(found: Leftovers, *, check: bool) -> CleanUp:
    """Remove the leftovers; the rows only if the last verification found them in every target.

    With ``check`` nothing is removed. Raises MigrationError, and before anything is removed if another run works there.
    """
    with contextlib.nullcontext() if check else dump_lock.changing(found.dump_dir):
        return _clean_up(found, check)


def _clean_up(found: Leftovers, check: bool) -> CleanUp:
    changed = bool(found.rehearsal_directory) and _remove_rehearsal(found, check)
    warnings: list[str] = []
    if found.cockroach_directory:
        node = ensure_node("absent", NodeOptions(directory=found.cockroach_directory), check)
        changed |= node.changed
        warnings += node.warnings
    verified = verified_dump(found.dump_dir, found.state_dir, found.targets)
    rows = remove_rows(found.dump_dir, verified, check)
    changed |= rows.changed
    changed |= bool(found.cache_dir) and _remove_directory(found.cache_dir, check)
    return CleanUp(changed, rows.kept, warnings)


def _remove_rehearsal(found: Leftovers, check: bool) -> bool:
    there = os.path.lexists(found.rehearsal_directory)
    with only_rehearsal(found.rehearsal_directory) if there and not check else contextlib.nullcontext():
        return remove_server(found.rehearsal_directory, found.bin_dir, check=check)


def _remove_directory(directory: str, check: bool) -> bool:
    """Remove a directory; return whether it was there. Raises ConfigurationError."""
    if not os.path.isdir(directory):
        return False
    if not check:
        try:
            shutil.rmtree(directory)
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename} cannot be removed: {error.strerror}; {advice(error)}"
            ) from error
    return True
