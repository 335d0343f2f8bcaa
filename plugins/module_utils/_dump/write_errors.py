# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What is said when a file of a dump cannot be written."""

from __future__ import annotations

from .._errors import ConfigurationError
from .._system.file_errors import NO_ROOM, unwritable


def write_error(path: str, error: OSError, table: str = "") -> ConfigurationError:
    """Return the error to raise. ``table`` is a full name."""
    if error.errno in NO_ROOM:
        return ConfigurationError(
            f"no room for the dump: {path} cannot be written; set dump_dir or temp_dir to a larger file system "
            "and run again"
        )
    return ConfigurationError(f"{table + ': ' if table else ''}{unwritable(path, error)}")
