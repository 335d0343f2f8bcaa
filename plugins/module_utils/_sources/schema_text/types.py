# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The types of columns: from CockroachDB's type names to SqlType."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..._model.catalog import USER_TYPE_OID_BASE, SqlType, UserType
from ..._model.domains import domain_type
from .cursor import Cursor
from .parsing import NUMBER, WORD, Word

FindType = Callable[[list[Word]], Optional[UserType]]
"""Returns the enum, composite type or domain of a name."""

_INTEGERS = {
    "INT2": (21, 16),
    "SMALLINT": (21, 16),
    "INT4": (23, 32),
    "INT8": (20, 64),
    "INT64": (20, 64),
    "BIGINT": (20, 64),
    "INT": (20, 64),
    "INTEGER": (20, 64),
}
_FLOATS = {"FLOAT4": (700, 32), "REAL": (700, 32), "FLOAT8": (701, 64), "DOUBLE": (701, 64), "FLOAT": (701, 64)}
_PLAIN = {
    "BOOL": ("bool", 16),
    "BOOLEAN": ("bool", 16),
    "BYTES": ("bytes", 17),
    "BYTEA": ("bytes", 17),
    "BLOB": ("bytes", 17),
    "DATE": ("date", 1082),
    "UUID": ("uuid", 2950),
    "INET": ("inet", 869),
    "JSON": ("json", 3802),
    "JSONB": ("json", 3802),
    "OID": ("oid", 26),
    "REGCLASS": ("oid", 2205),
    "REGPROC": ("oid", 24),
    "REGPROCEDURE": ("oid", 2202),
    "REGTYPE": ("oid", 2206),
    "REGNAMESPACE": ("oid", 4089),
    "REGROLE": ("oid", 4096),
    "BOX2D": ("box2d", 90004),
    "TSVECTOR": ("tsvector", 3614),
    "TSQUERY": ("tsquery", 3615),
    "PG_LSN": ("pg_lsn", 3220),
    "REFCURSOR": ("refcursor", 1790),
    "VOID": ("void", 2278),
    "JSONPATH": ("jsonpath", 4072),
    "LTREE": ("ltree", 90010),
    "NAME": ("string", 19),
    "CITEXT": ("collated", 90008),
    "TRIGGER": ("trigger", 2279),
    "RECORD": ("tuple", 2249),
    "ANYELEMENT": ("any", 2283),
}
_STRINGS = {"STRING": 25, "TEXT": 25, "VARCHAR": 1043, "CHAR": 1042, "CHARACTER": 1042, "BPCHAR": 1042}
_DECIMALS = ("DECIMAL", "NUMERIC", "DEC")
_TIMES = {
    "TIME": ("time", 1083),
    "TIMETZ": ("timetz", 1266),
    "TIMESTAMP": ("timestamp", 1114),
    "TIMESTAMPTZ": ("timestamptz", 1184),
}
_WITH_ZONE = {"time": ("timetz", 1266), "timestamp": ("timestamptz", 1184)}
_GEOMETRIES = {"GEOMETRY": ("geometry", 90000), "GEOGRAPHY": ("geography", 90002)}
_SHAPES = {
    shape.upper(): shape
    for shape in (
        "Point",
        "LineString",
        "Polygon",
        "MultiPoint",
        "MultiLineString",
        "MultiPolygon",
        "Geometry",
        "GeometryCollection",
    )
}
_VECTORS = {"INT2VECTOR": (22, "INT2"), "OIDVECTOR": (30, "OID")}
_ANY_ARRAY = "ANYARRAY"
_DURATIONS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_ARRAYS = {
    16: 1000,
    17: 1001,
    18: 1002,
    19: 1003,
    20: 1016,
    21: 1005,
    23: 1007,
    24: 1008,
    25: 1009,
    26: 1028,
    700: 1021,
    701: 1022,
    869: 1041,
    1042: 1014,
    1043: 1015,
    1082: 1182,
    1083: 1183,
    1114: 1115,
    1184: 1185,
    1186: 1187,
    1266: 1270,
    1560: 1561,
    1562: 1563,
    1700: 1231,
    1790: 2201,
    2202: 2207,
    2205: 2210,
    2206: 2211,
    2283: 2277,
    2950: 2951,
    3220: 3221,
    3614: 3643,
    3615: 3645,
    3802: 3807,
    4072: 4073,
    4089: 4090,
    4096: 4097,
    90000: 90001,
    90002: 90003,
    90004: 90005,
    90006: 90007,
    90008: 90009,
    90010: 90011,
}
SERIALS = ("SERIAL", "SERIAL2", "SERIAL4", "SERIAL8", "SMALLSERIAL", "BIGSERIAL")
_OTHER_STARTS = ("BIT", "VARBIT", "INTERVAL", "VECTOR")
BUILT_IN = frozenset(
    (
        *_INTEGERS,
        *_FLOATS,
        *_PLAIN,
        *_STRINGS,
        *_DECIMALS,
        *_TIMES,
        *_GEOMETRIES,
        *_VECTORS,
        *SERIALS,
        *_OTHER_STARTS,
        _ANY_ARRAY,
        "UNKNOWN",
    )
)
"""The first words of the types that every CockroachDB has."""


def read_type(cursor: Cursor, find: FindType) -> SqlType:
    """Read a type with its length, array brackets and collation. Raises UnsupportedError for a type that is not
    known."""
    result, array_oid = _read_scalar(cursor, find)
    brackets = False
    while cursor.accept("["):
        if cursor.peek().kind == NUMBER:
            cursor.take()
        cursor.expect("]")
        brackets = True
    brackets = cursor.accept("ARRAY") or brackets
    if cursor.accept("COLLATE"):
        result.family, result.locale = "collated", cursor.name_word().text
    return array_of(result, array_oid) if brackets else result


