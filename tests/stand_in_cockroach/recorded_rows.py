# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What COPY would have sent of a range that a real CockroachDB gave as one page of a SELECT."""
from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Optional

import pgwire
from releases import words

Key = tuple[tuple[str, ...], tuple[str, ...]]
"""The words of the table's name and of the condition."""

_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
"""Source: pkg/sql/copy_to.go, EncodeCopy."""


def _parts(statement: Sequence[str]) -> Optional[tuple[Sequence[str], Key, int]]:
    """Return the selected words, the key and the limit (0: none) of SELECT … FROM … WHERE … [ORDER BY … LIMIT n]."""
    try:
        source, condition = statement.index("FROM"), statement.index("WHERE")
    except ValueError:
        return None
    end = statement.index("ORDER") if "ORDER" in statement else len(statement)
    name = list(statement[source + 1:condition])
    if "AS" in name:
        name = name[:name.index("AS")]
    limit = int(statement[-1]) if "LIMIT" in statement[-2:] else 0
    return statement[1:source], (tuple(name), tuple(statement[condition + 1:end])), limit


def _columns(selected: Sequence[str]) -> int:
    return 1 + list(selected).count(",")


class RecordedRows:
    """The pages of a conversation, by table and range."""

    def __init__(self, exchanges: Iterable[tuple[str, bytes]]) -> None:
        self._pages: dict[Key, tuple[Sequence[str], int, bytes]] = {}
        for sql, answer in exchanges:
            if sql.startswith("SELECT ") and " LIMIT " in sql:
                parts = _parts(words(sql))
                if parts and parts[2]:
                    self._pages.setdefault(parts[1], (parts[0], parts[2], answer))

    def copy(self, sql: str) -> Optional[bytes]:
        """Return the answer to COPY (SELECT …) TO STDOUT, None for a range that is not there or was longer than a page."""
        statement = words(sql)
        parts = _parts(statement[2:-3])
        if statement[:2] != ("COPY", "(") or statement[-3:] != (")", "TO", "STDOUT") or parts is None or parts[1] not in self._pages:
            return None
        selected, limit, answer = self._pages[parts[1]]
        rows = [values(payload) for kind, payload in pgwire.messages(answer) if kind == "D"]
        if tuple(selected[-len(parts[0]):]) != tuple(parts[0]) or len(rows) >= limit:
            return None
        count = _columns(parts[0])
        return pgwire.copy_out(count, [_line(row[-count:]) for row in rows])


def values(payload: bytes) -> list[Optional[str]]:
    """Return the values of a DataRow message."""
    found, position = [], 2
    for _number in range(struct.unpack_from("!h", payload)[0]):
        (length,) = struct.unpack_from("!i", payload, position)
        position += 4
        found.append(None if length < 0 else payload[position:position + length].decode())
        position += max(length, 0)
    return found


def _line(row: list[Optional[str]]) -> str:
    return "\t".join("\\N" if value is None else "".join(_ESCAPES.get(character, character) for character in value) for value in row) + "\n"
