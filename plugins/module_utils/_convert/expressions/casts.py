# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Casts that PostgreSQL does not have or does otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Optional

from ..._model.catalog import SqlType
from ..._model.postgres_limits import exceeds_modifier
from . import trees
from .families import type_family
from .tokens import is_whole_number

_GEOMETRIES = ("geometry", "geography")
_CASTS = {
    ("int", "bool"): "(_0 <> 0)",
    ("float", "bool"): "(_0 <> 0)",
    ("decimal", "bool"): "(_0 <> 0)",
    ("bool", "int"): "CAST(_0 AS int4)",
    ("bool", "float"): "CAST(_0 AS int4)",
    ("bool", "decimal"): "CAST(_0 AS int4)",
    ("float", "int"): "trunc(_0)",
    ("float", "decimal"): "CAST(_0 AS text)",
    ("timestamp", "int"): "floor(date_part('epoch', _0))",
    ("timestamptz", "int"): "floor(date_part('epoch', _0))",
    ("timestamp", "float"): "date_part('epoch', _0)",
    ("timestamptz", "float"): "date_part('epoch', _0)",
    ("interval", "int"): "trunc(date_part('epoch', _0))",
    ("interval", "float"): "date_part('epoch', _0)",
    **{("date", number): "(_0 - CAST('1970-01-01' AS date))" for number in ("int", "float", "decimal")},
    ("timestamp", "decimal"): "EXTRACT(epoch FROM _0)",
    ("timestamptz", "decimal"): "EXTRACT(epoch FROM _0)",
    ("int", "date"): "(CAST('1970-01-01' AS date) + CAST(_0 AS int4))",
    ("int", "timestamp"): "timezone('UTC', to_timestamp(_0))",
    ("int", "timestamptz"): "to_timestamp(_0)",
    ("inet", "string"): "abbrev(_0)",
    ("uuid", "bytes"): "uuid_send(_0)",
    ("bytes", "uuid"): "CAST(encode(_0, 'hex') AS uuid)",
    ("time", "int"): "trunc(date_part('epoch', _0))",
    **{(family, "json"): "st_asgeojson(_0, 17, 0)" for family in _GEOMETRIES},
}
"""(source family, target family) to the expression that is cast instead of the value."""
_REFUSED = {
    ("int", "interval"): "the cast of a number to an interval",
    ("float", "interval"): "the cast of a number to an interval",
    ("decimal", "interval"): "the cast of a number to an interval",
    ("float", "timestamp"): "the cast of a float to a timestamp",
    ("int", "bit"): "the cast of a number to bits",
    ("bit", "int"): "the cast of bits to a number",
    ("interval", "decimal"): "the cast of an interval to a decimal",
}
_TEXTS = {
    "decimal": "very small and very large decimals are written without an exponent",
    "json": "the keys of JSON objects are in another order",
    "timestamptz": "a timestamp with time zone is written in the session's zone and with +00 for +00:00",
    "timetz": "a time with time zone is written with +00 for +00:00",
    "float": "some floats are written with other exponents",
    "geometry": "geometries are written in another form",
    "geography": "geographies are written in another form",
    "json[]": "the keys of JSON objects are in another order",
    "decimal[]": "very small decimals are written without an exponent",
    "timestamptz[]": "timestamps with time zone are written in the session's zone",
}
_DIFFERENT = {
    **{(family, "json"): "M is omitted, and some numbers are written otherwise" for family in _GEOMETRIES},
    ("int", "oid"): "a number that is no oid is an error, and is cut off in CockroachDB",
}
"""(source family, target family) to how the result differs in PostgreSQL."""
_ESCAPED_ZERO = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_BEFORE_CHRIST = re.compile(r"\s*-\d{4,}-")
_DATES = ("date", "timestamp", "timestamptz")
_OIDS = 2**32
_TIMESTAMPS = ("timestamp", "timestamptz")
_NUMBERS = ("int", "float", "decimal", "string")
_TYPES = {
    "VARBIT": "bit varying",
    "BOX2D": "box2d",
    "TSVECTOR": "tsvector",
    "TSQUERY": "tsquery",
    "PG_LSN": "pg_lsn",
    "REFCURSOR": "refcursor",
    "CITEXT": "citext",
    "LTREE": "ltree",
    "JSONPATH": "jsonpath",
    "VOID": "void",
    "TRIGGER": "trigger",
    "RECORD": "record",
    "char": '"char"',
}
"""Types that sqlglot takes for names of user types, by CockroachDB's spelling."""


