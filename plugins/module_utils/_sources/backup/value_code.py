# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writes the Python source that reads one column's entry of a value: a part of the function of row_code.py.

The names that the source uses: ``v`` is the value with two bytes after it, ``t`` its Latin-1 view, ``i`` the position,
``code`` the next entry's column id times 16 plus its type; ``x``, ``j`` and ``s`` are for the moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._formats.encoding import MalformedValue, decimal, leb, msb, zigzag
from ..._model.built_in_types import BPCHAR
from ..._values.text.numbers import numeric_text
from ..._values.text.scalars import check_length
from ..._values.text.times import fraction_text, timestamp_writer
from ..._values.type_texts import SHORT_STRING_OIDS, NamedIdentifier
from . import values
from .general_rows import DECODING_ERRORS, ESCAPES, NULL, ColumnForms, TextReader, latin1_copy_text, split_family
from .json_values import json_text

_PADDING = b"\0\0"
"""Behind a value: its zero, read as a tag, matches no column."""
_CACHE_SIZE = 65536
_SMALL_KEYS = [str(byte - 0x88) for byte in range(256)]
_BYTE_TEXTS = [str(byte) for byte in range(256)]
_SHORT_INTS = [str((number >> 1) ^ -(number & 1)) for number in range(1 << 14)]
_ESCAPE = 15
_SHORT_DECIMAL = 1700
"""Bytes of a coefficient that the interpreter still turns into decimal text at once (4300 digits)."""
_DATE_SIZE, _SECOND_SIZE = 3, 5
"""Bytes of most dates' and timestamps' numbers: 1992 to 2240, and 1978 to 2514."""
_WRITE_SECOND = timestamp_writer(None, "")


class Source:
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
    """A cache of texts by the bytes of numbers that are ``size`` bytes long; numbers of other sizes are read every
    time."""

    def __init__(self, size: int, read: TextReader) -> None:
        super().__init__()
        self.size, self.read = size, read

    def read_text(self, value: bytes, position: int) -> tuple[str, int]:
        """Read a value and cache its text."""
        text, end = self.read(value, position)
        if end - position == self.size:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[value[position:end]] = text
        return text, end


class _Labels(dict):
    """A cache of an enum's labels by their stored bytes."""

    def __init__(self, form: ColumnForms) -> None:
        super().__init__()
        self.form = form

    def __missing__(self, physical: bytes) -> str:
        label = self[physical] = self.form.text(physical)
        return label


def _second_text(value: bytes, position: int) -> tuple[str, int]:
    """Return the text of a timestamp's whole second; empty for a year BC, whose text has a suffix."""
    seconds, position = zigzag(value, position)
    text = _WRITE_SECOND((seconds, 0))
    return ("" if text.endswith("BC") else text), position


def _fraction_text(value: bytes, position: int) -> tuple[str, int]:
    nanoseconds, position = zigzag(value, position)
    if not 0 <= nanoseconds < 1_000_000_000:
        raise MalformedValue(f"{nanoseconds} nanoseconds are not a part of a second")
    return fraction_text(nanoseconds // 1000), position


def write_next(source: Source, indent: int, base: int) -> None:
    """Write the reading of the next tag into ``code``; ``base`` is the last column's id times 16."""
    source.add(indent, "x = v[i]", "if x < 128:", f"    code = x + {base}" if base else "    code = x", "    i += 1")
    source.add(indent, "else:", f"    code, i = next_tag(v, i, {base})")


def write_entry(source: Source, indent: int, form: ColumnForms) -> None:
    """Write the reading of a column, if it is the next entry, and of the tag that follows it."""
    column_id, name, family = form.column.id, f"c{form.column.id}", form.kind.family
    base = column_id << 4
    inner = indent + 1
    if family == "bool":
        source.add(indent, f"if code == {base | values.TRUE}:", f"    {name} = 't'")
        write_next(source, inner, base)
        source.add(indent, f"elif code == {base | values.FALSE}:", f"    {name} = 'f'")
        write_next(source, inner, base)
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
    write_next(source, inner, base)


def _write_length(source: Source, indent: int, read: str = "msb") -> None:
    """Write the reading of a length: the length is in ``x``, the start in ``i`` and the end in ``j``."""
    source.add(indent, "x = v[i]", "if x < 128:", "    i += 1", "else:", f"    x, i = {read}(v, i)", "j = i + x")


def _write_int(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    source.add(indent, "x = v[i]", "if x < 128:", f"    {name} = SHORT_INTS[x]", "    i += 1")
    source.add(indent, "elif v[i + 1] < 128:", f"    {name} = SHORT_INTS[x - 128 | v[i + 1] << 7]", "    i += 2")
    source.add(indent, "else:", f"    {name}, i = int_text(v, i)")


def _write_string(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(indent, f"{name} = t[i:j]")
    if form.kind.oid == BPCHAR:
        source.add(indent, "if v[j - 1] == 32:", f"    {name} = {name}.rstrip(' ')", f"    x = len({name})")
    if form.kind.width > 0:
        source.add(indent, f"if x > {form.kind.width}:", f"    check_length(v[i:i + x], {form.kind.width})")
    source.add(indent, "i = j")


def _write_bytes(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(indent, f'{name} = "\\\\\\\\x" + v[i:j].hex()', "i = j")


def _write_uuid(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    source.add(
        indent,
        "s = v[i:i + 16].hex()",
        "i += 16",
        f'{name} = f"{{s[:8]}}-{{s[8:12]}}-{{s[12:16]}}-{{s[16:20]}}-{{s[20:]}}"',
    )


def _write_json(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    _write_length(source, indent)
    source.add(
        indent,
        f"{name} = json_text(v[i:j])",
        f'if "\\\\" in {name}:',
        f'    {name} = {name}.replace("\\\\", "\\\\\\\\")',
        "i = j",
    )


def _write_decimal(source: Source, indent: int, form: ColumnForms, name: str) -> None:
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


def _write_enum(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    source.names[f"labels_{form.column.id}"] = _Labels(form)
    _write_length(source, indent)
    source.add(indent, f"{name} = labels_{form.column.id}[v[i:j]]", "i = j")


def _write_date(source: Source, indent: int, form: ColumnForms, name: str) -> None:
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


def _write_timestamp(source: Source, indent: int, form: ColumnForms, name: str) -> None:
    """Write the joining of the cached text of the second, the fraction and the zone."""
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


_ENTRY_WRITERS: dict[str, Callable[[Source, int, ColumnForms, str], None]] = {
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
