# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Many JSON documents at once, from their stored form to jsonb's text as json_values.py writes it.

The documents of a column mostly have a few shapes: the same names in their objects, the same number of elements in
their arrays. Those of the same shape are written together, value by value. Documents of rare shapes, and those with a
value that is not usual (text that needs escapes, special numbers), are left to json_values.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ..._formats.packed_bytes import PADDING, PackedBytes
from ..._values.copy_text import escape
from ..._values.text.documents import quoted_text
from ..._values.text_columns import side_by_side
from .json_values import (
    ARRAY,
    CONTAINER,
    CONTAINER_KIND,
    COUNT,
    FALSE,
    IS_OFFSET,
    LENGTH,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    TRUE,
    TYPE,
)
from .span_arrays import Spans, Texts, decimal_texts, plain_texts

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_MOST_SHAPES, _FEWEST_DOCUMENTS = 16, 16
"""So many shapes, of so many documents at least, are written together."""
_MOST_ENTRIES, _MOST_DEPTH = 60, 8
_WORD = 4
_LITERALS = {NULL: b"null", FALSE: b"false", TRUE: b"true"}
_FIRST_PLAIN = 0x20
"""Characters before this one are escaped."""


class _Entries(NamedTuple):
    """The entries of containers that have equally many; a row of an array is a container."""

    types: Any
    bounds: Any
    """Where they begin, from the container's first byte, and where the last one ends."""
    usual: Any
    """Which containers are well-formed; the bounds of the others are within them, but nothing else."""


def document_texts(packed: PackedBytes, spans: Spans, depth: int = 0) -> Texts:
    """Return the COPY texts of documents, or of containers inside of documents at this depth."""
    parts: list[tuple[Any, Texts]] = []
    headers = packed.words(">u4", spans.start).astype(np.int64)
    left = np.flatnonzero(spans.length >= _WORD)
    for _shape in range(_MOST_SHAPES):
        if len(left) < _FEWEST_DOCUMENTS or depth > _MOST_DEPTH:
            break
        alike = np.flatnonzero(headers[left] == headers[left[0]])
        places, texts = _shape_texts(packed, spans.chosen(left[alike]), int(headers[left[0]]), depth)
        if texts is not None:
            parts.append((left[alike[places]], texts))
        left = np.delete(left, alike[places])
    return _merged(parts, len(spans.start))


def _shape_texts(packed: PackedBytes, spans: Spans, header: int, depth: int) -> tuple[Any, Optional[Texts]]:
    """Write the containers with the same names as the first one; all have its header. Return which they are; their
    texts are None when the first one is not usual."""
    kind, count = header & CONTAINER_KIND, header & COUNT
    if kind == ARRAY and count <= _MOST_ENTRIES:
        entries = _entries(packed, spans, count)
        places, names, brackets = np.arange(len(spans.start)), [(place, "") for place in range(count)], "[]"
    elif kind == OBJECT and 2 * count <= _MOST_ENTRIES:
        entries = _entries(packed, spans, 2 * count)
        places, found = _with_same_names(packed, spans, entries, count)
        if found is None:
            return places, None
        names, brackets = found, "{}"
    else:
        return np.arange(len(spans.start)), None
    spans = spans.chosen(places)
    usual = entries.usual[places]
    bounds, types = entries.bounds[places], entries.types[places]
    first = types.shape[1] - count
    parts: list[Any] = [np.zeros((len(places), 0), np.uint8), brackets[0]]
    for number, (place, name) in enumerate(names):
        entry = first + place
        value = Spans(spans.start + bounds[:, entry], bounds[:, entry + 1] - bounds[:, entry])
        texts = _value_texts(packed, types[:, entry], value, depth)
        usual = usual & texts.usual
        parts += [", " if number else "", name, texts.matrix]
    return places, Texts(side_by_side([*parts, brackets[1]]), usual)


