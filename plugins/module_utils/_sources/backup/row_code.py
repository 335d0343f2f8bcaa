# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writes and compiles one Python function for each table, which decodes its usual rows in a straight line.

The function is a generator over batches. For each row it reads the key columns one after the other, then the value's
entries in the order of column ids: ``code`` is the next entry's column id times 16 plus its type, so that one
comparison decides whether a column is there. Short numbers are looked up in tables, strings are slices of the value's
Latin-1 view (made right for all of a row at once if any needs it), everything else is read by the column's reader.
When the last entry does not end exactly with the value, the row is decoded again by ``GeneralRows``. So are rows that
hold what PostgreSQL cannot hold: the loop over a batch continues after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..._model.catalog import Family
from ..._values.line_block import LineBlock, block_of_lines
from ..._values.type_texts import SHORT_STRING_OIDS
from . import values
from .general_rows import ColumnForms, GeneralRows, RowLayout
from .value_code import Source, write_entry, write_next

RowFunction = Callable[[Iterable[tuple[Sequence[bytes], Sequence[bytes]]]], Iterator[LineBlock]]

_STRINGS = ("string", "collated", "refcursor")


def compile_rows(layout: RowLayout, general: GeneralRows) -> RowFunction:
    """Return the function that yields a block of COPY lines for each batch."""
    source = write_source(layout, general)
    text = "\n".join(source.lines)
    exec(compile(text, f"<rows of {layout.name}>", "exec"), source.names)
    return source.names["rows"]


def write_source(layout: RowLayout, general: GeneralRows) -> Source:
    """Return the function's source; only ids and numbers of the descriptor go into it, never names."""
    source = Source()
    source.names.update(
        block_of_lines=block_of_lines,
        require_policy=general.require_policy,
        repair=general.repair,
        tuple_texts=general.tuple_texts,
        family_texts=general.family_texts,
        is_interleaved_child=general.is_interleaved_child,
    )
    if [family.id for family in layout.families] == [0]:
        _write_single(source, layout)
    else:
        _write_families(source, layout, general.problems.policies.active)
    return source


def _write_single(source: Source, layout: RowLayout) -> None:
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
    source.add(5, "if key[p:] != b'\\x88' and is_interleaved_child(key, p):", "    continue")
    _write_nulls(source, 5, layout)
    _write_value(source, 5, layout, layout.families[0])
    _write_lines(source, 5, layout)
    source.add(4, "left = False")
    source.add(
        3,
        "except DECODING_ERRORS as error:",
        f"    repair(error, [(key, value)], lines, {'computed' if extra else 'None'})",
    )
    source.add(2, f"yield block_of_lines(lines, {'computed' if extra else 'None'})")


def _write_families(source: Source, layout: RowLayout, keeps: bool) -> None:
    """Write the function for a table with several column families: a row with an error is decoded again when all its
    families have been read; they are kept only if a policy may need them."""
    extra = bool(layout.computed)
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
    source.add(6, "if p != len(key) and is_interleaved_child(key, p):", "    continue")
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
    source.add(2, f"yield block_of_lines(lines, {'computed' if extra else 'None'})")
    source.add(1, "if row is not None:")
    source.add(2, "lines = []", "add = lines.append", "computed = []")
    source.add(2, "if failed is not None:", "    repair(failed, kept, lines, computed)")
    source.add(2, "else:")
    _write_lines(source, 3, layout)
    source.add(2, f"yield block_of_lines(lines, {'computed' if extra else 'None'})")


def _write_lines(source: Source, indent: int, layout: RowLayout) -> None:
    source.add(indent, f"add({_joined(layout.loaded)})")
    if layout.computed:
        source.add(indent, f"computed.append({_joined(layout.computed)})")


def _joined(ids: list[int]) -> str:
    return 'f"' + "\\t".join([f"{{c{number}}}" for number in ids]) + '"'


def _key_ids(layout: RowLayout) -> list[int]:
    return [part.column_id for part in layout.table.primary_index.columns]


def _write_nulls(source: Source, indent: int, layout: RowLayout) -> None:
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


def _write_key(source: Source, indent: int, layout: RowLayout) -> None:
    """Write the reading of the key columns from ``key``, with the position after them in ``p``."""
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


def _write_key_column(source: Source, indent: int, layout: RowLayout, number: int, descending: bool) -> None:
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
    """Return the columns that a family's value may hold, sorted by id."""
    index = layout.table.primary_index
    absent = set(_key_ids(layout)) - set(index.composite_column_ids)
    absent |= {column.id for column in layout.table.columns if column.virtual}
    return [
        layout.forms[number] for number in sorted(family.column_ids) if number in layout.forms and number not in absent
    ]


def _write_value(source: Source, indent: int, layout: RowLayout, family: Family) -> None:
    columns = _value_columns(layout, family)
    strings = [form for form in columns if form.kind.family in _STRINGS and form.kind.oid not in SHORT_STRING_OIDS]
    source.add(indent, f"if value[4] == {values.TAG_TUPLE}:")
    body = indent + 1
    source.add(body, "v = value + PADDING")
    if strings:
        source.add(body, "t = value.decode('latin-1')")
    source.add(body, f"i = {values.HEADER}")
    write_next(source, body, 0)
    for form in columns:
        write_entry(source, body, form)
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


def _write_general(source: Source, indent: int, layout: RowLayout, columns: list[ColumnForms], call: str) -> None:
    """Write the use of the general decoder: a column of the key keeps its value unless the decoded value has it,
    too."""
    if not columns:
        source.add(indent, call)
        return
    source.add(indent, f"texts = {call}")
    keys = _key_ids(layout)
    for form in columns:
        number = form.column.id
        source.add(indent, f"c{number} = texts.get({number}, {f'c{number}' if number in keys else 'NULL'})")
