# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The proof that every byte of the backup's files was read: the manifest knows their exact sizes."""
from __future__ import annotations

from ..errors import CorruptBackupError
from .key_ranges import KeyRange, merge, subtract


def files_of(backup, ranges: list[KeyRange]) -> dict:
    """Return the file entries that hold anything of ``ranges``, by id."""
    return {entry.id: entry for start, end in merge(ranges) for entry in backup.files(start, end)}


def unread_ranges(backup, read: list[KeyRange]) -> list[KeyRange]:
    """Return what else the files behind ``read`` hold: secondary indexes and neighbours that nobody decodes."""
    spans = [entry.span for entry in files_of(backup, read).values()]
    return subtract(spans, read)


def prove(backup, read: list[KeyRange], tally: dict[int, int]) -> int:
    """Compare the bytes read with the manifest's exact ``data_size`` of each file; return the number of files.

    Raises CorruptBackupError for the first file that gave more or less than the manifest says.
    """
    files = files_of(backup, read)
    for entry in files.values():
        found = tally.get(entry.id, 0)
        if found != entry.data_size:
            raise CorruptBackupError(
                f"{entry.path}: {found} bytes of keys and values were read, the backup's manifest says {entry.data_size}: "
                "the backup is damaged or of an unknown form; nothing was migrated"
            )
    return len(files)