def _entries(packed: PackedBytes, spans: Spans, count: int) -> _Entries:
    words = packed.words(">u4", spans.start[:, None] + _WORD * np.arange(1, count + 1)).astype(np.int64)
    start = _WORD + _WORD * count
    lengths = words & LENGTH
    bounds = np.full((len(words), count + 1), start)
    for entry in range(count):
        before = np.where(words[:, entry] & IS_OFFSET, start, bounds[:, entry])
        bounds[:, entry + 1] = before + lengths[:, entry]
    usual = (np.diff(bounds, axis=1) >= 0).all(axis=1) & (bounds[:, -1] == spans.length)
    return _Entries(words & TYPE, np.where(usual[:, None], bounds, 0), usual)


def _with_same_names(
    packed: PackedBytes, spans: Spans, entries: _Entries, count: int
) -> tuple[Any, Optional[list[tuple[int, str]]]]:
    """Return which objects have the first one's names, and the place of each value with its name's text, in jsonb's
    order; only the first one and None if its names are not usual."""
    bounds = entries.bounds[:, : count + 1]
    start, size = int(bounds[0, 0]), int(bounds[0, count] - bounds[0, 0])
    if not entries.usual[0] or size >= PADDING:
        return np.zeros(1, np.intp), None
    same = (bounds == bounds[0]).all(axis=1) & (entries.types[:, :count] == STRING).all(axis=1)
    # One byte more, so that there is one.
    stored = packed.windows(spans.start + np.where(same, start, 0), size + 1)[:, :size]
    same &= (stored == stored[0]).all(axis=1)
    data = stored[0].tobytes()
    if not same[0] or not data.isascii() or b"\0" in data:
        return np.zeros(1, np.intp), None
    ends = (bounds[0] - start).tolist()
    names = sorted(enumerate(data[first:end].decode() for first, end in zip(ends, ends[1:])), key=_name_order)
    return np.flatnonzero(same), [(place, f"{escape(quoted_text(name))}: ") for place, name in names]


def _name_order(item: tuple[int, str]) -> tuple[int, str]:
    """jsonb orders names by their length first."""
    return len(item[1]), item[1]


def _value_texts(packed: PackedBytes, types: Any, spans: Spans, depth: int) -> Texts:
    parts: list[tuple[Any, Texts]] = []
    for kind in np.unique(types).tolist():
        rows = np.flatnonzero(types == kind)
        value = spans.chosen(rows)
        if kind == STRING:
            text, usual = plain_texts(packed, value, _special)
            parts.append((rows, Texts(side_by_side(['"', text, '"']), usual)))
        elif kind == NUMBER:
            parts.append((rows, _number_texts(packed, value)))
        elif kind == CONTAINER:
            parts.append((rows, document_texts(packed, value, depth + 1)))
        elif kind in _LITERALS:
            parts.append((rows, Texts(np.frombuffer(_LITERALS[kind], np.uint8)[None], value.length == 0)))
    return _merged(parts, len(types))


def _special(matrix: Any) -> Any:
    return (matrix < _FIRST_PLAIN) | (matrix == ord('"')) | (matrix == ord("\\"))


def _number_texts(packed: PackedBytes, spans: Spans) -> Texts:
    """Numbers are decimals after their length, which is one byte for the usual ones."""
    size = np.maximum(spans.length - 1, 0)
    text, usual = decimal_texts(packed, Spans(spans.start + 1, size))
    return Texts(text, usual & (spans.length > 1) & (packed.data[spans.start] == size))


def _merged(parts: list[tuple[Any, Texts]], count: int) -> Texts:
    """Return the texts of all rows from those of some rows each; the others are not usual."""
    if len(parts) == 1 and len(parts[0][0]) == count == len(parts[0][1].matrix):
        return parts[0][1]
    width = max((texts.matrix.shape[1] for _rows, texts in parts), default=1)
    matrix, usual = np.zeros((count, width), np.uint8), np.zeros(count, bool)
    for rows, texts in parts:
        matrix[rows, : texts.matrix.shape[1]] = texts.matrix
        usual[rows] = texts.usual
    return Texts(matrix, usual)
