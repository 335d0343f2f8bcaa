# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Lets faults happen to migrations, runs the same command again, and compares what is then there with the truth.

Prints Markdown: what was killed in which phase, which other faults there were, and what came of them; ``--write`` also puts it into docs/evidence.md.
"""
from __future__ import annotations

import argparse
import contextlib
import itertools
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from migrations import (  # isort: skip  (sets the path)
    CHECKOUT, NOTHING, Beginning, BrokenError, Migration, Sample, Target, digests, processes_below,
)

import aftermath
import kills
import troubles
from kills import CONNECTION, CONTROLLER, EXPORT, PHASES, REHEARSAL, VICTIMS, Kill

sys.path[:0] = [str(CHECKOUT / "tests" / "benchmark"), str(CHECKOUT / "tests" / "stand_in_cockroach")]

from benchmarks import replaced
from measuring import markdown_table, note, run_program

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    find_bin_dir,
)

PAGE = CHECKOUT / "docs" / "evidence.md"
SHARED = CHECKOUT.parent / "shared" / "fixtures"
TESTS = CHECKOUT / "tests"
_MOST_ATTEMPTS = 3
"""To meet a phase that may be shorter than the look at it."""
_MIB = 1 << 20


@dataclass
class Result:
    """What came of the faults."""

    outcomes: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """By phase or place, and what was killed or the fault's name."""
    broken: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    is_stopped: bool = False

    def stop(self) -> None:
        """Let no further fault happen."""
        self.is_stopped = True

    def add(self, name: str, place: str, outcome: str) -> None:
        self.outcomes.setdefault((place, name), Counter())[outcome] += 1


def shop() -> Sample:
    return Sample("shop", f"file://{TESTS}/fixtures/backups/shop", "shop", 1000, TESTS / "fixtures" / "truth" / "shop")


def restored_shop() -> Sample:
    """The same through a temporary CockroachDB, for which a stand-in repeats what a real one has answered."""
    environment = {"STAND_IN_CONVERSATION": str(TESTS / "fixtures" / "conversations" / "shop.zst"), "STAND_IN_FAULT": "", "STAND_IN_VERSION": "v22.1.0-alpha.1"}
    settings = {
        "migration_source": "restore", "cockroach_binary": str(TESTS / "stand_in_cockroach" / "cockroach"), "cockroach_server_environment": environment, "chunk_rows": 3000,
        "cockroach_cache": "256MiB", "cockroach_max_sql_memory": "512MiB",
    }
    return replace(shop(), name="shop, restored", settings=settings)


def tpcc(directory: pathlib.Path, large: bool) -> Sample:
    """The backup that CockroachDB made, where it lies beside the checkout and is wanted, else a smaller one that is made now."""
    if large and (SHARED / "backups" / "tpcc").is_dir():
        return Sample("TPC-C", f"file://{SHARED}/backups/tpcc", "tpcc", 20_000, SHARED / "truth" / "tpcc")
    note("writing a backup of TPC-C")
    run_program("tpcc_backup.py", directory / "backup", "--warehouses=1", "--items=10000", "--customers=300")
    return Sample("TPC-C with 10,000 items and 300 customers a district, made for this run", f"file://{directory}/backup", "tpcc", 5_000)


