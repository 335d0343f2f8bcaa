# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Disks without room, or read-only: a small file system that is really full where root may mount one, and a limit on the size of files everywhere."""
from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import subprocess
from collections.abc import Iterator

import pytest

_SIZE = 64 * 1024
_PAGE = 4096


@contextlib.contextmanager
def small_file_system(directory: pathlib.Path, size: int = _SIZE) -> Iterator[pathlib.Path]:
    """Mount a file system of its own for a block. Skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    directory.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@contextlib.contextmanager
def filled(directory: pathlib.Path) -> Iterator[None]:
    """Fill the file system of a directory for a block."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * _PAGE)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size for a block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def read_only_file_system(directory: pathlib.Path) -> Iterator[None]:
    """Make a directory a file system of its own that nobody can write to, for a block. Skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file system read-only")
    if subprocess.run(["mount", "--bind", str(directory), str(directory)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)
