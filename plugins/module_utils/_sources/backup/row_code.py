# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writes and compiles one Python function for each table, which decodes its usual rows in a straight line.

The function is a generator over batches. For each row it reads the key columns one after the other, then the value's
entries in the order of column ids: ``code`` is the next entry's column id times 16 plus its type, so that one
comparison decides whether a column is there. Short numbers are looked up in tables, strings are slices of the value's
Latin-1 view (made right for all of a row at once if any needs it), everything else is read by the column's reader.
When the last entry does not end exactly with the value, the row is decoded again by ``GeneralRows``. So are rows that
hold what PostgreSQL cannot hold: the loop over a batch goes on behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..._formats.encoding import MalformedValue, decimal, leb, msb, zigzag
from ..._model.catalog import Family, Table
from ..._values.text.numbers import numeric_text
from ..._values.text.scalars import check_length
from ..._values.text.times import fraction_text, timestamp_writer
from ..._values.type_texts import BPCHAR_OID, SHORT_STRING_OIDS, NamedIdentifier
from . import values
from .general_rows import (
    DECODING_ERRORS,
    ESCAPES,
    NULL,
    ColumnForms,
    GeneralRows,
    TextReader,
    latin1_copy_text,
    split_family,
)
from .json_values import json_text

RowFunction = Callable[[Iterable[tuple[list[bytes], list[bytes]]]], Iterator[tuple[list[str], Optional[list[str]]]]]

_PADDING = b"\0\0"
"""Behind a value: its zero, read as a tag, matches no column."""
_CACHE_SIZE = 65536
_SMALL_KEYS = [str(byte - 0x88) for byte in range(256)]
_BYTE_TEXTS = [str(byte) for byte in range(256)]
_SHORT_INTS = [str((number >> 1) ^ -(number & 1)) for number in range(1 << 14)]
_STRINGS = ("string", "collated", "refcursor")
_ESCAPE = 15
_SHORT_DECIMAL = 1700
"""Bytes of a coefficient that the interpreter still turns into decimal text at once (4300 digits)."""
_DATE_SIZE, _SECOND_SIZE = 3, 5
"""Bytes of most dates' and timestamps' numbers: 1992 to 2240, and 1978 to 2514."""
_WRITE_SECOND = timestamp_writer(None, "")


@dataclass(frozen=True)
class RowLayout:
    """What the generated function depends on."""

    table: Table
    families: list[Family]
    loaded: list[int]
    computed: list[int]
    forms: Mapping[int, ColumnForms]
    key_readers: list[TextReader]
    general: GeneralRows


class _Source:
    """Lines of Python source and the names that they use."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "NULL": NULL,
            "PADDING": _PADDING,
            "SMALL_KEYS": _SMALL_KEYS,
            "BYTE_TEXTS": _BYTE_TEXTS,
            "SHORT_INTS": _SHORT_INTS,
            "DECODING_ERRORS": DECODING_ERRORS,
            "ESCAPES": ESCAPES,
            "MalformedValue": MalformedValue,
            "from_bytes": int.from_bytes,
            "msb": msb,
            "leb": leb,
            "next_tag": _next_tag,
            "int_text": _int_text,
            "copy_text": latin1_copy_text,
            "check_length": check_length,
            "json_text": json_text,
            "split_family": split_family,
        }

    def add(self, indent: int, *lines: str) -> None:
        self.lines += ["    " * indent + line for line in lines]


def _next_tag(value: bytes, position: int, base: int) -> tuple[int, int]:
    """Read a tag of two bytes or more at ``position``; ``base`` is the last column's id times 16."""
    tag, position = msb(value, position)
    return base + tag, position


def _int_text(value: bytes, position: int) -> tuple[str, int]:
    number, position = zigzag(value, position)
    return str(number), position


class _Texts(dict):
    """Texts by the bytes of numbers that are ``size`` bytes long; those of other sizes are read every time."""

    def __init__(self, size: int, read: TextReader) -> None:
        super().__init__()
        self.size, self.read = size, read

    def read_text(self, value: bytes, position: int) -> tuple[str, int]:
        """Read a value and keep its text."""
        text, end = self.read(value, position)
        if end - position == self.size:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[value[position:end]] = text
        return text, end


class _Labels(dict):
    """An enum's labels by their stored bytes, filled when they are met."""

    def __init__(self, form: ColumnForms) -> None:
        super().__init__()
        self.form = form

    def __missing__(self, physical: bytes) -> str:
        label = self[physical] = self.form.text(physical)
        return label


