# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Values as CockroachDB sends them become the text that PostgreSQL prints."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.encoding import ValueProblem
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    EnumMember,
    SqlType,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.wire_values import (
    parse_json,
    value_parser,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.type_texts import text_writer

MOOD = UserType(104, "mood", 29, members=[EnumMember("sad", "40"), EnumMember("q'uote, \"", "80")])


def text(kind: SqlType, wire: str) -> str:
    """Return PostgreSQL's text of a value that CockroachDB sent."""
    types = {MOOD.id: MOOD}
    return text_writer(kind, types)(value_parser(kind, types)(wire))


@pytest.mark.parametrize(("kind", "wire", "expected"), [
    (SqlType("bool"), "t", "t"), (SqlType("bool"), "false", "f"),
    (SqlType("int"), "-9223372036854775808", "-9223372036854775808"),
    (SqlType("float"), "1e+06", "1000000"), (SqlType("float"), "-0", "-0"), (SqlType("float"), "+Inf", "Infinity"), (SqlType("float"), "NaN", "NaN"),
    (SqlType("float", 700), "3.4028235e+38", "3.4028235e+38"),
    (SqlType("decimal"), "1E+3", "1000"), (SqlType("decimal"), "-0.00", "0.00"), (SqlType("decimal"), "Infinity", "Infinity"),
    (SqlType("decimal"), "9" * 5000, "9" * 5000), (SqlType("decimal", width=2, precision=6), "1.5", "1.50"),
    (SqlType("date"), "0044-03-15 BC", "0044-03-15 BC"), (SqlType("date"), "-0043-03-15", "0044-03-15 BC"), (SqlType("date"), "0000-01-01", "0001-01-01 BC"),
    (SqlType("date"), "infinity", "infinity"), (SqlType("date"), "-infinity", "-infinity"), (SqlType("date"), "20000-02-29", "20000-02-29"),
    (SqlType("timestamp"), "2024-02-29 23:59:59.999999", "2024-02-29 23:59:59.999999"), (SqlType("timestamp"), "0044-03-15 01:02:03 BC", "0044-03-15 01:02:03 BC"),
    (SqlType("timestamp", precision=0), "2024-01-01 00:00:00.5", "2024-01-01 00:00:01"),
    (SqlType("timestamptz"), "2024-01-01 05:30:00+05:30", "2024-01-01 00:00:00+00"), (SqlType("timestamptz"), "-0043-03-15 00:00:00+00:00", "0044-03-15 00:00:00+00 BC"),
    (SqlType("time"), "24:00:00", "24:00:00"), (SqlType("time"), "00:00:00.000001", "00:00:00.000001"),
    (SqlType("timetz"), "10:11:12.5-03:30", "10:11:12.5-03:30"), (SqlType("timetz"), "10:11:12+00", "10:11:12+00"),
    (SqlType("timetz"), "10:11:12+00:00:-01", "10:11:12-00:00:01"), (SqlType("timetz"), "10:11:12-00:30:15", "10:11:12-00:30:15"),
    (SqlType("array", element=SqlType("timetz")), "{12:00:00-00:00:01}", "{12:00:00-00:00:01}"),
    (SqlType("array", element=SqlType("date")), '{"0044-03-15 BC",2024-02-29}', '{"0044-03-15 BC",2024-02-29}'),
    (SqlType("array", element=SqlType("timestamp")), '{"-0004-02-29 23:59:59.456789"}', '{"0005-02-29 23:59:59.456789 BC"}'),
    (SqlType("box2d"), "BOX(-" + "0." + "0" * 299 + "1 0," + "1" + "0" * 22 + " 1)", "BOX(-" + "0." + "0" * 299 + "1 0," + "1" + "0" * 22 + " 1)"),
    (SqlType("timestamp"), "0002-03-01 00:00:00 BC", "0002-03-01 00:00:00 BC"), (SqlType("timestamp"), "0005-03-02 00:00:00 BC", "0005-03-02 00:00:00 BC"),
    (SqlType("interval"), "-1 years -2 mons +3 days -04:05:06.7", "-1 years -2 mons +3 days -04:05:06.7"), (SqlType("interval"), "00:00:00", "00:00:00"),
    (SqlType("interval"), "1 day 262144:00:00", "1 day 262144:00:00"),
    (SqlType("bytes"), "\\x00ff", "\\x00ff"), (SqlType("uuid"), "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    (SqlType("inet"), "10.0.0.1/8", "10.0.0.1/8"), (SqlType("inet"), "::1", "::1/128"), (SqlType("inet"), "::ffff:1.2.3.4", "::ffff:1.2.3.4/128"),
    (SqlType("bit", 1562), "", ""), (SqlType("bit", 1562), "1" * 65, "1" * 65),
    (SqlType("enum", user_type_id=104), "sad", "sad"), (SqlType("oid"), "4294967295", "4294967295"), (SqlType("pg_lsn"), "A/B0", "A/B0"),
    (SqlType("box2d"), "BOX(-1 2.5,3 1e+20)", "BOX(-1 2.5,3 100000000000000000000)"), (SqlType("box2d"), "BOX(-Inf -0,+Inf NaN)", "BOX(-Inf -0,+Inf NaN)"),
    (SqlType("geometry"), "0101000000000000000000F03F0000000000000040", "0101000000000000000000F03F0000000000000040"),
    (SqlType("string", 1042, 5), "ab   ", "ab"),
    # Go takes a text half-way to the next float4 for the shortest one, pgvector does not.
    (SqlType("vector", 90006), "[3.355445e+07,-0,1e-05]", "[3.3554448e+07,-0,1e-05]"),
    (SqlType("array", element=SqlType("int")), "{1,NULL,-3}", "{1,NULL,-3}"), (SqlType("array", element=SqlType("string", 25)), '{a,"NULL",NULL,"b c","x\\"y",""}', '{a,"NULL",NULL,"b c","x\\"y",""}'),
    (SqlType("array", element=SqlType("bytes")), '{"\\\\x01"}', '{"\\\\x01"}'), (SqlType("array", element=SqlType("enum", user_type_id=104)), '{"q\'uote, \\""}', '{"q\'uote, \\""}'),
    (SqlType("array", element=SqlType("inet")), "{10.0.0.1}", "{10.0.0.1}"),
    (SqlType("tuple", fields=[SqlType("int"), SqlType("string", 25)]), '(1,"a ""b""")', '(1,"a ""b""")'), (SqlType("tuple", fields=[SqlType("int"), SqlType("string", 25)]), "(,)", "(,)"),
])
def test_text_is_postgresqls(kind, wire, expected):
    assert text(kind, wire) == expected


@pytest.mark.parametrize(("wire", "expected"), [
    ('{"bb": 1, "a": [1.50, null, true, "x\\u0001"]}', '{"a": [1.50, null, true, "x\\u0001"], "bb": 1}'),
    ("1E+2", "100"), ('"é\\n"', '"é\\n"'), ("12345678901234567890.123456789012345678901234567890", "12345678901234567890.123456789012345678901234567890"),
    ("[]", "[]"), ("{}", "{}"), ("null", "null"), ("-0.0", "0.0"),
])
def test_json_is_jsonbs(wire, expected):
    assert parse_json(wire) == expected


@pytest.mark.parametrize(("kind", "wire"), [
    (SqlType("json"), '"a\\u0000b"'), (SqlType("json"), "[" * 402 + "]" * 402), (SqlType("json"), "[" * 100000 + "]" * 100000), (SqlType("json"), "NaN"), (SqlType("json"), "{"),
    (SqlType("bool"), "maybe"), (SqlType("date"), "yesterday"), (SqlType("timestamp"), "infinity"), (SqlType("decimal"), "1,5"), (SqlType("bytes"), "abc"),
    (SqlType("enum", user_type_id=104), "glad"), (SqlType("array", element=SqlType("int")), "{{1},{2}}"), (SqlType("string", 25), "a\0b"), (SqlType("string", 1043, 2), "abc"),
])
def test_what_postgresql_cannot_hold_is_refused(kind, wire):
    with pytest.raises(ValueProblem):
        text(kind, wire)


@pytest.mark.parametrize("wire", ["0005-03-01 23:59:59.456789 BC", "0001-03-01 00:00:00+00 BC", "0401-03-01 00:00:00 BC"])
def test_timestamps_that_cockroachdb_prints_like_the_29th_of_february_are_refused(wire):
    # v22.1 sends this text for 29 February of that year as well as for 1 March.
    with pytest.raises(ValueProblem, match="29th of February"):
        text(SqlType("timestamp"), wire)


def test_unknown_type_is_refused():
    with pytest.raises(UnsupportedError, match="jsonpath"):
        value_parser(SqlType("jsonpath"), {})
