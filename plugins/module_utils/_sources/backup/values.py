# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The values of row columns: the forms inside TUPLE values, and those of a column that has a family of its own.

A value is read into one plain form per type family, whichever way it was stored (keys use the same forms):
bool → bool; int, oid, date (days), time (microseconds), pg_lsn → int; float → float; decimal → ``encoding.Decimal``;
string, collated, refcursor, bytes, uuid, inet, enum → bytes; timestamps → (seconds, nanoseconds);
interval → (months, days, nanoseconds); timetz → (local microseconds, seconds west); bit → (length, 64-bit words);
geometry, geography → EWKB bytes; box2d → (low x, high x, low y, high y); array, tuple → list with None for NULL;
json, tsvector, tsquery, vector, ltree, void → PostgreSQL's text.
"""

from __future__ import annotations

from typing import Any, Callable

from ..._errors import CorruptBackupError, UnsupportedError
from ..._formats import protobuf
from ..._formats.encoding import (
    MalformedValue,
    decimal,
    double,
    fixed,
    leb,
    msb,
    ordered_float,
    ordered_int,
    sized,
    zigzag,
)
from ..._model.catalog import SqlType
from ..._values.text.searches import ltree_text, tsquery_text, tsvector_text, vector_text
from .json_values import json_text

ValueReader = Callable[[bytes, int], tuple[Any, int]]
LegacyReader = Callable[[bytes], Any]

TAG_UNKNOWN, TAG_INT, TAG_FLOAT, TAG_BYTES, TAG_TIME, TAG_DECIMAL, TAG_DURATION = range(7)
TAG_TUPLE, TAG_BITS, TAG_TIMETZ, TAG_GEO, TAG_BOX2D = 10, 11, 12, 13, 14
HEADER = 5
"""Number of bytes before a value's data: four of checksum, one tag."""

NULL, NOT_NULL, INT, FLOAT, DECIMAL, BYTES, BYTES_DESC, TIME, DURATION, TRUE, FALSE = range(1, 12)
UUID, ARRAY, INET, JSON, TUPLE, BITS = range(12, 18)
TIMETZ, GEO, BOX2D, VOID, TSQUERY, TSVECTOR, VECTOR, LTREE = 19, 20, 24, 25, 26, 27, 44, 45
_ESCAPE = 15
_HAS_NULLS, _DIMENSIONS = 0x10, 0x0F
_KEY_TIME, _KEY_DURATION, _KEY_TIMETZ = 0x14, 0x16, 0x3C
_EWKB_FIELD = 2

WIRE_TYPES = {
    "bool": (TRUE, FALSE),
    "int": (INT,),
    "oid": (INT,),
    "date": (INT,),
    "time": (INT,),
    "pg_lsn": (INT,),
    "float": (FLOAT,),
    "decimal": (DECIMAL,),
    "string": (BYTES,),
    "collated": (BYTES,),
    "refcursor": (BYTES,),
    "bytes": (BYTES,),
    "enum": (BYTES,),
    "uuid": (UUID,),
    "timestamp": (TIME,),
    "timestamptz": (TIME,),
    "interval": (DURATION,),
    "array": (ARRAY,),
    "inet": (INET,),
    "json": (JSON,),
    "tuple": (TUPLE,),
    "bit": (BITS,),
    "timetz": (TIMETZ,),
    "geometry": (GEO,),
    "geography": (GEO,),
    "box2d": (BOX2D,),
    "void": (VOID,),
    "tsquery": (TSQUERY,),
    "tsvector": (TSVECTOR,),
    "vector": (VECTOR,),
    "ltree": (LTREE,),
}
"""The types that a column of a family has inside a TUPLE."""


def read_tag(data: bytes, position: int) -> tuple[int, int, int]:
    """Return a TUPLE entry's column delta, its type and the position after the tag."""
    number, position = msb(data, position)
    kind = number & 15
    if kind == _ESCAPE:
        kind, position = msb(data, position)
    return number >> 4, kind, position


