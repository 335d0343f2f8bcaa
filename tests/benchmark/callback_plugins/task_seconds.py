# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes how long each task of a playbook took, and how long its module says to have worked, into the file that TASK_SECONDS names."""
from __future__ import annotations

import json
import os
import pathlib
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_seconds
type: aggregate
short_description: Write the seconds of each task into a file
description: Writes a JSON list of tasks with C(name), C(seconds) and C(worked), which are the C(seconds) that the module returned.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[dict] = []
        self._started = 0.0

    def _end(self) -> None:
        if self._tasks:
            self._tasks[-1]["seconds"] = time.monotonic() - self._started

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        self._end()
        self._tasks.append({"name": task.get_name(), "seconds": 0.0, "worked": 0.0, "skipped": False})
        self._started = time.monotonic()

    def v2_runner_on_ok(self, result) -> None:
        found = result._result
        self._tasks[-1]["worked"] += found.get("seconds", 0.0) + found.get("verification", {}).get("seconds", 0.0)

    def v2_runner_on_skipped(self, result) -> None:
        self._tasks[-1]["skipped"] = True

    def v2_playbook_on_stats(self, stats) -> None:
        self._end()
        pathlib.Path(os.environ["TASK_SECONDS"]).write_text(json.dumps(self._tasks), encoding="utf-8")
