# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Text forms against PostgreSQL itself: thousands of made-up values of each type family, asked in batches."""
from __future__ import annotations

import datetime
import decimal
import ipaddress
import json
import math
import random
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_forms import json_document, search_query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.encoding import ValueProblem
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.json_values import json_text
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.text import (
    composites,
    numbers,
    scalars,
    searches,
    times,
)

EXAMPLES = settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
WHOLE_RANGE = (-210866803200, 9224318015999)


def ask(postgres, expression: str, values: list, kind: str = "text") -> list:
    """PostgreSQL's texts of an expression over ``x``, in order."""
    cursor = postgres.cursor()
    cursor.execute(f"SELECT ({expression})::text FROM unnest(%s::{kind}[]) WITH ORDINALITY AS u(x, n) ORDER BY n", (values,))
    return [row[0] for row in cursor.fetchall()]


def batches(strategy, size: int = 150):
    return st.lists(strategy, min_size=1, max_size=size)


def doubles_by_bits():
    return st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack(">d", bits.to_bytes(8, "big"))[0])


def singles_by_bits():
    return st.integers(0, 2**32 - 1).map(lambda bits: struct.unpack(">f", bits.to_bytes(4, "big"))[0])


DOUBLE_EDGES = [
    0.0, -0.0, 1e23, 9e15, 1e15, 1e14, 999999999999999.9, 1e16, 123456789012345680.0, 5e-324, 1.7976931348623157e308, 2.0**53, 2.0**54, 2.0**63, 2.0**64,
    0.0001, 0.00001, 1e22, 1e21, 9007199254740993.0, 5e22, 8.41e21, 2.0**-1022, 2.0**-1074, 4.35, 1e-4, 9.5367431640625e-07, 1.5e300,
]


@EXAMPLES
@given(batches(st.one_of(st.floats(width=64), doubles_by_bits(), st.integers(-(2**70), 2**70).map(float))))
def test_float8(postgres, values):
    values = values + DOUBLE_EDGES
    assert [numbers.double_text(value) for value in values] == ask(postgres, "x::float8", [repr(value) for value in values])


def test_float8_on_powers_of_two_and_ten(postgres):
    values = [sign * base**exponent for base in (2.0, 10.0) for exponent in range(-300, 300) for sign in (1, -1)]
    values += [math.nextafter(value, target) for value in values for target in (math.inf, -math.inf)]
    assert [numbers.double_text(value) for value in values] == ask(postgres, "x::float8", [repr(value) for value in values])


@EXAMPLES
@given(batches(st.one_of(st.floats(width=32), singles_by_bits())))
def test_float4(postgres, values):
    values = [value for value in values if value == value]
    assert [numbers.single_text(value) for value in values] == ask(postgres, "x::float4", [repr(value) for value in values])


def test_float4_edges(postgres):
    bits = [(exponent << 23) + offset for exponent in range(0, 255) for offset in (0, 1, 2, 0x7FFFFF)]
    values = [struct.unpack(">f", number.to_bytes(4, "big"))[0] for number in bits]
    values += [0.0, -0.0, 16777216.0, 16777217.0, 123456.789, 1e6, 999999.0, 33554432.0, 8.5e9, math.inf, -math.inf]
    got = [numbers.single_text(value) for value in values]
    # A double goes through PostgreSQL's own rounding to float4.
    assert got == ask(postgres, "x::float8::float4", [repr(value) for value in values])
    assert numbers.single_text(math.nan) == "NaN"
    with pytest.raises(ValueProblem, match="out of range"):
        numbers.single_text(1e39)


@EXAMPLES
@given(batches(st.tuples(st.booleans(), st.integers(0, 10**40), st.integers(-60, 60))))
def test_numeric(postgres, values):
    texts = [f"{'-' if negative else ''}{coefficient}E{exponent}" for negative, coefficient, exponent in values]
    assert [numbers.numeric_text(value) for value in values] == ask(postgres, "x::numeric", texts)


def test_numeric_limits(postgres):
    values = [(False, 7, 131071), (True, 12, -16383), (False, 0, 500), (False, 0, -5), (True, 0, -3)]
    texts = [f"{'-' if negative else ''}{coefficient}E{exponent}" for negative, coefficient, exponent in values]
    assert [numbers.numeric_text(value) for value in values] == ask(postgres, "x::numeric", texts)
    for too_much in ((False, 7, 131072), (False, 7, -16384), (False, 1, 10**9)):
        with pytest.raises(ValueProblem, match="PostgreSQL's numeric"):
            numbers.numeric_text(too_much)


