# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Calls of functions that PostgreSQL has under another name, with other arguments or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Optional

from . import (
    added_functions,
    function_differences,
    functions,
    regular_expressions,
    spatial_functions,
    styled_texts,
    trees,
)
from .time_formats import to_char_format

_HASHES = ("sha224", "sha256", "sha384", "sha512")
_ANY = ""
_TEMPLATES: dict[tuple[str, str], str] = {
    ("to_hex", "string"): "encode(convert_to(_0, 'UTF8'), 'hex')",
    ("to_hex", "bytes"): "encode(_0, 'hex')",
    ("to_hex", "int"): "to_hex(CAST(_0 AS int8))",
    ("isnan", "float"): "(_0 = CAST('NaN' AS float8))",
    ("isnan", "decimal"): "(_0 = CAST('NaN' AS decimal))",
    ("div", "int"): "(_0 / _1)",
    ("div", "decimal"): "div(_0, _1)",
    ("div", "float"): "trunc(_0 / _1)",
    **{(name, _ANY): "uuid_send(gen_random_uuid())" for name in ("uuid_v4", "experimental_uuid_v4")},
    ("to_uuid", _ANY): "uuid_send(CAST(_0 AS uuid))",
    ("from_uuid", _ANY): "CAST(CAST(encode(_0, 'hex') AS uuid) AS text)",
    ("json_remove_path", _ANY): "(_0 #- _1)",
    ("jsonb_remove_path", _ANY): "(_0 #- _1)",
    ("inet_contains_or_equals", _ANY): "network_supeq(_0, _1)",
    ("inet_contained_by_or_equals", _ANY): "network_subeq(_0, _1)",
    ("char_length", "bytes"): "octet_length(_0)",
    ("character_length", "bytes"): "octet_length(_0)",
    ("array_to_json", _ANY): "to_jsonb(_0)",
    ("row_to_json", _ANY): "to_jsonb(_0)",
    ("max", "bool"): "bool_or(_0)",
    ("min", "bool"): "bool_and(_0)",
    ("strpos", "bytes"): "position(_1 IN _0)",
    ("count_rows", _ANY): "count(*)",
    ("sum_int", _ANY): "CAST(sum(_0) AS int8)",
    ("xor_agg", "int"): "bit_xor(_0)",
    ("sqrdiff", _ANY): "(var_pop(_0) * count(_0))",
    (
        "hlc_to_timestamp",
        _ANY,
    ): "(CAST('1970-01-01 00:00:00+00' AS timestamptz) + CAST(round(trunc(_0) / 1000) AS float8) * "
    "CAST('00:00:00.000001' AS interval))",
    **spatial_functions.TEMPLATES,
    **{(name, "string"): f"encode({name}(convert_to(_0, 'UTF8')), 'hex')" for name in _HASHES},
    **{(name, "bytes"): f"encode({name}(_0), 'hex')" for name in _HASHES},
}
"""(function, family of the first argument; '' for any) to PostgreSQL's form, with _0, _1 … for the converted
arguments."""
_REFUSED = frozenset(
    (
        *((name, family) for name in ("max", "min") for family in ("bytes", "uuid", "json", "bit")),
        ("strpos", "bit"),
        ("substr", "bit"),
    )
)
"""(function, family of the first argument) that PostgreSQL lacks."""
_SINGLE = frozenset(("concat_ws",))
"""Functions that PostgreSQL does not call with one argument."""
_ONE_ARGUMENT = frozenset(("md5", "sha1", *_HASHES))
"""CockroachDB accepts several arguments and hashes them as one."""
_ESCAPES = {
    "like_escape": ("LIKE", ""),
    "not_like_escape": ("LIKE", "NOT "),
    "ilike_escape": ("ILIKE", ""),
    "not_ilike_escape": ("ILIKE", "NOT "),
    "similar_to_escape": ("SIMILAR TO", ""),
    "not_similar_to_escape": ("SIMILAR TO", "NOT "),
}
_PATTERN_ARGUMENTS = {
    "regexp_replace": 1,
    "regexp_extract": 1,
    "regexp_matches": 1,
    "regexp_split_to_array": 1,
    "regexp_split_to_table": 1,
}
_TEXT_ONLY = frozenset(("lpad", "rpad", "reverse", "upper", "lower", "initcap", "split_part"))
_NOT_EMPTY = {"replace": 1, "split_part": 1}
"""Arguments for which CockroachDB treats the empty string as the boundary between two characters."""
_DURATIONS = {"hour": 3600, "minute": 60, "second": 1, "millisecond": 0.001, "microsecond": 0.000001}
_TEXT_SEARCH_CONFIGURATIONS = frozenset(
    """simple danish dutch english finnish french german hungarian italian norwegian portuguese romanian russian spanish
swedish turkish""".split()
)
_TIME_FORMATS = {
    "strftime": "to_char",
    "experimental_strftime": "to_char",
    "strptime": "to_timestamp",
    "experimental_strptime": "to_timestamp",
}
_EXTENSIONS = {
    "soundex": "",
    "difference": "",
    **dict.fromkeys(("levenshtein", "metaphone", "dmetaphone", "dmetaphone_alt"), "fuzzystrmatch"),
    **dict.fromkeys(("similarity", "show_trgm"), "pg_trgm"),
    **dict.fromkeys("sha1 digest hmac gen_salt crypt encrypt encrypt_iv decrypt decrypt_iv".split(), "pgcrypto"),
    "unaccent": "unaccent",
    **dict.fromkeys(
        """uuid_nil uuid_ns_dns uuid_ns_url uuid_ns_oid uuid_ns_x500 uuid_generate_v1 uuid_generate_v1mc
        uuid_generate_v3 uuid_generate_v5""".split(),
        "uuid-ossp",
    ),
    **dict.fromkeys("cosine_distance inner_product l1_distance l2_distance vector_dims vector_norm".split(), "vector"),
    **dict.fromkeys("index lca ltree2text nlevel subltree subpath text2ltree".split(), "ltree"),
}
"""Function to the extension that provides it under the same name; empty if its results differ."""
_EXTENSION_INTEGERS = {
    "levenshtein": (2, 3, 4),
    "metaphone": (1,),
    "subltree": (1, 2),
    "subpath": (1, 2),
    "index": (2,),
}
"""Positions (from 0) of the arguments that the extension's functions declare as 32-bit integers."""


