# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a dump holds, in a few numbers."""

from __future__ import annotations

import time

from .manifest import read_manifest


def summarize(dump_dir: str, changed: bool, started: float) -> dict:
    """Return ``changed``, ``dump_dir``, ``databases``, ``tables``, ``rows``, ``chunks`` and ``seconds`` (since the
    monotonic time ``started``)."""
    manifest = read_manifest(dump_dir)
    tables = [table for database in manifest.databases for table in database.tables]
    return {
        "changed": changed,
        "dump_dir": dump_dir,
        "databases": [database.name for database in manifest.databases],
        "tables": len(tables),
        "rows": sum(chunk.rows for table in tables for chunk in table.chunks),
        "chunks": sum(len(table.chunks) for table in tables),
        "seconds": round(time.monotonic() - started, 3),
    }
