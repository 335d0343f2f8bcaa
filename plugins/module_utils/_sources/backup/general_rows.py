# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How a table's columns are read and written, and the general way to decode a row.

``RowArrays`` decodes the usual rows, many at once; what does not fit there (columns that are gone, other forms of a
value, rows with an error) comes here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, NoReturn, Optional

from ..._errors import CorruptBackupError, MigrationError, UnsupportedError
from ..._formats.encoding import MalformedValue, ValueProblem, ordered_int, replacing
from ..._model.catalog import Column, Family, SqlType, Table, UserType
from ..._model.table_source import ObjectNames
from ..._values.copy_text import NULL, escape, unescape
from ..._values.problem_rows import Originals, ProblemRows, RowRepair, require_distinct_names
from ..._values.type_texts import is_escaped, resolve_type, text_writer
from ..._values.value_policies import advice
from . import values
from .key_ranges import encode_unsigned
from .keys import key_reader

TextReader = Callable[[bytes, int], tuple[str, int]]
"""Takes bytes and a position, returns COPY text and the position after the value."""

DECODING_ERRORS = (MigrationError, IndexError, ValueError, KeyError, TypeError, OverflowError, struct.error)
"""What malformed bytes can make the readers raise."""

FAMILY_ZERO, INTERLEAVED = 0x88, 0xFE
"""What ends the key of a row's first column family, and what comes before the key of an interleaved table in its
parent's."""
_SENTINEL_SIZE = 5
_SHOWN_KEY = 200
_TEXTS = ("string", "collated", "refcursor")
_LEGACY_TAGS = frozenset((*range(1, 7), *range(11, 15)))


class _ColumnProblem(ValueProblem):
    """A problem whose column is known."""

    def __init__(self, column: str, cause: Exception) -> None:
        super().__init__(str(cause), cause.kind if isinstance(cause, ValueProblem) else "")
        self.column, self.cause = column, cause


@dataclass(frozen=True)
class ColumnForms:
    """How one column is read and written."""

    column: Column
    kind: SqlType
    wire_types: tuple[int, ...]
    read: values.ValueReader
    legacy_tag: int
    read_legacy: values.LegacyReader
    write: Callable[[Any], str]
    escaped: bool

    def text(self, value: Any) -> str:
        """Return the COPY text of a value."""
        text = self.write(value)
        return escape(text) if self.escaped else text

    def read_text(self, data: bytes, position: int) -> tuple[str, int]:
        """Read a value inside a TUPLE as COPY text."""
        value, position = self.read(data, position)
        return self.text(value), position


def column_forms(
    column: Column, user_types: Mapping[int, UserType], object_names: Optional[ObjectNames] = None
) -> ColumnForms:
    """Return the forms of a column. Raises UnsupportedError when its type cannot be decoded."""
    kind = resolve_type(column.type, user_types, object_names)
    read = values.value_reader(kind)
    tag, read_legacy = values.legacy_reader(kind)
    return ColumnForms(
        column,
        kind,
        values.WIRE_TYPES[kind.family],
        read,
        tag,
        read_legacy,
        text_writer(kind, user_types),
        is_escaped(kind, user_types),
    )


def key_text_reader(form: ColumnForms, descending: bool) -> TextReader:
    """Return the reader of a key column. Raises UnsupportedError when keys of its type are not known."""
    read = key_reader(form.kind, descending)
    if form.kind.family == "collated":
        # The key holds the collation key; the text is among the values.
        return lambda key, position: (NULL, read(key, position)[1])
    null = 0xFF if descending else 0x00

    def read_text(key: bytes, position: int) -> tuple[str, int]:
        if key[position] == null:
            return NULL, position + 1
        value, position = read(key, position)
        return form.text(value), position

    return read_text


