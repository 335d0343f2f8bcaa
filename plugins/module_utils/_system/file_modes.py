# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""New files and directories with modes of our own, whatever the umask."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

PRIVATE = 0o700
PUBLIC = 0o755
"""For programs, which the throw-away PostgreSQL may run as another user."""
PASSABLE = 0o711
"""For directories that this user has to pass through."""
PRIVATE_UMASK, PUBLIC_UMASK = 0o077, 0o022


def make_directories(path: str, mode: int = PRIVATE) -> None:
    """Make a directory and those above it that are missing, each with the mode: ``os.makedirs`` gives it to the last
    one only, and less by the umask. Raises OSError."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    make_directories(os.path.dirname(path), mode)
    try:
        os.mkdir(path, mode & PRIVATE)
        os.chmod(path, mode)
    except FileExistsError:
        # Another process has made it meanwhile, unless it is a file.
        if not os.path.isdir(path):
            raise


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Context manager in which new files and directories have this umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def private(path: str, flags: int) -> int:
    """Open a file, which is made with mode 0600, as the parameter ``opener`` of ``open``."""
    return os.open(path, flags, 0o600)
