# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Hypothesis strategies that change bytes, protobuf messages, JSON values and SQL text a little, so that readers get far into them."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Callable, Optional

from building import varint
from hypothesis import strategies as st
from stored_forms import msb

Draw = Callable[..., Any]

_NUMBERS = (0, 1, 2, 3, 5, 8, 15, 16, 64, 109, 110, 127, 128, 255, 256, 1000, 16383, 16384, 65535, 65536, 1 << 20, 50_000_000, *(
    (1 << size) + more for size in (28, 29, 31, 32, 53, 62, 63, 64) for more in (-1, 0, 1)), 1 << 70)
_BYTES = st.sampled_from((0, 1, 2, 3, 6, 8, 10, 13, 15, 16, 0x12, 0x13, 0x14, 0x27, 0x34, 0x3A, 0x3F, 0x45, 0x4B, 0x65, 0x7F, 0x80, 0x87, 0x88, 0x89, 0xF5, 0xF6, 0xFD, 0xFE, 0xFF))
_PIECES = st.one_of(
    st.sampled_from(_NUMBERS).map(varint), st.sampled_from(_NUMBERS).map(msb), st.sampled_from([number for number in _NUMBERS if number < 1 << 64]).flatmap(
        lambda number: st.sampled_from([number.to_bytes(8, order) for order in ("little", "big")] + [(number & 0xFFFFFFFF).to_bytes(4, order) for order in ("little", "big")])),
    st.sampled_from((b"\x80" * 30, b"\xff" * 10, b"\xff" * 200, bytes(100), b"\0\x01", b"\0\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x9a\x80", b"\\", b"NaN")), st.binary(min_size=1, max_size=8))


@st.composite
def changed_bytes(draw: Draw, seeds: Sequence[bytes], keep: int = 0) -> bytes:
    """One of the seeds with some changes after its first ``keep`` bytes."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _change in range(draw(st.sampled_from((1, 1, 1, 2, 3, 6)))):
        if len(data) <= keep:
            data += draw(_PIECES)
            continue
        place = draw(st.integers(keep, len(data) - 1))
        how = draw(st.integers(0, 8))
        if how <= 1:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif how == 2:
            data[place] = draw(_BYTES)
        elif how == 3:
            piece = draw(_PIECES)
            data[place:place + len(piece)] = piece
        elif how == 4:
            data[place:place] = draw(_PIECES)
        elif how == 5:
            del data[place:place + draw(st.sampled_from((1, 1, 2, 4, 8, 100)))]
        elif how == 6:
            del data[place:]
        elif how == 7:
            part = bytes(data[place:place + draw(st.sampled_from((1, 2, 4, 8, 20, 100)))])
            data[place:place] = part * draw(st.sampled_from((1, 1, 2, 30, 1000)))
        else:
            other = draw(st.sampled_from(seeds))
            data[place:] = other[draw(st.integers(0, max(0, len(other) - 1))):]
    return bytes(data)


def overwritten_bytes(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with some bytes of it changed in their places."""
    @st.composite
    def change(draw: Draw) -> bytes:
        data = bytearray(draw(st.sampled_from(seeds)))
        for _change in range(draw(st.sampled_from((1, 1, 2, 4)))):
            place = draw(st.integers(0, len(data) - 1))
            piece = draw(st.one_of(_BYTES.map(lambda byte: bytes((byte,))), _PIECES))
            data[place:place + len(piece)] = piece[:len(data) - place]
        return bytes(data)
    return change()


# --- protobuf ---

Field = tuple[int, int, Any]
"""Number, wire type, and number or bytes."""


def fields_of(data: bytes) -> Optional[list[Field]]:
    """The fields of a message; None if the bytes are none."""
    fields: list[Field] = []
    position = 0

    def number() -> int:
        nonlocal position
        result = shift = 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    try:
        while position < len(data):
            tag = number()
            kind = tag & 7
            if not tag >> 3 or kind not in (0, 1, 2, 5):
                return None
            size = number() if kind == 2 else {0: 0, 1: 8, 5: 4}[kind]
            if kind == 0:
                fields.append((tag >> 3, 0, number()))
                continue
            if position + size > len(data):
                return None
            fields.append((tag >> 3, kind, data[position:position + size]))
            position += size
    except IndexError:
        return None
    return fields


def encoded(fields: Sequence[Field]) -> bytes:
    """The message of some fields."""
    return b"".join(varint(number << 3 | kind) + (varint(value) if kind == 0 else varint(len(value)) + value if kind == 2 else value) for number, kind, value in fields)