def rewritten(node: Any, name: str, converter: Any) -> Optional[Any]:
    """Return the PostgreSQL tree of a call for which no function of the same name and arguments exists; None for all
    other calls.

    ``converter`` is the one of expressions.py. Raises UnsupportedError for arguments that have no counterpart.
    """
    arguments = node.expressions
    family = converter.family(arguments[0]) if arguments else ""
    if name in _PATTERN_ARGUMENTS and len(arguments) > _PATTERN_ARGUMENTS[name]:
        check_pattern(arguments[_PATTERN_ARGUMENTS[name]], converter)
    for difference in function_differences.differences(
        name, arguments, [converter.family(argument) for argument in arguments]
    ):
        converter.differs(difference)
    added = added_functions.added_call(node, name, family, converter)
    if added is not None:
        return added
    _check_arguments(name, arguments, converter)
    _refuse_types(name, arguments, family, converter)
    handler = _HANDLERS.get(name)
    if handler is not None:
        return handler(node, name, family, converter)
    template = _TEMPLATES.get((name, family)) or _TEMPLATES.get((name, _ANY))
    if template:
        return trees.filled(template, *[converter.convert(argument) for argument in arguments])
    if name in _ALWAYS_REWRITTEN:
        raise converter.refusal(f"{name}() of {family or 'an unknown type'} has no counterpart in PostgreSQL")
    return None


def check_pattern(node: Any, converter: Any) -> None:
    """Record how PostgreSQL interprets a regular expression differently."""
    pattern = trees.constant_text(node)
    reason = (
        "a regular expression that is computed may mean something else"
        if pattern is None
        else regular_expressions.difference(pattern)
    )
    if reason:
        converter.differs(reason)


def check_group(node: Any, name: str, converter: Any) -> None:
    """Refuse a regular expression whose first group may take no part in the match: its text is empty in CockroachDB,
    and NULL in PostgreSQL."""
    pattern = trees.constant_text(node)
    reason = (
        "a computed pattern"
        if pattern is None
        else "a group that may be absent"
        if regular_expressions.has_optional_group(pattern)
        else ""
    )
    if reason:
        raise converter.refusal(f"{name}() with {reason} has no counterpart in PostgreSQL")
    if "|" in (pattern or ""):
        converter.differs("of alternatives that match, PostgreSQL takes the longest and CockroachDB the first one")