def value_reader(kind: SqlType) -> ValueReader:
    """Return the reader of a type's form inside TUPLEs and arrays. Raises UnsupportedError for a type that cannot be
    stored.

    Booleans are not read this way inside a TUPLE: their tag is their value.
    """
    if kind.family == "array" and kind.element is not None:
        read_body = _array_body_reader(kind.element)

        def read_array(data: bytes, position: int) -> tuple[list, int]:
            body, position = sized(data, position)
            return read_body(body), position

        return read_array
    if kind.family == "tuple":
        return _tuple_reader(kind.fields)
    try:
        return _READERS[kind.family]
    except KeyError:
        raise UnsupportedError(f"values of the type {kind.family} are not supported") from None


def legacy_reader(kind: SqlType) -> tuple[int, LegacyReader]:
    """Return the tag and the reader of a type's form as the only value of its family; the reader takes the data after
    the tag."""
    if kind.family == "array" and kind.element is not None:
        return TAG_BYTES, _array_body_reader(kind.element)
    if kind.family == "tuple":
        return TAG_BYTES, _whole(_tuple_reader(kind.fields))
    try:
        return _LEGACY_READERS[kind.family]
    except KeyError:
        raise UnsupportedError(f"values of the type {kind.family} are not supported") from None


def decode_sequence_value(value: bytes) -> int:
    """Return the number that a sequence's only value holds. Raises CorruptBackupError when it holds anything else."""
    try:
        if value[4] != TAG_INT:
            raise CorruptBackupError(f"a sequence's value has the tag {value[4]} instead of an integer's")
        number, end = zigzag(value, HEADER)
    except (IndexError, MalformedValue):
        raise CorruptBackupError("a sequence's value is cut off") from None
    if end != len(value):
        raise CorruptBackupError("bytes follow a sequence's value")
    return number


def spatial_ewkb(data: bytes) -> bytes:
    """Return the EWKB inside a stored geometry or geography."""
    return protobuf.blob(protobuf.parse(data), _EWKB_FIELD)


def skip_value(data: bytes, position: int, kind: int) -> int:
    """Return the position after a value of a dropped column. Raises UnsupportedError for an unknown type number."""
    try:
        return _SKIPPERS[kind](data, position)
    except KeyError:
        raise UnsupportedError(f"a value has the unknown type number {kind}") from None


def _whole(read: ValueReader) -> LegacyReader:
    def read_all(data: bytes) -> Any:
        value, end = read(data, 0)
        if end != len(data):
            raise MalformedValue("bytes follow the value")
        return value

    return read_all


def _raw(data: bytes) -> bytes:
    return data


def _decimal(data: bytes, position: int) -> tuple[Any, int]:
    length, position = leb(data, position)
    body, position = fixed(data, position, length)
    return decimal(body), position


