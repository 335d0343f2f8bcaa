# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Where a backup is: no character is lost, nothing is guessed, no secret is shown."""
from __future__ import annotations

import shutil

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration import settings_check
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.location import (
    Location,
    libraries_for,
    parse_location,
    without_secrets,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.storage_uri import (
    StorageAccess,
    public_uri,
    storage_uri,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system import libraries

KEYS = StorageAccess(StorageOptions("AKIA", "hush"))


@pytest.mark.parametrize(("text", "place"), [
    ("s3://bucket/back#up/2024", Location("s3", "back#up/2024", "bucket")),
    ("s3://bucket/a%20b/", Location("s3", "a%20b", "bucket")),
    ("s3://bucket", Location("s3", "", "bucket")),
    ("s3://bucket/a@b:c", Location("s3", "a@b:c", "bucket")),
    ("file:///srv/a%20b/c%23d", Location("file", "/srv/a b/c#d")),
    ("file:///srv/a#b", Location("file", "/srv/a#b")),
    ("/srv/a#b?c%20d", Location("file", "/srv/a#b?c%20d")),
])
def test_parts(text, place):
    assert parse_location(text) == place
    assert without_secrets(text) == text


@pytest.mark.parametrize("text", [
    "s3a://bucket/x", "s3n://bucket/x", "S3://bucket/x", "s3://bucket/a?b", "s3://", "s3:///x", "s3:/bucket", "s3://AKIA:hus/h@bucket/x", "s3://AKIA:hush@bucket/x",
    "file://host/x", "file:relative", "file:///x?y", "nightly", "", "gs://bucket/x?key=hush",
])
def test_what_is_refused(text):
    """Also by the settings, and by what hands locations to CockroachDB, with the same words."""
    with pytest.raises(ConfigurationError) as raised:
        parse_location(text)
    assert "hus" not in str(raised.value)
    if not text.startswith("gs:"):
        with pytest.raises(MigrationError):
            open_storage(text, StorageOptions())
        assert text in ("", "s3://bucket/a?b") or settings_check.check_values({"migration_source": "backup", "s3_backup_path": text})


def test_another_spelling_of_s3_is_refused_where_boto3_is_missing_too(monkeypatch):
    monkeypatch.setattr(libraries, "missing", lambda names: sorted(set(names) & {"boto3"}))
    with pytest.raises(ConfigurationError, match="boto3"):
        libraries.require(libraries_for(["s3://bucket/x"]))
    libraries.require(libraries_for(["s3a://bucket/x"]))
    with pytest.raises(ConfigurationError, match="write s3://bucket/prefix"):
        open_storage("s3a://bucket/x", StorageOptions())


def test_cockroachdb_gets_every_character():
    assert storage_uri("s3://bucket/back#up/a%b", KEYS).startswith("s3://bucket/back%23up/a%25b?")
    assert storage_uri("file:///srv/back#up/x", KEYS, "/srv") == "nodelocal://1/back%23up/x"
    assert public_uri("s3://bucket/back#up") == "s3://bucket/back#up"


def test_cockroachdbs_own_uris_are_not_cut_off():
    with pytest.raises(ConfigurationError, match="%23") as raised:
        storage_uri("gs://bucket/back#up?CREDENTIALS=hush", KEYS)
    assert "hush" not in str(raised.value)
    assert "%23" in settings_check.check_values({"s3_backup_path": "gs://bucket/back#up?CREDENTIALS=hush"})[0]
    assert storage_uri("gs://bucket/back%23up", KEYS) == "gs://bucket/back%23up"


def test_a_directory_with_awkward_characters(fixtures_dir, tmp_path):
    directory = tmp_path / "back#up%20?x"
    shutil.copytree(fixtures_dir / "backups" / "types", directory)
    expected = open_backup(BackupRequest((str(fixtures_dir / "backups" / "types"),))).descriptors
    assert open_backup(BackupRequest((str(directory),))).descriptors == expected
    assert open_backup(BackupRequest((directory.as_uri(),))).descriptors == expected
