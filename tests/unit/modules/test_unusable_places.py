# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Files in the place of directories, links that lead nowhere, read-only file systems and failing disks, in each place that is written: one error that names the path."""
from __future__ import annotations

import contextlib
import errno
import os
import types

import pytest
import synthetic_dump
from exporting import export_backup
from full_disk import read_only_file_system

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import _ansible_module
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import write_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.journal import ExportJournal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import remove_rows
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.clean_up import Leftovers, clean_up
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.directory import make_directory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal_lock import only_rehearsal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.files import (
    ReportRequest,
    write_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    remove_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.cache_directory import work_directory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.json_file import read_json, write_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


def export(place, dump, backups) -> None:
    export_backup(BackupRequest(locations=(f"file://{backups}/types",)), place)


def report(place, dump, backups) -> None:
    write_report(ReportRequest(dump_dir=str(dump), report_dir=str(place), state_dir=str(dump.parent / "state"), target="t:1", failure="", run=""), check=False, diff=False)


def rehearsal(place, dump, backups) -> None:
    with only_rehearsal(str(place / "rehearsal")):
        pass


def cache(place, dump, backups) -> None:
    with work_directory(str(place)):
        pass


def chunk(place, dump, backups) -> None:
    with write_chunk(str(place / "00001.copy.zst"), "shop.public.t"):
        pass


WRITERS = {
    "dump": export, "chunk": chunk, "journal": lambda place, dump, backups: ExportJournal(str(place / "dump"), {}), "report": report,
    "state": lambda place, dump, backups: write_json(str(place / "validate.json"), {}), "log": lambda place, dump, backups: MigrationLog(str(place / "log"), "").write("x"),
    "rehearsal": rehearsal, "programs": cache, "migration": lambda place, dump, backups: make_directory(str(place / "migration"), check=False),
}


def in_the_way(kind: str, place) -> contextlib.AbstractContextManager:
    if kind == "file":
        place.write_text("theirs", encoding="utf-8")
    elif kind == "link":
        place.symlink_to(place.parent / "nowhere")
    else:
        place.mkdir()
        return read_only_file_system(place)
    return contextlib.nullcontext()


@pytest.mark.parametrize("kind", ["file", "link", "read-only"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_cannot_be_written_is_named(writer, kind, tmp_path, fixtures_dir):
    synthetic_dump.write(str(tmp_path / "dump"), "shop")
    place = tmp_path / "place"
    with in_the_way(kind, place), pytest.raises(ConfigurationError, match=rf"{place}.*(; |: remove it)") as caught:
        WRITERS[writer](place, tmp_path / "dump", fixtures_dir / "backups")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_server_or_state_is_named(kind, tmp_path):
    place = tmp_path / "place"
    in_the_way(kind, place)
    leftovers = Leftovers(str(tmp_path / "dump"), str(tmp_path / "state"), ["t:1"], str(place), "", "", "")
    for remove in (lambda: remove_server(str(place), "", check=False), lambda: clean_up(leftovers, check=False)):
        with pytest.raises(ConfigurationError, match=f"{place} is not a directory"):
            remove()
    assert os.path.lexists(place)
    if kind == "file":
        with pytest.raises(ConfigurationError, match=f"{place}/x.json: Not a directory; something that is no directory is in its place"):
            read_json(str(place / "x.json"))


def test_rows_that_cannot_be_removed(tmp_path):
    dump = tmp_path / "dump"
    synthetic_dump.write(str(dump), "shop")
    with read_only_file_system(next(dump.glob("*/data"))), pytest.raises(ConfigurationError, match=r"cannot be removed: .*clean up again"):
        remove_rows(str(dump), read_manifest(str(dump)).dump_id, check=False)
    assert remove_rows(str(dump), "", check=False).changed and not list(dump.rglob("*.zst"))


@pytest.mark.parametrize("number, advice", [
    (errno.EDQUOT, "make room there"), (errno.ENOSPC, "make room there"), (errno.EIO, "the kernel's log"), (errno.EROFS, "mount it for writing"),
    (errno.EACCES, "or its owner"), (errno.EFBIG, "ulimit"),
])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails(number, advice, call, tmp_path, monkeypatch):
    """No disk here fails, and nobody has a quota: the system's answer is a mock."""
    write_json(str(tmp_path / "state.json"), {"before": 1})

    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(ConfigurationError, match=f"cannot write {tmp_path}/state.json: {os.strerror(number)}; .*{advice}"):
        patch.setattr(os, call, fail)
        write_json(str(tmp_path / "state.json"), {"after": 1})
    assert read_json(str(tmp_path / "state.json")) == {"before": 1} and [path.name for path in tmp_path.iterdir()] == ["state.json"]


class EndedError(Exception):
    """What fail_json does here."""


def ending(function, log=None) -> str:
    """Return the message with which a module fails."""
    def fail(**result):
        raise EndedError(result["msg"])

    module = types.SimpleNamespace(params={}, no_log_values=set(), fail_json=fail, exit_json=fail, warn=lambda text: None)
    with pytest.raises(EndedError) as caught:
        _ansible_module.run(module, (), function, log)
    return str(caught.value)


def test_a_module_names_a_directory_that_nothing_else_has_named():
    assert ending(lambda: os.mkdir("/proc/nowhere/x")).startswith("cannot use /proc/nowhere/x: No such file or directory; a directory above it is missing")
    assert "please report it" in ending(lambda: {}["x"])


def test_a_failure_is_told_also_where_it_cannot_be_logged():
    def fail():
        raise ConfigurationError("the reason")

    log = MigrationLog("/proc/nowhere/log", "")
    assert ending(fail, log).startswith("the reason; besides, cannot write /proc/nowhere/log: ")
    assert ending(lambda: log.write("x"), log).count("/proc/nowhere/log") == 1