def built_in_type(name: str) -> Optional[str]:
    """Return PostgreSQL's name of a built-in type that reads as a user's type, None for a user's own."""
    return _TYPES.get(name) or _TYPES.get(name.upper())


def converted_value(node: Any, converter: Any) -> Any:
    """Return the converted operand of a cast: the value itself, or an equivalent expression that PostgreSQL can cast.

    ``converter`` is the one of expressions.py; it raises refusals and collects differences.
    """
    source, target = converter.family(node.this), type_family(node.args["to"])
    require_constant(node.this, target, converter)
    if trees.is_constant(node.this) and (source == "string" or source in _NUMBERS and target in _NUMBERS):
        return converter.convert(node.this)
    reason = _REFUSED.get((source, target))
    if reason:
        raise converter.refusal(f"{reason} has no counterpart in PostgreSQL")
    differences = list(_differences(node, source, target))
    value = converter.convert_in_place(node.this)
    for difference in differences:
        converter.differs(difference)
    if source in _GEOMETRIES and target != "string":
        converter.need("postgis", f"the type {source}")
    template = _CASTS.get((source, target))
    return trees.filled(template, value) if template else value


def require_constant(node: Any, family: str, converter: Any) -> None:
    """Refuse a string constant that CockroachDB reads as a value of a family of types, and PostgreSQL does not."""
    constant = node.unnest()
    if not isinstance(constant, trees.exp.Literal) or not constant.is_string:
        return
    if family == "json" and _ESCAPED_ZERO.search(constant.name):
        raise converter.refusal("it holds the character U+0000, which PostgreSQL's jsonb cannot hold")
    if family in _DATES and _BEFORE_CHRIST.match(constant.name):
        raise converter.refusal(f"PostgreSQL does not read the date {constant.name}, which it writes with BC")


def typed_constant(node: Any, family: str, converter: Any) -> Any:
    """Return the value that a constant by itself is in a column of this family: bytes are text in one of STRING."""
    if family != "string" or not isinstance(node, trees.exp.HexString):
        return node
    try:
        return trees.exp.Literal.string(bytes.fromhex(node.name).decode())
    except UnicodeDecodeError as error:
        raise converter.refusal("its bytes are not UTF-8") from error


def _differences(node: Any, source: str, target: str) -> Iterator[str]:
    """Yield how the result of a cast between two families differs in PostgreSQL."""
    modifiers = node.args["to"].expressions
    if target == "string" and source in _TEXTS:
        yield _TEXTS[source]
    if target in _TIMESTAMPS and modifiers and (source in _TIMESTAMPS or not source):
        yield "half a second is rounded the other way before the year 2000"
    if (source, target) in _DIFFERENT and not (target == "oid" and _is_oid(node.this)):
        yield _DIFFERENT[source, target]
    if target in _GEOMETRIES and len(modifiers) > 1:
        yield "a geometry without SRID takes that of the type, and is an error in CockroachDB"


def exceeds_limits(data_type: Any) -> bool:
    """Whether PostgreSQL takes no length or precision as large as the one of a type in the text."""
    family = "bit" if data_type.name.upper() == "VARBIT" else type_family(data_type)
    numbers = [int(part.name) for part in data_type.expressions if is_whole_number(part.name)]
    return bool(numbers) and exceeds_modifier(SqlType(family, width=numbers[0], precision=numbers[0]))


def _is_oid(node: Any) -> bool:
    """Whether the operand is a constant in the range of an oid."""
    number = node.unnest()
    return isinstance(number, trees.exp.Literal) and bool(number.is_int) and int(number.name) < _OIDS
