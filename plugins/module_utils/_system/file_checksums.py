# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""SHA-256 of files, and the checksum files that publishers put next to their archives."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re

from .._errors import ConfigurationError

_CHUNK_BYTES = 1 << 20
_LONGEST_CHECKSUM_FILE = 1 << 16
_SHA256 = re.compile(r"[0-9a-f]{64}")


def checked_sha256(text: str) -> str:
    """Return a SHA-256 in lower case. Raises ConfigurationError when it is none."""
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise ConfigurationError(f"{text!r} is no SHA-256: 64 hexadecimal digits are expected")
    return digest


def file_sha256(path: str) -> str:
    """Return the SHA-256 of a file. Raises ConfigurationError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(_CHUNK_BYTES), b""):
                digest.update(piece)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def check_file(path: str, sha256: str) -> str:
    """Return the SHA-256 of a local archive after comparing it with ``sha256``, unless that is empty. Raises
    ConfigurationError."""
    found = file_sha256(path)
    if sha256 and found != checked_sha256(sha256):
        raise ConfigurationError(
            f"{path} has the SHA-256 {found}, expected {checked_sha256(sha256)}: the file was changed, or the "
            "checksum is another file's"
        )
    return found


def checksum_file_beside(path: str, suffix: str = ".sha256sum") -> str:
    """Return the SHA-256 from the checksum file next to a local archive, or nothing when there is no such file. Raises
    ConfigurationError."""
    try:
        with open(path + suffix, encoding="utf-8", errors="replace") as file:
            return listed_sha256(file.read(_LONGEST_CHECKSUM_FILE), os.path.basename(path), path + suffix)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path + suffix} cannot be read: {error.strerror}") from None


def listed_sha256(text: str, name: str, place: str) -> str:
    """Return the digest of ``name`` from the text of a checksum file: ``<digest>  <name>`` lines, or the digest alone.

    Raises ConfigurationError that names ``place`` when it gives none, or several.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    named = [words[0] for words in lines if len(words) > 1 and posixpath.basename(words[1].lstrip("*")) == name]
    alone = [words[0] for words in lines if len(words) == 1]
    digests = {digest.lower() for digest in named or alone if _SHA256.fullmatch(digest.lower())}
    if len(digests) != 1:
        raise ConfigurationError(f"{place} gives no SHA-256 of {name}: give the checksum yourself")
    return digests.pop()
