# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The user's variables: what is refused, and how it is said."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import settings, settings_check

GOOD = {"migration_source": "backup", "s3_backup_path": "s3://backups/nightly"}

OLDER_TOOL = {
    "aws_access_key_id": "AKIA123", "aws_secret_access_key": "secret", "s3_backup_path": "s3://backups/nightly", "cockroach_version": "v24.3.5",
    "cockroach_port": 26257, "cockroach_http_port": 8080, "certs_dir": "cockroachdb/certs", "insecure_mode": True, "postgres_host": "localhost",
    "postgres_port": 30432, "postgres_database": "postgres", "postgres_username": "postgres", "postgres_version": "17.0", "postgres_password": "p",
    "skip_validation": False, "postgres_import_enabled": True, "test_postgresql_import": True, "test_postgres_port": 5433,
    "test_database_name": "migration_test", "test_username": "postgres", "test_password": "t", "do_cleanup": False, "temp_dir": "", "chunk_size": 10000,
}


def problem(**values) -> str:
    """Return the only problem of the values."""
    found = settings_check.check_values({**GOOD, **values})
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(("name", "nearest"), [("postgres_pasword", "postgres_password"), ("s3_backup_pth", "s3_backup_path"), ("POSTGRES_HOST", "postgres_host"), ("database", "databases")])
def test_mistyped_name(name, nearest):
    [line] = settings_check.unknown_keys([name], [], [])
    assert name in line and f"did you mean {nearest}?" in line


def test_unknown_name_without_a_near_one():
    assert settings_check.unknown_keys(["zzz"], [], []) == ["the variable zzz is not known"]


def test_names_for_something_else_pass():
    assert settings_check.unknown_keys(["ansible_user", "vault_secret", "rehearsal_port", *settings.BY_NAME], ["nginx_port", "group_names"], ["rehearsal_port"]) == []


def test_inventory_names_are_refused_only_when_very_near():
    [line] = settings_check.unknown_keys([], ["postgres_pasword", "http_port"], [])
    assert "postgres_pasword" in line and settings_check.IGNORED in line


def test_good_values():
    assert settings_check.check_values(GOOD) == []
    assert settings_check.check_values({**GOOD, "s3_backup_path": ["file:///full", "s3://bucket/incremental"], "postgres_port": "5432", "databases": {"include": ["a"]}}) == []


def test_config_of_the_older_tool():
    assert settings_check.unknown_keys(OLDER_TOOL, [], []) == []
    assert settings_check.check_values(OLDER_TOOL) == []
    assert settings_check.check_values({**OLDER_TOOL, "migration_source": "backup"}) == []


def test_a_deprecated_name_is_the_setting():
    assert settings_check.unknown_keys(["chunk_size"], ["chunk_size"], []) == []
    assert settings_check.deprecations({"chunk_size": 5, "parallelism": 1}) == ["The name chunk_size for the variable chunk_rows is deprecated."]
    assert settings_check.deprecations({"chunk_rows": 5}) == []
    assert problem(chunk_size=0).startswith("chunk_size is 0, it has to be a whole number")
    assert problem(chunk_size=5, chunk_rows=6) == "chunk_rows and chunk_size are names of the same setting: set only chunk_rows"
    assert problem(chunk_size="many", chunk_rows="").startswith("chunk_size is 'many'")


def test_no_name_of_a_setting_is_taken_twice():
    names = [name for setting in settings.SETTINGS for name in setting.names]
    assert sorted(names) == sorted(set(names))
    variables = [setting.role_variable(role) for setting in settings.SETTINGS for role in setting.roles]
    assert sorted(variables) == sorted(set(variables))
    options = [(module.partition(".")[0], setting.module_option(module.partition(".")[0])) for setting in settings.SETTINGS for module in setting.modules]
    assert sorted(options) == sorted(set(options))


def test_every_default_lies_between_its_bounds():
    assert [setting.name for setting in settings.SETTINGS if setting.type == "int" and not setting.minimum <= setting.default <= setting.maximum] == []


def test_arguments_of_a_module():
    arguments = settings.module_arguments("postgres_import")
    assert arguments["login_port"] == {"type": "int", "no_log": False, "default": 5432}
    assert arguments["login_password"]["no_log"] and arguments["connect_params"]["no_log"]
    assert "default" not in arguments["ca_cert"] and arguments["ca_cert"]["aliases"] == ["ssl_rootcert"]
    assert "default" not in arguments["ssl_mode"] and "verify-full" in arguments["ssl_mode"]["choices"]
    assert "dump_dir" not in arguments


def test_a_description_without_markup():
    assert settings.plain("With O(database_layout=schemas), V(public) of C(shop).") == "With database_layout: schemas, public of shop."
    assert settings.plain("O(aws_region)", "`") == "`aws_region`"
    [line] = settings_check.check_values({"migration_source": "backup"})
    assert "s3://bucket/prefix" in line and "C(" not in line