def split_family(key: bytes) -> tuple[int, int]:
    """Return where the part of a row's key ends that all its families share, and the family's id."""
    end, size = len(key) - 1, key[-1] - FAMILY_ZERO
    if not size:
        return end, 0
    start = end - size
    if size < 1 or start < 0:
        raise MalformedValue("the key does not end with a column family")
    family, found_end = ordered_int(key, start)
    if found_end != end:
        raise MalformedValue("the key does not end with a column family")
    return start, family


@dataclass(frozen=True)
class RowLayout:
    """How the rows of one table are stored, and the ids of the columns that are written: those that are loaded, and the
    stored computed ones. ``name`` is the table's full name for messages."""

    name: str
    table: Table
    families: list[Family]
    loaded: list[int]
    computed: list[int]
    forms: Mapping[int, ColumnForms]
    key_readers: list[TextReader]

    @property
    def single_family(self) -> bool:
        """Whether each row has one key and value."""
        return [family.id for family in self.families] == [0]

    @property
    def key_levels(self) -> list[tuple[bytes, int]]:
        """What the keys begin with, and how many key columns follow; for an interleaved table the same of each of its
        ancestors comes first."""
        table, index = self.table, self.table.primary_index
        own = len(index.columns) - sum(shared for _table, _index, shared in index.interleave_ancestors)
        levels: list[tuple[bytes, int]] = []
        for table_id, index_id, columns in (*index.interleave_ancestors, (table.id, index.id, own)):
            mark = bytes((INTERLEAVED,)) if levels else b""
            levels.append((mark + encode_unsigned(table_id) + encode_unsigned(index_id), columns))
        return levels


