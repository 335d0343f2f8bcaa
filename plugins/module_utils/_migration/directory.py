# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The directory of a migration on the host, and how far the migration in it has come."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from .._errors import ConfigurationError
from .._model.results import IF_KNOWN
from .._system.file_modes import PASSABLE, make_directories
from .state import MigrationState, read_state

_USER = "{user}"


@dataclass(frozen=True)
class MigrationDirectory:
    """The directory, with the state of its migration if that was asked for."""

    changed: bool
    directory: str
    state: Optional[MigrationState] = field(default=None, metadata=IF_KNOWN)


def with_user(directory: str) -> str:
    """Return the absolute path, with the user's name in place of ``{user}``."""
    return os.path.abspath(directory.replace(_USER, getpass.getuser()) if _USER in directory else directory)


def make_directory(directory: str, *, check: bool) -> bool:
    """Make the directory and those above it, and give it its mode; return whether anything was to do.

    With ``check`` nothing is done. Raises ConfigurationError.
    """
    try:
        if os.path.isdir(directory) and stat.S_IMODE(os.stat(directory).st_mode) == PASSABLE:
            return False
        if not check:
            make_directories(directory, PASSABLE)
            os.chmod(directory, PASSABLE)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename} cannot be made the migration's directory: {error.strerror}; set temp_dir to another one"
        ) from error
    return True


def state_below(directory: str, dump_dir: str, state_dir: str, targets: Sequence[str]) -> MigrationState:
    """Return how far the migration has come; ``dump_dir`` and ``state_dir`` may be relative to the directory. Raises
    MigrationError."""
    return read_state(os.path.join(directory, dump_dir), os.path.join(directory, state_dir), targets)
