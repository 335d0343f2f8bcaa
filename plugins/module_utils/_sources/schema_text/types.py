# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The types of columns: from CockroachDB's type names to SqlType."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..._model.built_in_types import BUILT_IN_TYPES, CHAR
from ..._model.catalog import REGION_TYPE, USER_TYPE_OID_BASE, SqlType, UserType
from ..._model.domains import domain_type
from ..._model.names import quote
from .cursor import Cursor, Statement
from .parsing import NUMBER, WORD, Word, words

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
    "BOOL": 16,
    "BOOLEAN": 16,
    "BYTES": 17,
    "BYTEA": 17,
    "BLOB": 17,
    "DATE": 1082,
    "UUID": 2950,
    "INET": 869,
    "JSON": 3802,
    "JSONB": 3802,
    "OID": 26,
    "REGCLASS": 2205,
    "REGPROC": 24,
    "REGPROCEDURE": 2202,
    "REGTYPE": 2206,
    "REGNAMESPACE": 4089,
    "REGROLE": 4096,
    "BOX2D": 90004,
    "TSVECTOR": 3614,
    "TSQUERY": 3615,
    "PG_LSN": 3220,
    "REFCURSOR": 1790,
    "VOID": 2278,
    "JSONPATH": 4072,
    "LTREE": 90010,
    "NAME": 19,
    "CITEXT": 90008,
    "TRIGGER": 2279,
    "RECORD": 2249,
    "ANYELEMENT": 2283,
}
_STRINGS = {"STRING": 25, "TEXT": 25, "VARCHAR": 1043, "CHAR": 1042, "CHARACTER": 1042, "BPCHAR": 1042}
_DECIMALS = ("DECIMAL", "NUMERIC", "DEC")
_TIMES = {
    "TIME": 1083,
    "TIMETZ": 1266,
    "TIMESTAMP": 1114,
    "TIMESTAMPTZ": 1184,
}
_WITH_ZONE = {1083: 1266, 1114: 1184}
_GEOMETRIES = {"GEOMETRY": 90000, "GEOGRAPHY": 90002}
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
SERIALS = ("SERIAL", "SERIAL2", "SERIAL4", "SERIAL8", "SMALLSERIAL", "BIGSERIAL")
_MAX_FRACTION = 6
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
_ARRAY_PREFIX = "_"
"""What pg_catalog puts before the name of an element's type."""
_DEFAULT_COLLATION = "default"
_UNLIMITED = 2**31 - 1
"""The length that DBeaver writes for a string without one."""
REGION_TEXT = "STRING"
"""What stands for the type of regions where the text names none."""


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
    if cursor.accept("ARRAY"):
        brackets = True
        if cursor.at("[") and cursor.peek(1).kind == NUMBER:
            cursor.index += 2
            cursor.expect("]")
    if cursor.accept("COLLATE"):
        result = with_collation(cursor, result)
    return array_of(result, array_oid) if brackets else result


def with_collation(cursor: Cursor, base: SqlType) -> SqlType:
    """Read the name of a collation and return the type that has it; ``default`` is no collation of its own."""
    words = cursor.path()
    if words[-1].text == _DEFAULT_COLLATION:
        return base
    return SqlType("collated", base.oid, base.width, locale=words[-1].text)


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
        return SqlType("string", CHAR, 1), BUILT_IN_TYPES[CHAR].array_oid
    if is_path or first.keyword not in BUILT_IN:
        begin = cursor.index
        path = cursor.path()
        found = find(path)
        if found is None and path[-1].text.startswith(_ARRAY_PREFIX):
            return _read_array_by_name(path, cursor, find), 0
        if found is None and path[-1].identifier == REGION_TYPE:
            return _read_built_in(cursor, REGION_TEXT), BUILT_IN_TYPES[_STRINGS[REGION_TEXT]].array_oid
        if found is None:
            cursor.index = begin
            name = ".".join(word.text for word in path)
            cursor.fail(
                f"the type {name} is not known; if it is the database's own, give the output of SHOW CREATE ALL "
                "TYPES, too"
            )
        return user_type(found), USER_TYPE_OID_BASE + found.array_type_id
    result = _read_built_in(cursor, cursor.take().keyword)
    return result, BUILT_IN_TYPES[result.oid].array_oid if result.oid in BUILT_IN_TYPES else 0


def _read_array_by_name(path: list[Word], cursor: Cursor, find: FindType) -> SqlType:
    """Return the type of the name that pg_catalog gives to an array, such as ``_text``."""
    name = path[-1].text[len(_ARRAY_PREFIX) :]
    text = name if name.upper() in BUILT_IN else quote(name)
    element = ".".join([*(quote(word.identifier) for word in path[:-1] if word.identifier != "pg_catalog"), text])
    inside = Cursor(Statement(words(element, name), element, cursor.statement.line, cursor.statement.database))
    result, array_oid = _read_scalar(inside, find)
    return array_of(result, array_oid)


def _read_built_in(cursor: Cursor, word: str) -> SqlType:
    if word in SERIALS:
        return SqlType("int", 20, 64)
    if word in _INTEGERS:
        return SqlType("int", *_INTEGERS[word])
    if word in _FLOATS:
        return _read_float(cursor, word)
    if word in _PLAIN:
        return SqlType(BUILT_IN_TYPES[_PLAIN[word]].family, _PLAIN[word])
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
    if numbers and numbers[0] < 1:
        cursor.fail("the length must be at least 1")
    return numbers[0] if numbers else default


def _fraction(cursor: Cursor) -> Optional[int]:
    """Read the number of fractional digits of a second, None if it is not given."""
    numbers = _numbers(cursor)
    if numbers and numbers[0] > _MAX_FRACTION:
        cursor.fail(f"the precision {numbers[0]} is out of range: it is at most {_MAX_FRACTION}")
    return numbers[0] if numbers else None


def _read_float(cursor: Cursor, word: str) -> SqlType:
    cursor.accept("PRECISION")
    bits = _numbers(cursor) if word == "FLOAT" else []
    return SqlType("float", 700, 32) if bits and bits[0] <= 24 else SqlType("float", *_FLOATS[word])


def _read_string(cursor: Cursor, word: str) -> SqlType:
    oid = 1043 if cursor.accept("VARYING") else _STRINGS[word]
    length = _length(cursor, int(oid == 1042 and word != "BPCHAR"))
    return SqlType("string", oid, 0 if length == _UNLIMITED else length)


def _read_time(cursor: Cursor, word: str) -> SqlType:
    oid = _TIMES[word]
    digits = _fraction(cursor)
    if cursor.accept("WITH", "TIME", "ZONE"):
        oid = _WITH_ZONE[oid]
    else:
        cursor.accept("WITHOUT", "TIME", "ZONE")
    return SqlType(BUILT_IN_TYPES[oid].family, oid, precision=digits)


def _read_interval(cursor: Cursor) -> SqlType:
    fields = cursor.accept_one(*_DURATIONS)
    if fields and cursor.accept("TO"):
        fields += " TO " + cursor.accept_one(*_DURATIONS)
    return SqlType("interval", 1186, precision=_fraction(cursor), interval_fields=fields)


def _read_geometry(cursor: Cursor, word: str) -> SqlType:
    oid = _GEOMETRIES[word]
    result = SqlType(BUILT_IN_TYPES[oid].family, oid)
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
