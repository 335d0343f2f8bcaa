# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which calls PostgreSQL takes in an index as they are, and which need a function that pins the settings that they depend on."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

KEYS = {
    "to_timestamp(f)": False, "fnv32(s)": False, "mod(fnv64(s, t), 8:::INT8)": False, "fnv32(u::STRING) % 8:::INT8": False, "crc32c(b)": False, "to_english(i)": False, "left(b, 2:::INT8)": False,
    "crdb_internal.datums_to_bytes(i, s)": False, "parse_date(s, 'DMY':::STRING)": False, "to_char_with_style(iv, 'iso_8601':::STRING)": False, "ARRAY[fnv32(s)]": False, "upper(to_english(i))": False,
    "to_char(day)": True, "to_char(at)": True, "to_char(iv)": True, "to_char(ti)": True, "to_char(timezone('UTC':::STRING, tz))": True, "to_char_with_style(day, 'ISO, DMY':::STRING)": True,
    "parse_date(s)": True, "parse_timestamp(s)": True, "parse_time(s)": True, "parse_interval(s)": True, "parse_interval(s, 'iso_8601':::STRING)": True, "fnv32(to_char(day))": True, "fnv32(at::STRING)": True,
    "to_char(day)::STRING": True, "parse_interval(s)::INTERVAL(4)": True, "extract('epoch':::STRING, parse_time(s)::TIME)": True,
}
"""Index keys, and whether a function is made for them."""
COLUMNS = "i INT8, s STRING, t STRING, b BYTES, u UUID, f FLOAT8, day DATE, at TIMESTAMP, tz TIMESTAMPTZ, ti TIME, iv INTERVAL"


def test_postgresql_takes_each_in_an_index(trial):
    """The load would end at a key that PostgreSQL does not count as immutable."""
    keys = ", ".join(f"INDEX i{number} ({key})" for number, key in enumerate(KEYS))
    predicates = ", ".join(f"INDEX p{number} (i) WHERE ({key}) IS NOT NULL" for number, key in enumerate(KEYS))
    loaded = trial(read_schema_text(f"CREATE TABLE t ({COLUMNS}, {keys}, {predicates})", "d").databases[0])
    wrapped = {finding.object.rpartition(".")[2] for finding in loaded.conversion.findings if finding.code == "expression_function"}
    assert {key: f"i{number}" in wrapped for number, key in enumerate(KEYS)} == KEYS
    assert {key: f"p{number}" in wrapped for number, key in enumerate(KEYS)} == KEYS
    assert not [finding for finding in loaded.conversion.findings if finding.code == "index_left_out"]
    assert loaded.differences() == []


@pytest.mark.parametrize("style", ["SQL, DMY", "German, DMY", "Postgres, MDY"])
def test_a_key_does_not_depend_on_the_session(trial, style):
    loaded = trial(read_schema_text("CREATE TABLE t (day DATE, s STRING, v STRING AS (to_char(day)) STORED, w INT8 AS (fnv32(to_char(day))) STORED, UNIQUE INDEX i (to_char(day)))", "d").databases[0])
    loaded.cursor.execute(f"SET DateStyle = '{style}'")
    loaded.cursor.execute("INSERT INTO t (day) VALUES (make_date(2024, 3, 2))")
    assert loaded.rows("SELECT v, w = fnv32('2024-03-02') FROM t") == [("2024-03-02", True)]
