# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Encrypted backups: the data key that a passphrase unlocks, and files sealed with AES-256-GCM."""

from __future__ import annotations

import hashlib
import re
from functools import partial

from ..._errors import ConfigurationError, CorruptBackupError, UnsupportedError
from ..._formats import protobuf
from ..storage.storage import Storage

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None  # named by libraries.missing()

MAGIC = b"encrypt"
HEADER = 8 + 12
CHUNK = 65536
TAG = 16
ITERATIONS = 64000
SALT = 16
INFO = "ENCRYPTION-INFO"
_NUMBER = re.compile("[0-9]{1,9}")
"""After the name of such a file."""


def is_encrypted(data: bytes) -> bool:
    """Tell encrypted files by their first bytes."""
    return data[: len(MAGIC)] == MAGIC


def passphrase_keys(storage: Storage, folder: str, passphrase: str) -> list[bytes]:
    """Return the keys that the passphrase gives with each ENCRYPTION-INFO of a full backup, the newest file first.

    Empty when the backup is not encrypted. Raises ConfigurationError without a passphrase, UnsupportedError for KMS
    only.
    """
    if storage.can_list:
        names = [name for name in storage.list(folder) if name == INFO or name.startswith(INFO + "-")]
    else:
        # As CockroachDB where it cannot list (GetEncryptionInfoFiles in pkg/ccl/backupccl/backupencryption).
        names = list(filter(None, [storage.first_of(folder, [INFO])]))
    if not names:
        return []
    keys = []
    for name in sorted(names, key=_number, reverse=True):
        path = f"{folder}/{name}" if folder else name
        salt = storage.read_twice_if_damaged(path, partial(_read_salt, storage, path))
        if salt:
            if not passphrase:
                raise ConfigurationError(f"{storage.describe(folder)} is encrypted: set the backup's passphrase")
            keys.append(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ITERATIONS, 32))
    if not keys:
        raise UnsupportedError(
            f"{storage.describe(folder)} is encrypted with a KMS key only, which cannot be read without the KMS: "
            "restore it with CockroachDB (migration_source: restore), or make a backup with encryption_passphrase"
        )
    return keys


def _read_salt(storage: Storage, path: str) -> bytes:
    return _salt(storage.read(path), storage.describe(path))


def _salt(data: bytes, name: str) -> bytes:
    """Read an ENCRYPTION-INFO file; no salt means that KMS keys alone unlock the backup."""
    try:
        message = protobuf.parse(data)
        scheme, salt, sealed_keys = protobuf.integer(message, 1), protobuf.blob(message, 2), protobuf.blobs(message, 3)
    except CorruptBackupError as error:
        raise CorruptBackupError(f"{name} is damaged ({error}): copy it again from the original") from error
    if scheme:
        raise UnsupportedError(f"{name}: encryption scheme {scheme} is not known")
    if len(salt) != SALT and (salt or not sealed_keys):
        raise CorruptBackupError(
            f"{name} is damaged: it has neither a salt of {SALT} bytes nor a KMS key; copy it again from the original"
        )
    return salt


def _number(name: str) -> int:
    suffix = name[len(INFO) + 1 :]
    return int(suffix) if _NUMBER.fullmatch(suffix) else 0


def unlocks(data: bytes, key: bytes, name: str) -> bool:
    """Tell whether a key opens a file, by its first chunk. Raises CorruptBackupError when it is no encrypted file."""
    first = data[: HEADER + CHUNK + TAG] if _version(data, name) == 2 else data
    try:
        AESGCM(key).decrypt(first[8:HEADER], first[HEADER:], None)
    except InvalidTag:
        return False
    return True


def decrypt(data: bytes, key: bytes, name: str) -> bytes:
    """Return a whole file's content. Raises CorruptBackupError."""
    version = _version(data, name)
    if version == 1:
        return open_chunk(data[8:HEADER], 0, data[HEADER:], key, name)
    chunks = range(HEADER, max(len(data), HEADER + 1), CHUNK + TAG)
    parts = [
        open_chunk(data[8:HEADER], number, data[place : place + CHUNK + TAG], key, name)
        for number, place in enumerate(chunks)
    ]
    if len(parts[-1]) == CHUNK:
        raise CorruptBackupError(f"{name} is truncated: copy it again from the original")
    return b"".join(parts)


