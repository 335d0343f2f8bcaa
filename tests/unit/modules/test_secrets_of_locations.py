# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A module that takes a backup's locations writes none of their secrets into the host's syslog, and returns none."""
from __future__ import annotations

import importlib
import json

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

SECRET = "aHVzaC1odXNo"


@pytest.mark.parametrize("location", [
    f"gs://backups/x?CREDENTIALS={SECRET}", f"azure-blob://c/x?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY={SECRET}&AUTH=implicit", f"http://user:{SECRET}@127.0.0.1:1/x",
    f"s3://b/x?AWS_SECRET_ACCESS_KEY={SECRET}"])
@pytest.mark.parametrize(("name", "more"), [
    ("backup_info", {}), ("backup_export", {"dump_dir": "/nowhere"}), ("cockroach_restore", {"state_file": "/nowhere", "login_port": 1, "ssl_mode": "disable"})])
def test_no_secret_is_logged_or_returned(name, more, location, monkeypatch, capsys):
    logged: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, message, log_args=None: logged.append(f"{message} {log_args}"))
    module = importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.plugins.modules.{name}")
    with patch_module_args({"locations": [location], **more}), pytest.raises(SystemExit):
        module.main()
    printed = capsys.readouterr().out
    assert SECRET not in "".join(logged) and SECRET not in printed
    assert json.loads(printed)["failed"]
