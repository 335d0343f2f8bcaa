# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What goes wrong while a CockroachDB is read, in one line with what to do; and which errors pass by themselves."""

from __future__ import annotations

from typing import Any

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import CockroachError
from ..._model.names import quote
from ..source import MomentGoneError
from .sql_connection import CockroachParameters, UnreachableError, cockroach_message, is_lost

_SERIALIZATION_FAILURE = "40001"
_TOO_OLD = "replica GC threshold"
"""The rows of the moment are gone: "batch timestamp … must be after replica GC threshold …",
pkg/kv/kvserver/replica.go."""
_NO_SCHEMA = "descriptor not found"
_LONG_ENOUGH = 90000
"""Seconds: 25 hours, CockroachDB's own default before v23.1."""


def passes(error: BaseException) -> bool:
    """Return whether another attempt may succeed: transactions that have to be retried, lost connections."""
    if isinstance(error, psycopg2.Error):
        return error.pgcode == _SERIALIZATION_FAILURE or is_lost(error)
    return isinstance(error, UnreachableError)


def read_error(name: str, parameters: CockroachParameters, error: Any, table: tuple[str, ...] = ()) -> CockroachError:
    """Return the error for a psycopg2 error that ends the reading of ``name``; ``table`` are the parts of the name if
    it is one."""
    message = cockroach_message(error)
    if passes(error):
        return UnreachableError(
            f"{name}: the connection to CockroachDB at {parameters.place} was lost ({message}); run again once it "
            "answers, finished chunks are kept"
        )
    if _TOO_OLD in message:
        return MomentGoneError(
            f"{name}: CockroachDB no longer keeps the rows of that moment ({message}): {_next_step(table)}"
        )
    if _NO_SCHEMA in message:
        return CockroachError(
            f"{name}: CockroachDB has no schema of that moment ({message}): choose a later as_of, after the cluster "
            "was made"
        )
    return CockroachError(f"{name}: CockroachDB refuses to be read: {message}")


def _next_step(table: tuple[str, ...]) -> str:
    """Return what the user should do to keep the finished chunks; those of two moments are never put together.

    CockroachDB refuses moments older than gc.ttlseconds even while their rows are there
    (kv.gc_ttl.strict_enforcement.enabled, pkg/kv/kvserver/replica.go).
    """
    setting = f"CONFIGURE ZONE USING gc.ttlseconds = {_LONG_ENOUGH}"
    command = (
        f"ALTER DATABASE {quote(table[0])} {setting}, and ALTER TABLE {quote(*table)} {setting}"
        if table
        else f"ALTER RANGE default {setting}"
    )
    return (
        f"finished chunks of that moment are kept. Run {command} at once, then this again: it resumes where it "
        "stopped if the rows have not been removed yet"
    )