def _second_text(value: bytes, position: int) -> tuple[str, int]:
    """The text of a timestamp's whole second; empty for a year before 1 AD, whose text has an end."""
    seconds, position = zigzag(value, position)
    text = _WRITE_SECOND((seconds, 0))
    return ("" if text.endswith("BC") else text), position


def _fraction_text(value: bytes, position: int) -> tuple[str, int]:
    nanoseconds, position = zigzag(value, position)
    if not 0 <= nanoseconds < 1_000_000_000:
        raise MalformedValue(f"{nanoseconds} nanoseconds are not a part of a second")
    return fraction_text(nanoseconds // 1000), position


def compile_rows(layout: RowLayout) -> RowFunction:
    """Return the function that yields (COPY lines, computed columns' texts or None) for each batch."""
    source = write_source(layout)
    text = "\n".join(source.lines)
    exec(compile(text, f"<rows of {layout.general.name}>", "exec"), source.names)
    return source.names["rows"]


def write_source(layout: RowLayout) -> _Source:
    """Return the function's source; only ids and numbers of the descriptor go into it, never names."""
    source = _Source()
    general = layout.general
    source.names.update(
        require_policy=general.require_policy,
        repair=general.repair,
        tuple_texts=general.tuple_texts,
        family_texts=general.family_texts,
        is_child=general.is_child,
    )
    if [family.id for family in layout.families] == [0]:
        _write_single(source, layout)
    else:
        _write_families(source, layout)
    return source


def _write_single(source: _Source, layout: RowLayout) -> None:
    extra = bool(layout.computed)
    source.add(0, "def rows(batches):")
    source.add(1, "for keys, values in batches:")
    source.add(2, "lines = []", "add = lines.append")
    if extra:
        source.add(2, "computed = []")
    source.add(2, "pairs = zip(keys, values)", "left = True", "while left:")
    source.add(3, "try:")
    source.add(4, "for key, value in pairs:")
    _write_key(source, 5, layout)
    source.add(5, "if key[p:] != b'\\x88' and is_child(key, p):", "    continue")
    _write_nulls(source, 5, layout)
    _write_value(source, 5, layout, layout.families[0])
    _write_lines(source, 5, layout)
    source.add(4, "left = False")
    source.add(
        3,
        "except DECODING_ERRORS as error:",
        f"    repair(error, [(key, value)], lines, {'computed' if extra else 'None'})",
    )
    source.add(2, "yield lines, " + ("computed" if extra else "None"))


def _write_families(source: _Source, layout: RowLayout) -> None:
    """A row that fails is decoded again when all its families have come; they are kept only when a policy may ask for
    that."""
    extra, keeps = bool(layout.computed), layout.general.problems.policies.active
    source.add(0, "def rows(batches):")
    source.add(1, "row = key = value = failed = None", "lines = []", "computed = []", "kept = []")
    source.add(1, "for keys, values in batches:")
    source.add(2, "lines = []", "add = lines.append", "computed = []", "broken = []")
    source.add(2, "pairs = zip(keys, values)", "left = True", "while left:")
    source.add(3, "try:")
    source.add(4, "for full_key, value in pairs:")
    source.add(5, "key, family = split_family(full_key)")
    source.add(5, "if key != row:")
    source.add(6, "if failed is not None:", "    broken.append((failed, kept))", "    failed = None")
    source.add(6, "elif row is not None:")
    _write_lines(source, 7, layout)
    source.add(6, "row = None")
    if keeps:
        source.add(6, "kept = [(full_key, value)]")
    _write_key(source, 6, layout)
    source.add(6, "if p != len(key) and is_child(key, p):", "    continue")
    source.add(6, "if family:", "    raise MalformedValue('the row lacks its first column family')")
    source.add(6, "row = key")
    _write_nulls(source, 6, layout)
    if keeps:
        source.add(5, "else:", "    kept.append((full_key, value))", "    if failed is not None:", "        continue")
    for number, family in enumerate(layout.families):
        source.add(5, f"{'elif' if number else 'if'} family == {family.id}:")
        _write_value(source, 6, layout, family)
    source.add(5, "else:", "    family_texts(value, family)")
    source.add(4, "left = False")
    source.add(
        3, "except DECODING_ERRORS as error:", "    failed = require_policy(error, full_key, value)", "    row = key"
    )
    source.add(2, "for error, row_pairs in broken:", "    repair(error, row_pairs, lines, computed)")
    source.add(2, "yield lines, " + ("computed" if extra else "None"))
    source.add(1, "if row is not None:")
    source.add(2, "lines = []", "add = lines.append", "computed = []")
    source.add(2, "if failed is not None:", "    repair(failed, kept, lines, computed)")
    source.add(2, "else:")
    _write_lines(source, 3, layout)
    source.add(2, "yield lines, " + ("computed" if extra else "None"))


def _write_lines(source: _Source, indent: int, layout: RowLayout) -> None:
    source.add(indent, f"add({_joined(layout.loaded)})")
    if layout.computed:
        source.add(indent, f"computed.append({_joined(layout.computed)})")


def _joined(ids: list[int]) -> str:
    return 'f"' + "\\t".join([f"{{c{number}}}" for number in ids]) + '"'


def _key_ids(layout: RowLayout) -> list[int]:
    return [part.column_id for part in layout.table.primary_index.columns]


def _write_nulls(source: _Source, indent: int, layout: RowLayout) -> None:
    keys = set(_key_ids(layout))
    absent = [f"c{number}" for number in (*layout.loaded, *layout.computed) if number not in keys]
    if absent:
        source.add(indent, " = ".join(absent) + " = NULL")


# --- keys ---


def _unsigned(number: int) -> bytes:
    if number <= 109:
        return bytes([0x88 + number])
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0xF5 + len(body)]) + body


