# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Keeping two rehearsals out of one directory."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from .._system.file_errors import unwritable
from .._system.file_modes import PASSABLE, make_directories
from .._system.run_lock import only_run


def only_rehearsal(directory: str) -> AbstractContextManager[None]:
    """Context manager: no other run starts or removes the server in ``directory``, next to which the lock file is, for
    the directory comes and goes. Raises ConfigurationError."""
    path = os.path.abspath(directory)
    try:
        make_directories(os.path.dirname(path), PASSABLE)
    except OSError as error:
        raise unwritable(os.path.dirname(path), error) from error
    return only_run(f"{path}.lock", path)
