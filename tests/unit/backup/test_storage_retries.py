# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What happens when an S3 server refuses for a while: waited, longer each time, in one layer, and said in the log."""
from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import threading
import time
import types
import uuid

import boto3
import faulty_server
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import read_ahead
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage import (
    retries as storage_retries,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


@pytest.fixture(name="server", scope="module")
def _server():
    with faulty_server.running_s3() as server:
        yield server


@pytest.fixture(name="place")
def _place(server, tmp_path):
    """A bucket of this test's own with one object, an access that logs, and a server without faults until the test sets one."""
    server.reset()
    bucket = f"b{uuid.uuid4().hex}"
    client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="hush", region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="x/file", Body=b"0123456789")
    server.reset()
    options = StorageOptions("key", "hush", region="us-east-1", endpoint_url=server.url, log_file=str(tmp_path / "migration.log"))
    yield types.SimpleNamespace(server=server, options=options, client=client, bucket=bucket, storage=open_storage(f"s3://{bucket}/x", options), log=tmp_path / "migration.log")
    server.reset()


@pytest.fixture(name="waits")
def _waits(monkeypatch):
    """The waits, which are not made."""
    seconds: list[float] = []
    monkeypatch.setattr(storage_retries, "GIVING_UP", types.SimpleNamespace(wait=seconds.append, is_set=lambda: False))
    return seconds


CALLS = {
    "read": lambda storage: storage.read("file") == b"0123456789", "range": lambda storage: storage.read_range("file", 2, 3) == b"234",
    "start": lambda storage: storage.read_start("file", 3) == (b"012", 10), "end": lambda storage: storage.read_end("file", 3) == (b"789", 10), "exists": lambda storage: storage.exists("file"),
    "not there": lambda storage: not storage.exists("other"), "list": lambda storage: storage.list() == ["file"],
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_made_again(place, waits, call):
    place.server.fault = lambda request: faulty_server.refusal() if request.number <= 3 else None
    assert CALLS[call](place.storage)
    assert len(waits) == 3
    lines = place.log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert all(f"storage: s3://{place.bucket}/x" in line and "503" in line for line in lines)


def test_waits_grow_by_chance_and_end(place, waits):
    place.server.fault = lambda request: faulty_server.refusal()
    with pytest.raises(MigrationError, match="S3 answers 503 SlowDown"):
        place.storage.read("file")
    assert len(place.server.requests) == storage_retries.ATTEMPTS == len(waits) + 1
    assert all(0.25 <= wait <= 0.5 * 2 ** number for number, wait in enumerate(waits))
    first = list(waits)
    with pytest.raises(MigrationError):
        place.storage.read("file")
    # Whoever was refused at the same moment does not come back at the same moment, not even the first time.
    assert not set(waits[len(first):]) & set(first)


def test_the_server_says_how_long(place, waits):
    place.server.fault = lambda request: faulty_server.refusal(retry_after="7") if request.number == 1 else faulty_server.refusal(429, "", retry_after="3600") if request.number == 2 else None
    assert place.storage.read("file") == b"0123456789"
    assert waits[0] == 7.0
    assert 149 < waits[1] <= 150  # Half of the time that a request has, whatever the server asks for.


def test_the_wait_is_really_made(place):
    place.server.fault = lambda request: faulty_server.refusal(retry_after="1") if request.number == 1 else None
    started = datetime.datetime.now()
    assert place.storage.read("file") == b"0123456789"
    assert (datetime.datetime.now() - started).total_seconds() >= 1
    assert "the next one in 1.0 s" in place.log.read_text(encoding="utf-8")


def test_an_answer_that_breaks_off_is_asked_for_again(place, waits):
    place.server.fault = lambda request: faulty_server.stopping(request) if request.number <= 2 else None
    assert place.storage.read("file") == b"0123456789"
    assert len(waits) == 2


def test_a_listing_goes_on_behind_the_page_that_failed(place, waits):
    for number in range(1005):
        place.client.put_object(Bucket=place.bucket, Key=f"x/many/{number:04}", Body=b"")
    place.server.reset()
    place.server.fault = lambda request: faulty_server.refusal() if request.number == 2 else None
    assert len(place.storage.list("many")) == 1005
    assert [request.method for request in place.server.requests] == ["GET"] * 3
    assert len(waits) == 1


def test_an_address_where_nobody_answers_is_told_soon(place, waits):
    nowhere = open_storage("s3://bucket/x", dataclasses.replace(place.options, endpoint_url="http://127.0.0.1:1"))
    with pytest.raises(MigrationError, match="cannot be reached"):
        nowhere.read("file")
    assert len(waits) == storage_retries.ATTEMPTS_AT_FIRST - 1
    assert f"attempt 1 of {storage_retries.ATTEMPTS_AT_FIRST}" in place.log.read_text(encoding="utf-8")


def test_who_ends_the_run_waits_for_no_repetition(place, monkeypatch):
    """A process ends after its threads."""
    monkeypatch.setattr(storage_retries, "GIVING_UP", threading.Event())
    monkeypatch.setattr(read_ahead, "GIVING_UP", storage_retries.GIVING_UP)
    place.server.fault = lambda request: faulty_server.refusal(retry_after="100")
    with contextlib.closing(read_ahead.ReadAhead()) as ahead:
        fetches = [ahead.demand(1, lambda: place.storage.read("file")) for _number in range(3)]
        while len(place.server.requests) < len(fetches):
            time.sleep(0.01)
        with pytest.raises(KeyboardInterrupt), read_ahead.interruptible():
            raise KeyboardInterrupt
        for fetch in fetches:
            with pytest.raises(MigrationError, match="SlowDown"):
                fetch.result()
    assert len(place.server.requests) <= 2 * len(fetches)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "NoSuchBucket"])
def test_what_will_not_pass_is_not_asked_again(place, waits, code):
    place.server.fault = lambda request: faulty_server.refusal(403, code)
    with pytest.raises(MigrationError, match=code):
        place.storage.read("file")
    assert len(place.server.requests) == 1 and not waits
    assert not place.log.exists()


def test_a_whole_backup_through_a_server_that_refuses_every_third_request(place, waits, fixtures_dir):
    root = fixtures_dir / "backups" / "types"
    for path in root.rglob("*"):
        if path.is_file():
            place.client.upload_file(str(path), place.bucket, f"x/types/{path.relative_to(root)}")
    place.server.reset()
    place.server.fault = lambda request: (faulty_server.refusal() if request.number % 2 else faulty_server.stopping(request)) if request.number % 3 == 0 else None

    def rows(location, options):
        return [pair for batch in open_backup(BackupRequest((location,), storage=options)).scan(b"\x80", b"\xfd", {}) for pair in zip(*batch)]

    assert rows(f"s3://{place.bucket}/x/types", place.options) == rows(str(root), StorageOptions())
    assert waits


@pytest.mark.parametrize(("header", "seconds"), [
    ("5", 5), ("", 0), ("soon", 0), ("\xb2", 0), ("9" * 5000, 0), ("86400", 300), (email.utils.format_datetime(NOW + datetime.timedelta(seconds=42), usegmt=True), 42),
    (email.utils.format_datetime(NOW - datetime.timedelta(seconds=42), usegmt=True), 0),
])
def test_retry_after(header, seconds):
    assert storage_retries.asked_wait(header, NOW) == seconds
