# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Copies of real backups that say they are of another release."""
from __future__ import annotations

import gzip
import hashlib
import pathlib
import shutil

from building import message

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf

_BUILD_INFO, _TAG = 11, 2
"""The fields of BackupManifest and of its BuildInfo: pkg/build/info.proto."""


def copy_of_release(backup: pathlib.Path, target: pathlib.Path, version: str) -> pathlib.Path:
    """Copy a backup collection; its manifests say that they were written by ``version``. Return ``target``."""
    shutil.copytree(backup, target)
    for path in target.rglob("BACKUP_MANIFEST"):
        fields = {**protobuf.parse(gzip.decompress(path.read_bytes())), _BUILD_INFO: [message((_TAG, version.encode()))]}
        stored = gzip.compress(message(*[(number, item) for number, items in fields.items() for item in items]), mtime=0)
        path.write_bytes(stored)
        path.with_name(f"{path.name}-CHECKSUM").write_bytes(hashlib.sha256(stored).digest()[:4])
    return target
