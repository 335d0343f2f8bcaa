# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Type inference: the family of the type that CockroachDB gives to a part of an expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model.catalog import SqlType
from . import spatial_functions
from .trees import RESULT_FAMILY

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_RETURNS = {
    "int": """length char_length character_length octet_length bit_length ascii strpos count row_number rank
    dense_rank ntile nextval currval lastval setval array_length array_lower array_upper array_position
    cardinality array_ndims masklen family div_int get_bit get_byte jsonb_array_length json_array_length
    unique_rowid unordered_unique_rowid width_bucket sum_int extract_duration levenshtein crc32c crc32ieee fnv32
    fnv32a fnv64 fnv64a num_nulls num_nonnulls bit_count regr_count pg_column_size pg_backend_pid vector_dims
    nlevel index""",
    "float": """random pi sin cos tan cot asin acos atan atan2 sinh cosh tanh degrees radians extract
    date_part percent_rank cume_dist corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy acosd acosh asind asinh atan2d atand atanh cosd cotd sind tand
    similarity cosine_distance inner_product l1_distance l2_distance vector_norm ts_rank""",
    "string": """lower upper concat concat_ws lpad rpad ltrim rtrim btrim trim to_english unaccent metaphone
    dmetaphone dmetaphone_alt soundex difference to_char_with_style from_ip
    initcap repeat replace reverse split_part translate chr md5 sha1 sha224 sha256 sha384 sha512 to_hex encode
    format quote_ident quote_literal quote_nullable regexp_replace regexp_extract host abbrev text
    jsonb_typeof json_typeof json_extract_path_text jsonb_extract_path_text jsonb_pretty to_char strftime
    experimental_strftime string_agg array_to_string current_user session_user current_database current_schema
    version timeofday current_setting from_uuid concat_agg convert_from""",
    "bytes": "decode uuid_v4 experimental_uuid_v4 to_uuid to_ip set_byte convert_to datums_to_bytes",
    "bool": """isnan starts_with bool_and bool_or every json_valid isfinite like_escape not_like_escape
    ilike_escape not_ilike_escape similar_to_escape not_similar_to_escape inet_same_family
    inet_contains_or_equals inet_contained_by_or_equals jsonb_exists_any jsonb_path_exists jsonb_path_match""",
    "json": """to_json to_jsonb json_build_object jsonb_build_object json_build_array jsonb_build_array
    jsonb_set json_set jsonb_insert json_remove_path json_extract_path jsonb_extract_path json_strip_nulls
    jsonb_strip_nulls json_agg jsonb_agg json_object_agg jsonb_object_agg row_to_json array_to_json json_object
    jsonb_object jsonb_path_query jsonb_path_query_array jsonb_path_query_first""",
    "ltree": "lca subltree subpath text2ltree",
    "uuid": "gen_random_uuid uuid_generate_v4",
    "timestamptz": """now current_timestamp transaction_timestamp statement_timestamp clock_timestamp strptime
    experimental_strptime make_timestamptz to_timestamp hlc_to_timestamp""",
    "timestamp": "localtimestamp make_timestamp parse_timestamp",
    "date": "current_date make_date to_date parse_date",
    "time": "parse_time",
    "timetz": "parse_timetz",
    "interval": "age justify_days justify_hours justify_interval parse_interval",
    "tsvector": "to_tsvector",
    "tsquery": "to_tsquery plainto_tsquery phraseto_tsquery",
    "inet": "netmask hostmask broadcast network set_masklen",
    "string[]": "string_to_array regexp_split_to_array parse_ident",
}
_BY_FUNCTION = {
    name: family
    for table in (_RETURNS, spatial_functions.RETURNS)
    for family, names in table.items()
    for name in names.split()
}
_LIKE_ARGUMENT = frozenset(
    """abs ceil ceiling floor round trunc sign mod div pow power greatest least coalesce ifnull nvl nullif max
min first_value last_value nth_value lag lead any_value sqrt cbrt ln log exp""".split()
)
"""Functions that return the type of their arguments."""
_PARTS = frozenset(("left", "overlay", "right", "set_bit", "substr", "substring"))
"""Functions that return a part, or a changed copy, of a string, bytes or bits."""
_AVERAGES = frozenset(
    ("avg", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "sqrdiff", "sum")
)
OPERAND_TYPE = frozenset(("coalesce", "greatest", "ifnull", "least", "nullif", "nvl"))
"""Functions that return their argument as it is, with its length and the like."""
ARRAYS = frozenset(("array_append", "array_cat", "array_remove", "array_replace"))
"""Functions that return an array of the type of their first argument."""
_NAMED_TYPES = {
    "integer": "int",
    "bigint": "int",
    "bytea": "bytes",
    "VARCHAR": "string",
    "bit varying": "bit",
    "tsvector": "tsvector",
    "tsquery": "tsquery",
    "interval": "interval",
}
"""Types by PostgreSQL's own names."""
_OWN_SCHEMAS = ("pg_catalog", "crdb_internal")
_NUMBERS = ("float", "decimal", "int")
_IN_ANOTHER_ZONE = {"timestamp": "timestamptz", "timestamptz": "timestamp"}
TIMES = frozenset(("date", "timestamp", "timestamptz", "time", "timetz"))


