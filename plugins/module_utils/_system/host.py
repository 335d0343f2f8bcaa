# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether a host has a safe directory and room for a migration."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass

from .._errors import ConfigurationError


@dataclass(frozen=True)
class HostCheck:
    """A directory that a migration can use."""

    free_bytes: int
    """Of its file system."""


def check_host(directory: str, needed_bytes: int, purpose: str = "the dump") -> HostCheck:
    """Check a directory that is there or will be. ``purpose`` says what the room is for.

    Raises ConfigurationError when the directory is somebody else's, others may write to it, or there is not enough
    room.
    """
    directory = os.path.abspath(directory)
    if os.path.lexists(directory):
        _require_own(directory)
    return HostCheck(require_room(directory, needed_bytes, purpose))


def require_room(directory: str, needed_bytes: int, purpose: str, reusable_bytes: int = 0) -> int:
    """Return how many bytes are free where a directory is, or will be.

    Raises ConfigurationError when that and the ``reusable_bytes``, which are taken but may be used again, are less than
    what is needed.
    """
    existing = os.path.abspath(directory)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    free = shutil.disk_usage(existing).free
    if free + reusable_bytes < needed_bytes:
        raise ConfigurationError(
            f"no room for {purpose}: {directory} has {free >> 20} MiB free, about "
            f"{(needed_bytes - reusable_bytes >> 20) + 1} MiB are needed; set temp_dir or dump_dir to a larger file "
            "system"
        )
    return free


def _require_own(directory: str) -> None:
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{directory} is not a directory: remove it, or set temp_dir to another")
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"{directory} belongs to another user: set temp_dir to a directory of your own")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"others may write to {directory}: chmod go-w {directory}, or set temp_dir to another directory"
        )
