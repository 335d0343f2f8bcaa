# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The processes of this host with their command lines, on Linux and macOS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator


def processes() -> Iterator[tuple[int, int, str]]:
    """Yield number, user and command line of each process; an ended one that nobody has waited for has no command
    line."""
    if not os.path.isdir("/proc/self"):
        yield from _processes_of_ps()
        return
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                command = file.read()
                uid = os.fstat(file.fileno()).st_uid
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has just ended, or is another user's
        yield int(name), uid, os.fsdecode(command.rstrip(b"\0").replace(b"\0", b" "))


def _processes_of_ps() -> Iterator[tuple[int, int, str]]:
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,uid=,args="], check=True, capture_output=True, text=True, errors="surrogateescape"
    ).stdout
    for line in listing.splitlines():
        pid, uid, *command = line.split(maxsplit=2)
        yield int(pid), int(uid), " ".join(command)
