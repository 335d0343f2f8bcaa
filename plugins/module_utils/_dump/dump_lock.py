# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Who may work in a dump's directory: one run that writes it, or any number that read it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

from .._system.file_errors import unwritable
from .._system.file_modes import make_directories
from .._system.run_lock import one_of_readers, only_run

FILE_NAME = "dump.lock"


@contextlib.contextmanager
def writing(dump_dir: str) -> Iterator[None]:
    """Context manager: nobody else works in the directory, which is made where it is missing, and removed again where
    it stays empty. Raises ConfigurationError."""
    is_new = not os.path.lexists(dump_dir)
    try:
        make_directories(dump_dir)
    except OSError as error:
        raise unwritable(dump_dir, error) from error
    try:
        with only_run(os.path.join(dump_dir, FILE_NAME), dump_dir):
            yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty, or another run has moved it
                os.rmdir(dump_dir)


def changing(dump_dir: str) -> AbstractContextManager[None]:
    """Like ``writing``, but where there is no directory nothing is made or locked."""
    return writing(dump_dir) if os.path.isdir(dump_dir) else contextlib.nullcontext()


def reading(dump_dir: str) -> AbstractContextManager[None]:
    """Context manager: nobody changes the dump; others may read it. Raises ConfigurationError."""
    if not os.path.isdir(dump_dir):
        return contextlib.nullcontext()
    return one_of_readers(os.path.join(dump_dir, FILE_NAME), dump_dir)
