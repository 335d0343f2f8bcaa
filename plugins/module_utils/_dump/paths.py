# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Where the files of a dump lie inside its directory."""

from __future__ import annotations

import hashlib
import os
import string

MANIFEST = "manifest.json"
CATALOG = "catalog.json"
ROLES = "roles.json"
PASSWORDS = "roles.secret.json"
_PLAIN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_-")
_LONGEST_NAME = 180


def path_name(name: str) -> str:
    """Return an SQL name as a file name: all but ASCII letters, digits, ``_`` and ``-`` is percent-encoded."""
    encoded = "".join(
        character if character in _PLAIN_CHARACTERS else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in name
    )
    if len(encoded) <= _LONGEST_NAME // 2:
        return encoded
    # File names end at 255 bytes; "%~" cannot come out of the encoding above.
    return encoded[: _LONGEST_NAME // 2 - 20] + "%~" + hashlib.sha256(name.encode()).hexdigest()[:16]


def table_directory(database: str, schema: str, table: str) -> str:
    """Return the directory of a table's chunks, inside the dump."""
    return f"{path_name(database)}/data/{path_name(schema)}.{path_name(table)}"


def chunk_path(dump_dir: str, database: str, schema: str, table: str, number: int) -> str:
    """Return the path of a table's chunk; numbers begin at 1."""
    return os.path.join(dump_dir, table_directory(database, schema, table), f"{number:05}.copy.zst")


def rejects_directory(database: str, schema: str, table: str) -> str:
    """Return the directory of a table's rejected rows, inside the dump."""
    return f"{path_name(database)}/rejects/{path_name(schema)}.{path_name(table)}"


def rejects_path(dump_dir: str, database: str, schema: str, table: str, number: int) -> str:
    """Return the path of the rows that were rejected from a table's chunk."""
    return os.path.join(dump_dir, rejects_directory(database, schema, table), f"{number:05}.jsonl.zst")
