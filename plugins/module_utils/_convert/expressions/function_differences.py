# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Small differences between functions of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import spatial_functions, trees

_INEXACT_FLOAT = frozenset(
    "sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh ln log log10 exp cbrt degrees radians".split()
)
_INEXACT_DECIMAL = frozenset(
    "sqrt cbrt ln log log10 exp avg stddev stddev_samp stddev_pop variance var_samp var_pop sqrdiff".split()
)
_OF_ONE_COLUMN = frozenset("sqrdiff stddev stddev_samp stddev_pop variance var_samp var_pop".split())
_OF_TWO_COLUMNS = frozenset(
    "corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy".split()
)
"""These functions calculate in floating point whatever their argument types are."""
_OWN_OBJECTS = "it describes PostgreSQL's own objects and settings"
_SESSION_FORMS = "PostgreSQL reads other forms of dates and times too, by the session's DateStyle and IntervalStyle"
_BY_NAME = {
    "initcap": "initcap() begins a new word after an underscore",
    "current_schemas": "the schema pg_extension is not there",
    "jsonb_pretty": "the keys of JSON objects are in another order",
    "quote_ident": "quote_ident() quotes names with letters beyond ASCII",
    **{name: f"{name}() writes other escapes" for name in ("quote_literal", "quote_nullable")},
    **{
        name: f"{name}() of what has no result is an error and not NaN, and its last digits may be others"
        for name in ("acosh", "atanh")
    },
    **{
        name: f"{name}() may have other last digits, and means another angle beyond 1e15"
        for name in ("sind", "cosd", "tand", "cotd")
    },
    **{
        name: f"the last digits of {name}() may be others"
        for name in ("asind", "acosd", "atand", "atan2d", *_OF_TWO_COLUMNS)
    },
    **dict.fromkeys(("parse_date", "parse_time", "parse_timetz", "parse_timestamp", "parse_interval"), _SESSION_FORMS),
    **dict.fromkeys(
        """col_description format_type getdatabaseencoding has_any_column_privilege has_column_privilege
        has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
        has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege
        has_table_privilege has_tablespace_privilege has_type_privilege inet_client_addr inet_client_port
        inet_server_addr inet_server_port obj_description oidvectortypes pg_backend_pid pg_client_encoding
        pg_collation_for pg_column_is_updatable pg_function_is_visible pg_get_constraintdef pg_get_expr
        pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef
        pg_get_partkeydef pg_get_serial_sequence pg_get_userbyid pg_get_viewdef pg_has_role
        pg_is_in_recovery pg_is_other_temp_schema pg_my_temp_schema pg_relation_is_updatable
        pg_sequence_last_value pg_table_is_visible pg_type_is_visible shobj_description to_regclass
        to_regnamespace to_regproc to_regprocedure to_regrole to_regtype version""".split(),
        _OWN_OBJECTS,
    ),
    "pg_typeof": "pg_typeof() of NULL is the type of the expression, and INT4 is integer",
    "pg_column_size": "pg_column_size() counts PostgreSQL's bytes",
    "json_valid": "json_valid() takes numbers beyond the range of FLOAT8 for valid",
    "ulid_to_uuid": "ulid_to_uuid() of a text with a letter that no ULID has is an error",
    "pg_sleep": "pg_sleep() returns nothing",
    "convert_from": "a zero byte is an error",
    "pg_encoding_to_char": "PostgreSQL knows more encodings",
    **dict.fromkeys(("pg_try_advisory_lock", "pg_advisory_unlock"), "CockroachDB's advisory locks lock nothing"),
    "unaccent": "some signs have other letters in PostgreSQL's list",
}
_BY_FAMILY = {
    **{
        (name, "inet"): f"{name}() orders networks by their address, CockroachDB by their mask first"
        for name in ("max", "min")
    },
    **{(name, ""): f"the last digits of {name}() may be others" for name in _OF_ONE_COLUMN},
    **{(name, "float"): f"the last digits of {name}() may be others" for name in _INEXACT_FLOAT | _OF_ONE_COLUMN},
    **{
        (name, family): f"{name}() of decimals has another number of digits"
        for name in _INEXACT_DECIMAL
        for family in ("decimal", "int")
    },
}
"""(function, family of the first argument, or '' if unknown) to the difference in PostgreSQL."""
_SETTINGS = frozenset(("current_setting", "set_config"))
_JSON_CHANGES = frozenset(("json_set", "jsonb_set", "jsonb_insert"))
_JSON_BUILDERS = frozenset(
    """array_to_json json_agg json_build_array json_build_object json_object_agg jsonb_agg jsonb_build_array
jsonb_build_object jsonb_object_agg row_to_json to_json to_jsonb""".split()
)
_TIMES_WITH_ZONE = frozenset(("timestamptz", "timestamptz[]", "timetz", "timetz[]"))


def differences(name: str, arguments: list[Any], families: list[str]) -> Iterator[str]:
    """Yield how PostgreSQL's function differs, given CockroachDB's name, the arguments and their families."""
    first = families[0] if families else ""
    for difference in (_BY_NAME.get(name), _BY_FAMILY.get((name, first)), spatial_functions.difference(name, first)):
        if difference:
            yield difference
    if name in _JSON_BUILDERS and not _TIMES_WITH_ZONE.isdisjoint(families):
        yield "the zone of a time in JSON is written otherwise, with +00:00 for Z"
    if name in _JSON_CHANGES and not trees.has_one_element(arguments[1]):
        yield "a path of words into an array is an error and not left alone"
    if name in _SETTINGS and "." not in (trees.constant_text(arguments[0]) or ""):
        yield _OWN_OBJECTS
