# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Exports that were broken off, repeated, narrowed or pointed at the wrong directory."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from exporting import export_backup
from full_disk import limited_files
from journey import export

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import is_complete, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.paths import MANIFEST
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import (
    RowsRemoval,
    remove_rows,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

SHOP_ROWS = 44216


@pytest.fixture(name="location")
def _location(fixtures_dir):
    return f"file://{fixtures_dir}/backups/shop"


def rows_of(dump) -> int:
    return sum(table.rows for database in read_manifest(str(dump)).databases for table in database.tables)


def test_a_killed_export_goes_on(location, tmp_path):
    dump = tmp_path / "dump"
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]; from journey import export; from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export import workers as e\n"
        "import time; write = e._write_rows\n"
        "def slow(*arguments):\n    time.sleep(0.5); return write(*arguments)\n"
        "e._write_rows = slow; export([sys.argv[1]], sys.argv[2])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, location, str(dump), *sys.path], start_new_session=True)
    journal = dump / "export.journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text(encoding="utf-8").count("sha256") >= 3):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not is_complete(str(dump))
    finished = {path: path.stat().st_mtime_ns for path in dump.rglob("*.copy.zst")}
    assert finished
    kept = [line for line in journal.read_text(encoding="utf-8").splitlines() if "sha256" in line]
    assert export([location], dump).rows == SHOP_ROWS
    assert sum(path.stat().st_mtime_ns == before for path, before in finished.items()) >= len(kept)
    assert validate_dump(str(dump)).succeeded


def test_an_emptied_journal_is_no_dead_end(location, tmp_path):
    """As a full disk left it before the journal was written whole."""
    dump = tmp_path / "dump"
    export([location], dump)
    (dump / MANIFEST).unlink()
    (dump / "export.journal").touch()
    again = export([location], dump)
    assert again.rows == SHOP_ROWS and "begins again" in again.warnings[0]
    assert validate_dump(str(dump)).succeeded


def test_a_second_export_changes_nothing(location, tmp_path):
    assert export([location], tmp_path / "dump").changed
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "dump").rglob("*")}
    assert not export([location], tmp_path / "dump").changed
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "dump").rglob("*")}


def test_rows_that_were_removed_come_back_when_they_are_needed(location, tmp_path):
    dump = tmp_path / "dump"
    assert remove_rows(str(dump), "", check=False) == RowsRemoval(False)
    export([location], dump)
    with limited_files(0), pytest.raises(ConfigurationError, match="cannot write .*rows_removed"):
        remove_rows(str(dump), read_manifest(str(dump)).dump_id, check=False)
    assert validate_dump(str(dump)).succeeded
    remove_rows(str(dump), read_manifest(str(dump)).dump_id, check=False)
    request = BackupRequest(locations=(location,))
    assert not export_backup(request, dump, rows_needed=False).changed
    assert export([location], dump).changed
    assert validate_dump(str(dump)).succeeded


def test_the_dump_of_another_backup_is_never_overwritten(location, fixtures_dir, tmp_path):
    export([location], tmp_path / "dump")
    with pytest.raises(ConfigurationError, match="another backup"):
        export([f"file://{fixtures_dir}/backups/types"], tmp_path / "dump")
    assert rows_of(tmp_path / "dump") == SHOP_ROWS


def test_a_directory_with_other_files_is_refused(location, tmp_path):
    (tmp_path / "precious.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="other files"):
        export([location], tmp_path)
    assert (tmp_path / "precious.txt").read_text(encoding="utf-8") == "kept"


def test_patterns_choose_tables_and_say_what_they_lose(location, tmp_path):
    selection = Selection(include=("shop.public.orders", "shop.public.order_items"), exclude=())
    export_backup(BackupRequest(locations=(location,)), tmp_path / "dump", selection=selection)
    manifest = read_manifest(str(tmp_path / "dump"))
    assert {table.name for table in manifest.databases[0].tables} == {"orders", "order_items"}
    lost = {finding.object for finding in manifest.findings if finding.code == "foreign_key_without_target"}
    assert lost == {"shop.public.orders.fk_customer", "shop.public.order_items.order_items_sku_fkey"}


def test_a_pattern_that_names_nothing_is_refused(location, tmp_path):
    with pytest.raises(ConfigurationError, match="ordrs"):
        export_backup(BackupRequest(locations=(location,)), tmp_path / "dump", selection=Selection(include=("shop.public.ordrs",)))