@contextlib.contextmanager
def place_of_faults(parent: str, bin_dir: str) -> Iterator[tuple[pathlib.Path, Target]]:
    """Make a directory that every user can pass through, and a target in it; both are removed at the end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="faults_", dir=parent))
    directory.chmod(0o755)
    target = Target(directory / "target", bin_dir)
    try:
        target.start()
        yield directory, target
    finally:
        target.kill()
        for process in processes_below(directory):
            process.kill()
        shutil.rmtree(directory, ignore_errors=True)


def chosen_kills(count: int, samples: list[Prepared], chance: random.Random) -> list[Kill]:
    """Return so many kills: every pair of phase and process once before any is there twice, in an order of chance."""
    pairs = [(phase, victim) for phase, victims in PHASES.items() for victim in victims if any(sample.spans[phase] for sample in samples)]
    rounds = itertools.chain.from_iterable(chance.sample(pairs, len(pairs)) for _round in itertools.count())
    return [Kill(phase, victim, chance.random()) for phase, victim in itertools.islice(rounds, count)]


def kill_and_complete(kill: Kill, migration: Migration, span: float, chance: random.Random, begin: Beginning = NOTHING) -> str:
    """Kill, complete the migration and look at it; return how it went, nothing if the moment was missed each time. Raises BrokenError."""
    for attempt in range(_MOST_ATTEMPTS):
        migration.make(begin)
        run = migration.start()
        struck = kills.strike(replace(kill, part=0.0 if attempt else kill.part), migration, run, span, chance)
        run.wait()
        if struck:
            aftermath.require_words(run)
            outcome = aftermath.complete(migration)
            aftermath.check(migration)
            return outcome
    return ""


@dataclass
class Prepared:
    """A sample that was migrated without a fault."""

    by_playbook: Migration
    by_modules: Migration
    spans: dict[str, float]
    """How many seconds each phase took."""
    playbooks: bool = True
    """Whether there are any."""
    done: pathlib.Path | None = None
    """What export and rehearsal have written; None for a source that only the playbook reads."""

    def migration(self, kill: Kill) -> tuple[Migration, Beginning]:
        """Return the migration for a kill, which begins with the killed phase: as a playbook where its processes matter, else as its modules."""
        if self.done is None:
            return self.by_playbook, NOTHING
        phase = kill.phase.split(":")[0]
        begin = NOTHING if phase == EXPORT else Beginning(self.done, is_rehearsed=phase != REHEARSAL)
        if self.playbooks and kill.victim in (CONTROLLER, CONNECTION):
            return self.by_playbook, begin
        steps = {EXPORT: ("export", "import", "report"), REHEARSAL: ("rehearsal", "import", "report")}.get(phase, ("import", "report"))
        return replace(self.by_modules, steps=steps), begin


def prepare(sample: Sample, target: Target, directory: pathlib.Path, playbooks: bool = True) -> Prepared:
    """Migrate a sample without a fault."""
    note(f"{sample.name} without a fault")
    directory.mkdir()
    directory.chmod(0o755)
    playbook = Migration(sample, target, directory / "playbook")
    by_modules = replace(playbook, directory=directory / "modules", by_playbook=False)
    timed = playbook if sample.settings else by_modules
    timed.make()
    found = kills.spans(timed)
    if not sample.truth:
        sample.digests = digests(target, sample.database)
    aftermath.check(timed)
    return Prepared(playbook, by_modules, found, playbooks, None if timed is playbook else done_before_an_import(by_modules, directory))


def done_before_an_import(migration: Migration, directory: pathlib.Path) -> pathlib.Path:
    """Export and rehearse; return what that has written."""
    begun = replace(migration, directory=directory / "begun", steps=("export", "rehearsal"))
    begun.make()
    run = begun.run()
    if not run.succeeded:
        raise SystemExit(f"{migration.sample.name} cannot be rehearsed: {run.output[-2000:]}")
    return begun.work


def try_kills(chosen: list[Kill], samples: list[Prepared], result: Result, chance: random.Random) -> None:
    """Kill in migrations of the samples."""
    for number, kill in enumerate(chosen, start=1):
        if result.is_stopped:
            break
        able = [sample for sample in samples if sample.spans[kill.phase]]
        (sample,) = chance.choices(able, [1 / (1 + sum(sample.spans.values())) for sample in able])
        migration, begin = sample.migration(kill)
        name = f"{kill.victim} in {kill.phase} of {migration.sample.name}"
        begun = time.monotonic()
        try:
            outcome = kill_and_complete(kill, migration, sample.spans[kill.phase], chance, begin)
        except BrokenError as error:
            outcome = "broken"
            result.broken.append(f"kill {number}: {name} (after {kill.part:.2f} of it): {error}")
            aftermath.leave_nothing(migration, migration.target)
        if outcome:
            result.add(kill.victim, kill.phase, outcome)
        else:
            result.missed.append(name)
        note(f"kill {number} of {len(chosen)}: {name}: {outcome or 'missed'} ({time.monotonic() - begun:.0f} s)")


def try_troubles(chosen: list[troubles.Trouble], prepared: Prepared, result: Result, chance: random.Random, changed: dict[str, Any] | None = None) -> None:
    """Let each fault happen to a migration of its own, with these fields changed."""
    for trouble in chosen:
        if result.is_stopped:
            break
        begun = time.monotonic()
        migration, begin = prepared.migration(Kill(trouble.phase, CONTROLLER, 0.0))
        migration = replace(migration, **(changed or {}))
        try:
            if not _happens(trouble, migration, begin, chance):
                result.missed.append(f"{trouble.name} ({trouble.place})")
                continue
            outcome = aftermath.complete(migration)
            aftermath.check(migration)
        except troubles.SkipError as error:
            result.skipped.append(f"{trouble.name} ({trouble.place}): {error}")
            continue
        except BrokenError as error:
            outcome = "broken"
            result.broken.append(f"{trouble.name} ({trouble.place}): {error}")
            aftermath.leave_nothing(migration, migration.target)
        result.add(trouble.name, trouble.place, outcome)
        note(f"{trouble.name} ({trouble.place}): {outcome} ({time.monotonic() - begun:.0f} s)")


def _happens(trouble: troubles.Trouble, migration: Migration, begin: Beginning, chance: random.Random) -> bool:
    """Let a fault happen; return whether it has, before the run was over."""
    for _attempt in range(_MOST_ATTEMPTS):
        migration.make(begin)
        with contextlib.suppress(troubles.MissedError):
            trouble.cause(migration, chance)
            return True
    return False


def try_disks(prepared: Prepared, result: Result, chance: random.Random) -> None:
    """Let the disk become full: that of the migration, and that of the target."""
    directory = prepared.by_playbook.directory.parent
    try:
        with troubles.file_system(directory / "small", 500 * _MIB) as small:
            try_troubles([*troubles.FULL_DISKS], prepared, result, chance, {"elsewhere": small / "work"})
        with troubles.target_on_a_small_file_system(prepared.by_playbook.target, directory / "small_target") as target:
            try_troubles([troubles.FULL_TARGET], prepared, result, chance, {"target": target})
    except troubles.SkipError as error:
        result.skipped.append(f"full disks: {error}")


def table(result: Result) -> str:
    """Return what came of the faults as Markdown."""
    columns = [victim for victim in VICTIMS if any(name == victim for _place, name in result.outcomes)]
    lines = []
    for phase in PHASES:
        counts = [result.outcomes.get((phase, victim), Counter()) for victim in columns]
        total = sum(counts, Counter())
        if total:
            lines.append([phase, *(sum(count.values()) or "" for count in counts), *_outcome(total)])
    whole = sum((count for (place, _name), count in result.outcomes.items() if place in PHASES and _name in VICTIMS), Counter())
    by_column = [sum(sum(count.values()) for (_place, name), count in result.outcomes.items() if name == column) for column in columns]
    lines.append(["**all**", *by_column, *_outcome(whole)])
    killed = markdown_table(["phase", *columns, "resumed", "told that the job still ran", "broken"], lines)
    others = [[name, place, sum(count.values()), *_outcome(count)] for (place, name), count in result.outcomes.items() if name not in VICTIMS]
    head = ["fault", "place", "times", "resumed", "told that the job still ran", "broken"]
    return killed + ("\n" + markdown_table(head, others) if others else "")


def _outcome(count: Counter[str]) -> list[int]:
    return [count[aftermath.RESUMED], count[aftermath.WAITED], count["broken"]]


def words(result: Result, seed: int, names: list[str]) -> str:
    """Say what was killed, what was missed and what was broken."""
    lines = [f"Samples: {', '.join(names)}; seed {seed}. " + "Killed were: " + "; ".join(f"*{victim}*, {what}" for victim, what in VICTIMS.items()) + "."]
    if result.missed:
        lines.append(f"Not met, for the phase was too short: {'; '.join(result.missed)}.")
    if result.skipped:
        lines.append(f"Not tried here: {'; '.join(result.skipped)}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--work", default="/var/tmp", help="where to put the migrations and the target for the run")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="only the sample, from its files")
    size.add_argument("--large", action="store_true", help=f"TPC-C with a million rows, from {SHARED}")
    parser.add_argument("--only", choices=("kills", "troubles"), default="", help="leave out the others")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: result.stop())
    chance, result = random.Random(arguments.seed), Result()
    note(f"seed {arguments.seed}")
    with place_of_faults(arguments.work, find_bin_dir()) as (directory, target):
        samples = [shop(), *([] if arguments.small else [restored_shop()]), *([] if arguments.small else [tpcc(directory, arguments.large)])]
        prepared = [prepare(sample, target, directory / f"sample{number}") for number, sample in enumerate(samples)]
        if arguments.only != "troubles":
            try_kills(chosen_kills(arguments.kills, prepared, chance), prepared, result, chance)
        if arguments.only != "kills":
            try_troubles([*troubles.OTHERS, *troubles.S3], prepared[0], result, chance)
            try_disks(prepared[0], result, chance)
    markdown = f"{table(result)}\n{words(result, arguments.seed, [sample.name for sample in samples])}"
    print(markdown)
    if arguments.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), "faults", markdown), encoding="utf-8")
    if result.broken:
        raise SystemExit("\n\n".join([f"{len(result.broken)} faults were not survived; seed {arguments.seed}:", *result.broken]))


if __name__ == "__main__":
    main()
