# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What every storage can do: the one interface through which a backup's files are read, whatever the scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..._errors import CorruptBackupError, MissingFileError
from ..._system.migration_log import MigrationLog

Content = TypeVar("Content")


class Storage:
    """One location. Paths are relative to it, with slashes and without a leading one.

    Reads only. A file that changes between two reads is an error. Every method can be called from several threads at
    once, and in forks of the process that opened the storage: each process makes connections of its own.
    """

    location: str
    """How the location is named, without secrets."""
    can_list = True
    """False where only files with known names can be read, as over HTTP; then ``list`` raises UnsupportedError."""

    def __init__(self, location: str, log_file: str) -> None:
        self.location = location
        self._log = MigrationLog(log_file, "storage")

    def describe(self, path: str) -> str:
        """Return how to name a file of this location in a message."""
        return f"{self.location.rstrip('/')}/{path}" if path else self.location

    def read(self, path: str) -> bytes:
        """Return a whole file. Raises CorruptBackupError when it is missing."""
        raise NotImplementedError

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        """Return up to ``length`` bytes from a file's start, and the file's size."""
        raise NotImplementedError

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        """Return up to ``length`` bytes before a file's end, and the file's size."""
        raise NotImplementedError

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes at ``offset``; fewer at the file's end."""
        raise NotImplementedError

    def tell(self, path: str, text: str) -> None:
        """Write a line about a file to the log."""
        self._log.write(text if text.startswith(self.describe(path)) else f"{self.describe(path)}: {text}")

    def read_twice_if_damaged(self, path: str, read: Callable[[], Content]) -> Content:
        """Return what ``read`` makes of a file. If it calls the file damaged, it is called once more, for the file may
        have been damaged on its way. Raises what ``read`` raises."""
        try:
            return read()
        except MissingFileError:
            raise
        except CorruptBackupError as error:
            self.tell(path, f"{error}. It is read once more")
            return read()

    def read_again(self, path: str, offset: int, length: int, problem: str) -> bytes:
        """Return a range that did not look right when it was read first, and say so in the log."""
        self.tell(path, f"{problem}. It is read once more")
        return self.read_range(path, offset, length)

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        raise NotImplementedError

    def list(self, prefix: str = "") -> list[str]:
        """Return the names in the folder ``prefix``, relative to it; those of folders end in a slash."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        raise NotImplementedError

    def first_of(self, folder: str, names: Iterable[str]) -> str:
        """Return the first of ``names`` that is a file in the folder, or nothing."""
        if self.can_list:
            present = self.list(folder)
            return next((name for name in names if name in present), "")
        return next((name for name in names if self.exists(f"{folder}/{name}" if folder else name)), "")

    def missing(self, path: str) -> MissingFileError:
        """The error for a file that should be there."""
        return MissingFileError(f"{self.describe(path)} is missing: copy the whole backup again from where it was made")