class GeneralRows:
    """Decodes any row of one table, slowly, explains errors, and applies the policies of ``problems``."""

    def __init__(self, layout: RowLayout, problems: ProblemRows) -> None:
        self.name, self.forms, self.problems = layout.name, layout.forms, problems
        self.loaded, self.computed = layout.loaded, layout.computed
        self.key_levels, self.single_family = layout.key_levels, layout.single_family
        index = layout.table.primary_index
        self.key_columns = [
            (layout.forms[part.column_id], read) for part, read in zip(index.columns, layout.key_readers)
        ]
        self.only_in_key = {part.column_id for part in index.columns} - set(index.composite_column_ids)
        self.defaults = {family.id: family.default_column_id for family in layout.families}
        self._columns = {family.id: set(family.column_ids) - self.only_in_key for family in layout.families}

    def decode(self, pairs: list[tuple[bytes, bytes]]) -> Optional[tuple[str, str]]:
        """Return the COPY line of a row, given as all its keys and values, and the text of its computed columns.

        None: it is rejected, or the row of another table inside this one's range. Raises as ``explain`` does.
        """
        key, value = pairs[0]
        try:
            texts = self.key_texts(key)
            if texts is None:
                return None
            for key, value in pairs:
                self._add_family(texts, key, value)
        except DECODING_ERRORS as error:
            if not self.problems.handles(error):
                self.explain(error, key)
            return self._repaired(pairs)
        return self._joined(texts)

    def _repaired(self, pairs: list[tuple[bytes, bytes]]) -> Optional[tuple[str, str]]:
        """Return the same of a row with a value that needs a policy."""
        work = _RowRepair(self)
        key = pairs[0][0]
        try:
            texts = self.key_texts(key, work)
            if texts is None:
                return None
            for key, value in pairs:
                self._add_family(texts, key, value, work)
        except DECODING_ERRORS as error:
            self.explain(error, key)
        with replacing(lambda kind: True):
            shown = self._key_text(pairs[0][0])
        loaded = self.problems.finish(work.repair, shown, lambda: work.originals(texts))
        return self._joined(texts) if loaded else None

    def _add_family(self, texts: dict[int, str], key: bytes, value: bytes, work: Optional[_RowRepair] = None) -> None:
        family = 0 if self.single_family else split_family(key)[1]
        columns = self._columns.get(family, ())
        found = self.family_texts(value, family, work)
        texts.update({number: text for number, text in found.items() if number in columns})

    def _joined(self, texts: Mapping[int, str]) -> tuple[str, str]:
        return (
            "\t".join([texts.get(number, NULL) for number in self.loaded]),
            "\t".join([texts.get(number, NULL) for number in self.computed]),
        )

    def key_texts(self, key: bytes, work: Optional[_RowRepair] = None) -> Optional[dict[int, str]]:
        """Return the COPY texts of the columns in the key of a row's first family by id, with ``work`` under its
        policies. None: the key is that of another table's row inside this one's range."""
        texts: dict[int, str] = {}
        position = done = 0
        for prefix, columns in self.key_levels:
            if not key.startswith(prefix, position):
                if position:
                    return None
                raise MalformedValue("the key is not of the primary index of this table")
            position += len(prefix)
            for form, read in self.key_columns[done : done + columns]:
                try:
                    found = work.read_key(form, read, key, position) if work else read(key, position)
                except DECODING_ERRORS as error:
                    raise _ColumnProblem(form.column.name, error) from error
                texts[form.column.id], position = found
            done += columns
        end, family, last = (len(key), 0, bytes((FAMILY_ZERO,))) if self.single_family else (*split_family(key), b"")
        rest = key[position:end]
        if rest[:1] == bytes((INTERLEAVED,)):
            return None
        if rest != last or position > end:
            raise MalformedValue("the key does not end where its columns do")
        if family:
            raise MalformedValue("the row lacks its first column family")
        return texts

    def tuple_texts(self, value: bytes, work: Optional[_RowRepair] = None) -> dict[int, str]:
        """Return the COPY texts by column id of a TUPLE value; columns that are gone are skipped. With ``work`` under
        its policies."""
        texts: dict[int, str] = {}
        position, column_id = values.HEADER, 0
        while position < len(value):
            delta, kind, position = values.read_tag(value, position)
            if not delta:
                raise MalformedValue("the value's columns are not in order")
            column_id += delta
            form = self.forms.get(column_id)
            if form is None:
                position = values.skip_value(value, position, kind)
                continue
            try:
                if kind == values.NULL:
                    continue
                if kind not in form.wire_types:
                    raise MalformedValue(
                        f"the value has the type number {kind}, {' or '.join(map(str, form.wire_types))} was expected"
                    )
                if form.kind.family == "bool":
                    texts[column_id] = form.text(kind == values.TRUE)
                elif work:
                    texts[column_id], position = work.read(form, value, position, kind)
                else:
                    texts[column_id], position = form.read_text(value, position)
            except DECODING_ERRORS as error:
                raise _ColumnProblem(form.column.name, error) from error
        if position != len(value):
            raise MalformedValue("the value does not end with its last column")
        return texts

    def family_texts(self, value: bytes, family: int, work: Optional[_RowRepair] = None) -> dict[int, str]:
        """Return the COPY texts by column id of a family's value, whatever its tag; a family that is gone has none."""
        tag = value[4]
        if tag == values.TAG_TUPLE:
            return self.tuple_texts(value, work)
        if tag == values.TAG_UNKNOWN and len(value) == _SENTINEL_SIZE:
            return {}
        if tag not in _LEGACY_TAGS:
            raise UnsupportedError(f"a value has the unknown tag {tag}")
        column_id = self.defaults.get(family, 0)
        form = self.forms.get(column_id)
        if form is None or column_id in self.only_in_key:
            return {}
        try:
            if tag != form.legacy_tag:
                raise MalformedValue(f"the value has the tag {tag}, {form.legacy_tag} was expected")
            if work:
                return {column_id: work.read_legacy(form, value[values.HEADER :])}
            return {column_id: form.text(form.read_legacy(value[values.HEADER :]))}
        except DECODING_ERRORS as error:
            raise _ColumnProblem(form.column.name, error) from error

    def explain(self, error: Exception, key: bytes) -> NoReturn:
        """Raise ``error`` as a MigrationError that names the table, the column and the row's key."""
        column = f", column {error.column}" if isinstance(error, _ColumnProblem) else ""
        cause = error.cause if isinstance(error, _ColumnProblem) else error
        if isinstance(cause, ValueProblem) and not isinstance(cause, MalformedValue):
            kind, reason = MigrationError, str(cause) + advice(cause.kind)
        elif isinstance(cause, MigrationError):
            kind, reason = UnsupportedError if isinstance(cause, UnsupportedError) else CorruptBackupError, str(cause)
        else:
            kind, reason = CorruptBackupError, "the bytes are not a value of the column's type"
        raise kind(f"{self.name}{column}, row {self._key_text(key)}: {reason}") from error

    def _key_text(self, key: bytes) -> str:
        """Return the key columns for people, of any family's key."""
        texts: list[str] = []
        position = 0
        try:
            for prefix, columns in self.key_levels:
                if not key.startswith(prefix, position):
                    raise MalformedValue("the key is another table's")
                position += len(prefix)
                for form, read in self.key_columns[len(texts) : len(texts) + columns]:
                    text, position = read(key, position)
                    texts.append(f"{form.column.name} = {text}")
        except DECODING_ERRORS:
            return f"with the key bytes {key.hex()[:_SHOWN_KEY]}"
        return "(" + ", ".join(texts)[:_SHOWN_KEY] + ")"


