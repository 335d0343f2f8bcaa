# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The decoders of rows: values and keys of every type, read together with numpy and one by one, which have to agree."""
from __future__ import annotations

import functools
import random
import struct
from dataclasses import dataclass
from decimal import Decimal

from both_decoders import both
from building import message
from fuzzing.mutations import changed_bytes
from fuzzing.reader import Reader
from hypothesis import strategies as st
from random_rows import KINDS, MOOD
from stored_forms import (
    array_value,
    exact_decimal,
    json_document,
    leb,
    msb,
    row_value,
    search_query,
    search_vector,
    sized_value,
    tag,
    unsigned,
    zigzag,
)

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import (
    STOP_ALL,
    value_policies,
)

INT, TEXT = SqlType("int", 20, 64), SqlType("string", 25)
PREFIX = unsigned(53) + b"\x89"
REPLACING = value_policies({
    "zero_character": "replace", "invalid_utf8": "replace", "length": "replace", "decimal_scale": "replace", "decimal_range": "null", "timestamp_range": "replace", "real_range": "replace",
    "interval_range": "null", "json_number": "replace", "json_depth": "reject"})
_ROWS_AROUND = 20
"""Enough that documents are decoded together."""


@dataclass(frozen=True)
class Form:
    """A way in which a type is stored: inside of a TUPLE, alone in its family, in a key. ``stored`` are values or keys."""

    type: SqlType
    where: str
    stored: tuple[bytes, ...]


def _value(wire: int, body: bytes) -> bytes:
    return row_value([(2, wire, body)])


def _alone(tag_number: int, body: bytes) -> bytes:
    return bytes(4) + bytes((tag_number,)) + body


def _key(body: bytes) -> bytes:
    return PREFIX + body + b"\x88"


def _usual_forms() -> list[Form]:
    """The forms of the types that the tests of random rows have."""
    rng = random.Random(13)
    result = []
    for kind in KINDS:
        result.append(Form(kind.type, "value", tuple(_value(kind.wire or 10, kind.body(rng, odd)) for odd in (False, False, False, True))))
        result.append(Form(kind.type, "alone", tuple(_alone(kind.tag, kind.alone(rng, odd)) for odd in (False, False, True))))
        if kind.key:
            result.append(Form(kind.type, "key", tuple(_key(kind.key(rng, False)) for _seed in range(3))))
            result.append(Form(kind.type, "descending", tuple(_key(bytes(255 - byte for byte in kind.key(rng, False))) for _seed in range(3))))
    return result


_BITS = msb(70) + bytes(range(16))
_DURATION, _TIMETZ = zigzag(3) + zigzag(-2) + zigzag(5 * 10**9), zigzag(3_600_000_000) + zigzag(-3600)
_POINT = message((1, 1), (2, b"\x01\x01\0\0\x20\xe6\x10\0\0" + struct.pack("<2d", 1.5, 2.5)), (3, 4326))
_BOX = b"".join(b"\x05" + struct.pack(">d", number) for number in (1.0, 2.0, 3.5, 4.5))
_TREE = ("&", ("a", 1, 1), ("!", (2, ("it's", 0, 0), ("c", 15, 0))))
_VECTOR = search_vector([("a", [(1, 0), (2, 3)]), ("b c", [])])
_MEMBERS = [INT, TEXT, SqlType("bool", 16)]
_RARE = [
    (SqlType("bit", 1560, 70), 17, _BITS, 11, b"\x3a" + unsigned(1 << 60) + unsigned(5) + b"\0" + unsigned(6)),
    (SqlType("bit", 1562), 17, _BITS, 11, b"\x3a" + unsigned(7) + b"\0" + unsigned(3)),
    (SqlType("interval", 1186), 9, _DURATION, 6, b"\x16" + unsigned(5 * 10**9) + b"\x89\x8a"),
    (SqlType("timetz", 1266), 19, _TIMETZ, 12, b"\x3c" + unsigned(3600 * 10**6) + b"\x88"),
    (SqlType("geometry", 90000), 20, sized_value(_POINT), 13, b"\x3d" + bytes(8) + _POINT.replace(b"\0", b"\0\xff") + b"\0\x01"),
    (SqlType("geography", 90002), 20, sized_value(_POINT), 13, b"\x3d" + bytes(8) + _POINT.replace(b"\0", b"\0\xff") + b"\0\x01"),
    (SqlType("box2d", 90004), 24, _BOX, 14, b"\x41" + _BOX),
    (SqlType("pg_lsn", 3220), 3, zigzag(1 << 40), 1, unsigned(1 << 40)),
    (SqlType("tsquery", 3615), 26, sized_value(search_query(_TREE)), 3, b""),
    (SqlType("tsvector", 3614), 27, sized_value(_VECTOR), 3, b""),
    (SqlType("vector", 90006), 44, sized_value((2).to_bytes(4, "big") + struct.pack(">2f", 1.5, -2)), 3, b""),
    (SqlType("ltree", 90008), 45, sized_value(msb(5) + b"a.b.c"), 3, b""),
    (SqlType("ltree", 90008), 45, sized_value((2).to_bytes(2, "big") + b"\x12a\0\x01\x12b\0\x01"), 3, b""),
    (SqlType("refcursor", 1790), 6, sized_value(b"cursor"), 3, b"\x12cursor\0\x01"),
    (SqlType("inet", 869), 14, bytes((0, 24, 10, 0, 0, 1)), 3, b"\x12" + bytes((1, 64)) + b"x" * 16 + b"\0\x01"),
    (SqlType("tuple", 100107, fields=_MEMBERS), 16, msb(3) + tag(1, 3) + zigzag(7) + tag(1, 6) + sized_value(b"text") + tag(1, 10), 3, b"\x89\x12text\0\x01\x89"),
    (SqlType("array", 1009, element=TEXT), 13, array_value(6, [sized_value(b"a"), None, sized_value(b'"b')]), 3, b"\x3f\x12a\0\x01\x01\0"),
    (SqlType("array", 1231, element=SqlType("decimal", 1700)), 13, array_value(5, [leb(3) + b"\x34\x8a\x05", None]), 3, b"\x3f\x2a\x03\0\0"),
    (SqlType("array", 1000, element=SqlType("bool", 16)), 13, array_value(3, [b"\x0a", b"\x0b"]), 3, b"\x3f\x89\x88\0"),
    (SqlType("array", 199, element=SqlType("json", 3802)), 13, array_value(15, [sized_value(json_document([True, "x"]))]), 3, b""),
    (SqlType("array", 100106, element=SqlType("enum", 100106, user_type_id=MOOD.id)), 13, array_value(6, [sized_value(b"\x40"), sized_value(b"\x80\x40")]), 3, b"\x3f\x12\x40\0\x01\0"),
    (SqlType("decimal", 1700), 5, leb(5) + b"\x34\x8a\x05\x06\x07", 5, b"\x2b\x03\x05\x06\0"),
    (SqlType("decimal", 1700, 2, 5), 5, leb(2) + exact_decimal(Decimal("1.25"))[:2], 5, b"\x28\x87\xf0\x02\0"),
    (SqlType("json", 3802), 15, sized_value(json_document({"a": [1 == 1, {"b": None}], "name": "x" * 40})), 3, b"\x4c\x89\x47\x12k\0\x01\0\x4b\x8a\x4a\x46\0\0"),
    (SqlType("json", 3802), 15, sized_value(json_document([[["deep"]]])), 3, b"\x48\x2b\x03\x05\0\0"),
]