@EXAMPLES
@given(batches(st.tuples(st.booleans(), st.integers(0, 10**12 - 1), st.integers(-6, 3))))
def test_numeric_of_a_declared_precision(postgres, values):
    kept, texts = [], []
    for value in values:
        negative, coefficient, exponent = value
        exact = decimal.Decimal((negative, tuple(map(int, str(coefficient))), exponent))
        fits = abs(exact) < 10**8 and exact == round(exact, 4)
        if fits:
            kept.append(numbers.numeric_text(value, 12, 4))
            texts.append(str(exact))
        else:
            with pytest.raises(ValueProblem, match=r"numeric\(12,4\)"):
                numbers.numeric_text(value, 12, 4)
    assert kept == ask(postgres, "x::numeric(12, 4)", texts)


def test_infinities_fit_only_an_unlimited_numeric(postgres):
    assert [numbers.numeric_text(name) for name in ("NaN", "Infinity", "-Infinity")] == ask(postgres, "x::numeric", ["NaN", "Infinity", "-Infinity"])
    assert numbers.numeric_text("NaN", 5, 2) == "NaN"
    with pytest.raises(ValueProblem, match="does not fit"):
        numbers.numeric_text("Infinity", 5, 2)


MOMENTS = st.tuples(st.integers(*WHOLE_RANGE), st.integers(0, 999_999))
MOMENT_EDGES = [(WHOLE_RANGE[0], 0), (WHOLE_RANGE[1], 999_999), (-62135596800, 0), (-62135596801, 999_999), (0, 0), (-1, 1), (951782400, 500_000), (68169600, 0)]


@pytest.mark.parametrize("precision", [None, 0, 1, 3, 5, 6])
@settings(max_examples=3, parent=EXAMPLES)
@given(values=batches(MOMENTS))
def test_timestamps(postgres, precision, values):
    values = MOMENT_EDGES[:1] + [value for value in values + MOMENT_EDGES if value[0] < WHOLE_RANGE[1] - 1 or precision in (None, 6)]
    texts = [f"{seconds // 86400} days {seconds % 86400} seconds {fraction} microseconds" for seconds, fraction in values]
    plain, zoned = times.timestamp_writer(precision, ""), times.timestamp_writer(precision, "+00")
    limit = "" if precision is None else f"({precision})"
    moment = "(timestamp 'epoch' + x::interval)"
    stored = [(seconds, fraction * 1000) for seconds, fraction in values]
    assert [plain(value) for value in stored] == ask(postgres, f"{moment}::timestamp{limit}", texts)
    assert [zoned(value) for value in stored] == ask(postgres, f"({moment} AT TIME ZONE 'UTC')::timestamptz{limit}", texts)


def test_timestamps_outside_the_calendar():
    write = times.timestamp_writer(None, "")
    for seconds in (WHOLE_RANGE[0] - 1, WHOLE_RANGE[1] + 1, 2**62):
        with pytest.raises(ValueProblem, match="outside PostgreSQL's range"):
            write((seconds, 0))


@EXAMPLES
@given(batches(st.integers(-2451545, 2145031948)))
def test_dates(postgres, values):
    values = values + [-2451545, 2145031948, 0, -730119, -730120]
    assert [times.date_text(value + 10957) for value in values] == ask(postgres, "date '2000-01-01' + x", values, "int")
    assert [times.date_text(2**63 - 1), times.date_text(-(2**63))] == ["infinity", "-infinity"]


@EXAMPLES
@given(batches(st.tuples(st.integers(0, 86_400_000_000), st.integers(-57540, 57540))))
def test_times_of_day(postgres, values):
    values = values + [(0, 0), (86_400_000_000, 0), (1, 57540), (5, -19800), (7, 3601), (9, -59)]
    clocks = [f"{number // 3600000000}:{number // 60000000 % 60}:{number // 1000000 % 60}.{number % 1000000:06d}" for number, _west in values]
    assert [times.time_text(number) for number, _west in values] == ask(postgres, "x::time", clocks)
    for precision in (0, 3, 5):
        assert [times.time_text(times.rounded(number, precision)) for number, _west in values] == ask(postgres, f"x::time({precision})", clocks)
    zoned = []
    for clock, (_number, west) in zip(clocks, values):
        size = abs(west)
        zoned.append(f"{clock}{'-' if west > 0 else '+'}{size // 3600:02d}:{size // 60 % 60:02d}:{size % 60:02d}")
    assert [times.timetz_text(*value) for value in values] == ask(postgres, "x::timetz", zoned)


