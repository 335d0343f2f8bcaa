# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""One changed byte anywhere, a cut or missing file: one clear error that names the file, never fewer rows."""
from __future__ import annotations

import pathlib
import random
import shutil

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    CorruptBackupError,
    MigrationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)

PASSPHRASE = "correct horse"
START, END = b"\x80", b"\xfd"
SAMPLES = 14
TAIL = 70


def read_all(location, passphrase=PASSPHRASE):
    backup = open_backup(BackupRequest((str(location),), passphrase=passphrase))
    tally: dict[int, int] = {}
    backup.count(START, END, tally)
    for file in backup.files(START, END):
        if file.data_size not in (None, tally.get(file.id, 0)):
            raise CorruptBackupError(f"{file.path}: sizes differ")
    return tally


@pytest.fixture(params=["types", "modern-shaped/types-v5", "modern-shaped/types-v7-encrypted", "modern-shaped/shop-v4", "modern-shaped/shop-v7"])
def copy(request, fixtures_dir, tmp_path):
    """A writable copy of a fixture, with few data files so that each reading is quick."""
    target = tmp_path / "backup"
    shutil.copytree(fixtures_dir / "backups" / request.param, target)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert read_all(target)
    return target


def targets(root):
    """The files whose content matters: the lists, the manifest, two data files."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and "CHECKPOINT" not in path.name and "STATISTICS" not in path.name)
    data = sorted((path for path in files if path.parent.name == "data"), key=lambda path: path.stat().st_size)
    return [path for path in files if path.parent.name != "data"] + [data[len(data) // 2], data[-2]]


def assert_refused(root, path):
    with pytest.raises(MigrationError) as raised:
        read_all(root)
    assert path.name in str(raised.value) or path.name == "BACKUP_METADATA-CHECKSUM"
    assert "\n" not in str(raised.value)


def test_one_changed_bit(copy):
    chosen = random.Random(7)
    for path in targets(copy):
        original = path.read_bytes()
        places = {*range(min(12, len(original))), *range(max(0, len(original) - TAIL), len(original))}
        places = set(chosen.sample(sorted(places), min(SAMPLES, len(places)))) | {chosen.randrange(len(original)) for _ in range(SAMPLES // 2)}
        if len(original) > 300000:
            places = set(chosen.sample(sorted(places), 10))
        for place in places:
            changed = bytearray(original)
            changed[place] ^= 1 << chosen.randrange(8)
            path.write_bytes(changed)
            assert_refused(copy, path)
        path.write_bytes(original)


def test_cut_off_files(copy):
    for path in targets(copy):
        original = path.read_bytes()
        for length in {0, 1, len(original) // 2, len(original) - 1}:
            path.write_bytes(original[:length])
            assert_refused(copy, path)
        path.write_bytes(original)


def test_missing_files(copy):
    for path in targets(copy):
        if path.name.startswith("LATEST") or path.name.endswith("-CHECKSUM"):
            continue
        kept = path.rename(path.with_name("kept"))
        assert_refused(copy, path)
        kept.rename(path)


def test_every_bit_of_a_footer_counts(fixtures_dir, tmp_path):
    """Also of padding and of numbers in a longer form than needed."""
    root = tmp_path / "backup"
    shutil.copytree(fixtures_dir / "backups" / "modern-shaped" / "types-v5", root)
    path = next(root.rglob("filelist.sst"))
    path.chmod(0o644)
    original = path.read_bytes()
    for place in range(len(original) - 53, len(original)):
        for bit in range(8):
            changed = bytearray(original)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises((CorruptBackupError, UnsupportedError), match="filelist.sst"):
                open_backup(BackupRequest((str(root),)))


def test_a_manifest_without_its_checksum_file_is_still_checked(fixtures_dir, tmp_path):
    root = tmp_path / "backup"
    shutil.copytree(fixtures_dir / "backups" / "types", root)
    checksum = next(root.rglob("BACKUP_MANIFEST-CHECKSUM"))
    checksum.unlink()
    path = checksum.with_name("BACKUP_MANIFEST")
    path.chmod(0o644)
    original = path.read_bytes()
    for place in [0, 1, 2, 3, *random.Random(1).sample(range(10, len(original)), 60), len(original) - 1]:
        changed = bytearray(original)
        changed[place] ^= 4
        path.write_bytes(changed)
        with pytest.raises(CorruptBackupError, match="BACKUP_MANIFEST"):
            open_backup(BackupRequest((str(root),)))


def encrypted(fixtures_dir) -> pathlib.Path:
    return fixtures_dir / "backups" / "modern-shaped" / "types-v7-encrypted"


def test_no_passphrase(fixtures_dir):
    with pytest.raises(ConfigurationError, match="is encrypted: set the backup's passphrase"):
        read_all(encrypted(fixtures_dir), passphrase="")


def test_wrong_passphrase(fixtures_dir):
    with pytest.raises(ConfigurationError, match="BACKUP_METADATA cannot be decrypted: the backup's passphrase is wrong") as raised:
        read_all(encrypted(fixtures_dir), passphrase="battery staple")
    assert "battery" not in str(raised.value)


def test_kms_alone_is_refused_with_advice(fixtures_dir, tmp_path):
    root = tmp_path / "backup"
    shutil.copytree(encrypted(fixtures_dir), root)
    info = next(root.rglob("ENCRYPTION-INFO"))
    info.chmod(0o644)
    info.write_bytes(b"\x1a\x04\x0a\x02ab")
    with pytest.raises(UnsupportedError, match="KMS.*restore it with CockroachDB"):
        read_all(root)


def test_secrets_are_not_in_reprs():
    request = BackupRequest(("s3://b",), passphrase="hush")
    assert "hush" not in repr(request)
