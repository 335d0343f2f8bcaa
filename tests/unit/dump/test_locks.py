# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Two runs in one dump or rehearsal: the second is told who works there, and what a killed run has left is in nobody's way."""
from __future__ import annotations

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys

import psutil
import pytest
import synthetic_dump
from exporting import export_backup
from full_disk import read_only_file_system

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump import dump_lock, journal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import is_complete, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import (
    RowsRemoval,
    remove_rows,
    rows_removed,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.clean_up import Leftovers, clean_up
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import RecordedPhase
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal_lock import only_rehearsal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.start_over import start_over
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.validate_phase import run_validation
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import locked_file, run_lock
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
MODULES = "ansible_collections.nomos.cockroach_migrator.plugins.module_utils"
HOLDER = f"""
import os, sys, time
from {MODULES}._dump import dump_lock
from {MODULES}._migration.rehearsal_lock import only_rehearsal
with eval(sys.argv[1])(sys.argv[2]):
    if sys.argv[3] == "fork" and os.fork():
        print("ready", flush=True)
        time.sleep(60)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(run_lock, "_WAIT_SECONDS", 0.3)


@contextlib.contextmanager
def held(kind: str, directory: pathlib.Path, fork: bool = False):
    """Another process, with a fork or without, that holds a lock of the directory."""
    command = [sys.executable, "-c", HOLDER, kind, str(directory), "fork" if fork else ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(CHECKOUT / ".collections")}) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            for other in [*psutil.Process(process.pid).children(), process] if process.poll() is None else []:
                other.kill()


@pytest.fixture(name="dump")
def _dump(tmp_path):
    synthetic_dump.write(str(tmp_path / "dump"), "shop")
    return tmp_path / "dump"


def leftovers(directory: pathlib.Path) -> Leftovers:
    return Leftovers(str(directory / "dump"), str(directory / "state"), ["t:5432"], str(directory / "rehearsal"), "", "", "")


def test_whoever_writes_a_dump_is_named_to_all_others(dump, tmp_path, fixtures_dir):
    phase = RecordedPhase(str(dump), "", "", "")
    others = {
        "export": lambda: export_backup(BackupRequest(locations=(f"file://{fixtures_dir}/backups/types",)), dump),
        "validation": lambda: run_validation(phase, 1, MigrationLog("", "")),
        "start over": lambda: start_over(str(dump), str(tmp_path / "state"), "m", check=False),
        "clean-up": lambda: clean_up(leftovers(tmp_path), check=False),
    }
    with held("dump_lock.writing", dump) as holder:
        words = rf"^{re.escape(str(dump))} is in use: process {holder.pid} on {re.escape(socket.gethostname())} since 20..-..-..T..:..:..Z works there; wait until it"
        for other in others.values():
            with pytest.raises(ConfigurationError, match=words):
                other()
        assert not clean_up(leftovers(tmp_path), check=True).changed
    assert validate_dump(str(dump)).succeeded
    assert others["start over"]().kept and [path.name for path in tmp_path.iterdir()] == ["dump-m"] and not (tmp_path / "dump-m" / dump_lock.FILE_NAME).exists()


def test_readers_do_not_disturb_each_other(dump, tmp_path):
    with held("dump_lock.reading", dump), held("dump_lock.reading", dump) as second:
        with dump_lock.reading(str(dump)):
            pass
        with pytest.raises(ConfigurationError, match=rf"process \d+ on .*, process {second.pid} on .* works there"):
            start_over(str(dump), str(tmp_path / "state"), "m", check=False)
    with dump_lock.reading(str(dump)):
        pass
    assert not (dump / dump_lock.FILE_NAME).exists()


@pytest.mark.parametrize("content", ["", "{\n", "[]\n", '{"pid": "x", "host": 3}\n', '{"pid": 99999999999999999999, "host": "elsewhere", "since": ""}\n'])
def test_what_a_killed_run_has_left_is_no_lock(dump, content):
    with held("dump_lock.writing", dump) as holder:
        holder.kill()
    assert (dump / dump_lock.FILE_NAME).read_text(encoding="utf-8")
    (dump / dump_lock.FILE_NAME).write_text(content, encoding="utf-8")
    with dump_lock.writing(str(dump)):
        assert f'"pid": {os.getpid()},' in (dump / dump_lock.FILE_NAME).read_text(encoding="utf-8")
    assert not (dump / dump_lock.FILE_NAME).exists()


@pytest.mark.parametrize("line", ['{"pid": null, "host": "HERE", "since": ""}', '{"pid": [1], "host": "HERE", "since": {}}', '{"pid": 1e999, "host": "HERE", "since": ""}', '{"pid": 5, "host": null, "since": 1}'])
def test_a_lock_file_in_which_anything_may_stand(dump, line, monkeypatch):
    monkeypatch.setattr(run_lock, "_WAIT_SECONDS", 0.1)
    (dump / dump_lock.FILE_NAME).write_text(line.replace("HERE", socket.gethostname()) + "\n", encoding="utf-8")
    descriptor = locked_file.open_locked(str(dump / dump_lock.FILE_NAME))
    try:
        with pytest.raises(ConfigurationError, match="is in use: another process holds"), dump_lock.writing(str(dump)):
            pass
    finally:
        os.close(descriptor)


def test_forks_of_a_killed_run_hold_its_lock_until_they_end(dump):
    with held("dump_lock.writing", dump, fork=True) as holder:
        (fork,) = psutil.Process(holder.pid).children()
        holder.kill()
        holder.wait()
        with pytest.raises(ConfigurationError, match=rf"in use: process {holder.pid} on .* was killed, and processes that it started still work there"), dump_lock.writing(str(dump)):
            pass
        fork.kill()
        run_lock._WAIT_SECONDS = 5
        with dump_lock.writing(str(dump)):
            pass


def test_two_rehearsals_and_a_clean_up_in_one_directory(dump, tmp_path):
    with held("only_rehearsal", tmp_path / "rehearsal") as holder:
        (tmp_path / "rehearsal").mkdir()
        for other in (lambda: only_rehearsal(str(tmp_path / "rehearsal")).__enter__(), lambda: clean_up(leftovers(tmp_path), check=False)):
            with pytest.raises(ConfigurationError, match=f"/rehearsal is in use: process {holder.pid} on"):
                other()
    assert (tmp_path / "rehearsal").exists()
    assert clean_up(leftovers(tmp_path), check=False).changed and sorted(path.name for path in tmp_path.iterdir()) == ["dump"]


def test_a_dump_on_a_file_system_that_is_read_only_is_read(dump, tmp_path):
    with read_only_file_system(dump), dump_lock.reading(str(dump)):
        assert validate_dump(str(dump)).succeeded


def test_no_directory_is_left_where_nothing_was_written(tmp_path):
    with dump_lock.writing(str(tmp_path / "new")), dump_lock.reading(str(tmp_path / "none")), dump_lock.changing(str(tmp_path / "neither")):
        pass
    assert not list(tmp_path.iterdir())


class KilledError(Exception):
    """Stands for a signal that nothing can catch: nobody catches this one either."""


def killed_after(monkeypatch, count: int) -> None:
    """Have the removal of a dump end before its part of that number."""
    removed = []

    def remove(path: str, remove=journal._remove) -> None:
        if len(removed) == count:
            raise KilledError
        removed.append(path)
        remove(path)

    monkeypatch.setattr(journal, "_remove", remove)


@pytest.mark.parametrize("count", range(7))
def test_a_removal_that_was_killed_is_completed(dump, tmp_path, fixtures_dir, count, monkeypatch):
    """By starting over, and by an export that would make another dump there."""
    assert remove_rows(str(dump), read_manifest(str(dump)).dump_id, check=False).changed
    with monkeypatch.context() as patch, contextlib.suppress(KilledError):
        killed_after(patch, count)
        start_over(str(dump), str(tmp_path / "state"), "m", check=False)
    if count % 2:
        assert start_over(str(dump), str(tmp_path / "state"), "m", check=False).kept == "" and not dump.exists()
    else:
        export_backup(BackupRequest(locations=(f"file://{fixtures_dir}/backups/types",)), dump)
        assert validate_dump(str(dump)).succeeded


def test_a_clean_up_that_was_killed_is_completed_by_the_next_one(dump, monkeypatch):
    verified = read_manifest(str(dump)).dump_id
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("shutil.rmtree", lambda path: (_ for _ in ()).throw(KilledError))
        remove_rows(str(dump), verified, check=False)
    assert rows_removed(str(dump)) and list(dump.rglob("*.zst"))
    assert remove_rows(str(dump), "", check=True) == remove_rows(str(dump), "", check=False) == RowsRemoval(True)
    assert not list(dump.rglob("*.zst")) and remove_rows(str(dump), "", check=False) == RowsRemoval(False) and is_complete(str(dump))
