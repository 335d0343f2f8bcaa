# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs the parts of a benchmark, each in a process of its own, and prints what was measured as Markdown.

The operating system tells the peak memory of a process that has ended. A child's figure is never less than that of the process which starts it, so that
whoever measures stays small: no numpy, no conversion, no rows in it.
"""
from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
LARGEST_PROCESS_MIB = 256
"""The bar for every process of a migration."""


@dataclass(frozen=True)
class Measured:
    """What a program took. ``peak_mib`` is the resident memory of its largest process, ``cpu_seconds`` are those of all of its processes."""

    seconds: float
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


def run_program(program: str, *arguments: object) -> Measured:
    """Run a program of this directory, which prints a JSON object. Raises SystemExit when it fails."""
    return run_command([sys.executable, str(HERE / program), *map(str, arguments)])


def run_command(command: Sequence[str], json_output: bool = True, **options: Any) -> Measured:
    """Run a command; ``options`` are those of subprocess.Popen. Raises SystemExit when it fails."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as process:
        output = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(output) if json_output else {})


def note(text: str) -> None:
    """Tell the user what is being done; the tables go to the standard output."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def held(value: float, bar: float, at_least: bool = False) -> str:
    """Say whether a bar is held."""
    return "held" if (value >= bar if at_least else value <= bar) else "**not held**"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(lines) + "\n"


def machine(pg_version: str = "") -> str:
    """Describe this machine and the versions in one line."""
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("model name")),
                 platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    parts = [f"{os.cpu_count()} cores ({model}), {memory} GiB of memory, Linux {platform.release()}", f"Python {platform.python_version()}",
             f"numpy {importlib.metadata.version('numpy')}"]
    return ", ".join([*parts, *([f"PostgreSQL {pg_version}"] if pg_version else [])])