@dataclass
class Scope:
    """Columns by name, and by (alias, name) in a query. Names that have several types are omitted."""

    columns: dict[str, SqlType] = field(default_factory=dict)
    qualified: dict[tuple[str, str], SqlType] = field(default_factory=dict)
    operators: Optional[dict[int, tuple[Any, str]]] = field(default=None, compare=False)
    """The families of operators by their identity, with the operators; None while the tree still changes. Long chains
    would be walked again for each of their operators."""

    def find(self, column: Any) -> Optional[SqlType]:
        """Return the type of a column reference, None when it is not known."""
        if column.table:
            return self.qualified.get((column.table, column.name)) or (
                self.columns.get(column.name) if not self.qualified else None
            )
        return self.columns.get(column.name)


def declared_family(kind: SqlType) -> str:
    """Return the family of a column; that of an array is its element's with ``[]``."""
    return (
        f"{declared_family(kind.element)}[]"
        if kind.family == "array" and kind.element
        else "string"
        if kind.family == "collated"
        else kind.family
    )


def type_family(data_type: Any) -> str:
    """Return the family of a type in the text."""
    kinds = exp.DataType.Type
    name = data_type.this
    if RESULT_FAMILY in data_type.meta:
        return str(data_type.meta[RESULT_FAMILY])
    if name == kinds.ARRAY or data_type.args.get("nested") and data_type.expressions:
        inner = data_type.expressions[0] if data_type.expressions else None
        return (type_family(inner) if isinstance(inner, exp.DataType) else "") + "[]"
    if name in exp.DataType.INTEGER_TYPES:
        return "int"
    table = {
        kinds.TEXT: "string",
        kinds.VARCHAR: "string",
        kinds.CHAR: "string",
        kinds.NAME: "string",
        kinds.DOUBLE: "float",
        kinds.FLOAT: "float",
        kinds.DECIMAL: "decimal",
        kinds.VARBINARY: "bytes",
        kinds.BOOLEAN: "bool",
        kinds.DATE: "date",
        kinds.TIMESTAMP: "timestamp",
        kinds.TIMESTAMPTZ: "timestamptz",
        kinds.TIME: "time",
        kinds.TIMETZ: "timetz",
        kinds.INTERVAL: "interval",
        kinds.UUID: "uuid",
        kinds.INET: "inet",
        kinds.JSON: "json",
        kinds.JSONB: "json",
        kinds.BIT: "bit",
        kinds.GEOMETRY: "geometry",
        kinds.GEOGRAPHY: "geography",
    }
    if isinstance(name, exp.Interval):
        return "interval"
    if name in table:
        return table[name]
    kind = data_type.args.get("kind")
    if isinstance(kind, exp.Var):
        return _NAMED_TYPES.get(kind.name.split("(")[0], "")
    return (
        {"VARBIT": "bit", "char": "string"}.get(kind.name, "")
        if isinstance(kind, exp.Identifier)
        else "oid"
        if isinstance(name, str)
        else ""
    )


def family_of(node: Any, scope: Scope) -> str:
    """Return the family (see catalog.SqlType) of an unconverted node; empty if it cannot be inferred."""
    node = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(node, exp.Cast):
        return type_family(node.args["to"])
    if isinstance(node, exp.Column):
        kind = scope.find(node)
        return declared_family(kind) if kind else ""
    if isinstance(node, exp.Literal):
        return "string" if node.is_string else "int" if node.is_int else "decimal"
    if isinstance(node, exp.Anonymous):
        return node.meta.get(RESULT_FAMILY) or _function(node.name.lower(), node.expressions, scope)
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Anonymous):
        # A user's function may have the name of one of CockroachDB's own.
        is_own = node.this.name in _OWN_SCHEMAS
        return family_of(node.expression, scope) if is_own else str(node.expression.meta.get(RESULT_FAMILY, ""))
    if scope.operators is None or not isinstance(node, exp.Binary):
        return _of_operands(node, scope)
    if id(node) not in scope.operators:
        scope.operators[id(node)] = node, _of_operands(node, scope)
    return scope.operators[id(node)][1]


