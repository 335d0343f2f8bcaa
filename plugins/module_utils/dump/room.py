# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whether a dump has room: the one check of every export, before it writes."""
from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import ConfigurationError
from ..host import free_bytes
from .export_journal import unfinished_identity

COMPRESSION = 3
"""COPY text of ordinary rows becomes about a third by zstd."""


def require_room(dump_dir: str, needed: int) -> None:
    """Raise ConfigurationError unless the file system of ``dump_dir``, which need not be there, has room for ``needed`` bytes.

    What an export that was broken off has written there counts as room: it is used again, or removed.
    """
    free = free_bytes(dump_dir) + (sum(_sizes(dump_dir)) if unfinished_identity(dump_dir) else 0)
    if free < needed:
        raise ConfigurationError(
            f"no room for the dump: {dump_dir} has {free >> 20} MiB free, about {(needed >> 20) + 1} MiB are needed; "
            "set dump_dir or temp_dir to a larger file system"
        )


def _sizes(directory: str) -> Iterator[int]:
    for path, _directories, names in os.walk(directory):
        for name in names:
            yield os.lstat(os.path.join(path, name)).st_size
