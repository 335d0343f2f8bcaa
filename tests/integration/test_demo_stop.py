# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What ``make demo-stop`` and ``make clean`` stop, with a Python that has no packages."""
from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from postgres_servers import VERSIONS, bin_dir

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    running_port,
    start_server,
    temporary_server,
)

FILES = pathlib.Path(__file__).resolve().parent.parent.parent / "playbooks" / "files"


def demo_stop(*directories: pathlib.Path) -> str:
    """Run it, isolated from the packages of the tests; return what it says."""
    command = [sys.executable, "-I", "-S", str(FILES / "demo_stop.py"), *map(str, directories)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; what nobody has waited for has no command line."""
    try:
        return bool(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


@pytest.mark.needs_postgres
def test_every_server_of_the_demo_and_no_other(work):
    demo, programs = work / "demo", bin_dir(VERSIONS[-1])
    demo.mkdir(mode=0o755)
    with temporary_server(ServerOptions(str(work / "demolition"), programs)):
        start_server(ServerOptions(str(demo / "postgres"), programs))
        start_server(ServerOptions(str(demo / "cockroach_migrator-x" / "rehearsal"), programs))
        command = [sys.executable, str(FILES / "demo_s3.py"), str(demo), "--bucket=backups", f"--sample={FILES / 'sample'}"]
        subprocess.run(command, check=True, capture_output=True)
        s3 = int((demo / "s3.pid").read_text(encoding="utf-8"))
        assert running_port(str(demo / "postgres")) and is_alive(s3)
        assert demo_stop(demo, work / "not there") == "changed"
        assert not running_port(str(demo / "postgres")) and not running_port(str(demo / "cockroach_migrator-x" / "rehearsal")) and not is_alive(s3)
        assert demo_stop(demo) == "ok"
        assert running_port(str(work / "demolition"))
