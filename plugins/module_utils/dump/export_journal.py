# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which chunks of an unfinished export are whole, so that a second run goes on."""
from __future__ import annotations

import json
import os
import shutil

from ..errors import ConfigurationError
from .layout import is_complete
from .rows import rows_removed

FILE_NAME = "export.journal"


def _read(path: str) -> list[dict]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as journal:
        lines = journal.read().split("\n")
    # What follows the last newline is a line that was cut off.
    return [json.loads(line) for line in lines[:-1]]


def unfinished_identity(dump_dir: str) -> dict:
    """Return the identity of the export that was broken off in the directory; empty if there is none."""
    lines = _read(os.path.join(dump_dir, FILE_NAME))
    return lines[0] if lines else {}


class ExportJournal:
    """A file of JSON lines beside the chunks: first the export's identity, then one result a task.

    The journal of another unfinished export (another backup, time or selection) is discarded with its chunks.
    A directory that holds a complete dump or anything else is refused with ConfigurationError.
    """

    def __init__(self, dump_dir: str, identity: dict) -> None:
        self.path = os.path.join(dump_dir, FILE_NAME)
        self.done: dict[str, dict] = {}
        lines = _read(self.path)
        if not lines or lines[0] != identity:
            _empty(dump_dir, ours=bool(lines))
            os.makedirs(dump_dir, mode=0o700, exist_ok=True)
            lines = [identity]
        with open(self.path, "w", encoding="utf-8") as journal:
            journal.writelines(json.dumps(line) + "\n" for line in lines)
        self.done = {line["key"]: line for line in lines[1:]}

    def add(self, result: dict) -> None:
        """Record a finished task; its chunk is already on disk."""
        with open(self.path, "a", encoding="utf-8") as journal:
            journal.write(json.dumps(result) + "\n")

    def remove(self) -> None:
        """Forget the journal: the dump is complete."""
        os.unlink(self.path)


def _empty(dump_dir: str, ours: bool) -> None:
    """Remove the chunks of an unfinished export; what somebody may still need is refused."""
    if not os.path.isdir(dump_dir) or not os.listdir(dump_dir):
        return
    if rows_removed(dump_dir):
        ours = True
    elif is_complete(dump_dir):
        raise ConfigurationError(f"{dump_dir} holds the dump of another backup or selection: remove it, or name another directory in dump_dir")
    if not ours:
        raise ConfigurationError(f"{dump_dir} holds other files: name an empty or a new directory in dump_dir")
    shutil.rmtree(dump_dir)
