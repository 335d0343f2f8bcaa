# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which functions of CockroachDB mean the same in PostgreSQL, under which name, and which of them are immutable there."""
from __future__ import annotations

IMMUTABLE = frozenset("""
abs acos array_append array_cat array_length array_lower array_ndims array_position array_positions array_prepend array_remove array_replace array_upper
ascii asin atan atan2 bit_length btrim cardinality cbrt ceil ceiling char_length character_length chr coalesce cos cot decode degrees div encode exp
floor gcd get_bit get_byte greatest host initcap isfinite jsonb_array_length jsonb_extract_path jsonb_extract_path_text
jsonb_object jsonb_set jsonb_strip_nulls jsonb_typeof lcm least left length ln log log10 lower lpad ltrim md5 mod netmask network nullif octet_length
overlay pi position power pow radians regexp_replace repeat replace reverse right round rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 sign sin
split_part sqrt starts_with strpos substr substring tan to_hex translate trim trunc upper width_bucket abbrev broadcast family hostmask masklen set_masklen text
jsonb_path_exists jsonb_path_match jsonb_path_query_array jsonb_path_query_first
jsonb_insert justify_days justify_hours justify_interval to_tsvector string_to_array to_tsquery plainto_tsquery phraseto_tsquery
""".split())

TEXT_SEARCH = frozenset(("to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery"))
"""Functions that are immutable only with the name of a text search configuration."""

OTHER = frozenset("""
age any any_value array row array_agg array_to_json array_to_string avg bit_and bit_or bool_and bool_or clock_timestamp concat concat_ws corr count covar_pop
covar_samp cume_dist ts_rank
current_database current_schema current_schemas current_setting current_user currval date_part date_trunc dense_rank every extract first_value format
gen_random_uuid generate_series generate_subscripts has_table_privilege json_agg json_array_elements json_array_elements_text json_build_array
json_build_object jsonb_build_array jsonb_build_object json_each
json_each_text json_object json_object_agg json_object_keys jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_agg
jsonb_object_keys jsonb_path_query
jsonb_pretty lag last_value lastval lead make_date make_timestamp make_timestamptz max min nextval now nth_value ntile percent_rank
percentile_cont
percentile_disc random rank regexp_matches regexp_split_to_array regexp_split_to_table row_number row_to_json session_user setval
statement_timestamp stddev stddev_pop stddev_samp string_agg sum timeofday timezone to_char to_date to_json to_jsonb to_timestamp
transaction_timestamp
unnest var_pop var_samp variance version
st_area st_asewkb st_asewkt st_asgeojson st_astext st_aswkb st_buffer st_centroid st_contains st_coveredby st_covers st_distance st_dwithin st_geogfromtext
st_geomfromewkt st_geomfromgeojson st_geomfromtext st_geomfromwkb st_intersects st_length st_makepoint st_point st_setsrid st_srid st_transform
st_within st_x st_y
""".split())

RENAMED = {
    "ifnull": "coalesce", "nvl": "coalesce", "pow": "power", "uuid_generate_v4": "gen_random_uuid",
    "json_array_length": "jsonb_array_length", "json_typeof": "jsonb_typeof", "json_extract_path": "jsonb_extract_path",
    "json_extract_path_text": "jsonb_extract_path_text", "json_set": "jsonb_set", "json_strip_nulls": "jsonb_strip_nulls",
    "json_build_object": "jsonb_build_object", "json_build_array": "jsonb_build_array", "json_agg": "jsonb_agg", "json_object_agg": "jsonb_object_agg",
    "json_each": "jsonb_each", "json_each_text": "jsonb_each_text", "json_array_elements": "jsonb_array_elements",
    "json_array_elements_text": "jsonb_array_elements_text", "json_object_keys": "jsonb_object_keys", "to_json": "to_jsonb",
    "json_object": "jsonb_object", "some": "any",
}
"""CockroachDB has one JSON type, jsonb, behind both families of names."""

KEYWORDS = {
    "current_date": "CURRENT_DATE", "current_timestamp": "CURRENT_TIMESTAMP", "localtimestamp": "LOCALTIMESTAMP", "current_time": "CURRENT_TIME",
    "localtime": "LOCALTIME", "current_user": "CURRENT_USER", "session_user": "SESSION_USER", "current_schema": "CURRENT_SCHEMA", "user": "CURRENT_USER",
}
"""Functions that CockroachDB prints with empty parentheses and PostgreSQL takes without."""

WITH_PRECISION = frozenset(("current_timestamp", "localtimestamp", "current_time", "localtime"))
"""Those of them that take a number of digits."""

INTEGER_ARGUMENTS = {
    "array_length": (1,), "array_lower": (1,), "array_upper": (1,), "chr": (0,), "generate_subscripts": (1,), "get_bit": (1,), "get_byte": (1,),
    "lag": (1,), "lead": (1,), "left": (1,), "lpad": (1,), "nth_value": (1,), "ntile": (0,), "overlay": (2, 3), "repeat": (1,), "right": (1,), "round": (1,),
    "rpad": (1,), "set_bit": (1, 2), "set_byte": (1, 2), "set_masklen": (1,), "split_part": (2,), "substr": (1, 2), "substring": (1, 2), "trunc": (1,),
    "width_bucket": (3,), "make_date": (0, 1, 2),
}
"""Arguments (from 0) that PostgreSQL wants as a 32-bit integer, where CockroachDB has INT8."""
