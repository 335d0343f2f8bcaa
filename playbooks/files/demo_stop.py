# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Stops every server that runs in the demo's directories, with nothing but Python: also where its virtual environment
is broken or a start was.

Prints ``changed`` or ``ok``.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys
import time

SECONDS = 20
SERVERS = {"postgres": signal.SIGINT, "cockroach": signal.SIGTERM}
"""Programs and the signal that stops them soon and whole (SIGINT is PostgreSQL's fast shutdown)."""


def arguments_of(pid: int) -> list[str]:
    """Return a process's command line, empty when it is gone or only a corpse."""
    try:
        return [
            part.decode(errors="replace")
            for part in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if part
        ]
    except OSError:
        return []


def servers(directory: pathlib.Path) -> dict[int, int]:
    """Return the processes to stop, with the signal for each. The S3 server does not name its directory, but its
    process id lies there."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        program, *arguments = arguments_of(pid) or [""]
        number = SERVERS.get(os.path.basename(program))
        if number and any(f"{directory}/" in argument for argument in arguments):
            found[pid] = number
    for pid_file in directory.glob("**/s3.pid"):
        text = pid_file.read_text(encoding="utf-8").strip()
        if text.isdigit() and "moto.server" in arguments_of(int(text)):
            found[int(text)] = signal.SIGTERM
    return found


def stop(found: dict[int, int]) -> None:
    """Send the signals and wait until the processes are gone. Raises SystemExit for one that does not end or is another
    user's."""
    for pid, number in found.items():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            sys.exit(
                f"the process {pid} ({' '.join(arguments_of(pid))}) is another user's: stop it as that user, or as root"
            )
    deadline = time.monotonic() + SECONDS
    while any(arguments_of(pid) for pid in found):
        if time.monotonic() > deadline:
            sys.exit(
                f"still running after {SECONDS} seconds: {', '.join(str(pid) for pid in found if arguments_of(pid))}"
            )
        time.sleep(0.1)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=pathlib.Path)
    found: dict[int, int] = {}
    for directory in parser.parse_args().directories:
        found.update(servers(directory.resolve()))
    stop(found)
    print("changed" if found else "ok")


if __name__ == "__main__":
    main()
