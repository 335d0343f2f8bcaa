# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Work in forks: what comes back, and what happens when one of them or their parent is killed."""
from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.processes import in_processes

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PARENT = """
import os, time
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.processes import in_processes

def run(item):
    print(os.getpid(), flush=True)
    time.sleep(60)

with in_processes(run, [1, 2], 2) as results:
    list(results)
"""


def test_results_come_from_other_processes():
    """Neither the function nor the items could be pickled."""
    lock = threading.Lock()
    with in_processes(lambda item: (item[1], os.getpid()), [(lock, number) for number in range(20)], 2) as results:
        found = list(results)
    assert {number for number, _pid in found} == set(range(20)) and os.getpid() not in {pid for _number, pid in found}
    with in_processes(str, [], 2) as results:
        assert not list(results)


def refuse(item: int) -> None:
    raise MigrationError(f"item {item} is refused")


def test_an_error_keeps_its_words():
    with pytest.raises(MigrationError, match=r"^item 1 is refused$"), in_processes(refuse, [1], 2) as results:
        list(results)


def test_a_killed_process_is_named():
    with pytest.raises(MigrationError, match="killed from outside"), in_processes(lambda item: os.kill(os.getpid(), signal.SIGKILL), [1, 2, 3], 1) as results:
        list(results)


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_forks_end_with_their_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(CHECKOUT / ".collections")}) as parent:
        forks = [psutil.Process(int(parent.stdout.readline())) for _fork in range(2)]
        parent.kill()
        deadline = time.monotonic() + 20
        while any(runs(fork) for fork in forks):
            assert time.monotonic() < deadline, "forks outlive their parent"
            time.sleep(0.05)
