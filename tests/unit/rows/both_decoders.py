# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rows read by the decoder of many at once, and one by one: what each gives, to be compared."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from random_rows import USER_TYPES

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.general_rows import (
    DECODING_ERRORS,
    GeneralRows,
    split_family,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    RowDecoder,
    build_row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import STOP_ALL

Pair = tuple[bytes, bytes]


def outcome(decoder: RowDecoder, decode: Callable[[], tuple[bytes, bytes, int]]) -> tuple[Any, ...]:
    """What decoding gives: the text with all that was noted, or the error."""
    try:
        text, computed, rows = decode()
    except MigrationError as error:
        return type(error), str(error)
    return text, computed, rows, *decoder.problems.take()


def in_blocks(decoder: RowDecoder, batches: list[list[Pair]]) -> tuple[bytes, bytes, int]:
    blocks = list(decoder.rows(([key for key, _value in batch], [value for _key, value in batch]) for batch in batches))
    assert {block.computed is None for block in blocks} <= {not decoder.computed}
    return b"".join(block.text for block in blocks), b"".join(block.computed or b"" for block in blocks), sum(block.rows for block in blocks)


def row_by_row(general: GeneralRows, pairs: list[Pair]) -> tuple[bytes, bytes, int]:
    rows: list[list[Pair]] = []
    last: Optional[bytes] = None
    for key, value in pairs:
        prefix = key if general.single_family else _shared(key)
        if prefix != last:
            rows.append([])
        rows[-1].append((key, value))
        last = prefix
    found = [texts for texts in map(general.decode, rows) if texts]
    return "".join(f"{line}\n" for line, _other in found).encode(), "".join(f"{other}\n" for _line, other in found).encode() if general.computed else b"", len(found)


def _shared(key: bytes) -> bytes:
    try:
        return key[: split_family(key)[0]]
    except DECODING_ERRORS:
        return key


def decoders(table: Table, policies=STOP_ALL, user_types=USER_TYPES) -> tuple[RowDecoder, RowDecoder]:
    return build_row_decoder(table, user_types, "db.public.t", policies), build_row_decoder(table, user_types, "db.public.t", policies)


def both(table: Table, pairs: list[Pair], policies=STOP_ALL, batches: Optional[list[list[Pair]]] = None) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    together, single = decoders(table, policies)
    return outcome(together, lambda: in_blocks(together, batches or [pairs])), outcome(single, lambda: row_by_row(single.general, pairs))
