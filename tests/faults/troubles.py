# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Faults other than kills: full disks, S3 that fails, a target that restarts, two runs at once, a clock that was set back.

Each function lets a fault happen to a migration and returns what to put into the table; the caller completes the migration and looks at it.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import faulty_server
from aftermath import require_words
from kills import EXPORT, IMPORT, LOAD, REHEARSAL, REPORT, Kill, Observer, strike
from migrations import BrokenError, Migration, Run, Target, wait_for_end

_MIB = 1 << 20
_PAGE = 1 << 16
_NO_ROOM = "No space left on device"


class SkipError(Exception):
    """What this machine does not allow."""


class MissedError(Exception):
    """The run was over before the fault happened."""


@dataclass(frozen=True)
class Trouble:
    """A fault. ``cause`` gets the migration, made, and a source of chance; it is called when nothing runs."""

    name: str
    place: str
    phase: str
    """With which the migration begins."""
    cause: Callable[[Migration, random.Random], None]


@contextlib.contextmanager
def file_system(directory: pathlib.Path, size: int) -> Iterator[pathlib.Path]:
    """Mount a small file system for a block. Raises SkipError where that is not allowed."""
    if os.geteuid() != 0:
        raise SkipError("only root can make a small file system")
    directory.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(directory)], check=False, capture_output=True).returncode:
        raise SkipError("this machine lets nobody mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: pathlib.Path) -> pathlib.Path:
    """Fill the file system of a directory; return the file that does so."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        # At once, for a phase may be short.
        os.posix_fallocate(file.fileno(), 0, max(_PAGE, shutil.disk_usage(directory).free - _MIB))
    for piece in (b"x" * _PAGE, b"x"):
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(piece)
    return filler


def failed(run: Run, *words: str, may_miss: bool = False) -> None:
    """Wait for a run that has to fail with these words. Raises BrokenError, or MissedError if it is one that may end before the fault."""
    run.wait()
    require_words(run)
    if run.succeeded and may_miss:
        raise MissedError
    missing = [word for word in words if word not in run.output]
    if run.succeeded or missing:
        raise BrokenError(f"the run {'succeeds' if run.succeeded else f'does not say {missing}'}: {run.output[-3000:]}")


def full_while(phase: str, directory: Callable[[Migration], pathlib.Path], *words: str) -> Callable[[Migration, random.Random], None]:
    """Fill the file system of a directory when a phase is seen, and make room again when the run has failed."""
    def cause(migration: Migration, chance: random.Random) -> None:
        run = migration.start()
        observer = Observer(migration, run)
        while run.process.poll() is None and not observer.look().phase.startswith(phase):
            time.sleep(0.002)
        filler = fill(directory(migration))
        try:
            failed(run, *words, may_miss=True)
        finally:
            filler.unlink()

    return cause


def full_before(name: str, *words: str) -> Callable[[Migration, random.Random], None]:
    """Give a directory of the migration a file system of its own that has no room, for one run."""
    def cause(migration: Migration, chance: random.Random) -> None:
        directory = migration.place / name
        directory.mkdir(parents=True, exist_ok=True)
        with file_system(directory, _PAGE):
            fill(directory)
            failed(migration.run(), str(directory), *words)

    return cause


def restarted(mode: str) -> Callable[[Migration, random.Random], None]:
    """Restart the target in the middle of an import."""
    def cause(migration: Migration, chance: random.Random) -> None:
        run = migration.start()
        observer = Observer(migration, run)
        while run.process.poll() is None and not observer.look().phase.startswith(f"{IMPORT}: {LOAD}"):
            time.sleep(0.002)
        if mode == "fast":
            migration.target.stop()
        else:
            migration.target.kill()
        migration.target.start()
        run.wait()
        require_words(run)

    return cause


def two_at_once(migration: Migration, chance: random.Random) -> None:
    """Start the same command twice, one a moment after the other. Whichever fails has to be told of the other."""
    first = migration.start()
    time.sleep(chance.uniform(0.0, 4.0))
    second = migration.start()
    for run in (first, second):
        run.wait()
        require_words(run)
    refused = [run for run in (first, second) if not run.succeeded]
    if len(refused) == 2 or any(not run.was_refused for run in refused):
        raise BrokenError(f"two runs at once: {[run.output[-2000:] for run in refused]}")


def clock_set_back(migration: Migration, chance: random.Random) -> None:
    """Interrupt an import, and put all that was written with a time into the future: to the next run the clock is a day behind."""
    run = migration.start()
    if not strike(Kill(f"{IMPORT}: {LOAD}", "module", 0.0), migration, run, 0.0, chance):
        raise MissedError
    run.wait()
    wait_for_end(lambda: [process for process in migration.processes() if "postgres" not in process.name()])
    for path in migration.place.glob("state/*.json"):
        value = json.loads(path.read_text(encoding="utf-8"))
        if "finished_at" in value:
            path.write_text(json.dumps({**value, "finished_at": "2999-01-01T00:00:00.000Z"}), encoding="utf-8")
    migration.target.query(migration.sample.database, "UPDATE cockroach_migrator.ledger SET finished_at = finished_at + interval '1 day'")
    future = time.time() + 86400
    for path in migration.work.rglob("*"):
        os.utime(path, (future, future), follow_symlinks=False)


def from_s3(fault: Callable[[faulty_server.Request], object], must_fail: bool) -> Callable[[Migration, random.Random], None]:
    """Read the backup from an S3 server that has a fault; then, in the same migration, from one that has none."""
    def cause(migration: Migration, chance: random.Random) -> None:
        import boto3

        with faulty_server.running_s3() as server:
            client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
            client.create_bucket(Bucket="backups")
            root = pathlib.Path(migration.sample.backup.removeprefix("file://"))
            for path in root.rglob("*"):
                if path.is_file():
                    client.upload_file(str(path), "backups", f"shop/{path.relative_to(root)}")
            access = {"s3_endpoint_url": server.url, "aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
            read = replace(migration, sample=replace(migration.sample, backup="s3://backups/shop"), settings={**access, "storage_timeout": 3})
            server.reset()
            server.fault = fault
            run = read.run()
            require_words(run)
            if run.succeeded == must_fail:
                raise BrokenError(f"S3 with a fault: {run.output[-2000:]}")
            server.reset()
            server.fault = lambda request: None
            if not (again := read.run()).succeeded:
                raise BrokenError(f"S3 whose fault has passed: {again.output[-2000:]}")

    return cause


@contextlib.contextmanager
def target_on_a_small_file_system(like: Target, directory: pathlib.Path) -> Iterator[Target]:
    """Give a block another target, which has a file system of its own."""
    with file_system(directory, 700 * _MIB):
        target = Target(directory / "server", like.bin_dir)
        target.start()
        try:
            yield target
        finally:
            target.kill()


def _full(place: str, phase: str, words: str) -> Trouble:
    return Trouble("the disk becomes full", f"{place}, in the phase {phase}", phase, full_while(phase, lambda migration: migration.work, words))


FULL_DISKS = (_full("dump", EXPORT, "room"), _full("data directory", REHEARSAL, _NO_ROOM), _full("state and log", IMPORT, _NO_ROOM))
"""All that the migration writes is on one small file system."""
FULL_TARGET = Trouble("the disk becomes full", "target", IMPORT, full_while(IMPORT, lambda migration: migration.target.directory.parent, _NO_ROOM))
OTHERS = (
    *(Trouble("no room from the start", name, phase, full_before(name)) for name, phase in (("dump", EXPORT), ("state", REHEARSAL), ("report", REPORT))),
    Trouble("the target restarts", "import, pg_ctl -m fast", IMPORT, restarted("fast")),
    Trouble("the target restarts", "import, pg_ctl -m immediate", IMPORT, restarted("immediate")),
    Trouble("two runs at once", "the second begins in any phase", EXPORT, two_at_once),
    Trouble("the clock is set back by a day", IMPORT, IMPORT, clock_set_back),
)
S3 = (
    Trouble("S3 refuses every third request", EXPORT, EXPORT, from_s3(lambda request: faulty_server.refusal() if request.number % 3 == 0 else None, must_fail=False)),
    Trouble("S3 refuses all requests", EXPORT, EXPORT, from_s3(lambda request: faulty_server.refusal(), must_fail=True)),
    Trouble("S3 never answers", EXPORT, EXPORT, from_s3(lambda request: faulty_server.silent() if request.number > 3 else None, must_fail=True)),
    Trouble("S3 breaks every answer off", EXPORT, EXPORT, from_s3(lambda request: faulty_server.stopping(request) if request.name.endswith(".sst") else None, must_fail=True)),
)
