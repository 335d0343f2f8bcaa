# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Removing the rows of a dump that PostgreSQL holds; schema and manifest stay for later runs and the report."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from .._errors import ConfigurationError
from .._system.file_errors import advice
from .._system.text_file import write_text
from .manifest import Manifest, is_complete, read_manifest

REMOVED = "rows_removed"
"""A file of this name in a dump says that the chunks were removed on purpose."""


def rows_removed(dump_dir: str) -> bool:
    """Tell whether the chunks of the dump were removed on purpose."""
    return os.path.exists(os.path.join(dump_dir, REMOVED))


@dataclass(frozen=True)
class RowsRemoval:
    """What became of the rows of a dump."""

    changed: bool
    kept: str = ""
    """The reason why the rows are kept. Empty if they are removed or there never were any."""


def remove_rows(dump_dir: str, verified_id: str, check: bool) -> RowsRemoval:
    """Remove all chunks if the dump is the one that was verified (``verified_id`` is its id), or a removal was begun
    and interrupted; return ``changed`` and ``kept`` (why not).

    With ``check`` nothing is removed. Raises ConfigurationError.
    """
    if not is_complete(dump_dir):
        return RowsRemoval(False, "it is not complete" if os.path.exists(dump_dir) else "")
    manifest = read_manifest(dump_dir)
    begun = rows_removed(dump_dir)
    if not begun and manifest.dump_id != verified_id:
        return RowsRemoval(
            False, "the last verification of the target has not found all of the dump there, or there was none"
        )
    left = [path for path in _directories_of_rows(dump_dir, manifest) if os.path.lexists(path)]
    if begun and not left:
        return RowsRemoval(False)
    if not check:
        # First, so that a dump of which a part is removed never looks like a whole one.
        write_text(
            os.path.join(dump_dir, REMOVED),
            "The rows were removed after PostgreSQL was verified to hold them. Remove this directory to export "
            "again.\n",
        )
        try:
            for path in left:
                shutil.rmtree(path)
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename} cannot be removed: {error.strerror}; {advice(error)}, and clean up again"
            ) from error
    return RowsRemoval(True)


def _directories_of_rows(dump_dir: str, manifest: Manifest) -> list[str]:
    return [
        os.path.join(dump_dir, entry.directory, directory)
        for entry in manifest.databases
        for directory in ("data", "rejects")
    ]
