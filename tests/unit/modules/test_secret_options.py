# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every option that takes a secret is known as one to Ansible, and no object shows one that it holds."""
from __future__ import annotations

import importlib
import pathlib
import re

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import Rehearsal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.settings import (
    MAY_HOLD_SECRETS,
    SETTINGS,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Role
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection_parameters import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import WantedServer
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_request import (
    BackupRequest,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import RestoreRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

MODULES = sorted(path.stem for path in (pathlib.Path(__file__).resolve().parents[3] / "plugins" / "modules").glob("*.py"))
SECRET = {
    "backup_export": {"aws_secret_access_key", "aws_session_token", "encryption_passphrase", "dump_encryption_key"},
    "backup_info": {"aws_secret_access_key", "aws_session_token", "encryption_passphrase"},
    "cockroach_export": {"url", "login_password", "dump_encryption_key"},
    "cockroach_restore": {"aws_secret_access_key", "aws_session_token", "encryption_passphrase", "url", "login_password"},
    "cockroach_server": {"environment"},
    "dump_validate": {"dump_encryption_key"},
    "host_check": {"dump_encryption_key"},
    "migration_rollback": {"login_password", "connect_params"},
    "postgres_import": {"login_password", "connect_params", "dump_encryption_key"},
    "postgres_preflight": {"login_password", "connect_params"},
    "postgres_rehearsal": {"password", "dump_encryption_key"},
    "postgres_server": {"password"},
    "postgres_verify": {"login_password", "connect_params"},
}
"""The options that are secrets, by hand."""
HIDDEN_IN_PART = {"locations", "incremental_location", "kms_uris", "mirror_url"}
"""The secrets in them are hidden by the modules: test_secrets_of_locations.py, test_provisioning.py."""
NOT_SECRET = {
    "aws_access_key_id": "the public half", "role_passwords": "yes or no", "require_dump_key": "yes or no", "dump_encryption_key_command": "where the key is asked for",
    "client_key": "a path", "s3_endpoint_url": "an address",
}
LOOKS_SECRET = re.compile(r"pass|secret|token|key|cred|phrase|ur[il]|params|location")


class Asked(Exception):
    """The argument spec of a module."""


def options_of(name: str, monkeypatch) -> dict[str, dict]:
    module = importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.plugins.modules.{name}")

    def ask(argument_spec, **_more):
        raise Asked(argument_spec)

    monkeypatch.setattr(module, "AnsibleModule", ask)
    with pytest.raises(Asked) as asked:
        module.main()
    return asked.value.args[0]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "check_settings"])
def test_secrets_are_not_logged(name, monkeypatch):
    options = options_of(name, monkeypatch)
    assert {option for option, spec in options.items() if spec.get("no_log")} == SECRET.get(name, set())
    assert not {option for option in options if LOOKS_SECRET.search(option)} - SECRET.get(name, set()) - HIDDEN_IN_PART - set(NOT_SECRET)
    # Ansible warns of a name that looks like a secret unless it is said that it is none.
    assert all("no_log" in options[option] for option in NOT_SECRET if option in options and option not in ("client_key", "s3_endpoint_url"))


def test_every_secret_setting_is_a_secret_option():
    for setting in SETTINGS:
        for module in MODULES:
            if option := setting.module_option(module):
                assert (option in SECRET.get(module, set())) == setting.secret, (setting.name, module)
    assert {setting.name for setting in SETTINGS if LOOKS_SECRET.search(setting.name)} - MAY_HOLD_SECRETS == {
        "aws_keys_file", "aws_access_key_id", "s3_endpoint_url", "postgres_sslkey", "dump_encryption_key_command"}


HUSH = "hush-77c1"
STORAGE = StorageOptions(secret_access_key=HUSH, session_token=HUSH)


@pytest.mark.parametrize("holder", [
    ConnectionParameters(password=HUSH, connect_params={"sslpassword": HUSH}), CockroachParameters(password=HUSH), STORAGE, BackupRequest(("file:///x",), passphrase=HUSH, storage=STORAGE),
    RestoreRequest(("file:///x",), "/x", passphrase=HUSH, storage=STORAGE), Role("r", password_hash=HUSH), ServerOptions("/x", "/y", password=HUSH),
    Rehearsal("/x", "/y", WantedServer("/x", password=HUSH), 1, False, "skip", ""),
], ids=lambda holder: type(holder).__name__)
def test_no_object_shows_the_secret_that_it_holds(holder):
    """A debugger, an assertion or a log of a library may print it."""
    assert HUSH not in repr(holder)
