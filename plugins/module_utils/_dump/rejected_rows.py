# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Files of rejected rows: zstd-compressed JSON lines, each a RejectedRow."""

from __future__ import annotations

import hashlib
import io
import json
import os
from itertools import islice
from typing import Optional

try:
    import zstandard
except ImportError:  # named by libraries.missing()
    zstandard = None  # type: ignore[assignment]

from .._errors import MigrationError
from .._model.json_form import from_json, to_json
from .._system.file_modes import make_directories, private
from .._values.problem_rows import RejectedRow
from .dump_key import DumpKey
from .manifest import MAKE_AGAIN, RejectFile, decrypted
from .write_errors import write_error


def write_rejects(path: str, rows: list[RejectedRow], key: Optional[DumpKey] = None) -> RejectFile:
    """Write the rows and return the file's description. Raises ConfigurationError."""
    data = zstandard.ZstdCompressor(write_checksum=True).compress(
        "".join(json.dumps(to_json(row), ensure_ascii=False) + "\n" for row in rows).encode()
    )
    data = key.encrypt(data) if key else data
    partial = path + ".part"
    try:
        make_directories(os.path.dirname(path))
        with open(partial, "wb", opener=private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise write_error(path, error) from error
    return RejectFile(os.path.basename(path), len(rows), len(data), hashlib.sha256(data).hexdigest())


def read_rejects(path: str, described: RejectFile, key: Optional[DumpKey] = None) -> list[RejectedRow]:
    """Read the rows of a file. Raises MigrationError unless it is the one that the manifest describes."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise MigrationError(f"cannot read the dump's file {path}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise MigrationError(
            f"the dump's file {path} is not what the manifest says (its SHA-256 differs): {MAKE_AGAIN}"
        )
    data = decrypted(path, data, key)
    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            lines = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
            rows = [from_json(RejectedRow, json.loads(line)) for line in islice(lines, described.rows + 1)]
    except (zstandard.ZstdError, ValueError, RecursionError) as error:
        raise MigrationError(f"the dump's file {path} is damaged ({error}): {MAKE_AGAIN}") from error
    if len(rows) != described.rows:
        raise MigrationError(
            f"the dump's file {path} does not have {described.rows} rows, as the manifest says: {MAKE_AGAIN}"
        )
    return rows