def test_older_tools_sample_is_refused_by_name():
    placeholders = {"aws_access_key_id": "YOUR_AWS_ACCESS_KEY_ID", "aws_secret_access_key": "YOUR_AWS_SECRET_ACCESS_KEY", "postgres_password": "YOUR_POSTGRES_PASSWORD"}
    found = " ".join(settings_check.check_values({**OLDER_TOOL, **placeholders, "s3_backup_path": "s3://mybucket/mybackupfolder"}))
    for name in [*placeholders, "s3_backup_path"]:
        assert f"{name} still holds the sample's placeholder" in found


def test_backup_path_is_needed_unless_a_cluster_is_read():
    for source in ("restore", "backup"):
        assert settings_check.check_values({"migration_source": source})[0].startswith("s3_backup_path is not set")
    assert settings_check.check_values({"migration_source": "cluster", "certs_dir": "/certs"}) == []


@pytest.mark.parametrize("location", ["nodelocal://1/nightly", "userfile://defaultdb.public.f/nightly?x=c2VjcmV0", "external://nightly"])
def test_locations_that_only_cockroachdb_reads(location):
    assert settings_check.check_values({"s3_backup_path": location}) == []
    line = settings_check.check_values({"migration_source": "backup", "s3_backup_path": location})[0]
    assert "migration_source: restore" in line and "c2VjcmV0" not in line


@pytest.mark.parametrize("location", [
    "s3://b/p?AWS_ACCESS_KEY_ID=AKIA&AWS_SECRET_ACCESS_KEY=hidden&COCKROACH_LOCALITY=default", "gs://bucket/nightly?CREDENTIALS=c2VjcmV0", "https://user:word@host/nightly",
    "azure-blob://c/nightly?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY=a%2Bb", "azure://c/nightly?AUTH=implicit&AZURE_ACCOUNT_NAME=n"])
def test_cockroachdbs_uris_are_locations_of_every_source(location):
    for source in ("backup", "restore"):
        assert settings_check.check_values({"migration_source": source, "s3_backup_path": location, "incremental_location": location}) == []


def test_cluster_is_verified_unless_cockroach_sslmode_says_otherwise():
    """insecure_mode, which the older tool set, is about the temporary node."""
    for insecure in ({}, {"insecure_mode": True}, {"insecure_mode": False}):
        [line] = settings_check.check_values({"migration_source": "cluster", **insecure})
        assert line.startswith("certs_dir is empty") and "cockroach_sslmode: verify-full" in line and "disable" in line and "clear text" in line
    assert settings_check.check_values({"migration_source": "cluster", "cockroach_url": "postgresql://h:26257/?sslmode=verify-full"}) == []
    for mode in ("disable", "require"):
        assert settings_check.check_values({"migration_source": "cluster", "cockroach_sslmode": mode}) == []
    assert "cockroach_sslmode" in settings_check.check_values({"migration_source": "cluster", "cockroach_sslmode": "none"})[0]


def test_options_of_restore():
    assert "everything" in settings_check.check_values({"s3_backup_path": "s3://b/p", "restore_skip_missing": ["everything"]})[0]
    assert settings_check.check_values({"s3_backup_path": "s3://b/p", "restore_skip_missing": ["views"]}) == []
    assert "list of URIs" in settings_check.check_values({"s3_backup_path": "s3://b/p", "kms_uris": "aws:///key"})[0]


@pytest.mark.parametrize("path", ["nightly", "ftp://host/x", "s3:/bucket", "s3://key:secret@bucket/x"])
def test_locations(path):
    line = problem(s3_backup_path=path)
    assert line.startswith("s3_backup_path") and "secret" not in line


@pytest.mark.parametrize("setting", ["s3_backup_path", "incremental_location"])
@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
def test_unknown_parameters_are_named_without_their_values(setting, scheme):
    line = problem(**{setting: f"{scheme}://b/p?AUTH=implicit&AWS_SECRET_ACCES_KEY=hidden"})
    assert line.startswith(setting) and "AWS_SECRET_ACCES_KEY" in line and "hidden" not in line and f"{scheme}://b/p" in line


@pytest.mark.parametrize("values", [
    {"postgres_port": "many"}, {"postgres_port": 70000}, {"chunk_rows": 0}, {"do_cleanup": "maybe"}, {"grants": "all"}, {"databases": {"only": ["a"]}},
    {"rename": ["a"]}, {"rename": {"a": ""}}, {"database_layout": "schema"}, {"database_layout": "schemas"}, {"merged_database": "one"}, {"content": "rows"},
    {"temp_dir": "relative"}, {"aws_access_key_id": "AKIA"}, {"postgres_version": "new"},
    {"conversion_policies": ["row_ttl"]}, {"conversion_policies": {"unique_rowid": "sequence"}}, {"conversion_policies": {"rowid": "function"}},
])
def test_bad_values(values):
    assert next(iter(values)) in problem(**values)


def test_selection():
    assert settings_check.selection("shop") == (["shop"], [])
    assert settings_check.selection(["a", "b"]) == (["a", "b"], [])
    assert settings_check.selection({"exclude": "x"}) == ([], ["x"])
    with pytest.raises(ConfigurationError):
        settings_check.selection([1])