def _pair(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    first, position = zigzag(data, position)
    second, position = zigzag(data, position)
    return (first, second), position


def _moment(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    (seconds, nanoseconds), position = _pair(data, position)
    if not 0 <= nanoseconds < 1_000_000_000:
        raise MalformedValue(f"{nanoseconds} nanoseconds are not a part of a second")
    return (seconds, nanoseconds), position


def _interval(data: bytes, position: int) -> tuple[tuple[int, int, int], int]:
    months, position = zigzag(data, position)
    (days, nanoseconds), position = _pair(data, position)
    return (months, days, nanoseconds), position


def _uuid(data: bytes, position: int) -> tuple[bytes, int]:
    return fixed(data, position, 16)


def _inet(data: bytes, position: int) -> tuple[bytes, int]:
    return fixed(data, position, 18 if data[position] else 6)


def _bits(data: bytes, position: int) -> tuple[tuple[int, list[int]], int]:
    length, position = msb(data, position)
    words = []
    for _word in range((length + 63) // 64):
        word, position = fixed(data, position, 8)
        words.append(int.from_bytes(word, "big"))
    return (length, words), position


def _boolean(data: bytes, position: int) -> tuple[bool, int]:
    """Read a boolean element of an array."""
    if data[position] not in (TRUE, FALSE):
        raise MalformedValue(f"{data[position]} is not a boolean")
    return data[position] == TRUE, position + 1


def _box2d(data: bytes, position: int) -> tuple[tuple[float, ...], int]:
    corners = []
    for _corner in range(4):
        corner, position = ordered_float(data, position)
        corners.append(corner)
    return tuple(corners), position


def _void(data: bytes, position: int) -> tuple[str, int]:
    return "", position


def _sized_as(convert: Callable[[bytes], Any]) -> ValueReader:
    def read(data: bytes, position: int) -> tuple[Any, int]:
        body, position = sized(data, position)
        return convert(body), position

    return read


def _array_body_reader(element: SqlType) -> LegacyReader:
    read = value_reader(element)

    def read_body(data: bytes) -> list:
        if data[0] & _DIMENSIONS != 1 or data[0] & ~(_DIMENSIONS | _HAS_NULLS):
            raise UnsupportedError(f"an array has the unknown header 0x{data[0]:02x}")
        _delta, _kind, position = read_tag(data, 1)
        count, position = msb(data, position)
        nulls = b""
        if data[0] & _HAS_NULLS:
            nulls, position = fixed(data, position, (count + 7) // 8)
        elif count > len(data) - position:
            raise MalformedValue(f"an array of {len(data)} bytes claims to have {count} elements")
        elements: list = []
        for index in range(count):
            if nulls and nulls[index >> 3] >> (index & 7) & 1:
                elements.append(None)
            else:
                value, position = read(data, position)
                elements.append(value)
        if position != len(data):
            raise MalformedValue("bytes follow an array")
        return elements

    return read_body


def _tuple_reader(fields: list[SqlType]) -> ValueReader:
    readers = [(WIRE_TYPES.get(field.family, ()), value_reader(field)) for field in fields]

    def read_tuple(data: bytes, position: int) -> tuple[list, int]:
        count, position = msb(data, position)
        if count != len(readers):
            raise MalformedValue(f"a composite value has {count} fields, its type has {len(readers)}")
        values: list = []
        for wire_types, read in readers:
            _delta, kind, position = read_tag(data, position)
            if kind == NULL:
                values.append(None)
                continue
            if kind not in wire_types:
                raise MalformedValue(f"a composite value's field has the type number {kind}, {wire_types} was expected")
            if kind in (TRUE, FALSE):
                values.append(kind == TRUE)
                continue
            value, position = read(data, position)
            values.append(value)
        return values, position

    return read_tuple


def _key_numbers(marker: int, count: int) -> Callable[[bytes, int], tuple[list[int], int]]:
    def read(data: bytes, position: int) -> tuple[list[int], int]:
        if data[position] != marker:
            raise MalformedValue(f"0x{data[position]:02x} does not begin the value, 0x{marker:02x} was expected")
        position += 1
        numbers = []
        for _number in range(count):
            number, position = ordered_int(data, position)
            numbers.append(number)
        return numbers, position

    return read


def _legacy_boolean(data: bytes, position: int) -> tuple[bool, int]:
    number, position = zigzag(data, position)
    if number not in (0, 1):
        raise MalformedValue(f"{number} is not a boolean")
    return bool(number), position


def _legacy_timestamp(data: bytes) -> tuple[int, int]:
    seconds, nanoseconds = _whole(_key_numbers(_KEY_TIME, 2))(data)
    return seconds, nanoseconds


def _legacy_interval(data: bytes) -> tuple[int, int, int]:
    sort_nanoseconds, months, days = _whole(_key_numbers(_KEY_DURATION, 3))(data)
    return months, days, sort_nanoseconds - (months * 30 + days) * 86400 * 10**9


def _legacy_timetz(data: bytes) -> tuple[int, int]:
    utc, west = _whole(_key_numbers(_KEY_TIMETZ, 2))(data)
    return utc - west * 1_000_000, west


def _legacy_box2d(data: bytes) -> tuple[float, ...]:
    corners = []
    position = 0
    for _corner in range(4):
        corner, position = double(data, position)
        corners.append(corner)
    if position != len(data):
        raise MalformedValue("bytes follow a box2d")
    return tuple(corners)


_READERS: dict[str, ValueReader] = {
    "bool": _boolean,
    "int": zigzag,
    "oid": zigzag,
    "date": zigzag,
    "time": zigzag,
    "pg_lsn": zigzag,
    "float": double,
    "decimal": _decimal,
    "string": sized,
    "collated": sized,
    "refcursor": sized,
    "bytes": sized,
    "enum": sized,
    "uuid": _uuid,
    "timestamp": _moment,
    "timestamptz": _moment,
    "interval": _interval,
    "inet": _inet,
    "json": _sized_as(json_text),
    "bit": _bits,
    "timetz": _pair,
    "geometry": _sized_as(spatial_ewkb),
    "geography": _sized_as(spatial_ewkb),
    "box2d": _box2d,
    "void": _void,
    "tsquery": _sized_as(tsquery_text),
    "tsvector": _sized_as(tsvector_text),
    "vector": _sized_as(vector_text),
    "ltree": _sized_as(ltree_text),
}
_LEGACY_INT, _LEGACY_RAW = (TAG_INT, _whole(zigzag)), (TAG_BYTES, _raw)
_LEGACY_READERS: dict[str, tuple[int, LegacyReader]] = {
    "bool": (TAG_INT, _whole(_legacy_boolean)),
    "int": _LEGACY_INT,
    "oid": _LEGACY_INT,
    "date": _LEGACY_INT,
    "time": _LEGACY_INT,
    "pg_lsn": _LEGACY_INT,
    "float": (TAG_FLOAT, _whole(double)),
    "decimal": (TAG_DECIMAL, decimal),
    "string": _LEGACY_RAW,
    "collated": _LEGACY_RAW,
    "refcursor": _LEGACY_RAW,
    "bytes": _LEGACY_RAW,
    "enum": _LEGACY_RAW,
    "uuid": _LEGACY_RAW,
    "inet": _LEGACY_RAW,
    "timestamp": (TAG_TIME, _legacy_timestamp),
    "timestamptz": (TAG_TIME, _legacy_timestamp),
    "interval": (TAG_DURATION, _legacy_interval),
    "json": (TAG_BYTES, json_text),
    "bit": (TAG_BITS, _whole(_bits)),
    "timetz": (TAG_TIMETZ, _legacy_timetz),
    "geometry": (TAG_GEO, spatial_ewkb),
    "geography": (TAG_GEO, spatial_ewkb),
    "box2d": (TAG_BOX2D, _legacy_box2d),
    "tsquery": (TAG_BYTES, lambda data: tsquery_text(data, binary=True)),
    "tsvector": (TAG_BYTES, tsvector_text),
    "vector": (TAG_BYTES, vector_text),
    "ltree": (TAG_BYTES, ltree_text),
}


def _skip_by(read: ValueReader) -> Callable[[bytes, int], int]:
    return lambda data, position: read(data, position)[1]


def _skip_nothing(data: bytes, position: int) -> int:
    return position


def _skip_tuple(data: bytes, position: int) -> int:
    """Skip a tuple with all that are inside of it."""
    left, position = msb(data, position)
    while left:
        _delta, kind, position = read_tag(data, position)
        left -= 1
        if kind == TUPLE:
            more, position = msb(data, position)
            left += more
        else:
            position = skip_value(data, position, kind)
    return position


def _skip_decimal(data: bytes, position: int) -> int:
    length, position = leb(data, position)
    return position + length


_SKIP_SIZED = _skip_by(sized)
_SKIPPERS: dict[int, Callable[[bytes, int], int]] = {
    NULL: _skip_nothing,
    NOT_NULL: _skip_nothing,
    TRUE: _skip_nothing,
    FALSE: _skip_nothing,
    VOID: _skip_nothing,
    INT: _skip_by(zigzag),
    FLOAT: _skip_by(double),
    DECIMAL: _skip_decimal,
    BYTES: _SKIP_SIZED,
    TIME: _skip_by(_pair),
    DURATION: _skip_by(_interval),
    UUID: _skip_by(_uuid),
    ARRAY: _SKIP_SIZED,
    INET: _skip_by(_inet),
    JSON: _SKIP_SIZED,
    TUPLE: _skip_tuple,
    BITS: _skip_by(_bits),
    TIMETZ: _skip_by(_pair),
    GEO: _SKIP_SIZED,
    BOX2D: _skip_by(_box2d),
    TSQUERY: _SKIP_SIZED,
    TSVECTOR: _SKIP_SIZED,
    VECTOR: _SKIP_SIZED,
    LTREE: _SKIP_SIZED,
}