def _version(data: bytes, name: str) -> int:
    if len(data) < HEADER + TAG or not is_encrypted(data):
        raise CorruptBackupError(
            f"{name} is not encrypted or truncated, but the backup is encrypted: copy it again from the original"
        )
    if data[7] not in (1, 2):
        raise UnsupportedError(f"{name}: version {data[7]} of encrypted files is not known")
    return data[7]


def open_chunk(nonce: bytes, number: int, sealed: bytes, key: bytes, name: str) -> bytes:
    """Decrypt chunk ``number`` of a file."""
    counter = (int.from_bytes(nonce[4:], "big") + number) & 0xFFFFFFFFFFFFFFFF
    try:
        return AESGCM(key).decrypt(nonce[:4] + counter.to_bytes(8, "big"), sealed, None)
    except InvalidTag as error:
        raise CorruptBackupError(
            f"{name}: the encrypted data is damaged or truncated: copy it again from the original"
        ) from error


class EncryptedFile:
    """Random access to a file of version 2, chunk by chunk, or of version 1, which is opened whole."""

    def __init__(self, file, key: bytes) -> None:
        """``file`` has ``name``, ``size`` and ``read(offset, length)``."""
        self.name, self._file = file.name, file
        header = file.read(0, HEADER + TAG)
        self._whole = b""
        if _version(header, file.name) == 1:
            self._whole = decrypt(file.read(0, file.size), key, file.name)
            self.size = len(self._whole)
            return
        self._key, self._nonce = key, header[8:HEADER]
        body = file.size - HEADER
        self._chunks = body // (CHUNK + TAG) + 1
        self.size = body - TAG * self._chunks
        if body % (CHUNK + TAG) < TAG:
            raise CorruptBackupError(f"{file.name} is truncated: copy it again from the original")
        self._last = (-1, b"")
        self._open(self._chunks - 1)

    @property
    def held(self) -> int:
        """Bytes of memory that the file takes while it is not read."""
        return len(self._whole) + self._file.held

    def expect(self, start: int, end: int, piece: int) -> None:
        """Begin to read the plain bytes [start, end) in pieces of so many bytes, as they will be asked for in order."""
        if not self._whole:
            self._file.expect(_place(start), _place(end + CHUNK), piece)

    def forget(self) -> None:
        """Drop all but what ``held`` counts."""
        self._file.forget()

    def _open(self, number: int) -> bytes:
        """Return the content of a chunk. One that is damaged is read once more."""
        place = _place(number * CHUNK)
        try:
            return open_chunk(self._nonce, number, self._file.read(place, CHUNK + TAG), self._key, self.name)
        except CorruptBackupError:
            sealed = self._file.read_again(place, CHUNK + TAG, f"the encrypted data at {place} is damaged")
            return open_chunk(self._nonce, number, sealed, self._key, self.name)

    def _chunk(self, number: int) -> bytes:
        if self._last[0] != number:
            self._last = (number, self._open(number))
        return self._last[1]

    def read_again(self, offset: int, length: int, _problem: str) -> bytes:
        """Return the plain bytes of a range as they were: what was damaged on its way has been read once more."""
        return self.read(offset, length)

    def read(self, offset: int, length: int) -> bytes:
        """Return the plain bytes of a range."""
        if self._whole:
            return self._whole[offset : offset + length]
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        first, last = offset // CHUNK, (end - 1) // CHUNK
        data = b"".join(self._chunk(number) for number in range(first, last + 1))
        return data[offset - first * CHUNK : end - first * CHUNK]


def _place(offset: int) -> int:
    """Return where the chunk that holds a plain byte begins in the file."""
    return HEADER + offset // CHUNK * (CHUNK + TAG)
