# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Decodes the rows of a batch together, column by column.

All rows are read in lockstep: there is a cursor in each key and each value. After the key columns, the entries of the
values are read in the order of column ids; ``tags`` has, for each value, the column id of its next entry times 16 plus
the entry's type, so that one comparison of arrays tells which rows have the column. A row whose value does not end
exactly with its last known entry, or that is unusual in another way (or another table's, where tables are interleaved),
is decoded by ``GeneralRows``, and its line takes its place among the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import ne
from typing import Any, NamedTuple, Optional

from ..._formats.cursors import Cursors
from ..._formats.packed_bytes import PackedBytes, pack
from ..._model.catalog import Family
from ..._values.line_block import LineBlock
from ..._values.text_columns import TextColumn, joined_lines, null_column, replaced
from . import values
from .column_arrays import ColumnReader, legacy_value_reader, value_reader
from .general_rows import DECODING_ERRORS, FAMILY_ZERO, ColumnForms, GeneralRows, RowLayout, split_family
from .key_arrays import key_column_reader

try:
    import numpy as np
except ImportError:
    np = None  # named by libraries.missing()

_NO_FAMILY, _NO_TAG = -1, -1
_LONG_TYPE = 15
"""In a tag: the type's number follows."""


class _Entry(NamedTuple):
    """A column that a family's value may hold."""

    form: ColumnForms
    read: ColumnReader


class _FamilyColumns(NamedTuple):
    """The columns of a family, by id."""

    entries: list[_Entry]
    alone: Optional[_Entry]
    """The column whose value may stand without a tuple around it, with the reader of that form."""


@dataclass
class _Rows:
    """The rows of a batch."""

    cursors: Cursors
    """In the part of the key that a row's families share."""
    first: Sequence[int]
    """The number of each row's first key and value."""
    families: Any
    """The family of each key; None when there is one only."""
    bad: Any
    """The rows that ``GeneralRows`` has to decode."""
    columns: dict[int, TextColumn] = field(default_factory=dict)

    def place(self, column_id: int, rows: Any, texts: TextColumn) -> None:
        """Take over a column's texts in the rows of these numbers."""
        if len(rows) < len(self.first):
            texts = replaced(self.column(column_id), rows, texts)
        self.columns[column_id] = texts

    def column(self, column_id: int) -> TextColumn:
        return self.columns.get(column_id) or null_column(len(self.first))


class RowArrays:
    """Decodes batches of one table's rows."""

    def __init__(self, layout: RowLayout, general: GeneralRows) -> None:
        self._general, self._single_family = general, layout.single_family
        self._loaded, self._computed = layout.loaded, layout.computed
        self._families = {family.id: _family_columns(layout, general, family) for family in layout.families}
        self._key_levels = layout.key_levels
        self._key_readers = [
            (part.column_id, key_column_reader(layout.forms[part.column_id], part.descending, read_text))
            for part, read_text in zip(layout.table.primary_index.columns, layout.key_readers)
        ]

    def block(self, keys: Sequence[bytes], stored: Sequence[bytes]) -> LineBlock:
        """Return the lines of whole rows, given as all their keys and values. Raises MigrationError as
        ``GeneralRows.decode`` does."""
        rows = _rows_of_one_family(keys) if self._single_family else _rows_of_families(keys)
        self._read_keys(rows)
        self._read_values(rows, pack(stored))
        instead: dict[int, Optional[tuple[str, str]]] = {}
        ends = [*rows.first[1:], len(keys)]
        for row in np.flatnonzero(rows.bad).tolist():
            pairs = slice(rows.first[row], ends[row])
            instead[row] = self._general.decode(list(zip(keys[pairs], stored[pairs])))
        text = _lines(rows, self._loaded, {row: texts and texts[0] for row, texts in instead.items()})
        computed = None
        if self._computed:
            computed = _lines(rows, self._computed, {row: texts and texts[1] for row, texts in instead.items()})
        return LineBlock(text, len(rows.first) - list(instead.values()).count(None), computed)

    def _read_keys(self, rows: _Rows) -> None:
        cursors = rows.cursors
        done = 0
        for prefix, columns in self._key_levels:
            same = cursors.packed.windows(cursors.position, len(prefix)) == np.frombuffer(prefix, np.uint8)
            cursors.bad |= ~same.all(axis=1)
            cursors.advance(len(prefix))
            for column_id, read in self._key_readers[done : done + columns]:
                rows.columns[column_id] = read(cursors)
            done += columns
        rows.bad |= cursors.bad | (cursors.position != cursors.end)

    def _read_values(self, rows: _Rows, stored: PackedBytes) -> None:
        if self._single_family:
            chosen = np.flatnonzero(~rows.bad)
            _read_family(self._families[0], rows, chosen, _cursors(stored, chosen))
            return
        # The row of each key.
        numbers = np.repeat(np.arange(len(rows.first)), np.diff([*rows.first, len(rows.families)]))
        again = (np.diff(rows.families) <= 0) & (np.diff(numbers) == 0)
        rows.bad[numbers[1:][again]] = True
        rows.bad[numbers[~np.isin(rows.families, list(self._families))]] = True
        usual = ~rows.bad
        for family_id, columns in self._families.items():
            chosen = np.flatnonzero((rows.families == family_id) & usual[numbers])
            _read_family(columns, rows, numbers[chosen], _cursors(stored, chosen))


def _rows_of_one_family(keys: Sequence[bytes]) -> _Rows:
    """Return the rows of a table with one family: a key is a row."""
    packed = pack(keys)
    end = np.maximum(packed.ends - 1, packed.starts)
    bad = (packed.data[end] != FAMILY_ZERO) | (packed.ends == packed.starts)
    return _Rows(Cursors(packed, packed.starts, packed.starts.copy(), end), range(len(keys)), None, bad)


def _rows_of_families(keys: Sequence[bytes]) -> _Rows:
    """Return the rows of a table with several families: the keys with the same beginning are a row."""
    prefixes, families = [], []
    for key in keys:
        try:
            end, family = split_family(key)
        except DECODING_ERRORS:
            end, family = len(key), _NO_FAMILY
        prefixes.append(key[:end])
        families.append(family)
    first = [0, *(number for number, new in enumerate(map(ne, prefixes, prefixes[1:]), 1) if new)]
    packed = pack([prefixes[number] for number in first])
    cursors = Cursors(packed, packed.starts, packed.starts.copy(), packed.ends)
    numbers = np.array(families)
    return _Rows(cursors, first, numbers, numbers[list(first)] != 0)


def _family_columns(layout: RowLayout, general: GeneralRows, family: Family) -> _FamilyColumns:
    forms = [
        layout.forms[column_id]
        for column_id in sorted(family.column_ids)
        if column_id in layout.forms and column_id not in general.only_in_key
    ]
    entries = [_Entry(form, value_reader(form)) for form in forms if not form.column.virtual]
    alone = next((form for form in forms if form.column.id == family.default_column_id), None)
    return _FamilyColumns(entries, _Entry(alone, legacy_value_reader(alone)) if alone else None)


def _cursors(stored: PackedBytes, chosen: Any) -> Cursors:
    start = stored.starts[chosen]
    return Cursors(stored, start, start.copy(), stored.ends[chosen])


def _read_family(family: _FamilyColumns, rows: _Rows, numbers: Any, cursors: Cursors) -> None:
    """Read the values of one family, which belong to the rows of these numbers."""
    tags = cursors.data[cursors.advance(values.HEADER) + values.HEADER - 1]
    usual = (tags == values.TAG_UNKNOWN) & (cursors.position == cursors.end)
    tuples = tags == values.TAG_TUPLE
    if tuples.any():
        chosen = _numbers_of(tuples)
        part = cursors.select(chosen)
        _read_tuples(family.entries, rows, numbers[chosen], part)
        cursors.update(chosen, part)
        usual |= tuples
    if family.alone:
        form, read = family.alone
        alone = tags == form.legacy_tag
        if alone.any():
            chosen = _numbers_of(alone)
            part = cursors.select(chosen)
            rows.place(form.column.id, numbers[chosen], read(part))
            cursors.update(chosen, part)
            usual |= alone
    rows.bad[numbers] |= cursors.bad | ~usual | (cursors.position != cursors.end)


def _read_tuples(entries: list[_Entry], rows: _Rows, numbers: Any, cursors: Cursors) -> None:
    tags = _next_tags(cursors, 0)
    for form, read in entries:
        base = form.column.id << 4
        held = _are_of(form, tags - base, cursors)
        count = np.count_nonzero(held)
        if not count:
            continue
        everywhere = count == len(tags)
        chosen = slice(None) if everywhere else np.flatnonzero(held)
        part = cursors if everywhere else cursors.select(chosen)
        if form.wire_types[0] >= _LONG_TYPE:
            part.advance(1)
        rows.place(form.column.id, numbers[chosen], read(part))
        tags[chosen] = _next_tags(part, base)
        if not everywhere:
            cursors.update(chosen, part)
    cursors.bad |= tags != _NO_TAG


def _are_of(form: ColumnForms, types: Any, cursors: Cursors) -> Any:
    """Tell which of the types of entries are the column's."""
    if len(form.wire_types) > 1:
        return np.isin(types, form.wire_types)
    kind = form.wire_types[0]
    if kind < _LONG_TYPE:
        return types == kind
    return (types == _LONG_TYPE) & (cursors.data[cursors.position] == kind)


def _next_tags(cursors: Cursors, base: int) -> Any:
    """Read the tags of the next entries; ``base`` is the last column's id times 16."""
    inside = cursors.position < cursors.end
    count = np.count_nonzero(inside)
    if count == len(cursors):
        return cursors.msb() + base
    tags = np.full(len(cursors), _NO_TAG)
    if count:
        chosen = np.flatnonzero(inside)
        part = cursors.select(chosen)
        tags[chosen] = part.msb() + base
        cursors.update(chosen, part)
    return tags


def _numbers_of(mask: Any) -> Any:
    return slice(None) if mask.all() else np.flatnonzero(mask)


def _lines(rows: _Rows, ids: list[int], instead: Mapping[int, Optional[str]]) -> bytes:
    lines = {row: b"" if line is None else f"{line}\n".encode() for row, line in instead.items()}
    return joined_lines([rows.column(column_id) for column_id in ids], len(rows.first), lines)
