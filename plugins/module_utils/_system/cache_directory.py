# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A cache of directories that several runs share: each is made elsewhere and then gets its name at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

from .file_errors import unwritable
from .file_modes import PUBLIC, PUBLIC_UMASK, make_directories, private, umask


@contextlib.contextmanager
def work_directory(parent: str) -> Iterator[str]:
    """Make ``parent`` and in it a directory of this run alone, which is removed at the end.

    Raises ConfigurationError, also for what cannot be written there within the block.
    """
    try:
        make_directories(parent, PUBLIC)
        directory = tempfile.mkdtemp(prefix=".part_", dir=parent)
    except OSError as error:
        raise unwritable(parent, error) from None
    try:
        with umask(PUBLIC_UMASK):
            yield directory
    except OSError as error:
        raise unwritable(directory, error) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def put_in_place(tree: str, target: str, is_good: Callable[[], bool]) -> None:
    """Rename the directory ``tree`` to ``target``, both in one file system, unless another run was faster and
    ``is_good``.

    A ``target`` that is not good is removed. A lock is held for these few steps only, so that runs do not disturb each
    other.
    """
    parent = os.path.dirname(target)
    os.chmod(tree, PUBLIC)
    with open(os.path.join(parent, ".lock"), "a", encoding="utf-8", opener=private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.lexists(target):
            if is_good():
                return
            with work_directory(parent) as old:
                os.rename(target, os.path.join(old, "replaced"))
                os.rename(tree, target)
        else:
            os.rename(tree, target)
