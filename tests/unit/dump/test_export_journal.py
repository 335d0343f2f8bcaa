# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The journal of an unfinished export: full disks, journals that were cut off, emptied or damaged, and directories that are somebody else's."""
from __future__ import annotations

from types import SimpleNamespace

import pytest
from full_disk import filled, limited_files, small_file_system

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.journal import (
    FILE_NAME,
    ExportJournal,
    unfinished_identity,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.task_result import TaskResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.room import require_room_for_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import Plan

IDENTITY = {"cluster_id": "a", "end_time": [1, 0]}
TASKS = [TaskResult(f"task {number}", 101, rows=number) for number in range(40)]


@pytest.fixture(name="dump")
def _dump(tmp_path):
    """An export that was broken off after all of TASKS, with a chunk."""
    return broken_off(tmp_path / "dump")


def broken_off(directory):
    journal = ExportJournal(str(directory), IDENTITY)
    for task in TASKS:
        journal.add(task)
    chunk = directory / "shop" / "data" / "public.t" / "00001.copy.zst"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"rows")
    return directory


def test_what_an_interrupted_export_has_written_counts_as_room(dump, tmp_path, monkeypatch):
    """The disk is not made small: it is said to have half of what the dump needs."""
    (dump / "shop" / "data" / "public.t" / "00002.copy.zst").write_bytes(bytes(1 << 20))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    plan = Plan([], stored_bytes=2 << 20)
    require_room_for_dump(str(dump), plan)
    for directory in (dump, tmp_path / "other"):
        (dump / FILE_NAME).unlink(missing_ok=True)
        with pytest.raises(ConfigurationError, match="no room for the dump: .* has 1 MiB free, about 3 MiB are needed"):
            require_room_for_dump(str(directory), plan)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path):
    with small_file_system(tmp_path / "small") as small:
        dump = broken_off(small / "dump")
        before = (dump / FILE_NAME).read_bytes()
        with filled(small):
            with pytest.raises(ConfigurationError, match=f"cannot write {dump / FILE_NAME}: No space left on device"):
                ExportJournal(str(dump), IDENTITY)
            assert (dump / FILE_NAME).read_bytes() == before
            assert sorted(path.name for path in dump.iterdir()) == [FILE_NAME, "shop"]
        assert list(ExportJournal(str(dump), IDENTITY).done.values()) == TASKS


def test_a_disk_that_fills_up_while_tasks_end_loses_the_last_one_only(tmp_path):
    with small_file_system(tmp_path / "small") as small:
        dump = broken_off(small / "dump")
        journal = ExportJournal(str(dump), IDENTITY)
        long = TaskResult("long", 101, reasons=[("9" * 8192, "length", 1)])
        with filled(small), pytest.raises(ConfigurationError, match="No space left on device; finished chunks are kept"):
            journal.add(long)
        again = ExportJournal(str(dump), IDENTITY)
        assert list(again.done.values()) == TASKS and not again.warnings


@pytest.mark.parametrize("size", [0, 100])
def test_a_write_that_fails_leaves_the_journal_as_it_was(dump, size):
    before = (dump / FILE_NAME).read_bytes()
    with limited_files(size), pytest.raises(ConfigurationError, match="cannot write .*export.journal: File too large"):
        ExportJournal(str(dump), IDENTITY)
    assert (dump / FILE_NAME).read_bytes() == before
    assert len(ExportJournal(str(dump), IDENTITY).done) == len(TASKS)


@pytest.mark.parametrize("content", [b"", b'{"cluster', b"\0" * 200 + b"\n", b"null\n", b"[]\n", b"\xff\xfe\n"])
def test_a_journal_without_its_first_line_begins_the_export_again(dump, content):
    (dump / FILE_NAME).write_bytes(content)
    assert unfinished_identity(str(dump)) == {}
    (dump / "shop" / "catalog.json.part").write_text("{")
    journal = ExportJournal(str(dump), IDENTITY)
    assert not journal.done and [path.name for path in dump.iterdir()] == [FILE_NAME]
    assert len(journal.warnings) == 1 and FILE_NAME in journal.warnings[0] and "begins again" in journal.warnings[0]
    assert not ExportJournal(str(dump), IDENTITY).warnings


@pytest.mark.parametrize("content", [b"", b"garbage\n"])
def test_a_broken_journal_beside_other_files_says_what_to_remove(dump, content):
    (dump / FILE_NAME).write_bytes(content)
    (dump / "shop" / "precious.txt").write_text("kept")
    for stranger in ("photos", "notes.txt"):
        path = dump / stranger
        path.mkdir() if stranger == "photos" else path.write_text("kept")
    (dump / "photos" / "a.jpg").write_text("kept")
    with pytest.raises(ConfigurationError, match=r"empty or damaged.*\(notes.txt, photos, shop\).*remove .*dump"):
        ExportJournal(str(dump), IDENTITY)
    assert (dump / "photos" / "a.jpg").exists() and (dump / "shop" / "precious.txt").exists() and (dump / "notes.txt").exists()


def test_what_stands_before_a_damaged_line_counts(dump):
    lines = (dump / FILE_NAME).read_bytes().splitlines(keepends=True)
    lines[21] = b"\0\0\0\n"
    (dump / FILE_NAME).write_bytes(b"".join(lines))
    journal = ExportJournal(str(dump), IDENTITY)
    assert list(journal.done.values()) == TASKS[:20]
    assert len(journal.warnings) == 1 and "20 finished chunks count" in journal.warnings[0]
    again = ExportJournal(str(dump), IDENTITY)
    assert list(again.done.values()) == TASKS[:20] and not again.warnings


def test_the_journal_of_another_export_goes_with_its_chunks(dump):
    journal = ExportJournal(str(dump), {"cluster_id": "b"})
    assert not journal.done and not journal.warnings and not (dump / "shop").exists()


def test_a_directory_without_a_journal_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ConfigurationError, match="holds other files"):
        ExportJournal(str(tmp_path), IDENTITY)
    assert not (tmp_path / FILE_NAME).exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"
