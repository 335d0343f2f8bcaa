# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Rows on their way from a source to a dump: some lines of COPY text at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class LineBlock:
    """Lines of COPY text, a row each."""

    text: bytes
    """Every line ends with a newline, which nothing else in the text is."""
    rows: int
    computed: Optional[bytes] = None
    """When the table has stored computed columns: a line for each row in the same form, which has their text joined by
    tabs and is for the checksum only."""


def block_of_lines(lines: list[str], computed: Optional[list[str]] = None) -> LineBlock:
    """Return the block of COPY lines (without newline) and the computed text that belongs to each."""
    return LineBlock(_text(lines), len(lines), None if computed is None else _text(computed))


def split_lines(text: bytes) -> list[bytes]:
    """Return the lines, without newline, of a text in which every line ends with one."""
    lines = text.split(b"\n")
    lines.pop()
    return lines


def _text(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()