@st.composite
def changed_message(draw: Draw, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, which are messages, with some fields changed at any depth."""
    data = draw(st.sampled_from(seeds))
    for _change in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        data = _with_changed_field(draw, data)
    return data


def _with_changed_field(draw: Draw, data: bytes) -> bytes:
    fields = fields_of(data)
    if not fields:
        return draw(changed_bytes([data or b"\x08\x01"]))
    place = draw(st.integers(0, len(fields) - 1))
    number, kind, value = fields[place]
    inside = fields_of(value) if kind == 2 and value else None
    if inside and draw(st.integers(0, 9)) < 8:
        fields[place] = (number, kind, _with_changed_field(draw, value))
        return encoded(fields)
    how = draw(st.integers(0, 7))
    if how == 0:
        del fields[place]
    elif how == 1:
        fields[place:place] = [fields[place]] * draw(st.sampled_from((1, 1, 3, 500)))
    elif how == 2:
        fields[place] = (draw(st.one_of(st.integers(1, 75), st.sampled_from((1 << 29, (1 << 60) + 1)))), kind, value)
    elif how == 3:
        fields[place] = draw(st.sampled_from(((number, 0, 7), (number, 2, b"\x08\x01"), (number, 1, bytes(8)), (number, 5, b"\xff" * 4), (number, 2, b""))))
    elif how == 4:
        other = draw(st.integers(0, len(fields) - 1))
        fields[place] = (number, *fields[other][1:])
    elif how == 5 and kind == 2:
        # Messages in messages of its own kind.
        for _level in range(draw(st.sampled_from((1, 5, 100, 3000)))):
            value = encoded([(number, 2, value)])
        fields[place] = (number, 2, value)
    elif kind == 0:
        fields[place] = (number, 0, draw(st.one_of(st.sampled_from(_NUMBERS), st.integers(0, 130))))
    elif kind == 2:
        fields[place] = (number, 2, draw(st.one_of(changed_bytes([value or b"x"]), st.sampled_from(TEXTS).map(lambda text: text.encode("utf-8", "surrogatepass")))))
    return encoded(fields)


# --- text ---

TEXTS = (
    "", "\0", " ", ".", "..", "/", "a/../b", '"', "'", "\\", "\\N", "\n", "\ud800", "\ufeff", "x" * 70, "x" * 100_000, "ß", "template0", "pg_catalog", "(" * 60, "((" * 3000, "1 +" * 300 + "1",
    "1::INT8", "e'\\x'", "e'\\777'", "e'\\ud800'", "e'\\U00110000'", "b'\\xff'", "x'0'", "$$", "$1", "a:::STRING", "9" * 4301, "1e999999999", "-9223372036854775808:::INT8", "VARCHAR(" + "9" * 4301 + ")",
    "NULL", "nextval('a.b.c'::REGCLASS)", "ARRAY[" * 200, "CASE WHEN " * 100, "lower(" * 500, "NOT " * 2000, "a OR " * 3000 + "a", "/*", "--", ";", "SELECT", "DEFAULT", "{" * 3000, "[" * 100_000, "%s", "{{ x }}",
)
"""Names, numbers and expressions that hurt."""


@st.composite
def changed_text(draw: Draw, seeds: Sequence[str]) -> bytes:
    """One of the seeds with some words changed, as UTF-8, which it may be no more."""
    words = re.findall(r"\w+|\s+|.", draw(st.sampled_from(seeds)), re.DOTALL)
    for _change in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        if not words:
            break
        place = draw(st.integers(0, len(words) - 1))
        how = draw(st.integers(0, 6))
        if how == 0:
            del words[place:place + draw(st.sampled_from((1, 1, 2, 5)))]
        elif how == 1:
            words[place] = draw(st.sampled_from(TEXTS))
        elif how == 2:
            words[place:place] = [draw(st.sampled_from(TEXTS)), " "]
        elif how == 3:
            words[place] = words[draw(st.integers(0, len(words) - 1))]
        elif how == 4:
            words[place:place] = words[place:place + draw(st.sampled_from((1, 2, 5, 20)))] * draw(st.sampled_from((1, 1, 2, 50)))
        elif how == 5:
            del words[place:]
        else:
            words = list("".join(words))
            words[min(place, len(words) - 1)] = draw(st.one_of(st.characters(), st.sampled_from("'\"\\()[]{},;.:$@#*\0")))
    return "".join(words).encode("utf-8", "surrogatepass")


# --- JSON ---

_JSON = st.one_of(
    st.none(), st.booleans(), st.sampled_from((0, -1, 1.5, 1 << 63, 10**400, float("nan"), float("inf"))), st.sampled_from(TEXTS).map(lambda text: text[:9000]), st.just([]), st.just({}),
    st.lists(st.integers(0, 9), max_size=3), st.just({"a": 1}))


@st.composite
def changed_json(draw: Draw, seeds: Sequence[Any]) -> Any:
    """One of the seeds, which are JSON values, with some values changed at any depth."""
    value = json.loads(json.dumps(draw(st.sampled_from(seeds))))
    for _change in range(draw(st.sampled_from((1, 1, 2, 4)))):
        value = _with_changed_value(draw, value)
    return value


def _with_changed_value(draw: Draw, value: Any) -> Any:
    if isinstance(value, (list, dict)) and value and draw(st.integers(0, 9)) < 8:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw(st.sampled_from(keys))
        how = draw(st.integers(0, 11))
        if how == 0:
            del value[key]
        elif how == 1 and isinstance(value, dict):
            value[draw(st.sampled_from(("", "x", "id", "name", "\0")))] = value.pop(key)
        elif how == 1:
            value += [value[key]] * draw(st.sampled_from((1, 3, 1000)))
        else:
            value[key] = _with_changed_value(draw, value[key])
        return value
    if isinstance(value, str) and draw(st.booleans()):
        return draw(st.one_of(changed_text([value or "x"]).map(lambda data: data.decode("utf-8", "surrogatepass")), st.sampled_from(TEXTS)))
    return draw(_JSON)
