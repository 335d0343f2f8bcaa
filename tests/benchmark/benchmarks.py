# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs the benchmarks of one group one after the other and prints their Markdown; ``--write`` also puts it into docs/performance.md."""
from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys

from measuring import HERE, note

PAGE = HERE.parent.parent / "docs" / "performance.md"
GROUPS = {
    "bench": (
        ("A migration against a bare `\\copy`", "tpcc.py"), ("Reading alone", "reading.py"), ("The playbook's own overhead", "playbook_overhead.py"),
        ("Other tools", "comparison.py"),
    ),
    "bench-scale": (
        ("Growing numbers of rows", "scale.py rows"), ("Extreme shapes", "scale.py shapes"), ("Many small tables", "scale.py small_tables"),
        ("A distant S3 server", "s3_reading.py"),
    ),
}
"""Headings and programs with their arguments."""


def run(program: str) -> str:
    """Return what a program prints. Raises SystemExit when it fails."""
    note(program)
    name, *arguments = program.split()
    result = subprocess.run([sys.executable, str(HERE / name), *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{program} failed")
    return result.stdout.strip()


def replaced(page: str, group: str, markdown: str) -> str:
    """Return the page with the Markdown between the marks of the group."""
    begin, end = f"<!-- {group}: begin -->\n", f"<!-- {group}: end -->"
    head, rest = page.split(begin)
    return head + begin + markdown + end + rest.split(end, 1)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.environ["PYTHONUNBUFFERED"] = "1"
    markdown = ""
    for heading, program in GROUPS[arguments.group]:
        part = f"### {heading}\n\n{run(program)}\n\n"
        print(part, flush=True)
        markdown += part
    if arguments.write:
        pathlib.Path(PAGE).write_text(replaced(PAGE.read_text(encoding="utf-8"), arguments.group, markdown), encoding="utf-8")


if __name__ == "__main__":
    main()
