# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Runs ``migrate.yml`` on the sample as a user does, twice in turn: a whole migration with its rehearsal, and a run that changes nothing.

What the modules say to have worked is subtracted: the rest is the playbook's own overhead, whatever the backup's size. Prints a Markdown table of the medians.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from measuring import held, machine, markdown_table, median, note, run_command
from migration import CHECKOUT, Workplace, workplace

SAMPLE = CHECKOUT / "playbooks" / "files" / "sample"
BAR_SECONDS = 10.0
"""For the overhead of a whole migration, and for all of a second run."""
FIRST, SECOND = "whole migration", "run that changes nothing"


@dataclass(frozen=True)
class PlaybookRun:
    """A finished run; its ``tasks`` are those of the callback plugin task_seconds."""

    seconds: float
    cpu_seconds: float
    tasks: list[dict]

    @property
    def done(self) -> int:
        """How many tasks were not skipped."""
        return sum(not task["skipped"] for task in self.tasks)

    @property
    def worked(self) -> float:
        return sum(task["worked"] for task in self.tasks)

    @property
    def overhead(self) -> float:
        return self.seconds - self.worked


def run_playbook(place: Workplace, variables: pathlib.Path) -> PlaybookRun:
    """Run ``migrate.yml``. Raises SystemExit when it fails."""
    times = place.directory / "tasks.json"
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(pathlib.Path(__file__).resolve().parent / "callback_plugins"), "ANSIBLE_CALLBACKS_ENABLED": "task_seconds",
        "TASK_SECONDS": str(times),
    }
    command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), str(CHECKOUT / "migrate.yml"), f"-e@{variables}"]
    measured = run_command(command, json_output=False, env=environment)
    return PlaybookRun(measured.seconds, measured.cpu_seconds, json.loads(times.read_text(encoding="utf-8")))


def both_runs(place: Workplace, number: int) -> dict[str, PlaybookRun]:
    """Migrate the sample into the empty target, and again."""
    place.empty_target()
    place.settle()
    work = pathlib.Path(tempfile.mkdtemp(prefix="migration_", dir=place.directory))
    work.chmod(0o755)
    variables = work / "vars.json"
    variables.write_text(json.dumps({
        "migration_source": "backup", "s3_backup_path": f"file://{SAMPLE}", "temp_dir": str(work), "parallelism": place.parallelism,
        "postgres_host": place.target.host, "postgres_port": place.target.port, "postgres_password": place.target.password,
    }), encoding="utf-8")
    runs = {name: run_playbook(place, variables) for name in (FIRST, SECOND)}
    shutil.rmtree(work)
    note(f"run {number + 1}: " + ", ".join(f"{name} {run.seconds:.1f} s, overhead {run.overhead:.1f} s" for name, run in runs.items()))
    return runs


def table(runs: Sequence[dict[str, PlaybookRun]]) -> str:
    """Return the medians as Markdown."""
    rows = []
    for name in (FIRST, SECOND):
        found = [run[name] for run in runs]
        overhead = median(run.overhead for run in found)
        rows.append((
            name, found[0].done, *(f"{median(getattr(run, part) for run in found):.1f}" for part in ("seconds", "worked")), f"**{overhead:.1f}**",
            f"{BAR_SECONDS:.0f} s: {held(overhead, BAR_SECONDS)}", f"{median(run.cpu_seconds for run in found):.1f}",
        ))
    return markdown_table(("`migrate.yml`", "tasks", "seconds", "of these worked", "overhead", "bar", "CPU seconds"), rows)


def slowest(run: PlaybookRun, count: int = 12) -> str:
    """Return the tasks with the most overhead as Markdown."""
    tasks = sorted(run.tasks, key=lambda task: task["worked"] - task["seconds"])[:count]
    return markdown_table(("task", "seconds", "of these worked"), [(task["name"], f"{task['seconds']:.2f}", f"{task['worked']:.2f}") for task in tasks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often; the medians are printed")
    parser.add_argument("--tasks", action="store_true", help="print the slowest tasks of the last runs, too")
    parser.add_argument("--parallelism", type=int, default=0)
    parser.add_argument("--pg-bin", default="", help="where PostgreSQL's programs are")
    parser.add_argument("--work", default="/var/tmp", help="where to put dump and servers for the run")
    arguments = parser.parse_args()
    with workplace(arguments.work, arguments.pg_bin, arguments.parallelism) as place:
        runs = [both_runs(place, number) for number in range(arguments.runs)]
        version = place.query("postgres", "SHOW server_version")[0][0]
    print(table(runs))
    if arguments.tasks:
        for name, run in runs[-1].items():
            print(f"The slowest tasks of the {name}:\n\n{slowest(run)}")
    print(f"The sample in playbooks/files, {len(runs)} runs; {machine(version)}.")


if __name__ == "__main__":
    main()
