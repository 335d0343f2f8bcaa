# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Finding and stopping the CockroachDB process that runs on a store, by its command line and owner, on Linux and macOS.

A number in a file would not do: process numbers are reused, and an interrupted start may not have written one.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

try:
    import psutil
    import tenacity
except ImportError:  # named by libraries.missing()
    psutil = tenacity = None

from ..._errors import CockroachError

STOP_SECONDS = 90
"""How long a graceful stop may take."""
_KILL_SECONDS = 15
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class NodeProcess:
    """``command`` is the process's command line."""

    pid: int
    store: str
    command: tuple[str, ...]

    @property
    def port(self) -> int:
        """The SQL port."""
        return self._port("listen-addr")

    @property
    def http_port(self) -> int:
        """The port of the DB Console."""
        return self._port("http-addr")

    def _port(self, flag: str) -> int:
        for argument in self.command:
            match = re.fullmatch(rf"--{flag}=127\.0\.0\.1:(\d+)", argument)
            if match:
                return int(match.group(1))
        raise CockroachError(
            f"the CockroachDB process {self.pid} on {self.store} was not started by this collection: stop it by hand"
        )


def find_node(store: str) -> Optional[NodeProcess]:
    """Return the process that runs on the store (an absolute path), if its user is the store's owner. Raises
    CockroachError when there are several."""
    try:
        owner = os.stat(store).st_uid
    except FileNotFoundError:
        return None
    found = [
        NodeProcess(process.pid, store, tuple(process.info["cmdline"]))
        for process in psutil.process_iter(["cmdline", "uids"])
        # Of another user's process, and of one that has ended, the command line may be None.
        if _runs_on(process.info["cmdline"] or (), store) and process.info["uids"].real == owner
    ]
    if len(found) > 1:
        raise CockroachError(
            f"several processes run on {store}: {', '.join(str(node.pid) for node in found)}; stop them by hand"
        )
    return found[0] if found else None


def _runs_on(command: Sequence[str], store: str) -> bool:
    wanted = f"--store=path={store}"
    return "start-single-node" in command and any(f"{argument},".startswith(f"{wanted},") for argument in command)


def stop_node(node: NodeProcess) -> bool:
    """Ask the process to drain and end, and wait for it; return whether it had to be killed in the end. Raises
    CockroachError when it stays."""
    _signal(node, signal.SIGTERM)
    if _has_ended(node, STOP_SECONDS):
        return False
    kill_node(node)
    return True


def kill_node(node: NodeProcess) -> None:
    """End the process at once. Raises CockroachError when it stays."""
    _signal(node, signal.SIGKILL)
    if not _has_ended(node, _KILL_SECONDS):
        raise CockroachError(f"the CockroachDB process {node.pid} on {node.store} does not end, even when it is killed")


def _signal(node: NodeProcess, number: signal.Signals) -> None:
    if find_node(node.store) == node:
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.pid, number)


def _has_ended(node: NodeProcess, seconds: float) -> bool:
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found == node),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda state: state.outcome.result(),
    )
    return attempts(find_node, node.store) != node
