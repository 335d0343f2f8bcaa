# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether a key is that of the dump in a directory, finished or not: known before anything is begun."""

from __future__ import annotations

from typing import Optional

from .dump_key import ENCRYPTED_FOR, DumpKey
from .journal import unfinished_identity
from .manifest import is_complete, read_manifest_for_rows, require_key


def require_key_of_dump(dump_dir: str, key: Optional[DumpKey]) -> None:
    """Raise ConfigurationError unless ``key`` is that of the dump, or of the interrupted export, in the directory; any
    key will do where there is neither. Raises MigrationError for a manifest that was changed."""
    if is_complete(dump_dir):
        read_manifest_for_rows(dump_dir, key)
    elif begun := unfinished_identity(dump_dir):
        require_key(dump_dir, begun.get(ENCRYPTED_FOR, ""), key)