def _check_arguments(name: str, arguments: list[Any], converter: Any) -> None:
    """Record or refuse differences that depend on single arguments."""
    if spatial_functions.is_spatial(name):
        converter.need("postgis", f"the function {name}")
    if len(arguments) > spatial_functions.MOST_ARGUMENTS.get(name, len(arguments)):
        raise converter.refusal(f"{name}() with {len(arguments)} arguments has no counterpart in PostgreSQL")
    position = _NOT_EMPTY.get(name, len(arguments))
    text = trees.constant_text(arguments[position]) if position < len(arguments) else "none"
    if text == "":
        raise converter.refusal(f"{name}() of an empty string has no counterpart in PostgreSQL")
    if text is None:
        converter.differs(f"{name}() does nothing for an empty string, where CockroachDB takes every character")


def _refuse_types(name: str, arguments: list[Any], family: str, converter: Any) -> None:
    """Refuse calls with argument types that PostgreSQL's function does not accept; ``family`` is that of the first
    argument."""
    of_type = f"{name}() of {family or 'an unknown type'}"
    if name in _TEXT_ONLY and family == "bytes" or (name, family) in _REFUSED:
        raise converter.refusal(f"{of_type} has no counterpart in PostgreSQL")
    if name in _SINGLE and len(arguments) == 1 or name == "log" and len(arguments) > 1 and family != "decimal":
        raise converter.refusal(f"{of_type} has no counterpart in PostgreSQL")
    if name in ("substr", "timezone") and len(arguments) > 1 and converter.family(arguments[1]) == "string":
        raise converter.refusal(f"{name}() of two strings has no counterpart in PostgreSQL")
    if name in _ONE_ARGUMENT and len(arguments) > 1:
        raise converter.refusal(f"{name}() of several values has no counterpart in PostgreSQL")


def _round(node: Any, name: str, family: str, converter: Any) -> None:
    """PostgreSQL rounds floats to whole numbers only."""
    if len(node.expressions) > 1 and family == "float":
        raise converter.refusal(f"{name}() of a float to a number of digits has no counterpart in PostgreSQL")


def _power(node: Any, name: str, family: str, converter: Any) -> Any:
    """Integers to the power of integers are an integer in CockroachDB, and a float in PostgreSQL."""
    families = {converter.family(argument) for argument in node.expressions}
    left, right = (converter.convert(argument) for argument in node.expressions)
    if families == {"int"}:
        return trees.filled("CAST(power(CAST(_0 AS decimal), CAST(_1 AS decimal)) AS int8)", left, right)
    converter.differs("power() has other last digits, or another number of them")
    if "float" not in families and families <= {"int", "decimal"}:
        return trees.filled("power(CAST(_0 AS decimal), CAST(_1 AS decimal))", left, right)
    return trees.call("power", left, right)


def _mod(node: Any, name: str, family: str, converter: Any) -> None:
    if family == "float":
        raise converter.refusal(f"{name}() of floats has no counterpart in PostgreSQL")


def _extract(node: Any, name: str, family: str, converter: Any) -> Any:
    part = trees.constant_text(node.expressions[0])
    if part is None or len(node.expressions) != 2:
        raise converter.refusal("the part of a time must be a constant")
    return trees.call("date_part", trees.exp.Literal.string(part), converter.convert(node.expressions[1]))


def _extract_duration(node: Any, name: str, family: str, converter: Any) -> Any:
    part = (trees.constant_text(node.expressions[0]) or "").rstrip("s")
    if part not in _DURATIONS:
        raise converter.refusal(
            f"extract_duration() of {part or 'a part that is not a constant'} has no counterpart in PostgreSQL"
        )
    hours = "date_part('hour', _0) * 3600 + date_part('minute', _0) * 60 + date_part('second', _0)"
    return trees.filled(f"CAST(trunc(({hours}) / {_DURATIONS[part]}) AS int8)", converter.convert(node.expressions[1]))


