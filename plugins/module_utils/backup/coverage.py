# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The proof that every byte of the backup's files was read: the manifest knows their exact sizes."""
from __future__ import annotations

from ..catalog.model import Finding
from ..errors import CorruptBackupError
from .key_ranges import KeyRange, merge, subtract


def files_of(backup, ranges: list[KeyRange]) -> dict:
    """Return the file entries that hold anything of ``ranges``, by id."""
    return {entry.id: entry for start, end in merge(ranges) for entry in backup.files(start, end)}


def unread_ranges(backup, read: list[KeyRange]) -> list[KeyRange]:
    """Return what else the files behind ``read`` hold: secondary indexes and neighbours that nobody decodes."""
    spans = [entry.span for entry in files_of(backup, read).values()]
    return subtract(spans, read)


def prove(backup, read: list[KeyRange], tally: dict[int, int]) -> list[Finding]:
    """Compare the bytes read with the manifest's exact ``data_size`` of each file.

    Raises CorruptBackupError for the first file that gave more or less than the manifest says. Returns a finding
    where the manifest says nothing of its files.
    """
    files = files_of(backup, read).values()
    for entry in files:
        found = tally.get(entry.id, 0)
        if entry.data_size is not None and found != entry.data_size:
            raise CorruptBackupError(
                f"{entry.path}: {found} bytes of keys and values were read, the backup's manifest says {entry.data_size}: "
                "the backup is damaged or of an unknown form; nothing was migrated"
            )
    silent = sum(entry.data_size is None for entry in files)
    if not silent:
        return []
    return [Finding(
        "completeness_unproved", "warning", "backup",
        f"The backup's manifest does not say how much {silent} of {len(files)} files hold, so that only their checksums prove that all of it was read.",
        "Compare the tables' row counts with the source.",
    )]