def _write_key(source: _Source, indent: int, layout: RowLayout) -> None:
    """Read the key columns from ``key`` and leave the position behind them in ``p``."""
    table, index = layout.table, layout.table.primary_index
    levels = [*index.interleave_ancestors, (table.id, index.id, len(index.columns))]
    done = 0
    for number, (table_id, index_id, shared) in enumerate(levels):
        prefix = _unsigned(table_id) + _unsigned(index_id)
        if number == 0:
            source.add(indent, f"if not key.startswith({prefix!r}):")
            source.add(indent + 1, "raise MalformedValue('the key is not of the primary index of this table')")
            source.add(indent, f"p = {len(prefix)}")
        else:
            # A row of an ancestor, or of another table inside it.
            prefix = b"\xfe" + prefix
            source.add(indent, f"if key[p:p + {len(prefix)}] != {prefix!r}:", "    continue", f"p += {len(prefix)}")
        last = number == len(levels) - 1
        for part in index.columns[done:] if last else index.columns[done : done + shared]:
            _write_key_column(source, indent, layout, done, part.descending)
            done += 1


def _write_key_column(source: _Source, indent: int, layout: RowLayout, number: int, descending: bool) -> None:
    column_id = _key_ids(layout)[number]
    form = layout.forms[column_id]
    reader = f"key_{number}"
    source.names[reader] = layout.key_readers[number]
    name = f"c{column_id}"
    if form.kind.family == "int":
        source.add(indent, "x = key[p]")
        if descending:
            source.add(
                indent, "if x == 0x86:", f"    {name} = str(0xffff - (key[p + 1] << 8 | key[p + 2]))", "    p += 3"
            )
            source.add(indent, "elif x == 0x87:", f"    {name} = BYTE_TEXTS[255 - key[p + 1]]", "    p += 2")
        else:
            source.add(indent, "if 0x88 <= x <= 0xf5:", f"    {name} = SMALL_KEYS[x]", "    p += 1")
            source.add(indent, "elif x == 0xf7:", f"    {name} = str(key[p + 1] << 8 | key[p + 2])", "    p += 3")
            source.add(indent, "elif x == 0xf6:", f"    {name} = BYTE_TEXTS[key[p + 1]]", "    p += 2")
        source.add(indent, "else:", f"    {name}, p = {reader}(key, p)")
    else:
        source.add(indent, f"{name}, p = {reader}(key, p)")


# --- values ---


def _value_columns(layout: RowLayout, family: Family) -> list[ColumnForms]:
    """The columns that a family's value may hold, in the order of their ids."""
    index = layout.table.primary_index
    absent = set(_key_ids(layout)) - set(index.composite_column_ids)
    absent |= {column.id for column in layout.table.columns if column.virtual}
    return [
        layout.forms[number] for number in sorted(family.column_ids) if number in layout.forms and number not in absent
    ]


