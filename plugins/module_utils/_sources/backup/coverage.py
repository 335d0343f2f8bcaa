# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The proof that every byte of the backup's files was read: the manifest knows their exact sizes."""

from __future__ import annotations

from collections.abc import Iterable

from ..._errors import CorruptBackupError
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from .key_ranges import KeyRange, merge, subtract
from .reader import Backup, FileRef, range_tombstone_finding


def files_of(backup: Backup, ranges: list[KeyRange]) -> dict[int, FileRef]:
    """Return the file entries that hold anything of ``ranges``, by id."""
    return {entry.id: entry for start, end in merge(ranges) for entry in backup.files(start, end)}


def unread_ranges(backup: Backup, read: list[KeyRange]) -> list[KeyRange]:
    """Return what else the files of ``read`` hold: secondary indexes and neighbours that are not decoded."""
    spans = [entry.span for entry in files_of(backup, read).values()]
    return subtract(spans, read)


def prove(backup: Backup, read: list[KeyRange], tally: dict[int, int]) -> list[Finding]:
    """Compare the bytes read with the manifest's ``data_size`` of each file.

    From v22.2 on the manifest counts range tombstones, too: in a file that has some the bytes read and theirs are the
    manifest's number. A cluster may have counted them in other pieces than it stored; then the bytes read must not be
    more than that number.

    Raises CorruptBackupError for the first file that gave more or less than the manifest says. Returns findings
    where the manifest says nothing of its files, or where range tombstones leave a part unproved.
    """
    files = files_of(backup, read).values()
    deleted: set[int] = set()
    unproved = []
    for entry in files:
        found = tally.get(entry.id, 0)
        if entry.data_size in (None, found):
            continue
        tombstones = backup.range_tombstones(entry) if found < entry.data_size else 0
        if not tombstones:
            raise CorruptBackupError(
                f"{entry.path}: {found} bytes of keys and values were read, the backup's manifest says "
                f"{entry.data_size}: the backup is damaged or of an unknown form; nothing was migrated"
            )
        deleted.add(entry.layer)
        if found + tombstones != entry.data_size:
            unproved.append(entry)
    findings = [range_tombstone_finding(backup.layers[layer].name) for layer in sorted(deleted)]
    return [finding for finding in findings if finding not in backup.findings] + _uncounted(unproved) + _silent(files)


def _uncounted(files: list) -> list[Finding]:
    if not files:
        return []
    return [
        Finding.of(
            FindingCode.RANGE_TOMBSTONES_UNCOUNTED,
            FullName("backup", name=files[0].path),
            f"The backup's manifest counts the range tombstones of {len(files)} files together with their rows, and in "
            "other pieces than they are stored in: only the files' checksums prove that all of their rows were read.",
        )
    ]


def _silent(files: Iterable) -> list[Finding]:
    silent = sum(entry.data_size is None for entry in files)
    if not silent:
        return []
    return [
        Finding.of(
            FindingCode.COMPLETENESS_UNPROVED,
            FullName("backup", name="backup"),
            f"The backup's manifest does not say how much {silent} of {len(list(files))} files hold: only their "
            "checksums prove that all of it was read.",
        )
    ]
