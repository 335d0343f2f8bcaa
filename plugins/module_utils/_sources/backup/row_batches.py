# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Batches of whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..._errors import MigrationError
from ..._formats.packed_bytes import total_length
from .general_rows import DECODING_ERRORS, split_family
from .mvcc import Batch

_FEW_KEYS = 1024
"""Batches of fewer keys are joined, unless they are large."""
_USUAL_KEYS, _USUAL_BYTES = 4096, 4 << 20
"""About how many keys, or bytes of values at most, are joined."""


def batches_of_rows(batches: Iterable[Batch], single_family: bool, most_keys: int) -> Iterator[Batch]:
    """Yield the same keys and values in batches of whole rows and about ``most_keys`` keys at most.

    With ``single_family`` each key is a row, otherwise a row's last keys may be in the next batch.
    """
    batches = _joined(batches)
    for keys, stored in batches if single_family else _without_cut_rows(batches):
        start = 0
        while start < len(keys):
            end = min(start + most_keys, len(keys))
            if not single_family and end < len(keys):
                while end < len(keys) and shared_part(keys[end]) == shared_part(keys[end - 1]):
                    end += 1
            yield (keys, stored) if end - start == len(keys) else (keys[start:end], stored[start:end])
            start = end
        del keys, stored


def shared_part(key: bytes) -> bytes:
    """Return what the keys of a row's families begin with; the whole key if it is none of a row."""
    try:
        return key[: split_family(key)[0]]
    except DECODING_ERRORS:
        return key


def _joined(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Join batches of few keys. When the source raises an error, the keys before it are passed on first: an error of
    theirs is raised before the source's."""
    keys: list[bytes] = []
    stored: list[bytes] = []
    size = 0
    try:
        for batch in batches:
            more = total_length(batch[1])
            large = len(batch[0]) >= _FEW_KEYS or 2 * more > _USUAL_BYTES
            if keys and (large or size + more > _USUAL_BYTES):
                yield keys, stored
                keys, stored, size = [], [], 0
            if large:
                yield batch
            else:
                keys += batch[0]
                stored += batch[1]
                size += more
                if len(keys) >= _USUAL_KEYS:
                    yield keys, stored
                    keys, stored, size = [], [], 0
            # A batch may be as large as the table's largest row: none is kept while the next one is read.
            del batch
    except MigrationError:
        if keys:
            yield keys, stored
        raise
    if keys:
        yield keys, stored


def _without_cut_rows(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Pass the last row of each batch on with the next one."""
    keys: list[bytes] = []
    stored: list[bytes] = []
    for more_keys, more_stored in batches:
        keys += more_keys
        stored += more_stored
        first = len(keys) - 1
        while first > 0 and shared_part(keys[first - 1]) == shared_part(keys[-1]):
            first -= 1
        if first > 0:
            yield keys[:first], stored[:first]
            keys, stored = keys[first:], stored[first:]
    if keys:
        yield keys, stored
