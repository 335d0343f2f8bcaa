# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What is said when a file or directory cannot be written: the path, the reason, and what to do."""

from __future__ import annotations

import errno
import os

from .._errors import ConfigurationError

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))
_ROOM = "make room there, or choose another directory"
_NO_DIRECTORY = "something that is no directory is in its place: remove it, or choose another directory"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
    errno.EROFS: "mount it for writing, or choose another directory",
    errno.EIO: "the disk or the network file system fails: look into the kernel's log, or choose another directory",
    errno.ENOENT: "a directory above it is missing, or a link there leads nowhere: make it, or choose another one",
    errno.EBUSY: "it is a mount point: choose a directory below it",
    errno.ENOTDIR: _NO_DIRECTORY,
    errno.EEXIST: _NO_DIRECTORY,
    errno.EISDIR: "a directory is in the place of this file: remove it, or choose another directory",
}
_OTHERWISE = "choose another directory, or its owner"


def unwritable(path: str, error: OSError) -> ConfigurationError:
    """Return what is said when ``path``, or the file that the error names, cannot be written."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else path
    return ConfigurationError(f"cannot write {place}: {error.strerror}; {advice(error)}")


def unusable(error: OSError) -> ConfigurationError:
    """Return what is said when the file or directory that the error names cannot be used."""
    return ConfigurationError(f"cannot use {os.fsdecode(error.filename)}: {error.strerror}; {advice(error)}")


def advice(error: OSError) -> str:
    """Return what to do about it."""
    return _ADVICE.get(error.errno or 0, _OTHERWISE)
