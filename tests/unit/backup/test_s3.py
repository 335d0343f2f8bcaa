# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Real boto3 against an S3 server on this machine: what is read, and what each failure says."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import boto3
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    CorruptBackupError,
    MigrationError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

START, END = b"\x80", b"\xfd"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def options():
    """How to reach a server that is stopped when the module's tests are done."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _attempt in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield StorageOptions("key", "hush", region="us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def client(options):
    return boto3.client(
        "s3", endpoint_url=options.endpoint_url, aws_access_key_id="key", aws_secret_access_key="hush", region_name="us-east-1")


@pytest.fixture(scope="module")
def bucket(client, fixtures_dir):
    client.create_bucket(Bucket="backups")
    for name in ("types", "modern-shaped/types-v5"):
        root = fixtures_dir / "backups" / name
        for path in root.rglob("*"):
            if path.is_file():
                client.upload_file(str(path), "backups", f"nightly/{name}/{path.relative_to(root)}")
    return "s3://backups/nightly"


def read(location, options):
    backup = open_backup(BackupRequest((location,), storage=options))
    tally: dict[int, int] = {}
    return backup, [pair for batch in backup.scan(START, END, tally) for pair in zip(*batch)]


@pytest.mark.parametrize("name", ["types", "modern-shaped/types-v5"])
def test_a_bucket_gives_the_same_as_a_directory(bucket, options, fixtures_dir, name):
    backup, rows = read(f"{bucket}/{name}", options)
    expected, expected_rows = read(str(fixtures_dir / "backups" / name), StorageOptions())
    assert rows == expected_rows
    assert backup.descriptors == expected.descriptors
    assert backup.info.locations == [f"{bucket}/{name}"]


def test_ranges(bucket, options, client):
    content = os.urandom(100)
    client.put_object(Bucket="backups", Key="nightly/x/a/file", Body=content)
    client.put_object(Bucket="backups", Key="nightly/x/empty", Body=b"")
    storage = open_storage(f"{bucket}/x", options)
    assert storage.read_range("a/file", 90, 20) == content[90:]
    assert storage.read_range("a/file", 100, 20) == b""
    assert storage.read_start("a/file", 30) == (content[:30], 100)
    assert storage.read_start("a/file", 300) == (content, 100)
    assert storage.read_start("empty", 300) == (b"", 0)
    assert storage.read_end("a/file", 30) == (content[70:], 100)
    assert storage.read_end("a/file", 300) == (content, 100)
    assert storage.read_end("empty", 300) == (b"", 0)
    assert storage.size("a/file") == 100
    assert storage.list() == ["a/", "empty"]
    assert storage.exists("empty")
    assert not storage.exists("a")


def test_no_such_bucket(options):
    with pytest.raises(ConfigurationError, match="s3://nowhere/x.*no such bucket"):
        read("s3://nowhere/x", options)


def test_a_path_without_a_backup(bucket, options):
    with pytest.raises(ConfigurationError, match="no backup in s3://backups/other: looked for BACKUP_METADATA"):
        read("s3://backups/other", options)


def test_a_missing_data_file(bucket, options, client):
    backup = open_backup(BackupRequest((f"{bucket}/types",), storage=options))
    key = max(backup.files(START, END), key=lambda file: file.data_size).path[len("s3://backups/"):]
    content = client.get_object(Bucket="backups", Key=key)["Body"].read()
    try:
        client.delete_object(Bucket="backups", Key=key)
        with pytest.raises(CorruptBackupError, match=f"s3://backups/{key} is missing"):
            read(f"{bucket}/types", options)
        client.put_object(Bucket="backups", Key=key, Body=b"")
        with pytest.raises(CorruptBackupError, match=f"s3://backups/{key} is empty"):
            read(f"{bucket}/types", options)
    finally:
        client.put_object(Bucket="backups", Key=key, Body=content)


@pytest.mark.parametrize(("location", "options", "url"), [
    ("s3://backups/x", StorageOptions("key", "hush", region="eu-west-1"), "https://backups.s3.eu-west-1.amazonaws.com/x/f"),
    ("s3://backups/x?AWS_REGION=eu-west-1", StorageOptions("key", "hush", region="us-east-1"), "https://backups.s3.eu-west-1.amazonaws.com/x/f"),
    ("s3://backups/x?AWS_REGION=eu-west-1&AWS_USE_PATH_STYLE=true", StorageOptions("key", "hush"), "https://s3.eu-west-1.amazonaws.com/backups/x/f"),
    ("s3://backups/x", StorageOptions("key", "hush", region="eu-west-1", endpoint_url="https://s3.example:9000"), "https://s3.example:9000/backups/x/f"),
    ("s3://backups/x?AWS_ENDPOINT=s3.example&AWS_USE_PATH_STYLE=false&AWS_REGION=eu-west-1", StorageOptions("key", "hush", endpoint_url="https://other"), "https://backups.s3.example/x/f"),
])
def test_where_requests_go(location, options, url):
    """Amazon's own address where none is given; a location's parameters are stronger than options."""
    class Asked(Exception):
        """Instead of the request, which no server of this machine could answer."""

    def stop(request, **_arguments):
        raise Asked(request.url)

    bucket = open_storage(location, options).bucket
    bucket.client.meta.events.register("before-send.s3", stop)
    with pytest.raises(Asked, match=f"^{url}$"):
        bucket.get("x/f", 0, None)


def test_an_unreachable_server():
    options = StorageOptions("key", "hush", endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MigrationError, match="s3://backups/x.*cannot be reached"):
        read("s3://backups/x", options)


@pytest.mark.parametrize(("code", "advice"), [
    ("AccessDenied", "s3:ListBucket"), ("InvalidAccessKeyId", "check aws_access_key_id"), ("SignatureDoesNotMatch", "secret access key is wrong"),
    ("ExpiredToken", "session token has expired"), ("PermanentRedirect", "set aws_region")])
def test_refusals_say_what_to_do(options, code, advice):
    """The server here checks no keys, so its client is made to refuse."""
    storage = open_storage("s3://backups/x", options)
    client = storage.bucket.client
    error = client.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, "ListObjectsV2")

    def refuse(**_arguments):
        raise error

    client.meta.events.register("before-call.s3", refuse)
    for call in (lambda: storage.list("a"), lambda: storage.read("b"), lambda: storage.exists("c")):
        with pytest.raises(MigrationError, match=advice) as raised:
            call()
        assert "s3://backups/x/" in str(raised.value)
        assert "hush" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["back#up/2024", "back%23up/a b", "ä+b=c&d;e:f"])
def test_every_character_of_a_prefix_counts(options, client, bucket, fixtures_dir, prefix):
    """A prefix cut off at its # would read what lies above it."""
    client.put_object(Bucket="backups", Key="back/BACKUP_MANIFEST", Body=b"not this one")
    root = fixtures_dir / "backups" / "types"
    for path in root.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "backups", f"{prefix}/{path.relative_to(root)}")
    backup, rows = read(f"s3://backups/{prefix}", options)
    assert rows == read(str(root), StorageOptions())[1]
    assert backup.info.locations == [f"s3://backups/{prefix}"]


def test_no_credentials(options, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="no S3 credentials"):
        read("s3://backups/x", StorageOptions(endpoint_url=options.endpoint_url))
    with pytest.raises(ConfigurationError, match="missing-profile"):
        read("s3://backups/x", StorageOptions(profile="missing-profile", endpoint_url=options.endpoint_url))
