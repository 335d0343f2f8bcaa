# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The COPY text of many rows as matrices of bytes, one for each column.

A zero byte, which no text of PostgreSQL's holds, is no character: writers leave it wherever their text is shorter, and
it is dropped when the lines are joined. A text that is too long for the matrix, or was not written with the others,
lies beside it: its place in the matrix has the byte 0xFF only, which no UTF-8 holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_MARK = 0xFF
_NULL, _TAB, _NEWLINE = b"\\N", ord("\t"), ord("\n")


class TextColumn(NamedTuple):
    """The texts of one column."""

    matrix: Any
    """A row of bytes (uint8) for each row."""
    beside: Mapping[int, bytes] = {}
    """The texts that lie beside the matrix, by row."""

    def with_beside(self, texts: Mapping[int, bytes]) -> TextColumn:
        """Return the column with other texts in some rows. Changes the matrix."""
        if not texts:
            return self
        _mark(self.matrix, list(texts))
        return TextColumn(self.matrix, {**self.beside, **texts})


def null_column(rows: int) -> TextColumn:
    """Return a column of NULLs, whose matrix cannot be changed."""
    return TextColumn(np.broadcast_to(np.frombuffer(_NULL, np.uint8), (rows, len(_NULL))))


def replaced(column: TextColumn, rows: Any, texts: TextColumn) -> TextColumn:
    """Return ``column`` with other texts in the rows of these numbers."""
    count, width = column.matrix.shape
    matrix = np.zeros((count, max(width, texts.matrix.shape[1])), np.uint8)
    matrix[:, :width] = column.matrix
    matrix[rows] = 0
    matrix[rows, : texts.matrix.shape[1]] = texts.matrix
    beside = dict(column.beside)
    if beside:
        for row in rows.tolist():
            beside.pop(row, None)
    numbers = rows[list(texts.beside)].tolist()
    beside.update(zip(numbers, texts.beside.values()))
    return TextColumn(matrix, beside)


def side_by_side(parts: Iterable[Any]) -> Any:
    """Return the matrix of texts that are joined of others: matrices, or ASCII text that all rows have."""
    parts = list(parts)
    rows = next(len(part) for part in parts if not isinstance(part, str))
    parts = [np.frombuffer(part.encode(), np.uint8)[None] if isinstance(part, str) else part for part in parts]
    matrix = np.empty((rows, sum(part.shape[1] for part in parts)), np.uint8)
    end = 0
    for part in parts:
        start, end = end, end + part.shape[1]
        matrix[:, start:end] = part
    return matrix


def joined_lines(columns: list[TextColumn], rows: int, instead: Mapping[int, bytes]) -> bytes:
    """Return the lines of all rows, each with its newline. ``instead`` has whole lines by row; it may be several lines,
    or none."""
    width = sum(column.matrix.shape[1] for column in columns)
    matrix = np.empty((rows, width + max(len(columns), 1)), np.uint8)
    end = 0
    for column in columns:
        start, end = end, end + column.matrix.shape[1]
        matrix[:, start:end] = column.matrix
        matrix[:, end] = _TAB
        end += 1
    matrix[:, -1] = _NEWLINE
    _mark(matrix, list(instead))
    text = matrix.tobytes().translate(None, b"\0")
    beside = _in_order([column.beside for column in columns], instead)
    if not beside:
        return text
    pieces: list[Optional[bytes]] = [None] * (2 * len(beside) + 1)
    pieces[::2] = text.split(bytes((_MARK,)))
    pieces[1::2] = beside
    return b"".join(pieces)  # type: ignore[arg-type]


def _mark(matrix: Any, rows: list[int]) -> None:
    if rows:
        matrix[rows] = 0
        matrix[rows, 0] = _MARK


def _in_order(columns: list[Mapping[int, bytes]], instead: Mapping[int, bytes]) -> list[bytes]:
    """Return the texts beside the matrices in the order of their marks."""
    count = max(len(columns), 1)
    found = {row * count + number: text for number, texts in enumerate(columns) for row, text in texts.items()}
    if instead:
        found = {place: text for place, text in found.items() if place // count not in instead}
        found.update({row * count: text for row, text in instead.items()})
    return [found[place] for place in sorted(found)]
