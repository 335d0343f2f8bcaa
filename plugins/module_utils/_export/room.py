# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether a dump has room: the one check of every export, before it writes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .._dump.journal import unfinished_identity
from .._sources.source import Plan
from .._system.host import require_room

COMPRESSION = 3
"""COPY text of ordinary rows becomes about a third by zstd."""


def require_room_for_dump(dump_dir: str, plan: Plan) -> None:
    """Raise ConfigurationError unless there is room for the planned dump in ``dump_dir``, which need not be there.

    What an interrupted export has written there counts as room: it is used again, or removed.
    """
    needed = plan.stored_bytes + plan.text_bytes // COMPRESSION
    require_room(dump_dir, needed, "the dump", sum(_sizes(dump_dir)) if unfinished_identity(dump_dir) else 0)


def _sizes(directory: str) -> Iterator[int]:
    for path, _directories, names in os.walk(directory):
        for name in names:
            yield os.lstat(os.path.join(path, name)).st_size