def array_of(element: SqlType, oid: int) -> SqlType:
    """Return the array type."""
    return SqlType("array", oid, element=element)


def user_type(item: UserType) -> SqlType:
    """Return the type of a column of an enum, composite type or domain."""
    if item.kind == "domain":
        return domain_type(item)
    return SqlType("tuple" if item.kind == "composite" else "enum", USER_TYPE_OID_BASE + item.id, user_type_id=item.id)


def _read_scalar(cursor: Cursor, find: FindType) -> tuple[SqlType, int]:
    """Return the type and the oid of its array type, 0 if it has none."""
    first = cursor.peek()
    if first.kind == WORD and cursor.accept("PG_CATALOG", "."):
        first = cursor.peek()
    is_path = cursor.peek(1).is_symbol(".")
    if not is_path and first.text == "char" and first.keyword == "":
        cursor.take()
        return SqlType("string", 18, 1), _ARRAYS[18]
    if is_path or first.keyword not in BUILT_IN:
        begin = cursor.index
        path = cursor.path()
        found = find(path)
        if found is None:
            cursor.index = begin
            name = ".".join(word.text for word in path)
            cursor.fail(
                f"the type {name} is not known; if it is the database's own, give the output of SHOW CREATE ALL "
                "TYPES, too"
            )
        return user_type(found), USER_TYPE_OID_BASE + found.array_type_id
    result = _read_built_in(cursor, cursor.take().keyword)
    return result, _ARRAYS.get(result.oid, 0)


def _read_built_in(cursor: Cursor, word: str) -> SqlType:
    if word in SERIALS:
        return SqlType("int", 20, 64)
    if word in _INTEGERS:
        return SqlType("int", *_INTEGERS[word])
    if word in _FLOATS:
        return _read_float(cursor, word)
    if word in _PLAIN:
        return SqlType(*_PLAIN[word])
    if word in _STRINGS:
        return _read_string(cursor, word)
    if word in _DECIMALS:
        numbers = _numbers(cursor)
        return SqlType("decimal", 1700, numbers[1] if len(numbers) > 1 else 0, numbers[0] if numbers else None)
    if word in _TIMES:
        return _read_time(cursor, word)
    if word in _GEOMETRIES:
        return _read_geometry(cursor, word)
    if word in _VECTORS:
        oid, element = _VECTORS[word]
        return array_of(_read_built_in(cursor, element), oid)
    if word in ("BIT", "VARBIT"):
        varying = cursor.accept("VARYING") or word == "VARBIT"
        return SqlType("bit", 1562 if varying else 1560, _length(cursor, 0 if varying else 1))
    if word == _ANY_ARRAY:
        return array_of(SqlType("any", 2283), 2277)
    if word == "VECTOR":
        return SqlType("vector", 90006, _length(cursor, 0))
    if word == "INTERVAL":
        return _read_interval(cursor)
    return cursor.fail(f"the type {word} cannot be a column's")


def _numbers(cursor: Cursor) -> list[int]:
    if not cursor.at("("):
        return []
    result = []
    for item in cursor.parenthesis().items():
        result.append(item.integer())
        item.end()
    return result


def _length(cursor: Cursor, default: int) -> int:
    numbers = _numbers(cursor)
    return numbers[0] if numbers else default


def _read_float(cursor: Cursor, word: str) -> SqlType:
    cursor.accept("PRECISION")
    bits = _numbers(cursor) if word == "FLOAT" else []
    return SqlType("float", 700, 32) if bits and bits[0] <= 24 else SqlType("float", *_FLOATS[word])


def _read_string(cursor: Cursor, word: str) -> SqlType:
    oid = 1043 if cursor.accept("VARYING") else _STRINGS[word]
    return SqlType("string", oid, _length(cursor, int(oid == 1042 and word != "BPCHAR")))


def _read_time(cursor: Cursor, word: str) -> SqlType:
    family, oid = _TIMES[word]
    digits = _numbers(cursor)
    if cursor.accept("WITH", "TIME", "ZONE"):
        family, oid = _WITH_ZONE[family]
    else:
        cursor.accept("WITHOUT", "TIME", "ZONE")
    return SqlType(family, oid, precision=digits[0] if digits else None)


def _read_interval(cursor: Cursor) -> SqlType:
    fields = cursor.accept_one(*_DURATIONS)
    if fields and cursor.accept("TO"):
        fields += " TO " + cursor.accept_one(*_DURATIONS)
    digits = _numbers(cursor)
    return SqlType("interval", 1186, precision=digits[0] if digits else None, interval_fields=fields)


def _read_geometry(cursor: Cursor, word: str) -> SqlType:
    family, oid = _GEOMETRIES[word]
    result = SqlType(family, oid)
    if cursor.at("("):
        inside = cursor.parenthesis()
        name = inside.take().text.upper()
        written = inside.accept_one("ZM", "Z", "M")
        shapes = {base + suffix: shape + suffix for base, shape in _SHAPES.items() for suffix in ("", "Z", "M", "ZM")}
        if name + written not in shapes:
            inside.fail(f"the shape {name} is not known")
        result.geo_shape = shapes[name + written]
        if inside.accept(","):
            result.srid = inside.integer()
        inside.end()
    return result
