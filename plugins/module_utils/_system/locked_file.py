# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Opening a file that other processes may open, rename and remove meanwhile, and locking it (flock)."""

from __future__ import annotations

import fcntl
import os
from typing import Optional

EXCLUSIVE, SHARED = fcntl.LOCK_EX, fcntl.LOCK_SH
_AT_ONCE = fcntl.LOCK_NB


def open_locked(path: str, kind: int = EXCLUSIVE) -> int:
    """Wait until the lock of the file is ours, and return its descriptor; the file is made, of mode 0600, where it is
    missing. Raises OSError."""
    while True:
        descriptor = _locked(path, kind)
        if descriptor is not None:
            return descriptor


def try_locked(path: str, kind: int) -> Optional[int]:
    """Like ``open_locked``, but return None where another process holds the lock."""
    try:
        return _locked(path, kind | _AT_ONCE)
    except BlockingIOError:
        return None


def is_ours_alone(descriptor: int) -> bool:
    """Tell whether no other process holds the shared lock that we hold; then it is an exclusive one from now on. Else
    it may be lost."""
    try:
        fcntl.flock(descriptor, EXCLUSIVE | _AT_ONCE)
    except BlockingIOError:
        return False
    return True


def names(path: str, descriptor: int) -> bool:
    """Tell whether the path leads to the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _locked(path: str, kind: int) -> Optional[int]:
    """Return the descriptor; None if another process has taken the file away before the lock was ours."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        if names(path, descriptor):
            return descriptor
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
