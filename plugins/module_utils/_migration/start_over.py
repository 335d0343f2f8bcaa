# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Beginning a migration again: its dump and what is known of its phases are no more. No target is touched."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass

from .._dump import dump_lock
from .._dump.journal import discard, has_content, has_journal, other_files
from .._dump.manifest import is_complete
from .._dump.removed_rows import rows_removed
from .._errors import ConfigurationError
from .._system.file_errors import advice


@dataclass(frozen=True)
class StartedOver:
    """What became of the dump before."""

    changed: bool
    kept: str
    """Where it is now; empty if there was none, or it was removed."""


def start_over(dump_dir: str, state_dir: str, moment: str, check: bool) -> StartedOver:
    """Remove the dump and the results of the phases.

    A complete dump that has its rows is renamed, with the ``moment`` in its new name: nobody knows
    whether they are anywhere else. Raises ConfigurationError for a directory that holds something else.
    """
    with contextlib.nullcontext() if check else dump_lock.changing(dump_dir):
        return _start_over(dump_dir, state_dir, moment, check)


def _start_over(dump_dir: str, state_dir: str, moment: str, check: bool) -> StartedOver:
    there = has_content(dump_dir)
    keeps = there and is_complete(dump_dir) and not rows_removed(dump_dir)
    if there and not is_complete(dump_dir) and (other_files(dump_dir) or not has_journal(dump_dir)):
        raise ConfigurationError(
            f"start_over: {dump_dir} holds other files than a dump: name an empty or a new directory in dump_dir"
        )
    kept = f"{dump_dir.rstrip('/')}-{moment}" if keeps else ""
    changed = there or os.path.isdir(state_dir)
    if not check:
        try:
            if kept:
                os.rename(dump_dir, kept)
                os.unlink(os.path.join(kept, dump_lock.FILE_NAME))
            elif there:
                discard(dump_dir)
                os.unlink(os.path.join(dump_dir, dump_lock.FILE_NAME))
                os.rmdir(dump_dir)
            if os.path.isdir(state_dir):
                shutil.rmtree(os.path.realpath(state_dir))
        except OSError as error:
            raise ConfigurationError(
                f"start_over: {error.filename} cannot be moved or removed: {error.strerror}; {advice(error)}"
            ) from error
    return StartedOver(changed, kept)
