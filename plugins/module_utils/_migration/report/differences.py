# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a verification found to be different, one line each."""

from __future__ import annotations

from ..._model.results import TableVerification, VerifyResult

MOST_LINES = 5
"""In a sentence; the report has all of them."""


def differences(verification: VerifyResult) -> list[str]:
    """Return a line for each table and object that differs."""
    lines = []
    for database, result in verification.databases.items():
        lines += [
            f"{database}.{name} {_difference(table)}" for name, table in result.tables.items() if not table.succeeded
        ]
        lines += [f"{database}: {line}" for line in result.objects_missing]
    return lines


def different_message(place: str, lines: list[str]) -> str:
    """Return one sentence that names the first of the ``differences`` in ``place``."""
    more = f"; and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    return f"DIFFERENT: {place} does not hold what the dump holds: {'; '.join(lines[:MOST_LINES])}{more}"


def _difference(table: TableVerification) -> str:
    if table.missing_columns:
        return f"lacks {', '.join(table.missing_columns)}"
    if table.rows != table.rows_found:
        return f"has {table.rows_found:,} rows instead of {table.rows:,}"
    if table.rejected != table.rejected_found:
        return f"has {table.rejected_found:,} rejected rows instead of {table.rejected:,}"
    return f"has other values (row checksum {table.checksum_found} instead of {table.checksum})"
