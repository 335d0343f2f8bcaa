# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Texts and decimals of many rows at once, where columns and JSON documents have them in the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from ..._formats.packed_bytes import PADDING, PackedBytes
from ..._values.text.number_arrays import MOST_DIGITS, decimal_matrix, powers_of_ten

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_ALWAYS_IN_MATRIX = 64
_LARGE, _MEDIUM, _SMALL = 0x34, 0x29, 0x28
_NEGATIVE_LARGE, _NEGATIVE_MEDIUM, _NEGATIVE_SMALL = 0x1A, 0x25, 0x26
"""The markers of decimals by their exponent: see ``encoding.decimal``."""
_ZERO = 0x27
_ONE_BYTE_ZERO, _LAST_ONE_BYTE = 0x88, 0xF5


class Spans(NamedTuple):
    """Bytes of some rows: their positions in the packed bytes, and their lengths."""

    start: Any
    length: Any

    def chosen(self, rows: Any) -> Spans:
        return Spans(self.start[rows], self.length[rows])


class Texts(NamedTuple):
    """A matrix as in text_columns.py, and which of its rows are usual; the others are not yet written."""

    matrix: Any
    usual: Any


def matrix_width(length: Any) -> int:
    """Return how long the texts are that are written into a matrix: long ones among short ones, and very long ones, are
    not."""
    if not len(length):
        return 0
    longest = int(length.max())
    if longest <= _ALWAYS_IN_MATRIX:
        return longest
    most = min(int(length.mean()) * 2 + _ALWAYS_IN_MATRIX, PADDING - 1)
    return int(length[length <= most].max(initial=0))


def plain_texts(packed: PackedBytes, spans: Spans, special: Callable[[Any], Any]) -> Texts:
    """Return texts as they are. Those that hold characters for which ``special`` is true, and those that are not UTF-8
    or too long for the matrix, are not usual."""
    width = matrix_width(spans.length)
    # One column more, so that a zero byte is between any two texts.
    matrix = packed.windows(spans.start, width + 1)
    inside = np.arange(width + 1) < spans.length[:, None]
    inside[:, width] = False
    usual = spans.length <= width
    found = special(matrix) & inside
    if found.any():
        usual &= ~found.any(axis=1)
    matrix *= inside
    beyond = matrix > 127
    if beyond.any():
        try:
            matrix.tobytes().decode()
        except UnicodeDecodeError:
            usual &= ~beyond.any(axis=1)
    return Texts(matrix, usual)


def decimal_texts(packed: PackedBytes, spans: Spans, precision: Optional[int] = None, scale: int = 0) -> Texts:
    """Return decimals in the form of ``encoding.decimal`` as ``numeric_text`` writes them."""
    start, length = spans
    marker, second = packed.data[start], packed.data[start + 1].astype(np.int64)
    large = (marker == _LARGE) | (marker == _NEGATIVE_LARGE)
    medium = (marker == _MEDIUM) | (marker == _NEGATIVE_MEDIUM)
    small = (marker == _SMALL) | (marker == _NEGATIVE_SMALL)
    usual = (large | small) & (second >= _ONE_BYTE_ZERO) & (second <= _LAST_ONE_BYTE) | medium
    usual |= (marker == _ZERO) & (length == 1)
    header = np.where(large | small, 2, 1)
    size = length - header
    usual &= (size >= 0) & (size <= 8)
    size = np.minimum(np.maximum(size, 0), 8)
    word = packed.words(">u8", start + header).astype(np.uint64)
    coefficient = np.where(size > 0, word >> (64 - 8 * np.maximum(size, 1)).astype(np.uint64), np.uint64(0))
    usual &= coefficient < powers_of_ten()[MOST_DIGITS]
    exponent = np.where(large, second - _ONE_BYTE_ZERO, np.where(small, _ONE_BYTE_ZERO - second, 0))
    digits = np.maximum(np.searchsorted(powers_of_ten(), coefficient, side="right"), 1)
    # A zero without a coefficient has the exponent 0.
    decimals = np.where(marker == _ZERO, 0, digits - exponent)
    if precision:
        missing = scale - decimals
        usual &= (missing >= 0) & (missing + digits <= min(precision, MOST_DIGITS))
        coefficient = coefficient * powers_of_ten()[np.where(usual, missing, 0)]
        decimals = np.full(len(start), scale)
    usual &= (decimals >= 0) & (decimals <= MOST_DIGITS)
    coefficient, decimals = np.where(usual, coefficient, np.uint64(0)), np.where(usual, decimals, 0)
    # All negative markers, and no others of these, are below zero's.
    return Texts(decimal_matrix(marker < _ZERO, coefficient, decimals), usual)
