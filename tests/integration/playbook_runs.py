# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs of the playbooks as a user starts them, and what they leave behind."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
from collections.abc import Mapping

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLE = f"file://{CHECKOUT}/tests/fixtures/backups/types"


class Run:
    """A finished ansible-playbook."""

    def __init__(
        self, playbook: str, *arguments: str, watch: bool = False, directory: pathlib.Path | None = None, environment: Mapping[str, str] | None = None, umask: int = -1,
    ) -> None:
        command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), str(CHECKOUT / playbook), *arguments]
        whole = {
            **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", **(environment or {}),
        }
        self.seen_arguments: set[str] = set()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=whole, cwd=directory, umask=umask) as process:
            if watch:
                threading.Thread(target=self._watch, args=(process,), daemon=True).start()
            self.output, _ = process.communicate()
        self.code = process.returncode
        recap = re.search(r"localhost +: ok=\d+ +changed=(\d+)", self.output)
        self.changed = int(recap[1]) if recap else -1

    def _watch(self, process: subprocess.Popen) -> None:
        while process.poll() is None:
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen_arguments.add(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    @property
    def error(self) -> str:
        """The messages of failed tasks."""
        return " ".join(re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', self.output))


def variables(work: pathlib.Path, **values) -> str:
    """Write a vars file and return the argument for it."""
    path = work / "vars.json"
    path.write_text(json.dumps({"migration_source": "backup", "s3_backup_path": SAMPLE, "temp_dir": str(work), **values}), encoding="utf-8")
    return f"-e@{path}"


def tree(directory: pathlib.Path) -> dict[str, str]:
    """Return every file with its digest."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.rglob("*")) if path.is_file()}


def databases(parameters) -> list[str]:
    """Return the server's databases."""
    with connect(parameters) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY 1")
        return [name for name, in cursor.fetchall()]
