# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Keeping runs apart: lock files that say who holds them.

The kernel holds the lock (flock) until the last process that has it has ended, however it ends; forks of the process
that took it have it, too. So a lock that a killed run has left is free, and one that cannot be had is held by somebody
who still works. Over NFS the server holds it, for all hosts; a file system that is mounted with ``nolock`` or
``local_lock`` keeps the runs of one host apart only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

try:
    import tenacity
except ImportError:  # named by libraries.missing()
    tenacity = None

from .._errors import ConfigurationError
from .file_errors import unwritable
from .locked_file import EXCLUSIVE, SHARED, is_ours_alone, names, try_locked

_WAIT_SECONDS = 10
"""Forks of a run that was killed end within less."""
_POLL_SECONDS = 0.1
_LONGEST = 1 << 16
"""Of what is read of a lock file."""


@contextlib.contextmanager
def only_run(path: str, place: str) -> Iterator[None]:
    """Context manager: no other run works in ``place``, whose lock file is ``path``, during the block.

    Raises ConfigurationError that says who does, or that the file cannot be written.
    """
    try:
        descriptor = _taken(path, place, EXCLUSIVE)
    except OSError as error:
        raise unwritable(path, error) from error
    yield from _held(path, descriptor)


@contextlib.contextmanager
def one_of_readers(path: str, place: str) -> Iterator[None]:
    """Context manager: nobody changes ``place``, whose lock file is ``path``, during the block; others may read it.

    Where this user may write no file there is no lock. Raises ConfigurationError that says who changes it.
    """
    try:
        descriptor = _taken(path, place, SHARED)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise unwritable(path, error) from error
        yield
        return
    yield from _held(path, descriptor)


def _held(path: str, descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        if names(path, descriptor) and is_ours_alone(descriptor):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        os.close(descriptor)


def _taken(path: str, place: str, kind: int) -> int:
    """Return the descriptor of the locked file, which says who we are. Raises OSError, ConfigurationError."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda descriptor: descriptor is None),
        stop=tenacity.stop_after_delay(_WAIT_SECONDS),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda _state: None,
    )
    descriptor = attempts(try_locked, path, kind)
    if descriptor is None:
        raise ConfigurationError(f"{place} is in use: {_holders(path)}")
    try:
        if kind == EXCLUSIVE:
            os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, (json.dumps(_ourselves()) + "\n").encode())
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _ourselves() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _holders(path: str) -> str:
    """Return who holds the lock, and what to do."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read(_LONGEST).splitlines()
        holders = [holder for holder in map(_holder, lines) if holder]
        working = [holder for holder in holders if _may_run(holder)]
        words = ", ".join(f"process {holder['pid']} on {holder['host']} since {holder['since']}" for holder in working)
        if words:
            return f"{words} works there; wait until it has ended, or end it, then run again"
        if holders:
            last = holders[-1]
            return (
                f"process {last['pid']} on {last['host']} was killed, and processes that it started still work there; "
                "end them, then run again"
            )
    return f"another process holds {path}; wait until it has ended, then run again"


def _holder(line: str) -> dict[str, Any]:
    """Return what a line of a lock file says, empty for one that cannot be read."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict) or not isinstance(value.get("pid"), int):
        return {}
    return value if isinstance(value.get("host"), str) and isinstance(value.get("since"), str) else {}


def _may_run(holder: dict[str, Any]) -> bool:
    if holder["host"] != socket.gethostname():
        return True
    try:
        os.kill(holder["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True
