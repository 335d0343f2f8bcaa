# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Decoding (key, value) pairs of a table into COPY lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Optional

from ..._convert.computed import columns_read
from ..._errors import UnsupportedError
from ..._model.catalog import Column, Family, Table, UserType
from ..._model.stored_columns import computed_columns, loaded_columns
from ..._model.table_source import ObjectNames
from ..._values.line_block import LineBlock
from ..._values.problem_rows import ProblemRows
from ..._values.value_policies import STOP_ALL, ValuePolicies
from ..source import OutputColumn
from .general_rows import ColumnForms, GeneralRows, RowLayout, TextReader, column_forms, key_text_reader
from .mvcc import Batch
from .row_arrays import RowArrays
from .row_batches import batches_of_rows

_BATCH_FIELDS, _FEWEST_KEYS = 1 << 19, 256
"""The most values of a row times the rows that are decoded together, which bounds the memory; but so many rows always
are."""


class RowDecoder:
    """Decodes one table's rows; made by ``build_row_decoder``."""

    def __init__(
        self,
        layout: RowLayout,
        columns: tuple[OutputColumn, ...],
        computed: tuple[OutputColumn, ...],
        problems: ProblemRows,
    ) -> None:
        self.columns = columns
        """The COPY column list."""
        self.computed = computed
        """The stored computed columns: their text is for checksums only."""
        self.problems = problems
        """What happened to rows with values that PostgreSQL cannot hold."""
        self.general = GeneralRows(layout, problems)
        """Decodes single rows."""
        self._layout = layout
        self._single_family = layout.single_family
        self._most_keys = max(_FEWEST_KEYS, _BATCH_FIELDS // max(1, len(columns) + len(computed)))

    @cached_property
    def _arrays(self) -> RowArrays:
        return RowArrays(self._layout, self.general)

    def rows(self, batches: Iterable[Batch]) -> Iterator[LineBlock]:
        """Yield blocks of COPY lines.

        A row's keys may be spread over batches; it is yielded when its last key is certain. Raises MigrationError for a
        value that PostgreSQL cannot hold and no policy changes, CorruptBackupError and UnsupportedError, naming table,
        column and the row's key.
        """
        for keys, stored in batches_of_rows(batches, self._single_family, self._most_keys):
            block = self._arrays.block(keys, stored)
            del keys, stored
            yield block
            del block


def build_row_decoder(
    table: Table,
    user_types: Mapping[int, UserType],
    name: str = "",
    policies: ValuePolicies = STOP_ALL,
    object_names: Optional[ObjectNames] = None,
) -> RowDecoder:
    """Return the decoder of a table's rows, under the policies for values that PostgreSQL cannot hold.

    ``user_types`` by descriptor id; ``name`` is the table's full name for messages; ``object_names`` for object
    identifiers that become text. Raises UnsupportedError naming the column whose type cannot be decoded.
    """
    name = name or table.name
    forms = {column.id: _named_forms(column, user_types, name, object_names) for column in table.columns}
    loaded, computed = loaded_columns(table), computed_columns(table)
    loaded_ids, computed_ids = [column.id for column in loaded], [column.id for column in computed]
    problems = ProblemRows(table, policies, columns_read)
    layout = RowLayout(name, table, _families(table), loaded_ids, computed_ids, forms, _key_readers(table, forms, name))
    return RowDecoder(layout, _outputs(loaded, forms), _outputs(computed, forms), problems)


def _named_forms(
    column: Column, user_types: Mapping[int, UserType], name: str, object_names: Optional[ObjectNames]
) -> ColumnForms:
    try:
        return column_forms(column, user_types, object_names)
    except UnsupportedError as error:
        raise UnsupportedError(f"{name}, column {column.name}: {error}") from None


def _outputs(columns: list[Column], forms: Mapping[int, ColumnForms]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(column.name, forms[column.id].escaped) for column in columns)


def _families(table: Table) -> list[Family]:
    """Return the column families; tables of format version 1 have one of each column's id and an empty one."""
    ids = [column.id for column in table.columns]
    if table.format_version == 1:
        return [Family(0, "primary", [])] + [Family(number, str(number), [number], number) for number in ids]
    return table.families or [Family(0, "primary", ids)]


def _key_readers(table: Table, forms: Mapping[int, ColumnForms], name: str) -> list[TextReader]:
    readers = []
    for part in table.primary_index.columns:
        if part.column_id not in forms:
            raise UnsupportedError(
                f"{name}: the primary key uses the column {part.column_id}, which the table does not have"
            )
        form = forms[part.column_id]
        try:
            readers.append(key_text_reader(form, part.descending))
        except UnsupportedError as error:
            raise UnsupportedError(f"{name}, column {form.column.name}: {error}") from None
    return readers