def _rare_forms() -> list[Form]:
    result = []
    for kind, wire, body, tag_number, key in _RARE:
        result.append(Form(kind, "value", (_value(wire, body),)))
        sized = wire in (13, 15, 20, 26, 27, 44, 45) or (wire == 6)
        result.append(Form(kind, "alone", (_alone(tag_number, body[1:] if sized else body),)))
        if key:
            result.append(Form(kind, "key", (_key(key),)))
            result.append(Form(kind, "descending", (_key(bytes(255 - byte for byte in key)),)))
    return result


@functools.cache
def forms() -> dict[str, Form]:
    """Return all forms by their names, with which cases begin."""
    found: dict[str, Form] = {}
    for form in (*_usual_forms(), *_rare_forms()):
        kind = form.type
        name = f"{kind.family} {kind.oid} ({kind.width}, {kind.precision}) {form.where}"
        while name in found:
            name += " again"
        found[name] = form
    return found


def _read_row(data: bytes) -> None:
    """The case is the name of the form, and a key or value."""
    name, _newline, stored = data.partition(b"\n")
    form = forms()[name.decode()]
    in_key = form.where in ("key", "descending")
    columns = [Column(1, "k", form.type if in_key else INT), Column(2, "v", TEXT if in_key else form.type)]
    families = [Family(0, "f0", [1]), Family(2, "f2", [2], 2)] if form.where == "alone" else [Family(0, "primary", [1, 2])]
    composite = [1] if in_key and form.type.family in ("collated", "float", "decimal", "json") else []
    index = Index(1, "primary", True, [IndexColumn(1, form.where == "descending")], composite_column_ids=composite)
    table = Table(53, "t", 1, columns, index, families=families)
    if in_key:
        keys = dict.fromkeys((form.stored[0], stored, form.stored[-1]))
        pairs = [(key, row_value([])) for key in keys]
    else:
        value = stored if form.where == "alone" else form.stored[0]
        pairs = []
        for number in range(_ROWS_AROUND):
            key = PREFIX + unsigned(number)
            if form.where == "alone":
                pairs += [(key + b"\x88", row_value([])), (key + b"\x8a\x89", stored if number == 7 else form.stored[0])]
            else:
                pairs.append((key + b"\x88", stored if number == 7 else value))
    for policies in (REPLACING, STOP_ALL):
        together, single = both(table, pairs, policies)
        assert together == single, f"{form.type.family} {form.where}: {together} and {single}"
    if isinstance(together[0], type):
        raise MigrationError(together[1])


@st.composite
def _cases(draw, where: tuple[str, ...]) -> bytes:
    name = draw(st.sampled_from([name for name, form in forms().items() if form.where in where]))
    # The first four bytes of a value are a checksum that is not looked at.
    keep = 4 if where[0] != "key" else len(PREFIX)
    return name.encode() + b"\n" + draw(changed_bytes(forms()[name].stored, keep))


def _read_document(data: bytes) -> None:
    """Read a JSON document among usual ones."""
    name = next(name for name, form in forms().items() if form.type.family == "json" and form.where == "value")
    _read_row(name.encode() + b"\n" + _value(15, sized_value(data)))


def _document_seeds() -> list[bytes]:
    number = Decimal("12.50")
    return [json_document(value) for value in (
        {"a": [True, "x"], "b": number}, [1 == 1, None, "text", [number, {}]], "scalar", number, {f"k{place}": "v" * place for place in range(40)}, [[[[[["x"]]]]]], {"ü": {"\\": '"'}})]


def readers() -> list[Reader]:
    """Return the readers of this file."""
    return [
        Reader("row_value", _cases(("value", "alone")), _read_row),
        Reader("row_key", _cases(("key", "descending")), _read_row),
        Reader("json_document", changed_bytes(_document_seeds()), _read_document),
    ]
