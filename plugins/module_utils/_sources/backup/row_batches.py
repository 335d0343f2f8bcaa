# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Batches of the size at which a table's rows are decoded together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..._errors import MigrationError
from .general_rows import DECODING_ERRORS, split_family
from .mvcc import Batch

_BATCH_KEYS, _BATCH_BYTES = 8192, 1 << 20


def batches_of_rows(batches: Iterable[Batch], single_family: bool) -> Iterator[Batch]:
    """Yield the same keys and values in batches of whole rows, of about _BATCH_KEYS keys or _BATCH_BYTES bytes.

    With ``single_family`` each key is a row. When the source raises an error, the keys before it are yielded first, so
    that an error of theirs is raised.
    """
    keys: list[bytes] = []
    stored: list[bytes] = []
    size = 0
    try:
        for more_keys, more_stored, more_size in _bounded(batches):
            if keys and (size + more_size > _BATCH_BYTES or len(keys) + len(more_keys) > _BATCH_KEYS):
                end = len(keys) if single_family else _last_row(keys)
                if end:
                    yield keys[:end], stored[:end]
                keys, stored = keys[end:], stored[end:]
                size = sum(map(len, stored))
            keys += more_keys
            stored += more_stored
            size += more_size
    except MigrationError:
        if keys:
            yield keys, stored
        raise
    if keys:
        yield keys, stored


def _bounded(batches: Iterable[Batch]) -> Iterator[tuple[list[bytes], list[bytes], int]]:
    """Cut batches that are too large; yield them with the bytes of their values."""
    for keys, stored in batches:
        size = sum(map(len, stored))
        if size <= _BATCH_BYTES and len(keys) <= _BATCH_KEYS:
            yield keys, stored, size
            continue
        start = size = 0
        for number, value in enumerate(stored):
            if number > start and (size + len(value) > _BATCH_BYTES or number - start == _BATCH_KEYS):
                yield keys[start:number], stored[start:number], size
                start, size = number, 0
            size += len(value)
        yield keys[start:], stored[start:], size


def _last_row(keys: list[bytes]) -> int:
    """Return the number of the first key of the last key's row."""
    last = _shared_part(keys[-1])
    first = len(keys) - 1
    while first and _shared_part(keys[first - 1]) == last:
        first -= 1
    return first


def _shared_part(key: bytes) -> bytes:
    try:
        return key[: split_family(key)[0]]
    except DECODING_ERRORS:
        return key
