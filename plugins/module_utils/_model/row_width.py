# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How many bytes the rows of a table need in a page of PostgreSQL (heap_compute_data_size in heaptuple.c)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from .built_in_types import CHAR, NAME
from .catalog import Column, SqlType

_HEADER = 23
_FIXED = {
    "bool": (1, 1),
    "date": (4, 4),
    "time": (8, 8),
    "timetz": (12, 8),
    "timestamp": (8, 8),
    "timestamptz": (8, 8),
    "interval": (16, 8),
    "uuid": (16, 1),
    "oid": (4, 4),
    "enum": (4, 4),
    "pg_lsn": (8, 8),
}
"""Length and alignment by family (typlen and typalign in pg_type.dat)."""
_SHORTEST, _POINTER, _REFERENCE = 1, 18, 24
"""An empty value; the reference to one that is stored elsewhere; the longest value that stays in the row however full
it is (toast_tuple_find_biggest_attribute)."""
_AS_LONG_AS_TEXT = frozenset(("string", "collated", "bytes"))


def least_bytes(columns: list[Column]) -> int:
    """Return the bytes of a row whose columns are NULL where they can be, and otherwise as short as can be."""
    given = [column.type for column in columns if not column.nullable]
    nulls = (len(columns) + 7) // 8 if len(given) < len(columns) else 0
    return _row_bytes(given, _HEADER + nulls, _SHORTEST)


def bytes_of(kinds: Sequence[SqlType], lengths: Sequence[Optional[int]], columns: int) -> int:
    """Return the least bytes of a row whose first values have these types and lengths as text (None: NULL), and that
    has ``columns`` columns in all."""
    nulls = (columns + 7) // 8 if None in lengths else 0
    size = _aligned(_HEADER + nulls, 8)
    for kind, length in zip(kinds, lengths):
        if length is not None:
            given = min(length + 1, _POINTER) if kind.family in _AS_LONG_AS_TEXT else _SHORTEST
            needed, alignment = _fixed(kind, (given, 1))
            size = _aligned(size, alignment) + needed
    return _aligned(size, 8)


def full_bytes(columns: list[Column]) -> int:
    """Return the bytes of a row with long values in all columns."""
    return _row_bytes((column.type for column in columns), _HEADER, _REFERENCE)


def _row_bytes(kinds: Iterable[SqlType], header: int, variable: int) -> int:
    size = _aligned(header, 8)
    for kind in kinds:
        length, alignment = _fixed(kind, (variable, 1))
        size = _aligned(size, alignment) + length
    return _aligned(size, 8)


def _fixed(kind: SqlType, other: tuple[int, int]) -> tuple[int, int]:
    """Return length and alignment; ``other`` for a type whose values have different lengths."""
    if kind.family in ("int", "float"):
        return kind.width // 8, kind.width // 8
    if kind.family == "string" and kind.oid in (CHAR, NAME):
        return (1, 1) if kind.oid == CHAR else (64, 1)
    return _FIXED.get(kind.family, other)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
