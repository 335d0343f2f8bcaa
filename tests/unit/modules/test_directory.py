# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The directory of a migration on its host, and what is known of an earlier run in it."""
from __future__ import annotations

import getpass
import os
import subprocess
import sys
import types

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.removed_rows import REMOVED
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.directory import (
    make_directory,
    state_below,
    with_user,
)
from ansible_collections.nomos.cockroach_migrator.plugins.modules import dump_validate

MODULES = "ansible_collections.nomos.cockroach_migrator.plugins.modules"


def test_the_users_name_is_part_of_the_directory():
    assert with_user("/var/tmp/migrator-{user}") == f"/var/tmp/migrator-{getpass.getuser()}"
    assert with_user("/var/tmp/./plain") == "/var/tmp/plain"


def test_others_can_pass_through_every_new_directory(tmp_path):
    """Whatever the umask: the throw-away PostgreSQL of root runs as another user."""
    directory = tmp_path / "new" / "deep"
    before = os.umask(0o077)
    try:
        assert make_directory(str(directory), check=True) and not (tmp_path / "new").exists()
        assert make_directory(str(directory), check=False) and not make_directory(str(directory), check=False)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (directory, directory.parent)] == [0o711, 0o711]
    directory.chmod(0o700)
    assert make_directory(str(directory), check=True) and make_directory(str(directory), check=False)
    assert directory.stat().st_mode & 0o777 == 0o711


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/file cannot be made the migration.s directory: .*; set temp_dir to another one"):
        make_directory(str(tmp_path / "file" / "migration"), check=False)


def test_dump_and_state_may_be_below_the_directory_or_elsewhere(tmp_path):
    for place in ("dump", str(tmp_path / "elsewhere")):
        state = state_below(str(tmp_path), place, "state", ["db:5432"])
        assert (state.complete, state.rows_removed, any(state.done.values())) == (False, False, False)
        (tmp_path / place).mkdir()
        (tmp_path / place / REMOVED).write_text("", encoding="utf-8")
        assert state_below(str(tmp_path), place, "state", ["db:5432"]).rows_removed


@pytest.mark.parametrize("check_mode, reason", [(True, "there is no complete dump yet"), (False, "")])
def test_a_dump_that_is_not_there_is_no_reason_to_skip_its_validation_but_in_check_mode(tmp_path, check_mode, reason):
    module = types.SimpleNamespace(params={"dump_dir": str(tmp_path / "dump")}, check_mode=check_mode)
    assert dump_validate.reason_to_skip(module) == reason


@pytest.mark.parametrize("module", ["host_check", "migration_report", "migration_cleanup", "dump_validate", "backup_info", "postgres_preflight", "postgres_binaries"])
def test_modules_that_only_look_do_not_load_what_takes_long(module):
    """The SQL converter and requests; Ansible compiles everything that is imported anew in every call."""
    code = f"import sys, {MODULES}.{module}; print([name for name in ('sqlglot', 'requests', 'boto3', 'importlib.metadata') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.strip() == "[]"
