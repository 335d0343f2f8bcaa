# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Directories for what is read from files."""
from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import tempfile


@functools.cache
def scratch(name: str) -> pathlib.Path:
    """Return the directory of this name, which is gone when the process ends."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"fuzz_{name}_"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