def _of_operands(node: Any, scope: Scope) -> str:
    """Return the family of an operator, a condition or another form of PostgreSQL's syntax."""
    if isinstance(
        node, (exp.Neg, exp.BitwiseNot, exp.Collate, exp.Order, exp.Window, exp.Filter, exp.Alias, exp.IgnoreNulls)
    ):
        return family_of(node.this, scope)
    if isinstance(node, (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor)):
        return family_of(node.this, scope)
    if isinstance(node, (exp.BitwiseLeftShift, exp.BitwiseRightShift)):
        # Of networks it asks whether one contains the other.
        return "bool" if family_of(node.this, scope) == "inet" else family_of(node.this, scope)
    if isinstance(node, (exp.Sqrt, exp.Cbrt)):
        return family_of(node.this, scope) or "float"
    if isinstance(node, (exp.Substring, exp.Overlay)):
        return family_of(node.this, scope) or "string"
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow)):
        return _arithmetic(node, family_of(node.this, scope), family_of(node.expression, scope))
    if isinstance(node, exp.DPipe):
        return family_of(node.this, scope) or family_of(node.expression, scope)
    if isinstance(node, exp.If):
        return _first((node.args.get("true"), node.args.get("false")), scope)
    if isinstance(node, exp.Case):
        return _first(
            (*(branch.args.get("true") for branch in node.args.get("ifs") or []), node.args.get("default")), scope
        )
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and len(node.this.expressions) == 1:
        return family_of(node.this.expressions[0], scope)
    if isinstance(node, exp.Bracket):
        return family_of(node.this, scope)[:-2] if family_of(node.this, scope).endswith("[]") else ""
    if isinstance(node, exp.Array):
        return (_first(node.expressions, scope) or "") + "[]"
    if isinstance(node, exp.AtTimeZone):
        return _IN_ANOTHER_ZONE.get(family_of(node.this, scope), "")
    return _plain(node)


def _plain(node: Any) -> str:
    for classes, family in (
        (
            (exp.JSONExtractScalar, exp.JSONBExtractScalar, exp.Trim, exp.GroupConcat),
            "string",
        ),
        ((exp.JSONExtract, exp.JSONBExtract), "json"),
        ((exp.HexString,), "bytes"),
        ((exp.BitString,), "bit"),
        ((exp.Interval,), "interval"),
        (
            (
                exp.Boolean,
                exp.Connector,
                exp.Not,
                exp.Predicate,
                exp.JSONBContainsAnyTopKeys,
                exp.JSONBContainsAllTopKeys,
                exp.MatchAgainst,
            ),
            "bool",
        ),
        ((exp.StrPosition,), "int"),
        ((exp.Extract, exp.Distance, exp.Operator), "float"),
        ((exp.CurrentTimestamp,), "timestamptz"),
        ((exp.CurrentDate,), "date"),
    ):
        if isinstance(node, classes):
            return family
    return ""


def _first(parts: Any, scope: Scope) -> str:
    return next((family for family in (family_of(part, scope) for part in parts if part is not None) if family), "")


def _function(name: str, arguments: list[Any], scope: Scope) -> str:
    if name in _BY_FUNCTION:
        return _BY_FUNCTION[name]
    rule = _BY_ARGUMENTS.get(name)
    return rule([family_of(argument, scope) for argument in arguments]) if rule and arguments else ""


def _first_argument(families: list[str]) -> str:
    return families[0]


def _second_argument(families: list[str]) -> str:
    return families[1] if len(families) > 1 else ""


def _widest(families: list[str]) -> str:
    known = [family for family in families if family]
    return next((family for family in _NUMBERS if family in known), known[0] if known else "")


def _rounded(families: list[str]) -> str:
    return "float" if families[0] == "int" else _widest(families)


def _average(families: list[str]) -> str:
    return "decimal" if families[0] == "int" else families[0]


def _element(families: list[str]) -> str:
    return families[0][:-2] if families[0].endswith("[]") else ""


def _truncated_time(families: list[str]) -> str:
    return {"date": "timestamptz", "time": "interval"}.get(_second_argument(families), _second_argument(families))


def _time_in_zone(families: list[str]) -> str:
    return _IN_ANOTHER_ZONE.get(_second_argument(families), "")


_BY_ARGUMENTS: dict[str, Callable[[list[str]], str]] = {
    **dict.fromkeys(spatial_functions.LIKE_ARGUMENT | ARRAYS | _PARTS, _first_argument),
    **dict.fromkeys(_LIKE_ARGUMENT, _widest),
    **dict.fromkeys(("ceil", "ceiling", "floor", "round", "trunc"), _rounded),
    **dict.fromkeys(_AVERAGES, _average),
    "array_agg": lambda families: families[0] + "[]",
    "unnest": _element,
    "date_trunc": _truncated_time,
    "timezone": _time_in_zone,
}
"""Functions whose result family follows from the families of their arguments, of which there is at least one."""


def _arithmetic(node: Any, left: str, right: str) -> str:
    if left in _NUMBERS and right in _NUMBERS:
        joined = next(family for family in _NUMBERS if family in (left, right))
        return "decimal" if isinstance(node, exp.Div) and joined == "int" else joined
    time = _arithmetic_of_times(node, left, right)
    if time:
        return time
    if left == "inet" and isinstance(node, (exp.Add, exp.Sub)):
        return "int" if right == "inet" else "inet"
    if left in ("date", "json") or left in _NUMBERS and not right:
        return left
    return right if right == "float" and not left else ""


def _arithmetic_of_times(node: Any, left: str, right: str) -> str:
    """Return the family of a sum or difference with an interval or of two times, '' for all others."""
    if "interval" in (left, right):
        other = right if left == "interval" else left
        return "timestamp" if other == "date" else other if other in TIMES else "interval"
    if left in TIMES and left == right and isinstance(node, exp.Sub):
        return "int" if left == "date" else "interval"
    return "timestamp" if {left, right} == {"date", "time"} else ""