PARTS = st.one_of(st.just(0), st.integers(-30, 30), st.integers(-(2**31), 2**31 - 1))
SPANS = st.one_of(st.just(0), st.integers(-(10**8), 10**8), st.integers(-(2**63) // 1000, (2**63 - 1) // 1000))


@pytest.mark.parametrize("precision", [None, 0, 3])
@settings(max_examples=5, parent=EXAMPLES)
@given(values=batches(st.tuples(PARTS, PARTS, SPANS)))
def test_intervals(postgres, precision, values):
    texts = [f"{months} mons {days} days {span} microseconds" for months, days, span in values]
    limit = "" if precision is None else f"({precision})"
    assert [times.interval_text(months, days, span * 1000, precision) for months, days, span in values] == ask(postgres, f"x::interval{limit}", texts)


def test_intervals_cut_nanoseconds_off_and_refuse_what_is_too_long():
    assert times.interval_text(0, 0, -1999) == "-00:00:00.000001"
    assert times.interval_text(0, 0, 999) == "00:00:00"
    with pytest.raises(ValueProblem, match="outside PostgreSQL's range"):
        times.interval_text(2**31, 0, 0)


ADDRESSES = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: bytes([0, pair[1]]) + pair[0].to_bytes(4, "big")),
    st.tuples(st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0x10, 0xABCD]), min_size=8, max_size=8), st.integers(0, 128)).map(
        lambda pair: bytes([1, pair[1]]) + b"".join(word.to_bytes(2, "big") for word in pair[0])),
)


@EXAMPLES
@given(batches(ADDRESSES))
def test_inet(postgres, values):
    texts = [f"{ipaddress.ip_address(value[2:])}/{value[1]}" for value in values]
    assert [scalars.inet_cast_text(value) for value in values] == ask(postgres, "x::inet", texts)
    cursor = postgres.cursor()
    cursor.execute("SELECT %s::inet[]::text", (texts,))
    assert composites.array_text([scalars.inet_text(value) for value in values]) == cursor.fetchone()[0]


@EXAMPLES
@given(batches(st.text("01", max_size=200)))
def test_bits(postgres, values):
    words = [[int(value[start:start + 64].ljust(64, "0"), 2) for start in range(0, len(value), 64)] for value in values]
    assert [scalars.bits_text(len(value), parts) for value, parts in zip(values, words)] == ask(postgres, "x::varbit", values)


TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)


@EXAMPLES
@given(batches(st.lists(st.one_of(st.none(), TEXTS, st.sampled_from(["", "NULL", "null", "a b", "{", "}", '"', "\\", ",", "\v", "\u00a0", "\x85"])), max_size=5)))
def test_arrays_and_records(postgres, values):
    cursor = postgres.cursor()
    for value in values[:20]:
        cursor.execute("SELECT %s::text[]::text, ROW(%s::text, %s::text, 7)::text", (value, *(value + [None, None])[:2]))
        assert (composites.array_text(value), composites.record_text([*(value + [None, None])[:2], "7"])) == cursor.fetchone()


NUMBERS = st.tuples(st.booleans(), st.integers(0, 10**25), st.integers(-40, 40)).map(
    lambda parts: decimal.Decimal((parts[0], tuple(map(int, str(parts[1]))), parts[2])))
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=5)), max_leaves=25,
)


