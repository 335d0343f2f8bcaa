# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What is said when a file of a dump cannot be written."""

from __future__ import annotations

import errno

from .._errors import ConfigurationError, MigrationError


def write_error(path: str, error: OSError, table: str = "") -> MigrationError:
    """Return the error to raise: a ConfigurationError where there is no room. ``table`` is a full name."""
    if error.errno == errno.ENOSPC:
        return ConfigurationError(
            f"no room for the dump: {path} cannot be written; set dump_dir or temp_dir to a larger file system "
            "and run again"
        )
    return MigrationError(f"{table + ': ' if table else ''}cannot write {path}: {error.strerror}")
