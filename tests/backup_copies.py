# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Copies of real backups that say they are of another release."""
from __future__ import annotations

import gzip
import hashlib
import pathlib
import shutil

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.backup.protobuf import varint

_BUILD_INFO, _TAG = 11, 2
"""The fields of BackupManifest and of its BuildInfo: build.Info in pkg/build/info.proto."""


def copy_of_release(backup: pathlib.Path, target: pathlib.Path, version: str) -> pathlib.Path:
    """Copy a backup collection; its manifests say that they were written by ``version``. Return ``target``."""
    shutil.copytree(backup, target)
    for path in target.rglob("BACKUP_MANIFEST"):
        tag = _field(_TAG, version.encode())
        stored = gzip.compress(_without(gzip.decompress(path.read_bytes()), _BUILD_INFO) + _field(_BUILD_INFO, tag), mtime=0)
        path.write_bytes(stored)
        path.with_name(f"{path.name}-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
    return target


def _field(number: int, content: bytes) -> bytes:
    assert number < 16 and len(content) < 128
    return bytes((number << 3 | 2, len(content))) + content


def _without(message: bytes, number: int) -> bytes:
    kept, position = b"", 0
    while position < len(message):
        start = position
        tag, position = varint(message, position)
        if tag & 7 == 0:
            position = varint(message, position)[1]
        elif tag & 7 == 2:
            length, position = varint(message, position)
            position += length
        else:
            position += {1: 8, 5: 4}[tag & 7]
        kept += b"" if tag >> 3 == number else message[start:position]
    return kept
