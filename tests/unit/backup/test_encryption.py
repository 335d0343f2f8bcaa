# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Both versions of encrypted files, whole and by ranges, and what damage says."""
from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    CorruptBackupError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.encryption import (
    CHUNK,
    EncryptedFile,
    decrypt,
    passphrase_keys,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.read_ahead import ReadAhead
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.stored_file import (
    TAIL,
    WHOLE,
    StoredFile,
    read_ends,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

KEY = bytes(range(32))


def sealed(plain, file_version, nonce=b"\x01\x02\x03\x04" + b"\xff" * 8):
    cipher = AESGCM(KEY)
    if file_version == 1:
        return b"encrypt\x01" + nonce + cipher.encrypt(nonce, plain, None)
    out = b"encrypt\x02" + nonce
    for number in range(len(plain) // CHUNK + 1):
        counter = (int.from_bytes(nonce[4:], "big") + number) % 2 ** 64
        out += cipher.encrypt(nonce[:4] + counter.to_bytes(8, "big"), plain[number * CHUNK:(number + 1) * CHUNK], None)
    return out


def stored(tmp_path, data, size=None):
    (tmp_path / "file").write_bytes(data)
    storage = open_storage(str(tmp_path), StorageOptions())
    return StoredFile(storage, "file", read_ends(storage, "file", size), ReadAhead())


@pytest.mark.parametrize("file_version", [1, 2])
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_round_trip(tmp_path, file_version, size):
    plain = bytes(number % 251 for number in range(size))
    data = sealed(plain, file_version)
    assert decrypt(data, KEY, "x") == plain
    file = EncryptedFile(stored(tmp_path, data), KEY)
    assert file.size == size
    for offset, length in [(0, size), (0, 1), (size // 2, size), (CHUNK - 3, 7), (size, 5)]:
        assert file.read(offset, length) == plain[offset:offset + length]


@pytest.mark.parametrize("cut", [1, 15, 16, 17, CHUNK, CHUNK + 16])
def test_truncation(tmp_path, cut):
    data = sealed(bytes(3 * CHUNK + 5), 2)[:-cut]
    with pytest.raises(CorruptBackupError, match="truncated"):
        decrypt(data, KEY, "x")
    with pytest.raises(CorruptBackupError, match="file.*truncated"):
        EncryptedFile(stored(tmp_path, data), KEY)


def test_cut_at_a_chunk(tmp_path):
    data = sealed(bytes(3 * CHUNK), 2)[:-16]
    with pytest.raises(CorruptBackupError, match="truncated"):
        decrypt(data, KEY, "x")
    with pytest.raises(CorruptBackupError, match="truncated"):
        EncryptedFile(stored(tmp_path, data), KEY)


def test_other_versions_and_plain_files():
    with pytest.raises(UnsupportedError, match="x: version 3"):
        decrypt(b"encrypt\x03" + bytes(40), KEY, "x")
    with pytest.raises(CorruptBackupError, match="x is not encrypted"):
        decrypt(bytes(60), KEY, "x")


@pytest.mark.parametrize("size", [None, 1 << 40])
def test_large_files_are_read_in_windows(tmp_path, size):
    content = bytes(range(256)) * ((WHOLE >> 8) * 3 + 4000)
    file = stored(tmp_path, content, size)
    for offset, length in [(0, 10), (5, 3000), (len(content) - 7, 7), (6 << 20, 5 << 20), (100, 1), (len(content) - (600 << 10), 600 << 10), (len(content), 1)]:
        assert file.read(offset, length) == content[offset:offset + length]
    assert file.held <= TAIL


def test_files_of_keys_have_numbers(fixtures_dir, tmp_path):
    """The newest is the first; what has no number in its name, or what only Python takes for one, is older than all."""
    content = next((fixtures_dir / "backups" / "modern-shaped" / "types-v7-encrypted").rglob("ENCRYPTION-INFO")).read_bytes()
    names = ["ENCRYPTION-INFO", "ENCRYPTION-INFO-2", "ENCRYPTION-INFO-10", "ENCRYPTION-INFO-\u00b2", f"ENCRYPTION-INFO-{'9' * 200}"]
    for name in names:
        (tmp_path / name).write_bytes(content)
    assert len(passphrase_keys(open_storage(str(tmp_path), StorageOptions()), "", "anything")) == len(names)
