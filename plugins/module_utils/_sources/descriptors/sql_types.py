# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a descriptor's serialised type to the model's SqlType."""

from __future__ import annotations

from ..._errors import UnsupportedError
from ..._formats import protobuf
from ..._model.built_in_types import BPCHAR, CHAR, NAME, TEXT, VARCHAR, usual_oid
from ..._model.catalog import USER_TYPE_OID_BASE, SqlType

_KNOWN = frozenset(range(1, 16))
_ARRAY = 15
_TUPLE = 20
_MOST_DEPTH = 32
"""Arrays of composite types of arrays."""
_FAMILIES = {
    0: "bool",
    1: "int",
    2: "float",
    3: "decimal",
    4: "date",
    5: "timestamp",
    6: "interval",
    7: "string",
    8: "bytes",
    9: "timestamptz",
    10: "collated",
    11: "string",
    12: "oid",
    14: "uuid",
    15: "array",
    16: "inet",
    17: "time",
    18: "json",
    19: "timetz",
    20: "tuple",
    21: "bit",
    22: "geometry",
    23: "geography",
    24: "enum",
    25: "box2d",
    26: "void",
    28: "tsquery",
    29: "tsvector",
    30: "pg_lsn",
    31: "refcursor",
    32: "vector",
    33: "trigger",
    34: "jsonpath",
    35: "ltree",
    100: "any",
    200: "array",
    201: "array",
}
_WITHOUT_OID = frozenset(
    (
        "bool",
        "bytes",
        "date",
        "timestamp",
        "timestamptz",
        "interval",
        "decimal",
        "uuid",
        "inet",
        "time",
        "timetz",
        "json",
        "oid",
        "geometry",
        "geography",
        "box2d",
    )
)
"""Families of which old descriptors had the usual type only."""
_VISIBLE_INTEGERS = {1: 23, 2: 21, 3: 20}
_VISIBLE_STRINGS = {7: VARCHAR, 8: BPCHAR, 9: CHAR}
_NAME_FAMILY = 11
_VARBIT = 10
_BARE_INTEGER_WIDTHS = {16: 21, 32: 23}
_DURATIONS = {1: "YEAR", 2: "MONTH", 3: "DAY", 4: "HOUR", 5: "MINUTE", 6: "SECOND"}
_SHAPES = {
    1: "Point",
    2: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
    7: "Geometry",
    8: "GeometryCollection",
}
_SHAPE_M, _SHAPE_Z = 1 << 29, 1 << 30


def read_type(data: bytes, owner: str, depth: int = 0) -> SqlType:
    """Return the type of ``owner`` (the full name of a column, for messages).

    Descriptors up to v19.1 carry no oid; it is derived from the older fields. Raises UnsupportedError
    for a type family or a field that is not known, and for types in ``depth`` others.
    """
    if depth > _MOST_DEPTH:
        raise UnsupportedError(f"{owner}: its type is nested more than {_MOST_DEPTH} levels deep")
    message = protobuf.parse(data)
    unknown = sorted(set(message) - _KNOWN)
    if unknown:
        raise UnsupportedError(f"{owner}: the type descriptor has the unknown field {unknown[0]}")
    number = protobuf.integer(message, 1)
    if number not in _FAMILIES:
        raise UnsupportedError(f"{owner}: the type family {number} is not known")
    result = SqlType(
        _FAMILIES[number], protobuf.integer(message, 10), protobuf.integer(message, 2), locale=protobuf.text(message, 5)
    )
    if number == _NAME_FAMILY:
        result.family = "collated" if result.locale else "string"
        result.oid = result.oid or NAME
    precision = protobuf.integer(message, 3)
    if result.family == "decimal":
        result.precision = precision or None
    elif precision > 0 or protobuf.integer(message, 12):
        result.precision = precision
    if result.family == "array":
        result.element = _element(message, number, owner, depth)
        result.width, result.precision, result.locale = 0, None, ""
    _read_interval_fields(result, message, owner)
    _read_geometry(result, message, owner)
    if number == _TUPLE:
        result.fields = [read_type(item, owner, depth + 1) for item in protobuf.blobs(message, 8)]
        result.field_names = protobuf.texts(message, 9)
    if not result.oid and result.family != "array":
        result.oid = _derived_oid(result, message, owner)
    if result.oid >= USER_TYPE_OID_BASE and result.family in ("enum", "tuple"):
        result.user_type_id = result.oid - USER_TYPE_OID_BASE
    return result


def _element(message: protobuf.Message, number: int, owner: str, depth: int) -> SqlType:
    if 11 in message:
        return read_type(protobuf.blob(message, 11), owner, depth + 1)
    if number == 200:
        return SqlType("int", 21, 16)
    if number == 201:
        return SqlType("oid", 26)
    family = protobuf.integer(message, 7)
    if family not in _FAMILIES or family == _ARRAY:
        raise UnsupportedError(f"{owner}: the array's element has the unknown type family {family}")
    element = SqlType(_FAMILIES[family], 0, protobuf.integer(message, 2), locale=protobuf.text(message, 5))
    element.precision = protobuf.integer(message, 3) or None
    element.oid = _derived_oid(element, message, owner)
    return element


def _derived_oid(kind: SqlType, message: protobuf.Message, owner: str) -> int:
    visible = protobuf.integer(message, 6)
    if kind.family == "int":
        return _VISIBLE_INTEGERS.get(visible) or _BARE_INTEGER_WIDTHS.get(kind.width, 20)
    if kind.family == "float":
        if visible in (5, 6):
            return 700 if visible == 5 else 701
        if kind.width:
            return 700 if kind.width == 32 else 701
        return 700 if kind.precision and kind.precision <= 24 else 701
    if kind.family in ("string", "collated"):
        return _VISIBLE_STRINGS.get(visible, TEXT)
    if kind.family == "bit":
        return 1562 if visible == _VARBIT else 1560
    if kind.family not in _WITHOUT_OID:
        raise UnsupportedError(f"{owner}: a column of the type family {kind.family} has no type oid")
    return usual_oid(kind.family)


def _read_interval_fields(kind: SqlType, message: protobuf.Message, owner: str) -> None:
    if kind.family == "interval" and 13 in message:
        fields = protobuf.parse(protobuf.blob(message, 13))
        last, first = protobuf.integer(fields, 1), protobuf.integer(fields, 2)
        kind.interval_fields = " TO ".join(
            _known(_DURATIONS, item, "field of intervals", owner) for item in (first, last) if item
        )


def _read_geometry(kind: SqlType, message: protobuf.Message, owner: str) -> None:
    if kind.family in ("geometry", "geography") and 14 in message:
        geo = protobuf.parse(protobuf.blob(message, 14))
        kind.srid = protobuf.integer(geo, 1)
        shape = protobuf.integer(geo, 2)
        suffix = ("Z" if shape & _SHAPE_Z else "") + ("M" if shape & _SHAPE_M else "")
        base = shape & ~(_SHAPE_Z | _SHAPE_M)
        if base:
            kind.geo_shape = _known(_SHAPES, base, "shape", owner) + suffix


def _known(names: dict[int, str], number: int, what: str, owner: str) -> str:
    if number not in names:
        raise UnsupportedError(f"{owner}: the {what} {number} is not known")
    return names[number]
