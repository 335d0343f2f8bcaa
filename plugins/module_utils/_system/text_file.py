# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Text files that are there whole or not at all, whatever ends the program or fills the disk."""

from __future__ import annotations

import contextlib
import os

from .._errors import ConfigurationError


def write_text(path: str, text: str) -> None:
    """Write a file of mode 0600 under a temporary name beside it, and give it its name when it is on disk; what was
    there before stays until then.

    The directory is made where it is missing. Raises ConfigurationError.
    """
    partial = path + ".part"
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