def _write_value(source: _Source, indent: int, layout: RowLayout, family: Family) -> None:
    columns = _value_columns(layout, family)
    strings = [form for form in columns if form.kind.family in _STRINGS and form.kind.oid not in SHORT_STRING_OIDS]
    source.add(indent, f"if value[4] == {values.TAG_TUPLE}:")
    body = indent + 1
    source.add(body, "v = value + PADDING")
    if strings:
        source.add(body, "t = value.decode('latin-1')")
    source.add(body, f"i = {values.HEADER}")
    _write_next(source, body, 0)
    for form in columns:
        _write_entry(source, body, form)
    source.add(body, "if x or i != len(value) + 1:")
    _write_general(source, body + 1, layout, columns, "tuple_texts(value)")
    if strings:
        names = [f"c{form.column.id}" for form in strings]
        source.add(body, "else:")
        source.add(
            body + 1,
            "s = " + (names[0] if len(names) == 1 else 'f"' + "".join([f"{{{name}}}" for name in names]) + '"'),
        )
        source.add(
            body + 1, 'if not s.isascii() or "\\\\" in s or "\\n" in s or "\\t" in s or "\\r" in s or "\\0" in s:'
        )
        source.add(body + 2, *[f"{name} = copy_text({name})" for name in names])
    source.add(indent, "else:")
    _write_general(source, indent + 1, layout, columns, f"family_texts(value, {family.id})")


def _write_general(source: _Source, indent: int, layout: RowLayout, columns: list[ColumnForms], call: str) -> None:
    """Take the columns from the general decoding; what is in the key stays unless the value has it too."""
    if not columns:
        source.add(indent, call)
        return
    source.add(indent, f"texts = {call}")
    keys = _key_ids(layout)
    for form in columns:
        number = form.column.id
        source.add(indent, f"c{number} = texts.get({number}, {f'c{number}' if number in keys else 'NULL'})")


def _write_next(source: _Source, indent: int, base: int) -> None:
    source.add(indent, "x = v[i]", "if x < 128:", f"    code = x + {base}" if base else "    code = x", "    i += 1")
    source.add(indent, "else:", f"    code, i = next_tag(v, i, {base})")


def _write_entry(source: _Source, indent: int, form: ColumnForms) -> None:
    """Read the column when it is the next entry, and the tag that follows it."""
    column_id, name, family = form.column.id, f"c{form.column.id}", form.kind.family
    base = column_id << 4
    inner = indent + 1
    if family == "bool":
        source.add(indent, f"if code == {base | values.TRUE}:", f"    {name} = 't'")
        _write_next(source, inner, base)
        source.add(indent, f"elif code == {base | values.FALSE}:", f"    {name} = 'f'")
        _write_next(source, inner, base)
        return
    wire_type = form.wire_types[0]
    if wire_type >= _ESCAPE:
        source.add(indent, f"if code == {base | _ESCAPE} and v[i] == {wire_type}:", "    i += 1")
    else:
        source.add(indent, f"if code == {base | wire_type}:")
    writer = _ENTRY_WRITERS.get(family)
    if writer and form.kind.oid not in SHORT_STRING_OIDS and not isinstance(form.kind, NamedIdentifier):
        writer(source, inner, form, name)
    else:
        reader = f"read_{column_id}"
        source.names[reader] = form.read_text
        source.add(inner, f"{name}, i = {reader}(v, i)")
    _write_next(source, inner, base)


def _write_length(source: _Source, indent: int, read: str = "msb") -> None:
    """Leave the length in ``x``, the start in ``i`` and the end in ``j``."""
    source.add(indent, "x = v[i]", "if x < 128:", "    i += 1", "else:", f"    x, i = {read}(v, i)", "j = i + x")