def _array_to_string(node: Any, name: str, family: str, converter: Any) -> Any:
    """CockroachDB writes NULLs as nothing, PostgreSQL leaves them out with their separator."""
    arguments = [converter.convert(argument) for argument in node.expressions]
    if len(arguments) == 2:
        return trees.filled("array_to_string(_0, _1, '')", *arguments)
    return (
        None
        if trees.constant_text(arguments[2]) is not None
        else trees.filled("array_to_string(_0, _1, coalesce(_2, ''))", *arguments)
    )


def _string_to_array(node: Any, name: str, family: str, converter: Any) -> None:
    if trees.is_null(node.expressions[1]):
        raise converter.refusal("string_to_array() without a separator has no counterpart in PostgreSQL")


def _date_trunc(node: Any, name: str, family: str, converter: Any) -> Optional[Any]:
    """Truncate a time of day; 24:00, the end of the day, counts as 00:00, as in CockroachDB."""
    if converter.family(node.expressions[1]) != "time":
        return None
    return trees.filled(
        "date_trunc(_0, _1 + CAST('00:00:00' AS interval))",
        *[converter.convert(argument) for argument in node.expressions],
    )


def _concat_agg(node: Any, name: str, family: str, converter: Any) -> Any:
    """The order of the values is written after the separator."""
    if family != "string":
        raise converter.refusal(f"{name}() of {family or 'an unknown type'} has no counterpart in PostgreSQL")
    value = converter.convert(node.expressions[0])
    if not isinstance(value, trees.exp.Order):
        return trees.filled("string_agg(_0, '')", value)
    return trees.call(
        "string_agg", value.this, trees.exp.Order(this=trees.exp.Literal.string(""), expressions=value.expressions)
    )


def _swapordinates(node: Any, name: str, family: str, converter: Any) -> Any:
    """PostGIS wants a cstring, which only an untyped constant becomes."""
    ordinates = trees.constant_text(node.expressions[1])
    if ordinates is None:
        raise converter.refusal(f"{name}() with computed ordinates has no counterpart in PostgreSQL")
    return trees.call(name, converter.convert(node.expressions[0]), trees.exp.Literal.string(ordinates))


def _minimumboundingcircle(node: Any, name: str, family: str, converter: Any) -> Optional[Any]:
    """CockroachDB makes a quarter of 8 segments, PostGIS of 48."""
    return (
        trees.filled(f"{name}(_0, 8)", converter.convert(node.expressions[0])) if len(node.expressions) == 1 else None
    )


def _formatted_time(node: Any, name: str, family: str, converter: Any) -> Any:
    text = trees.constant_text(node.expressions[1])
    format_text = to_char_format(text) if text is not None else ""
    if not format_text:
        raise converter.refusal(f"the format of {name}() has no counterpart in PostgreSQL")
    made = trees.call(
        _TIME_FORMATS[name], converter.convert(node.expressions[0]), trees.exp.Literal.string(format_text)
    )
    return (
        trees.filled("timezone('UTC', timezone(current_setting('TimeZone'), _0))", made)
        if name.endswith("strptime")
        else made
    )


def _encode(node: Any, name: str, family: str, converter: Any) -> Any:
    """PostgreSQL breaks base64 into lines."""
    form = trees.constant_text(node.expressions[1])
    if form == "base64":
        return trees.filled("replace(encode(_0, 'base64'), chr(10), '')", converter.convert(node.expressions[0]))
    if form == "escape":
        converter.differs("encode() escapes only zero bytes and those beyond ASCII")
    elif form != "hex":
        raise converter.refusal("encode() with a computed format has no counterpart in PostgreSQL")
    return None


def _regexp_extract(node: Any, name: str, family: str, converter: Any) -> Any:
    check_group(node.expressions[1], name, converter)
    return trees.call("substring", *[converter.convert(argument) for argument in node.expressions])


def _with_escape(node: Any, name: str, family: str, converter: Any) -> Any:
    operator, negation = _ESCAPES[name]
    if len(node.expressions) != 3:
        raise converter.refusal(f"{name}() with {len(node.expressions)} arguments has no counterpart in PostgreSQL")
    if operator == "SIMILAR TO":
        check_pattern(node.expressions[1], converter)
    if trees.constant_text(node.expressions[2]) is None:
        raise converter.refusal(f"{name}() with a computed escape character has no counterpart in PostgreSQL")
    escape = trees.exp.Literal.string(trees.constant_text(node.expressions[2]))
    made = trees.filled(
        f"({negation}(_0 {operator} _1))",
        converter.convert(node.expressions[0]),
        converter.convert(node.expressions[1]),
    )
    like = made.find(trees.exp.Like, trees.exp.ILike, trees.exp.SimilarTo)
    like.replace(trees.exp.Escape(this=like.copy(), expression=escape))
    return made


