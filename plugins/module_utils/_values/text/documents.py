# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""JSON documents as jsonb prints them, from the texts of their parts."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Iterable

from ..._formats.encoding import Decimal, ValueProblem, replacement
from .numbers import numeric_text

MAX_DEPTH = 400
"""PostgreSQL's own limit is its stack; a document as deep as this is refused before Python's is."""

quoted_text = json.encoder.encode_basestring
"""Escapes exactly what PostgreSQL's escape_json does: quote, backslash and the controls below U+0020."""


def number_text(number: Decimal) -> str:
    """A number. Those that are not finite are replaced by the strings that PostgreSQL's to_jsonb makes of them, or
    ValueProblem is raised."""
    if isinstance(number, str):
        return replacement(
            f'"{number}"', f"the JSON document holds the number {number}, which jsonb cannot hold", "json_number"
        )
    return numeric_text(number)


def list_text(values: list[str]) -> str:
    """An array of the texts of its elements."""
    return f"[{', '.join(values)}]"


def object_text(pairs: Iterable[tuple[str, str]]) -> str:
    """An object of the texts of its keys (quoted) and values. jsonb orders keys by their length in bytes first."""
    return "{" + ", ".join([f"{key}: {value}" for key, value in sorted(pairs, key=_key_order)]) + "}"


def require_depth(depth: int) -> None:
    """Raise ValueProblem when a document is nested too deeply."""
    if depth > MAX_DEPTH:
        raise ValueProblem(f"the JSON document is nested more than {MAX_DEPTH} levels deep", "json_depth")


def _key_order(pair: tuple[str, str]) -> tuple[int, bytes]:
    key = pair[0]
    raw = (json.loads(key) if "\\" in key else key[1:-1]).encode()
    return len(raw), raw
