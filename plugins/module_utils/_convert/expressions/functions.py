# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which functions of CockroachDB mean the same in PostgreSQL, under which name, and which of them are immutable
there."""

from __future__ import annotations

IMMUTABLE = frozenset(
    """
abbrev abs acos acosd acosh array_append array_cat array_length array_lower array_ndims array_position array_positions
array_prepend array_remove array_replace array_upper ascii asin asind asinh atan atan2 atan2d atand atanh bit_count
bit_length broadcast btrim cardinality cbrt ceil ceiling char_length character_length chr coalesce cos cosd cosh cot
cotd decode degrees div encode exp family floor gcd get_bit get_byte greatest host hostmask inet_same_family initcap
isfinite jsonb_array_length jsonb_exists_any jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lcm least left length ln log log10 lower
lpad ltrim make_date make_timestamp masklen md5 mod netmask network nullif num_nonnulls num_nulls octet_length overlay
parse_ident phraseto_tsquery pi plainto_tsquery position pow power quote_ident radians regexp_replace
regexp_split_to_array repeat replace reverse right round rpad rtrim set_bit set_byte set_masklen sha224 sha256 sha384
sha512 sign sin sind sinh split_part sqrt starts_with string_to_array strpos substr substring tan tand tanh text
to_hex to_tsquery to_tsvector translate trim trunc ts_rank upper width_bucket
""".split()
)
"""Functions of which every overload is IMMUTABLE in pg_proc, except those in TEXT_SEARCH, or that are syntax (coalesce,
greatest, least, nullif, trim)."""

TEXT_SEARCH = frozenset(("to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery"))
"""Functions that are immutable only with the name of a text search configuration."""

OTHER = frozenset(
    """
age any any_value array array_agg array_to_json array_to_string avg bit_and bit_or bool_and bool_or clock_timestamp
col_description concat concat_ws convert_from convert_to corr count covar_pop covar_samp cume_dist current_database
current_schema current_schemas current_setting current_user currval date_part date_trunc dense_rank enum_first
enum_last enum_range every extract first_value format format_type gen_random_uuid generate_series generate_subscripts
getdatabaseencoding has_any_column_privilege has_column_privilege has_database_privilege
has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege has_schema_privilege
has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege
inet_client_addr inet_client_port inet_server_addr inet_server_port json_agg json_array_elements
json_array_elements_text json_build_array json_build_object json_each json_each_text json_object json_object_agg
json_object_keys jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_build_array jsonb_build_object
jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys jsonb_path_query jsonb_populate_record
jsonb_populate_recordset jsonb_to_record jsonb_to_recordset lag last_value lastval lead make_timestamptz max min
nextval now nth_value ntile obj_description oidvectortypes percent_rank percentile_cont percentile_disc
pg_advisory_unlock pg_backend_pid pg_client_encoding pg_collation_for pg_column_is_updatable pg_column_size
pg_encoding_to_char pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_function_identity_arguments
pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_partkeydef pg_get_serial_sequence pg_get_userbyid
pg_get_viewdef pg_has_role pg_is_in_recovery pg_is_other_temp_schema pg_my_temp_schema pg_relation_is_updatable
pg_sequence_last_value pg_sleep pg_table_is_visible pg_try_advisory_lock pg_type_is_visible pg_typeof quote_literal
quote_nullable random rank regexp_matches regexp_split_to_table regr_avgx regr_avgy regr_count regr_intercept regr_r2
regr_slope regr_sxx regr_sxy regr_syy row row_number row_to_json session_user set_config setval shobj_description
statement_timestamp stddev stddev_pop stddev_samp string_agg sum timeofday timezone to_char to_date to_json to_jsonb
to_regclass to_regnamespace to_regproc to_regprocedure to_regrole to_regtype to_timestamp transaction_timestamp unnest
var_pop var_samp variance version
""".split()
)

RENAMED = {
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "pow": "power",
    "uuid_generate_v4": "gen_random_uuid",
    "json_array_length": "jsonb_array_length",
    "json_typeof": "jsonb_typeof",
    "json_extract_path": "jsonb_extract_path",
    "json_extract_path_text": "jsonb_extract_path_text",
    "json_set": "jsonb_set",
    "json_strip_nulls": "jsonb_strip_nulls",
    "json_build_object": "jsonb_build_object",
    "json_build_array": "jsonb_build_array",
    "json_agg": "jsonb_agg",
    "json_object_agg": "jsonb_object_agg",
    "json_each": "jsonb_each",
    "json_each_text": "jsonb_each_text",
    "json_array_elements": "jsonb_array_elements",
    "json_array_elements_text": "jsonb_array_elements_text",
    "json_object_keys": "jsonb_object_keys",
    "to_json": "to_jsonb",
    "json_object": "jsonb_object",
    "some": "any",
    "json_populate_record": "jsonb_populate_record",
    "json_populate_recordset": "jsonb_populate_recordset",
    "json_to_record": "jsonb_to_record",
    "json_to_recordset": "jsonb_to_recordset",
}
"""CockroachDB has one JSON type, jsonb, for both families of names."""

KEYWORDS = {
    "current_date": "CURRENT_DATE",
    "current_timestamp": "CURRENT_TIMESTAMP",
    "localtimestamp": "LOCALTIMESTAMP",
    "current_time": "CURRENT_TIME",
    "localtime": "LOCALTIME",
    "current_user": "CURRENT_USER",
    "session_user": "SESSION_USER",
    "current_schema": "CURRENT_SCHEMA",
    "user": "CURRENT_USER",
}
"""Functions that CockroachDB prints with empty parentheses and PostgreSQL takes without."""

SEQUENCE_FUNCTIONS = frozenset(("nextval", "currval", "setval"))

WITH_PRECISION = frozenset(("current_timestamp", "localtimestamp", "current_time", "localtime"))
"""The functions of KEYWORDS that accept a number of digits."""

INTEGER_ARGUMENTS = {
    "array_length": (1,),
    "array_lower": (1,),
    "array_upper": (1,),
    "chr": (0,),
    "generate_subscripts": (1,),
    "get_bit": (1,),
    "get_byte": (1,),
    "lag": (1,),
    "lead": (1,),
    "left": (1,),
    "lpad": (1,),
    "nth_value": (1,),
    "ntile": (0,),
    "overlay": (2, 3),
    "repeat": (1,),
    "right": (1,),
    "round": (1,),
    "rpad": (1,),
    "set_bit": (1, 2),
    "set_byte": (1, 2),
    "set_masklen": (1,),
    "split_part": (2,),
    "substr": (1, 2),
    "substring": (1, 2),
    "trunc": (1,),
    "width_bucket": (3,),
    "make_date": (0, 1, 2),
    "pg_encoding_to_char": (0,),
    "col_description": (1,),
    "format_type": (1,),
    "pg_get_indexdef": (1,),
}
"""Positions (from 0) of the arguments that PostgreSQL declares as 32-bit integers and CockroachDB as INT8."""