def _from_extension(node: Any, name: str, family: str, converter: Any) -> Any:
    extension = _EXTENSIONS[name]
    if not extension or not converter.context.use_extension(extension):
        raise converter.refusal(
            f"the function {name} has no known counterpart in PostgreSQL"
            + (f" without the extension {extension}" if extension else "")
        )
    if name == "sha1":
        template = (
            "encode(digest(convert_to(_0, 'UTF8'), 'sha1'), 'hex')"
            if family == "string"
            else "encode(digest(_0, 'sha1'), 'hex')"
        )
        return trees.filled(template, converter.convert(node.expressions[0]))
    converted = [converter.convert(argument) for argument in node.expressions]
    for position in _EXTENSION_INTEGERS.get(name, ()):
        if position < len(converted):
            converted[position] = trees.cast(converted[position], "integer")
    return trees.call(name, *converted)


def _age(node: Any, name: str, family: str, converter: Any) -> Any:
    """The age of one moment is counted from now in CockroachDB, from midnight in PostgreSQL."""
    return (
        trees.filled("age(now(), _0)", converter.convert(node.expressions[0])) if len(node.expressions) == 1 else None
    )


_OTHER_WORDS = " splits texts with hyphens, dots or slashes into other words"


def only_words_differ(differences: Iterable[str]) -> bool:
    """Whether PostgreSQL's text search is all that differs."""
    return all(difference.endswith(_OTHER_WORDS) for difference in differences)


def _text_search(node: Any, name: str, family: str, converter: Any) -> Any:
    """The configuration is a text in CockroachDB, and a regconfig in PostgreSQL."""
    converter.differs(f"{name}(){_OTHER_WORDS}")
    if len(node.expressions) == 1:
        return trees.call(name, converter.convert(node.expressions[0]))
    configuration = trees.constant_text(node.expressions[0])
    if configuration not in _TEXT_SEARCH_CONFIGURATIONS:
        raise converter.refusal(
            f"{name}() with the text search configuration {configuration or 'of a row'} has no counterpart in "
            "PostgreSQL"
        )
    return trees.call(
        name,
        trees.cast(trees.exp.Literal.string(f"pg_catalog.{configuration}"), "regconfig"),
        converter.convert(node.expressions[1]),
    )


_ALWAYS_REWRITTEN = frozenset((*_HASHES, "isnan", "sum_int", "xor_agg", "st_dwithinexclusive", "_st_dwithinexclusive"))
"""Functions that PostgreSQL does not have under the same name, or that have another meaning there."""

_HANDLERS: dict[str, Callable[[Any, str, str, Any], Any]] = {
    "age": _age,
    "pow": _power,
    "power": _power,
    "round": _round,
    "mod": _mod,
    "extract": _extract,
    "extract_duration": _extract_duration,
    "encode": _encode,
    "regexp_extract": _regexp_extract,
    "array_to_string": _array_to_string,
    **styled_texts.HANDLERS,
    **dict.fromkeys(_TIME_FORMATS, _formatted_time),
    **dict.fromkeys(_ESCAPES, _with_escape),
    **dict.fromkeys(_EXTENSIONS, _from_extension),
    **dict.fromkeys(functions.TEXT_SEARCH, _text_search),
    "concat_agg": _concat_agg,
    "string_to_array": _string_to_array,
    "date_trunc": _date_trunc,
    "st_swapordinates": _swapordinates,
    "st_minimumboundingcircle": _minimumboundingcircle,
}


def is_immutable(name: str) -> bool:
    """Whether every overload of PostgreSQL's function is IMMUTABLE."""
    return name in functions.IMMUTABLE or name in spatial_functions.SAME and name not in spatial_functions.NOT_IMMUTABLE


def is_known(name: str) -> bool:
    """Whether PostgreSQL has the function with the same name and meaning."""
    return name in functions.IMMUTABLE or name in functions.OTHER or name in spatial_functions.SAME
