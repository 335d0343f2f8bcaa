# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Types of expressions, for the columns that CockroachDB creates for expression indexes: the text does not show
them."""

from __future__ import annotations

from typing import Any

from ..._convert.dialect import Postgres
from ..._convert.families import Scope, family_of
from ..._errors import UnsupportedError
from ..._model.catalog import USER_TYPE_OID_BASE, Column, SqlType
from .cursor import Cursor, Statement
from .model_builder import Builder
from .parsing import words
from .types import read_type, user_type

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

UNKNOWN = SqlType("unknown")
"""The type is not known: the conversion omits the index with a finding."""
_BOOL, _INT, _FLOAT, _DECIMAL = (
    SqlType("bool", 16),
    SqlType("int", 20, 64),
    SqlType("float", 701, 64),
    SqlType("decimal", 1700),
)
_STRING, _BYTES, _JSON = SqlType("string", 25), SqlType("bytes", 17), SqlType("json", 3802)
_TEXT_FUNCTIONS = (
    "lower",
    "upper",
    "btrim",
    "ltrim",
    "rtrim",
    "trim",
    "concat",
    "concat_ws",
    "substr",
    "substring",
    "left",
    "right",
    "lpad",
    "rpad",
    "repeat",
    "replace",
    "reverse",
    "initcap",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "to_hex",
    "to_english",
    "regexp_replace",
    "regexp_extract",
    "split_part",
    "translate",
    "overlay",
    "quote_ident",
    "quote_literal",
    "encode",
    "to_char",
    "chr",
    "json_typeof",
    "jsonb_typeof",
    "st_astext",
    "st_geohash",
    "jsonb_extract_path_text",
    "json_extract_path_text",
    "host",
    "abbrev",
    "to_uuid_text",
    "array_to_string",
    "unaccent",
    "metaphone",
    "soundex",
)
_INT_FUNCTIONS = (
    "length",
    "char_length",
    "character_length",
    "octet_length",
    "bit_length",
    "strpos",
    "position",
    "ascii",
    "json_array_length",
    "jsonb_array_length",
    "array_length",
    "cardinality",
    "fnv32",
    "fnv64",
    "fnv32a",
    "fnv64a",
    "crc32c",
    "crc32ieee",
    "masklen",
    "family",
    "array_position",
    "st_srid",
)
_FLOAT_FUNCTIONS = (
    "date_part",
    "extract",
    "extract_duration",
    "st_area",
    "st_length",
    "st_x",
    "st_y",
    "sqrt",
    "ln",
    "log",
    "exp",
    "pow",
    "power",
    "random",
)
_JSON_FUNCTIONS = (
    "json_extract_path",
    "jsonb_extract_path",
    "to_json",
    "to_jsonb",
    "json_remove_path",
    "jsonb_set",
    "json_set",
    "json_strip_nulls",
)
_SAME_AS_ARGUMENT = (
    "coalesce",
    "ifnull",
    "nullif",
    "greatest",
    "least",
    "abs",
    "ceil",
    "ceiling",
    "floor",
    "round",
    "trunc",
    "mod",
    "sign",
    "nvl",
)
_FUNCTIONS = {
    **dict.fromkeys(_TEXT_FUNCTIONS, _STRING),
    **dict.fromkeys(_INT_FUNCTIONS, _INT),
    **dict.fromkeys(_FLOAT_FUNCTIONS, _FLOAT),
    **dict.fromkeys(_JSON_FUNCTIONS, _JSON),
    "decode": _BYTES,
}
_PLAIN = {
    "bool": _BOOL,
    "int": _INT,
    "float": _FLOAT,
    "decimal": _DECIMAL,
    "string": _STRING,
    "bytes": _BYTES,
    "json": _JSON,
    "uuid": SqlType("uuid", 2950),
    "date": SqlType("date", 1082),
    "time": SqlType("time", 1083),
    "timetz": SqlType("timetz", 1266),
    "timestamp": SqlType("timestamp", 1114),
    "timestamptz": SqlType("timestamptz", 1184),
    "interval": SqlType("interval", 1186),
    "inet": SqlType("inet", 869),
    "tsvector": SqlType("tsvector", 3614),
    "tsquery": SqlType("tsquery", 3615),
    "ltree": SqlType("ltree", 90010),
}
"""The families that the conversion distinguishes, if one type represents them."""


def expression_type(text: str, columns: list[Column], builder: Builder, statement: Statement) -> SqlType:
    """Return the type of an expression over these columns; the type UNKNOWN when it cannot be determined."""
    tree = builder.tree(text, "an index")
    if tree is None:
        return UNKNOWN
    types = {column.name: column.type for column in columns}
    found = _type_of(tree, types, builder, statement)
    return found if found is not UNKNOWN else _PLAIN.get(family_of(tree, Scope(types)), UNKNOWN)


def _type_of(node: Any, columns: dict[str, SqlType], builder: Builder, statement: Statement) -> SqlType:
    def of(part: Any) -> SqlType:
        return _type_of(part, columns, builder, statement)

    node = node.unnest()
    if isinstance(node, exp.Cast):
        return _cast_type(node.args["to"], builder, statement)
    if isinstance(node, exp.Column):
        return columns.get(node.name, UNKNOWN)
    if isinstance(node, exp.Dot):
        return _field_type(node, of(node.this), builder)
    if isinstance(node, exp.Literal):
        return _literal_type(node)
    result = _result_type(node)
    if result is not UNKNOWN:
        return result
    if isinstance(node, (exp.DPipe, exp.Neg, exp.Collate, exp.Coalesce)):
        return of(node.this)
    if isinstance(node, exp.Case):
        return of(node.args["ifs"][0].args["true"])
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Div, exp.IntDiv)):
        known = _arithmetic_type(node, of(node.this), of(node.expression))
        if known is not UNKNOWN:
            return known
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        known = (
            of(node.expressions[0]) if name in _SAME_AS_ARGUMENT and node.expressions else _FUNCTIONS.get(name, UNKNOWN)
        )
        if known is not UNKNOWN:
            return known
    return _PLAIN.get(family_of(node, Scope(columns)), UNKNOWN)


def _result_type(node: Any) -> SqlType:
    """Return the type of an operator whose result does not depend on its operands; UNKNOWN for all others."""
    for classes, result in (
        ((exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.JSONBContains), _BOOL),
        ((exp.JSONExtractScalar, exp.JSONBExtractScalar, exp.Substring, exp.Trim), _STRING),
        ((exp.JSONExtract, exp.JSONBExtract), _JSON),
        ((exp.StrPosition,), _INT),
        ((exp.Extract,), _FLOAT),
    ):
        if isinstance(node, classes):
            return result
    return UNKNOWN


def _field_type(node: Any, composite: SqlType, builder: Builder) -> SqlType:
    """Return the type of a field of a composite value."""
    found = builder.user_type_by_id(composite.user_type_id)
    fields = dict(zip(found.field_names, found.fields)) if found else {}
    return fields.get(node.expression.name, UNKNOWN)


def _literal_type(node: Any) -> SqlType:
    if node.is_string:
        return _STRING
    return _INT if node.is_int else _DECIMAL


def _arithmetic_type(node: Any, left: SqlType, right: SqlType) -> SqlType:
    families = {left.family, right.family}
    if families == {"int"}:
        return _DECIMAL if isinstance(node, exp.Div) else _INT
    if families <= {"int", "decimal"}:
        return _DECIMAL
    if families <= {"int", "float"}:
        return _FLOAT
    return UNKNOWN


def _cast_type(target: Any, builder: Builder, statement: Statement) -> SqlType:
    kind = target.args.get("kind")
    if isinstance(kind, exp.Var) and kind.name.startswith("@"):
        found = builder.user_type_by_id(int(kind.name[1:]) - USER_TYPE_OID_BASE)
        return user_type(found) if found else UNKNOWN
    text = target.sql(Postgres)
    try:
        return read_type(
            Cursor(Statement(words(text, "a type"), text, statement.line, statement.database)),
            lambda path: builder.user_type(path, statement),
        )
    except UnsupportedError:
        return UNKNOWN
