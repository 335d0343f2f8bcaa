# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""migration.log: one line an event, appended by every phase."""

from __future__ import annotations

import time
from typing import Union

from .file_errors import unwritable
from .file_modes import private
from .progress import Progress, RestoreProgress

SECONDS_BETWEEN_PROGRESS = 5.0


class MigrationLog:
    """Appends lines to the log file; an empty ``path`` writes nothing."""

    def __init__(self, path: str, phase: str) -> None:
        self._path = path
        self._phase = phase
        self._next_progress = 0.0

    def write(self, message: str) -> None:
        """Append one line. Raises ConfigurationError when the file cannot be written."""
        if not self._path:
            return
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            with open(self._path, "a", encoding="utf-8", opener=private) as file:
                file.write(f"{moment} {self._phase}: {' '.join(message.split())}\n")
        except OSError as error:
            raise unwritable(self._path, error) from error

    def progress(self, state: Union[Progress, RestoreProgress]) -> None:
        """Append how far a phase is, at most every few seconds."""
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + SECONDS_BETWEEN_PROGRESS
            self.write(str(state))
