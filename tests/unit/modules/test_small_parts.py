# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Host, log, results, libraries, PostgreSQL's programs."""
from __future__ import annotations

import os
import sys

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils import libraries, result_file, state
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.host import check_host
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.migration_log import MigrationLog
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres import binaries


def test_missing_library_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: None if name in ("psycopg2", "google_crc32c") else object())
    with pytest.raises(ConfigurationError) as caught:
        libraries.require(libraries.LOAD + libraries.READ_BACKUP)
    assert f"{sys.executable} -m pip install google-crc32c psycopg2-binary" in str(caught.value)


def test_boto3_is_needed_for_s3_only():
    assert "boto3" in libraries.for_locations(["s3://b/p"]) and "boto3" not in libraries.for_locations(["file:///b"])


def test_log_lines(tmp_path):
    path = tmp_path / "migration.log"
    log = MigrationLog(str(path), "phase")
    log.write("one\nline")
    log.progress({"rows": 1})
    log.progress({"rows": 2})
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["phase: one line", "phase: rows 1"]
    assert path.stat().st_mode & 0o777 == 0o600
    MigrationLog("", "phase").write("nothing")


def test_host_without_room(tmp_path):
    with pytest.raises(ConfigurationError, match="no room for the dump"):
        check_host(str(tmp_path / "new" / "deep"), 1 << 60)
    assert not (tmp_path / "new").exists()
    assert check_host(str(tmp_path), 1)["free_bytes"] > 1


def test_host_with_a_directory_that_others_may_write_to(tmp_path):
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(ConfigurationError, match="others may write"):
        check_host(str(directory), 0)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="not a directory"):
        check_host(str(tmp_path / "link"), 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_host_with_somebody_elses_directory(tmp_path):
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        check_host(str(directory), 0)


def test_result_of_a_run_without_work_keeps_the_earlier_one(tmp_path):
    path = state.result_path(str(tmp_path), "target_verify", "t:5432")
    result_file.keep_result(path, {"dump_id": "a", "target": "t", "changed": True, "seconds": 5.0})
    result_file.keep_result(path, {"dump_id": "a", "target": "t", "changed": False, "seconds": 0.1})
    assert result_file.read_result(path)["seconds"] == 5.0
    result_file.keep_result(path, {"dump_id": "b", "target": "t", "changed": False, "seconds": 0.2})
    assert state.verified_dump(str(tmp_path), ["t:5432"]) == "b"
    assert state.verified_dump(str(tmp_path), ["t:5432", "other:5432"]) == ""
    result_file.keep_result(path, {"dump_id": "b", "target": "t", "changed": False, "failed": True})
    assert state.verified_dump(str(tmp_path), ["t:5432"]) == ""


def test_damaged_result(tmp_path):
    path = tmp_path / "verify.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"verify\.json"):
        result_file.read_result(str(path))


def test_programs_of_a_version_that_cannot_be_had(tmp_path):
    with pytest.raises(ConfigurationError, match="no PostgreSQL 9 on this host"):
        binaries.provide_binaries("9.6", "", str(tmp_path), True, False)
    with pytest.raises(ConfigurationError, match="allow the download"):
        binaries.provide_binaries("16", "", str(tmp_path), False, False)


def test_programs_in_check_mode_download_nothing(tmp_path):
    result = binaries.provide_binaries("16.1", "", str(tmp_path / "cache"), True, True)
    assert (result["changed"], result["bin_dir"]) == (True, "") and not (tmp_path / "cache").exists()


def test_programs_of_the_installed_package(tmp_path):
    result = binaries.provide_binaries("17.0", "", str(tmp_path / "cache"), False, False)
    assert result["version"].startswith("17.") and os.path.exists(os.path.join(result["bin_dir"], "initdb"))
