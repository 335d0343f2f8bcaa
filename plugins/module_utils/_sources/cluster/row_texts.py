# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From the rows that CockroachDB sends to PostgreSQL's COPY lines, the same ones that the backup source writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Callable, Optional

from ..._convert.computed import columns_read
from ..._errors import MigrationError, UnsupportedError
from ..._formats.encoding import ValueProblem
from ..._model.built_in_types import BPCHAR
from ..._model.catalog import Column, SqlType
from ..._model.stored_columns import computed_columns, loaded_columns
from ..._model.table_source import TableSource
from ..._values.copy_text import NULL, escape, unescape
from ..._values.line_block import LineBlock, block_of_lines
from ..._values.problem_rows import Originals, ProblemRows, RowRepair, require_distinct_names
from ..._values.text.scalars import string_text
from ..._values.type_texts import SHORT_STRING_OIDS, is_escaped, resolve_type, text_writer
from ..._values.value_policies import STOP_ALL, ValuePolicies, advice
from ..source import OutputColumn
from .wire_values import value_parser

Row = Sequence[Optional[str]]
"""A row's values as CockroachDB's text; None is NULL."""
Converter = Callable[[str], str]

_PLAIN_DECIMAL = re.compile(r"-?[1-9]\d*(\.\d+)?|0(\.\d+)?|-0\.\d*[1-9]\d*")
_TEXTS = ("string", "collated", "refcursor")
_SHOWN = 200


@dataclass(frozen=True)
class ColumnTexts:
    """A column of the rows."""

    column: Column
    kind: SqlType
    output: OutputColumn
    convert: Converter
    """From CockroachDB's text to PostgreSQL's COPY text. Raises ValueProblem."""


class RowTexts:
    """Makes one table's COPY lines. Rows hold the loaded columns, then the computed ones, in the order of ``columns``
    and ``computed``."""

    def __init__(self, source: TableSource, policies: ValuePolicies = STOP_ALL) -> None:
        self._name = source.name
        self.problems = ProblemRows(source.table, policies, columns_read)
        """What happened to rows with values that PostgreSQL cannot hold."""
        loaded, computed = loaded_columns(source.table), computed_columns(source.table)
        self.items: list[ColumnTexts] = [_column_texts(column, source) for column in (*loaded, *computed)]
        self._loaded = len(loaded)
        self._key_ids = [part.column_id for part in source.table.primary_index.columns]
        outputs = tuple(item.output for item in self.items)
        self.columns, self.computed = outputs[: self._loaded], outputs[self._loaded :]

    def names(self) -> list[str]:
        """Return the names of the columns that rows have to hold."""
        return [item.column.name for item in self.items]

    def block(self, rows: Iterable[Row]) -> LineBlock:
        """Return the rows' COPY lines.

        Raises MigrationError for a value that PostgreSQL cannot hold and no policy changes, or that is not of its type,
        naming table, column and key.
        """
        converters = [item.convert for item in self.items]
        count = self._loaded
        lines: list[str] = []
        computed: list[str] = []
        for row in rows:
            try:
                texts = [NULL if value is None else convert(value) for convert, value in zip(converters, row)]
            except (ValueProblem, ValueError, OverflowError):
                repaired = self._repaired(row)
                if repaired is None:
                    continue
                texts = repaired
            lines.append("\t".join(texts[:count]))
            if self.computed:
                computed.append("\t".join(texts[count:]))
        return block_of_lines(lines, computed if self.computed else None)

    def _repaired(self, row: Row) -> Optional[list[str]]:
        """Convert a row that failed under the policies; None when it is rejected. Raises MigrationError for a value
        that has to stop the export."""
        repair = RowRepair(self.problems)
        texts = []
        for item, value in zip(self.items, row):
            try:
                text = NULL if value is None else repair.convert(item.column, partial(item.convert, value))
                if text is not None and item.kind.family == "json" and item.column.id in repair.columns:
                    require_distinct_names(text)
            except (ValueProblem, ValueError, OverflowError) as error:
                raise self._named(item, row, str(value), error) from error
            texts.append(NULL if text is None else text)
        kept = self.problems.finish(
            repair, self._key_text(row).replace("\0", "\ufffd"), lambda: self._originals(row, texts, repair)
        )
        return texts if kept else None

    def _originals(self, row: Row, texts: list[str], repair: RowRepair) -> Originals:
        """Return the row's columns by name: their text, None for NULL, and the original of those with a problem."""
        originals: Originals = {}
        for item, value, text in zip(self.items, row, texts):
            if value is not None and item.column.id in repair.columns:
                originals[item.column.name] = (
                    {"bytes": value.encode().hex()} if item.kind.family in _TEXTS or "\0" in value else {"text": value}
                )
            else:
                originals[item.column.name] = None if text == NULL else unescape(text) if item.output.escaped else text
        return originals

    def _named(self, item: ColumnTexts, row: Row, value: str, error: Exception) -> MigrationError:
        reason = (
            str(error) + advice(error.kind)
            if isinstance(error, ValueProblem)
            else f"{value[:60]!r} is not a value of the column's type"
        )
        return MigrationError(f"{self._name}, column {item.column.name}, row {self._key_text(row)}: {reason}")

    def _key_text(self, row: Row) -> str:
        values = {item.column.id: (item.column.name, value) for item, value in zip(self.items, row)}
        parts = [
            f"{name} = {value}" for name, value in (values[number] for number in self._key_ids if number in values)
        ]
        return "(" + ", ".join(parts)[:_SHOWN] + ")"


def _column_texts(column: Column, source: TableSource) -> ColumnTexts:
    try:
        kind = resolve_type(column.type, source.user_types, source.object_names)
        escaped = is_escaped(kind, source.user_types)
        return ColumnTexts(column, kind, OutputColumn(column.name, escaped), _converter(kind, escaped, source))
    except UnsupportedError as error:
        raise UnsupportedError(f"{source.name}, column {column.name}: {error}") from None


def _converter(kind: SqlType, escaped: bool, source: TableSource) -> Converter:
    parse, write = value_parser(kind, source.user_types), text_writer(kind, source.user_types)
    if kind.family in ("int", "uuid"):
        return _same
    if kind.family == "bytes":
        return _hexadecimal
    if kind.family == "string" and not kind.width and kind.oid not in SHORT_STRING_OIDS and kind.oid != BPCHAR:
        return _plain_string
    if kind.family == "decimal" and not kind.precision:
        return lambda text: text if _PLAIN_DECIMAL.fullmatch(text) else write(parse(text))
    if escaped:
        return lambda text: escape(write(parse(text)))
    return lambda text: write(parse(text))


def _same(text: str) -> str:
    return text


def _hexadecimal(text: str) -> str:
    if not text.startswith("\\x"):
        raise ValueProblem(f"{text[:60]!r} is not a byte string in hexadecimal form")
    return "\\" + text


def _plain_string(text: str) -> str:
    if "\0" in text:
        text = string_text(text.encode())
    return escape(text)


def literal_text(column: Column, source: TableSource) -> Converter:
    """Return the converter from CockroachDB's text of a key column to a text that its parser reads back as the same
    value."""
    kind = resolve_type(column.type, source.user_types)
    if kind.family in (*_TEXTS, "decimal", "interval"):
        # CockroachDB's own text will do, also of what PostgreSQL cannot hold; intervals are compared by it.
        return _same
    parse, write = value_parser(kind, source.user_types), text_writer(kind, source.user_types)
    return lambda text: write(parse(text))
