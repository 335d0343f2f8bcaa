# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Index keys that stand in for values that are longer than a key of PostgreSQL's btree."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.catalog import Column, SqlType
from .._model.postgres_limits import can_exceed_key

_HASH_METHOD = frozenset(("string", "bytes", "json", "array"))


def hashed_keys(keys: Iterable[tuple[str, Column]]) -> tuple[str, ...]:
    """Return, for keys as quoted SQL and their columns, keys that are as unique but have a hash in place of each long
    text and byte string; empty if there is none."""
    pairs = list(keys)
    hashed = tuple(_hash(text, column.type) or text for text, column in pairs)
    return hashed if hashed != tuple(text for text, _column in pairs) else ()


def hash_index_key(keys: Iterable[tuple[str, Column]]) -> tuple[str, ...]:
    """Return the key of a hash index, which takes values of any length and finds equal ones; empty if there is more
    than one key or none that can be long."""
    pairs = list(keys)
    suits = len(pairs) == 1 and pairs[0][1].type.family in _HASH_METHOD and can_exceed_key(pairs[0][1].type)
    return (pairs[0][0],) if suits else ()


def _hash(text: str, kind: SqlType) -> str:
    """Return the hash of a long value, in an expression that PostgreSQL takes for immutable; empty if there is none.
    Of the built-in hashes that do not collide by chance only md5() takes text."""
    if not can_exceed_key(kind):
        return ""
    if kind.family == "string":
        return f"(pg_catalog.md5(CAST({text} AS text)))"
    return f"(pg_catalog.sha256({text}))" if kind.family == "bytes" else ""