def _write_int(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    source.add(indent, "x = v[i]", "if x < 128:", f"    {name} = SHORT_INTS[x]", "    i += 1")
    source.add(indent, "elif v[i + 1] < 128:", f"    {name} = SHORT_INTS[x - 128 | v[i + 1] << 7]", "    i += 2")
    source.add(indent, "else:", f"    {name}, i = int_text(v, i)")


def _write_string(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(indent, f"{name} = t[i:j]")
    if form.kind.oid == BPCHAR_OID:
        source.add(indent, "if v[j - 1] == 32:", f"    {name} = {name}.rstrip(' ')", f"    x = len({name})")
    if form.kind.width > 0:
        source.add(indent, f"if x > {form.kind.width}:", f"    check_length(v[i:i + x], {form.kind.width})")
    source.add(indent, "i = j")


def _write_bytes(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(indent, f'{name} = "\\\\\\\\x" + v[i:j].hex()', "i = j")


def _write_uuid(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    source.add(
        indent,
        "s = v[i:i + 16].hex()",
        "i += 16",
        f'{name} = f"{{s[:8]}}-{{s[8:12]}}-{{s[12:16]}}-{{s[16:20]}}-{{s[20:]}}"',
    )


def _write_json(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(
        indent,
        f"{name} = json_text(v[i:j])",
        f'if "\\\\" in {name}:',
        f'    {name} = {name}.replace("\\\\", "\\\\\\\\")',
        "i = j",
    )


def _write_decimal(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    precision, scale = form.kind.precision, form.kind.width
    reader = f"decimal_{form.column.id}"
    source.names[reader] = lambda body: numeric_text(decimal(body), precision, scale)
    _write_length(source, indent, "leb")
    largest = min(109, precision - scale) if precision else 109
    source.add(indent, "x = v[i + 1] - 0x88", f"if v[i] == 0x34 and 0 < x <= {largest} and j - i < {_SHORT_DECIMAL}:")
    source.add(indent + 1, "s = str(from_bytes(v[i + 2:j], 'big'))")
    if precision and not scale:
        source.add(indent + 1, "if len(s) == x:", f"    {name} = s")
    elif precision:
        source.add(indent + 1, f"if len(s) - x == {scale}:", f'    {name} = f"{{s[:x]}}.{{s[x:]}}"')
    else:
        source.add(indent + 1, "if x < len(s):", f'    {name} = f"{{s[:x]}}.{{s[x:]}}"')
        source.add(indent + 1, "elif x == len(s):", f"    {name} = s")
    source.add(indent + 1, "else:", f"    {name} = {reader}(v[i:j])")
    if precision and precision == scale:
        source.add(
            indent, f"elif v[i] == 0x29 and j - i < {_SHORT_DECIMAL}:", "    s = str(from_bytes(v[i + 1:j], 'big'))"
        )
        source.add(indent + 1, f"{name} = '0.' + s if len(s) == {scale} else {reader}(v[i:j])")
    source.add(indent, "else:", f"    {name} = {reader}(v[i:j])", "i = j")


def _write_enum(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    source.names[f"labels_{form.column.id}"] = _Labels(form)
    _write_length(source, indent)
    source.add(indent, f"{name} = labels_{form.column.id}[v[i:j]]", "i = j")


def _write_date(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    cache = source.names["dates"] = source.names.get("dates") or _Texts(_DATE_SIZE, form.read_text)
    source.names["read_date"] = cache.read_text
    source.add(
        indent,
        f"{name} = dates.get(v[i:i + {_DATE_SIZE}])",
        f"if {name}:",
        f"    i += {_DATE_SIZE}",
        "else:",
        f"    {name}, i = read_date(v, i)",
    )


def _write_timestamp(source: _Source, indent: int, form: ColumnForms, name: str) -> None:
    """Join the kept text of the whole second, the fraction and the zone."""
    zone = "+00" if form.kind.family == "timestamptz" else ""
    reader = f"read_{form.column.id}"
    source.names[reader] = form.read_text
    cache = source.names["seconds"] = source.names.get("seconds") or _Texts(_SECOND_SIZE, _second_text)
    source.names.update(read_second=cache.read_text, fraction=_fraction_text)
    source.add(indent, "j = i", f"s = seconds.get(v[i:i + {_SECOND_SIZE}])")
    source.add(indent, "if s is None:", "    s, i = read_second(v, i)", "else:", f"    i += {_SECOND_SIZE}")
    source.add(indent, "if not s:", f"    {name}, i = {reader}(v, j)")
    source.add(indent, "elif not v[i]:", f"    {name} = {f's + {zone!r}' if zone else 's'}", "    i += 1")
    if form.kind.precision is None or form.kind.precision >= 6:
        source.add(indent, "else:", "    s2, i = fraction(v, i)", f'    {name} = f"{{s}}{{s2}}{zone}"')
    else:
        source.add(indent, "else:", f"    {name}, i = {reader}(v, j)")


_ENTRY_WRITERS: dict[str, Callable[[_Source, int, ColumnForms, str], None]] = {
    "int": _write_int,
    "oid": _write_int,
    "string": _write_string,
    "collated": _write_string,
    "refcursor": _write_string,
    "bytes": _write_bytes,
    "uuid": _write_uuid,
    "json": _write_json,
    "decimal": _write_decimal,
    "enum": _write_enum,
    "date": _write_date,
    "timestamp": _write_timestamp,
    "timestamptz": _write_timestamp,
}