def plain_json(value) -> str:
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(plain_json, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{plain_json(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@EXAMPLES
@given(batches(DOCUMENTS, 40))
def test_json(postgres, values):
    assert [json_text(json_document(value)) for value in values] == ask(postgres, "x::jsonb", [plain_json(value) for value in values])


def test_json_of_many_entries(postgres):
    values = [list(map(decimal.Decimal, range(100))), {f"{'k' * (number % 7)}{number}é": str(number) for number in range(200)}, "\u007f\u0080\u2028/<>\x1f\b\f"]
    assert [json_text(json_document(value)) for value in values] == ask(postgres, "x::jsonb", [plain_json(value) for value in values])


def test_json_that_postgresql_cannot_hold():
    with pytest.raises(ValueProblem, match="U\\+0000"):
        json_text(json_document({"a": ["x\0y"]}))
    deep = json_document([])
    for _level in range(2000):
        deep = (0x80000001).to_bytes(4, "big") + (0x50000000 | len(deep)).to_bytes(4, "big") + deep
    with pytest.raises(ValueProblem, match="levels deep"):
        json_text(deep)


LEXEMES = st.text(st.sampled_from("abü'\\ :*&"), min_size=1, max_size=6)
QUERIES = st.recursive(
    st.tuples(LEXEMES, st.integers(0, 15), st.booleans()),
    lambda inner: st.one_of(st.tuples(st.just("!"), inner), st.tuples(st.sampled_from(["&", "|", 1, 2, 16384]), inner, inner)), max_leaves=8,
)


@EXAMPLES
@given(batches(QUERIES, 40))
def test_tsquery(postgres, values):
    texts = [searches.tsquery_text(search_query(value)) for value in values]
    assert texts == ask(postgres, "x::tsquery", texts)
    assert texts == [searches.tsquery_text(search_query(value, binary=True), binary=True) for value in values]


def test_tsquery_keeps_its_meaning(postgres):
    """PostgreSQL's own text of hand-written queries, against the trees that they stand for."""
    a, b, c = (("a", 0, False), ("b", 0, False), ("c", 0, False))
    trees = {
        "(a|b)&c": ("&", ("|", a, b), c), "a|b&c": ("|", a, ("&", b, c)), "!(a&b)": ("!", ("&", a, b)), "a<->(b<->c)": (1, a, (1, b, c)),
        "(a<->b)<2>c": (2, (1, a, b), c), "a:*AB": ("a", 12, True), "!!a": ("!", ("!", a)), "a<->!b": (1, a, ("!", b)), "": None,
    }
    assert [searches.tsquery_text(search_query(tree)) for tree in trees.values()] == ask(postgres, "x::tsquery", list(trees))


def test_tsvector(postgres):
    body = (3).to_bytes(4, "big")
    for lexeme, places in (("it's", [(1, 3), (5, 0)]), ("back\\slash", []), ("ünï", [(16383, 1)])):
        raw = lexeme.encode()
        body += bytes([len(raw)]) + raw + len(places).to_bytes(2, "big") + b"".join((weight << 14 | number).to_bytes(2, "big") for number, weight in places)
    text = searches.tsvector_text(body)
    assert [text] == ask(postgres, "x::tsvector", [text])
    assert text == "'back\\\\slash' 'it''s':1A,5 'ünï':16383C"


def test_lsn_and_vector(postgres):
    values = [0, 1, 0x16B3748, 2**32, 2**64 - 1]
    assert [numbers.lsn_text(value) for value in values] == ask(postgres, "x::pg_lsn", [numbers.lsn_text(value) for value in values])
    assert numbers.lsn_text(-1) == "FFFFFFFF/FFFFFFFF"
    assert searches.vector_text((3).to_bytes(4, "big") + struct.pack(">3f", 1, 2.5, -0.1)) == "[1,2.5,-0.1]"


@pytest.mark.parametrize(("corner", "printed"), [
    (1e-05, "0.00001"), (-1e-300, "-0." + "0" * 299 + "1"), (0.0001, "0.0001"), (1e15, "1000000000000000"), (1e16, "10000000000000000"), (1e23, "1" + "0" * 23),
    (9007199254740993.0, "9007199254740992"), (5e-324, "0." + "0" * 323 + "5"), (1.7976931348623157e308, "17976931348623157" + "0" * 292),
    (0.1, "0.1"), (-0.0, "-0"), (3.0, "3"), (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"),
])
def test_a_box2d_is_cockroachdbs(corner, printed):
    """Its column becomes text, so that it is CockroachDB's text which counts: plain digits, never an exponent."""
    assert scalars.box2d_text(corner, 2.5, -1.0, corner) == f"BOX({printed} -1,2.5 {printed})"


def test_ltree_in_both_stored_forms():
    assert searches.ltree_text(b"\x05a.b.c") == "a.b.c"
    assert searches.ltree_text(b"\x00\x02\x12a\x00\x01\x12bc\x00\x01") == "a.bc"


def test_the_calendar_is_pythons_where_python_has_one():
    epoch = datetime.date(1970, 1, 1)
    chooser = random.Random(7)
    for days in [chooser.randrange(-719162, 2932896) for _number in range(2000)]:
        assert times.date_text(days) == (epoch + datetime.timedelta(days)).isoformat()