class _RowRepair:
    """One row that is read again under the policies, with the stored forms of its values."""

    def __init__(self, general: GeneralRows) -> None:
        self.general = general
        self.repair = RowRepair(general.problems)
        self._stored: dict[int, dict[str, str]] = {}

    def read_key(self, form: ColumnForms, reader: TextReader, key: bytes, start: int) -> tuple[str, int]:
        """Read a column of the key as COPY text."""
        found = self._checked(form, self.repair.convert(form.column, lambda: reader(key, start)))
        if found is None:
            with replacing(lambda kind: True):
                found = NULL, reader(key, start)[1]
        self._stored[form.column.id] = {"stored": key[start : found[1]].hex()}
        return found

    def read(self, form: ColumnForms, value: bytes, start: int, kind: int) -> tuple[str, int]:
        """Read a column inside a TUPLE as COPY text."""
        found = self._checked(form, self.repair.convert(form.column, lambda: form.read_text(value, start)))
        if found is None:
            found = NULL, values.skip_value(value, start, kind)
        self._keep(form, value[start : found[1]], lambda: form.read(value, start)[0])
        return found

    def read_legacy(self, form: ColumnForms, data: bytes) -> str:
        """Read a column that is alone in its family as COPY text."""
        found = self._checked(form, self.repair.convert(form.column, lambda: (form.text(form.read_legacy(data)), 0)))
        self._keep(form, data, lambda: form.read_legacy(data))
        return NULL if found is None else found[0]

    def _checked(self, form: ColumnForms, found: Optional[tuple[str, int]]) -> Optional[tuple[str, int]]:
        if found is not None and form.kind.family == "json" and form.column.id in self.repair.columns:
            require_distinct_names(found[0])
        return found

    def _keep(self, form: ColumnForms, stored: bytes, read: Callable[[], Any]) -> None:
        """Keep the original of a value with a problem: a text's bytes, of other types the stored form."""
        if form.column.id in self.repair.columns:
            text = form.kind.family in _TEXTS
            self._stored[form.column.id] = {"bytes": read().hex()} if text else {"stored": stored.hex()}

    def originals(self, texts: Mapping[int, str]) -> Originals:
        """Return the row's columns by name: their text, None for NULL, and the original of those with a problem."""
        general = self.general
        row: dict[str, Any] = {}
        for number in (*general.loaded, *general.computed):
            form, text = general.forms[number], texts.get(number, NULL)
            if number in self.repair.columns:
                row[form.column.name] = self._stored[number]
            else:
                row[form.column.name] = None if text == NULL else unescape(text) if form.escaped else text
        return row
