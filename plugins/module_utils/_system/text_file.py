# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Files that are there whole or not at all, whatever ends the program or fills the disk."""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

from .._errors import ConfigurationError
from .file_errors import unwritable
from .file_modes import make_directories
from .locked_file import open_locked


def difference(path: str, text: str) -> dict[str, str]:
    """Return what diff mode shows of a file that is to hold ``text``, with the keys that Ansible wants; empty when the
    file holds it already. A file that does not exist counts as empty.

    Raises ConfigurationError.
    """
    try:
        with open(path, "rb") as file:
            before = file.read()
    except FileNotFoundError:
        before = b""
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if before == text.encode("utf-8"):
        return {}
    shown = before.decode("utf-8", errors="replace")
    return {"before_header": path, "before": shown, "after_header": path, "after": text}


def write_text(path: str, text: str) -> None:
    """Write a file of mode 0600 under a temporary name next to it, and give it its name when it is on disk; what was
    there before stays until then.

    The directory is made where it is missing. Raises ConfigurationError.
    """
    write_bytes(path, text.encode())


def write_bytes(path: str, data: bytes) -> None:
    """Write a file as ``write_text`` does. Raises ConfigurationError."""
    partial = path + ".part"
    try:
        make_directories(os.path.dirname(os.path.abspath(path)))
        # Locked, since two runs may write the same report or state.
        with open(open_locked(partial), "r+b") as file:
            try:
                _write_to_disk(file, data)
                os.replace(partial, path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(partial)
                raise
    except OSError as error:
        raise unwritable(path, error) from error


def _write_to_disk(file: BinaryIO, data: bytes) -> None:
    file.truncate()
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
