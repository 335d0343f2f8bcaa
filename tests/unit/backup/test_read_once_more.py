# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What arrives damaged is read once more before the backup is called damaged, and that is told; a backup that changes while it is read is refused."""
from __future__ import annotations

import dataclasses
import re
import types
from collections import Counter

import boto3
import botocore.config
import faulty_server
import pytest
from building import SECOND, row_key, unsigned, value, version, write_layer
from faulty_server import Answer, Request

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CorruptBackupError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import stored_file
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

PASSPHRASES = {"types-v7-encrypted": "correct horse"}
WITHOUT_CHECKSUM = re.compile("/ENCRYPTION-INFO")


@pytest.fixture(name="bucket", scope="module")
def _bucket():
    """Objects are put without checksums of S3's own, which its client would look at."""
    with faulty_server.running_s3() as server:
        config = botocore.config.Config(request_checksum_calculation="when_required")
        client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="hush", region_name="us-east-1", config=config)
        client.create_bucket(Bucket="backups")

        def put(directory, prefix):
            for path in directory.rglob("*"):
                if path.is_file():
                    client.put_object(Bucket="backups", Key=f"{prefix}/{path.relative_to(directory)}", Body=path.read_bytes())

        yield types.SimpleNamespace(server=server, put=put)


@pytest.fixture(name="options")
def _options(bucket, tmp_path):
    bucket.server.reset()
    yield StorageOptions("key", "hush", region="us-east-1", endpoint_url=bucket.server.url, log_file=str(tmp_path / "migration.log"))
    bucket.server.reset()


def rows(request: BackupRequest) -> list:
    return [pair for batch in open_backup(request).scan(b"\x80", b"\xfd", {}) for pair in zip(*batch)]


def flipped(answer: Answer) -> Answer:
    """The answer with one bit changed in the middle."""
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 4
    return dataclasses.replace(answer, body=bytes(body))


class FirstTimeDamaged:
    """Damages the first answer for each object that has a checksum somewhere."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, request: Request) -> Answer | None:
        if request.method != "GET" or "list-type" in request.path or WITHOUT_CHECKSUM.search(request.name) or request.name in self.seen:
            return None
        answer = request.passed_on()
        if answer.status >= 300 or not answer.body:
            return answer
        self.seen.add(request.name)
        return flipped(answer)


@pytest.mark.parametrize("name", ["types", "modern-shaped/types-v5", "modern-shaped/types-v7-encrypted"])
def test_every_file_arrives_damaged_the_first_time(bucket, options, fixtures_dir, tmp_path, name):
    """Manifests, checksum files, LATEST, lists, and SSTs with their blocks, plain and encrypted."""
    folder, passphrase = name.rpartition("/")[2], PASSPHRASES.get(name.rpartition("/")[2], "")
    bucket.put(fixtures_dir / "backups" / name, folder)
    bucket.server.fault = fault = FirstTimeDamaged()
    found = rows(BackupRequest((f"s3://backups/{folder}",), storage=options, passphrase=passphrase))
    assert found == rows(BackupRequest((str(fixtures_dir / "backups" / name),), passphrase=passphrase))
    log = (tmp_path / "migration.log").read_text(encoding="utf-8").splitlines()
    told = {re.search(r"s3:/(/\S+?)(: | does not match| names )", line)[1] for line in log if line.endswith("It is read once more")}
    expected = {seen for seen in fault.seen if not seen.endswith("-CHECKSUM")}
    assert len(expected) > 5 and told >= {seen for seen in expected if seen.endswith(".sst")}
    assert len(log) <= 2 * len(fault.seen)


def test_what_is_damaged_twice_is_called_damaged(bucket, options, fixtures_dir):
    bucket.put(fixtures_dir / "backups" / "types", "damaged")
    backup = open_backup(BackupRequest(("s3://backups/damaged",), storage=options))
    file = max(backup.files(b"\x80", b"\xfd"), key=lambda file: file.data_size or 0)
    bucket.server.reset()
    bucket.server.fault = lambda request: flipped(request.passed_on()) if request.name.endswith(file.path.rpartition("/")[2]) and request.method == "GET" else None
    with pytest.raises(CorruptBackupError, match="the file is damaged, copy it again from the original") as raised:
        list(backup.scan(b"\x80", b"\xfd", {}))
    assert file.path in str(raised.value) and "\n" not in str(raised.value)
    asked = Counter((request.name, request.range) for request in bucket.server.requests)
    assert max(asked.values()) <= 4


def one_row(folder, text: str, rows_of: int = 300) -> None:
    table = (unsigned(60) + unsigned(1), unsigned(60) + unsigned(2))
    points = [(row_key(60, 1, number), version(1600000000 * SECOND, 0), value(text * 100)) for number in range(rows_of)]
    write_layer(folder, None, (1600000010 * SECOND, 0), [("data/1.sst", table, points, {}, ())])


@pytest.mark.parametrize("place", ["bucket", "directory"])
def test_a_backup_that_is_written_again_while_it_is_read(bucket, options, tmp_path, place, monkeypatch):
    """The second one has the same names, sizes and keys: only what the storage knows of the files tells them apart. Files are taken for large here."""
    for name in ("WHOLE", "TAIL", "_SMALLEST_TAIL", "_THOUGHT_SMALL"):
        monkeypatch.setattr(stored_file, name, 1000)
    one_row(tmp_path / "one", "a")
    one_row(tmp_path / "two", "b")
    bucket.put(tmp_path / "one", "overwritten")
    location = "s3://backups/overwritten" if place == "bucket" else str(tmp_path / "one")
    backup = open_backup(BackupRequest((location,), storage=options))
    backup.split(b"\x80", b"\xfd", 1000)
    bucket.put(tmp_path / "two", "overwritten")
    for path in (tmp_path / "two").rglob("*"):
        if path.is_file():
            (tmp_path / "one" / path.relative_to(tmp_path / "two")).write_bytes(path.read_bytes())
    with pytest.raises(MigrationError, match=r"data/1.sst.* was changed while it was read: wait until nothing writes to the backup any more"):
        list(backup.scan(b"\x80", b"\xfd", {}))
