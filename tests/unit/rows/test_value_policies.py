# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Values that PostgreSQL cannot hold, of every kind and under every policy, from stored bytes and as CockroachDB sends them."""
from __future__ import annotations

import decimal
import struct
from typing import Optional

import pytest
from stored_forms import exact_decimal, json_document, leb, msb, row_value, zigzag

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import TableSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    RowDecoder,
    build_row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_texts import RowTexts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import split_lines
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import (
    KINDS,
    value_policies,
)

INT, TEXT, NAME = SqlType("int", 20, 64), SqlType("string", 25), SqlType("string", 19)
VARCHAR, CHAR, NUMERIC = SqlType("string", 1043, 3), SqlType("string", 1042, 3), SqlType("decimal", 1700, 2, 4)
JSON, TIMESTAMP, FLOAT4 = SqlType("json", 3802), SqlType("timestamptz", 1184), SqlType("float", 700, 32)
KEY = bytes.fromhex("bd89")
GOOD, BAD, LAST = 1, 2, 3


def text_body(text: str) -> bytes:
    return msb(len(text.encode())) + text.encode()


def number_body(text: str) -> bytes:
    body = exact_decimal(decimal.Decimal(text)) if text[0].isdigit() else {"Infinity": b"\x35", "NaN": b"\x18"}[text]
    return leb(len(body)) + body


def json_body(value) -> bytes:
    document = json_document(value)
    return msb(len(document)) + document


def nested_body(depth: int) -> bytes:
    """An empty array inside so many others."""
    document = bytes.fromhex("80000000")
    for _level in range(depth):
        document = bytes.fromhex("80000001") + (0xD0000000 | len(document)).to_bytes(4, "big") + document
    return msb(len(document)) + document


def array_body(texts: list[str]) -> bytes:
    body = b"\x01" + b"\x06" + msb(len(texts)) + b"".join(map(text_body, texts))
    return msb(len(body)) + body


NOT_FINITE = b"\x20\0\0\x01\x20\0\0\x02\x01\x18"
"""The JSON number NaN, which the writers of stored forms do not know."""

# kind, type, type number inside a row's value, stored form, what CockroachDB sends (None: it never does), what replaces it (None: nothing)
CASES: list[tuple[str, SqlType, int, bytes, Optional[str], Optional[str]]] = [
    ("zero_character", TEXT, 6, text_body("a\0b\0"), "a\0b\0", "a\ufffdb\ufffd"),
    ("zero_character", TEXT, 6, text_body("é\t\0"), "é\t\0", "é\\t\ufffd"),
    ("zero_character", SqlType("collated", 25, locale="de"), 6, text_body("\0"), "\0", "\ufffd"),
    ("zero_character", JSON, 15, json_body({"k\0": ["\0", "x"]}), '{"k\\u0000": ["\\u0000", "x"]}', '{"k\ufffd": ["\ufffd", "x"]}'),
    ("zero_character", SqlType("array", 1009, element=TEXT), 13, array_body(["a\0", "b"]), "{a\0,b}", "{a\ufffd,b}"),
    ("invalid_utf8", TEXT, 6, b"\x03a\xc3\x28", None, "a\ufffd("),
    ("length", VARCHAR, 6, text_body("äöüß"), "äöüß", "äöü"),
    ("length", CHAR, 6, text_body("ab cd"), "ab cd", "ab"),
    ("length", NAME, 6, text_body("ä" * 40), "ä" * 40, "ä" * 31),
    ("length", SqlType("string", 18, 1), 6, text_body("xyz"), "xyz", "x"),
    ("length", SqlType("array", 1015, element=VARCHAR), 13, array_body(["abcd", "b"]), "{abcd,b}", "{abc,b}"),
    ("length", SqlType("bit", 1560, 4), 17, b"\x03\xe0" + b"\0" * 7, "111", "1110"),
    ("length", SqlType("bit", 1562, 2), 17, b"\x03\xe0" + b"\0" * 7, "111", "11"),
    ("decimal_scale", NUMERIC, 5, number_body("1.005"), "1.005", "1.01"),
    ("decimal_scale", SqlType("decimal", 1700), 5, number_body("15E-16384"), "15E-16384", "0." + "0" * 16382 + "2"),
    ("decimal_range", NUMERIC, 5, number_body("100"), "100", None),
    ("decimal_range", NUMERIC, 5, number_body("Infinity"), "Infinity", None),
    ("decimal_range", SqlType("decimal", 1700), 5, number_body("1E+131072"), "1E+131072", None),
    ("real_range", FLOAT4, 4, struct.pack(">d", 1e300), "1e+300", "Infinity"),
    ("real_range", FLOAT4, 4, struct.pack(">d", -1e39), "-1e+39", "-Infinity"),
    ("timestamp_range", TIMESTAMP, 8, zigzag(2**45) + zigzag(0), "infinity", "infinity"),
    ("timestamp_range", TIMESTAMP, 8, zigzag(-(2**45)) + zigzag(0), "-infinity", "-infinity"),
    ("interval_range", SqlType("interval", 1186), 9, zigzag(2**31) + zigzag(0) + zigzag(0), "178956970 years 8 mons", None),
    ("json_number", JSON, 15, msb(len(NOT_FINITE)) + NOT_FINITE, "NaN", '"NaN"'),
    ("json_depth", JSON, 15, nested_body(500), "[" * 501 + "]" * 501, None),
]
IDS = [f"{number}-{case[0]}" for number, case in enumerate(CASES)]


def make_table(kind: SqlType, nullable: bool = True, families: Optional[list[Family]] = None, **more) -> Table:
    columns = [Column(1, "id", INT, False), Column(2, "before", TEXT), Column(7, "bad", kind, nullable, **more), Column(9, "after", TEXT)]
    return Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=families or [Family(0, "primary", [1, 2, 7, 9])])


def pairs_of(wire_type: int, body: bytes, families: bool = False) -> list[tuple[bytes, bytes]]:
    """Three rows; the second holds the bad value."""
    pairs = []
    for number in (GOOD, BAD, LAST):
        key = KEY + bytes([0x88 + number])
        bad = [(7, wire_type, body)] if number == BAD else []
        if families:
            pairs += [(key + b"\x88", row_value([(2, 6, text_body("b"))]))]
            pairs += [(key + b"\x89\x89", row_value(bad))] if bad else []
            pairs += [(key + b"\x8a\x89", row_value([(9, 6, text_body("a"))]))]
        else:
            pairs += [(key + b"\x88", row_value([(2, 6, text_body("b")), *bad, (9, 6, text_body("a"))]))]
    return pairs


FAMILIES = [Family(0, "a", [1, 2]), Family(1, "b", [7]), Family(2, "c", [9])]


def decode(decoder: RowDecoder, pairs: list[tuple[bytes, bytes]], size: int = 2) -> list[str]:
    batches = [pairs[start:start + size] for start in range(0, len(pairs), size)]
    return sorted(line.decode() for block in decoder.rows(([key for key, _ in batch], [value for _, value in batch]) for batch in batches) for line in split_lines(block.text))


def sent_lines(texts: RowTexts, sent: str) -> list[str]:
    return [line.decode() for line in split_lines(texts.block(wire_rows(sent)).text)]


def lines(bad: str) -> list[str]:
    return ["1\tb\t\\N\ta", f"2\tb\t{bad}\ta", "3\tb\t\\N\ta"]


def wire_rows(sent: str) -> list[list[Optional[str]]]:
    return [["1", "b", None, "a"], ["2", "b", sent, "a"], ["3", "b", None, "a"]]


@pytest.mark.parametrize(("kind", "type_", "wire_type", "body", "sent", "replaced"), CASES, ids=IDS)
@pytest.mark.parametrize("families", [False, True], ids=["row", "families"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_stored_values_under_every_policy(kind, type_, wire_type, body, sent, replaced, families, size):
    table = make_table(type_, families=FAMILIES if families else None)
    pairs = pairs_of(wire_type, body, families)

    def decoder(policy: str) -> RowDecoder:
        return build_row_decoder(table, {}, "db.public.t", value_policies({kind: policy}))

    with pytest.raises(MigrationError, match=r"^db\.public\.t, column bad, row \(id = 2\): .*reject for " + kind):
        decode(decoder("stop"), pairs, size)
    nulled = decoder("null")
    assert decode(nulled, pairs, size) == lines("\\N")
    changes, rejects = nulled.problems.take()
    assert [(change.column, change.kind, change.policy, change.rows, change.keys) for change in changes] == [("bad", kind, "null", 1, ["(id = 2)"])]
    assert not rejects and nulled.problems.take() == ([], [])
    rejected = decoder("reject")
    assert decode(rejected, pairs, size) == [lines("")[0], lines("")[2]]
    changes, rejects = rejected.problems.take()
    assert not changes and len(rejects) == 1
    assert (rejects[0].key, rejects[0].column, rejects[0].kind) == ("(id = 2)", "bad", kind) and rejects[0].reason
    row = rejects[0].row
    assert (row["id"], row["before"], row["after"]) == ("2", "b", "a")
    assert next(iter(row["bad"].values())) in body.hex()
    if replaced is None:
        with pytest.raises(ConfigurationError, match="nothing to put there"):
            decoder("replace")
        return
    changed = decoder("replace")
    assert decode(changed, pairs, size) == lines(replaced)
    assert [(change.kind, change.policy) for change in changed.problems.take()[0]] == [(kind, "replace")]


@pytest.mark.parametrize(("kind", "type_", "wire_type", "body", "sent", "replaced"), [case for case in CASES if case[4] is not None])
def test_sent_values_under_every_policy(kind, type_, wire_type, body, sent, replaced):
    source = TableSource("db", "public", make_table(type_), {})
    with pytest.raises(MigrationError, match=r"^db\.public\.t, column bad, row \(id = 2\): .*reject for " + kind):
        RowTexts(source).block(wire_rows(sent))
    nulled = RowTexts(source, value_policies({kind: "null"}))
    assert sent_lines(nulled, sent) == lines("\\N")
    assert [(change.column, change.kind, change.policy, change.rows) for change in nulled.problems.take()[0]] == [("bad", kind, "null", 1)]
    rejected = RowTexts(source, value_policies({kind: "reject"}))
    assert sent_lines(rejected, sent) == [lines("")[0], lines("")[2]]
    row = rejected.problems.take()[1][0].row
    original = row["bad"]
    assert (row["id"], row["before"], row["after"]) == ("2", "b", "a")
    assert bytes.fromhex(original["bytes"]).decode() == sent if "bytes" in original else original == {"text": sent}
    if replaced is not None:
        changed = RowTexts(source, value_policies({kind: "replace"}))
        assert sent_lines(changed, sent) == lines(replaced)


def test_null_is_refused_for_columns_that_are_not_null():
    table = make_table(TEXT, nullable=False)
    policies = value_policies({"zero_character": None})
    with pytest.raises(MigrationError, match=r"column bad, row \(id = 2\): .*cannot become NULL, for the column is NOT NULL"):
        decode(build_row_decoder(table, {}, "db.public.t", policies), pairs_of(6, text_body("\0")))
    with pytest.raises(MigrationError, match=r"column bad, row \(id = 2\): .*cannot become NULL, for the column is NOT NULL"):
        RowTexts(TableSource("db", "public", table, {}), policies).block(wire_rows("\0"))


def test_keys():
    table = Table(53, "t", 1, [Column(1, "k", TEXT, False), Column(2, "n", INT, False), Column(3, "v", TEXT)],
                  Index(1, "primary", True, [IndexColumn(1), IndexColumn(2)]), families=[Family(0, "primary", [1, 2, 3])])
    key = b"\xbd\x89\x12a\x00\xffb\x00\x01\x8c\x88"
    pairs = [(b"\xbd\x89\x12a\x00\x01\x8b\x88", row_value([])), (key, row_value([(3, 6, text_body("v"))])), (b"\xbd\x89\x12c\x00\x01\x8d\x88", row_value([]))]
    replaced = build_row_decoder(table, {}, "t", value_policies({"zero_character": "replace"}))
    assert decode(replaced, pairs) == ["a\t3\t\\N", "a\ufffdb\t4\tv", "c\t5\t\\N"]
    rejected = build_row_decoder(table, {}, "t", value_policies({"zero_character": "reject"}))
    assert decode(rejected, pairs) == ["a\t3\t\\N", "c\t5\t\\N"]
    reject = rejected.problems.take()[1][0]
    assert reject.key == "(k = a\ufffdb, n = 4)" and reject.row == {"k": {"stored": "126100ff620001"}, "n": "4", "v": "v"}
    with pytest.raises(MigrationError, match="cannot become NULL"):
        decode(build_row_decoder(table, {}, "t", value_policies({"zero_character": "null"})), pairs)


def test_a_column_that_is_alone_in_its_family():
    table = make_table(TEXT, families=[Family(0, "a", [1, 2, 9]), Family(1, "b", [7], 7)])
    pairs = [(KEY + b"\x8a\x88", row_value([(2, 6, text_body("b")), (9, 6, text_body("a"))])), (KEY + b"\x8a\x89\x89", b"\0\0\0\0\x03x\0")]
    for policy, bad in (("replace", "x\ufffd"), ("null", "\\N")):
        assert decode(build_row_decoder(table, {}, "t", value_policies({"zero_character": policy})), pairs, 1) == [f"2\tb\t{bad}\ta"]
    rejecting = build_row_decoder(table, {}, "t", value_policies({"zero_character": "reject"}))
    assert decode(rejecting, pairs, 1) == [] and rejecting.problems.take()[1][0].row["bad"] == {"bytes": "7800"}


def test_rows_of_tables_interleaved_in_a_row_that_is_put_aside_are_not_this_tables():
    columns = [Column(1, "k", TEXT, False), Column(2, "v", TEXT)]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=[Family(0, "primary", [1, 2])])
    parent = b"\xbd\x89\x12a\x00\xff\x00\x01"
    pairs = [(parent + b"\x88", row_value([(2, 6, text_body("v"))])), (parent + b"\xfe\xbe\x89\x8c\x88", row_value([(2, 6, text_body("w"))]))]
    rejecting = build_row_decoder(table, {}, "t", value_policies({"zero_character": "reject"}))
    assert decode(rejecting, pairs) == [] and len(rejecting.problems.take()[1]) == 1
    replacing = build_row_decoder(table, {}, "t", value_policies({"zero_character": "replace"}))
    assert decode(replacing, pairs) == ["a\ufffd\tv"] and replacing.problems.take()[0][0].rows == 1
    child = Table(54, "c", 1, [Column(1, "k", TEXT, False), Column(3, "n", INT, False), Column(2, "v", TEXT)],
                  Index(1, "primary", True, [IndexColumn(1), IndexColumn(3)], interleave_ancestors=[(53, 1, 1)]), families=[Family(0, "primary", [1, 2, 3])])
    replacing = build_row_decoder(child, {}, "t", value_policies({"zero_character": "replace"}))
    assert decode(replacing, pairs) == ["a\ufffd\t4\tw"]


def test_a_kind_that_stops_wins_over_one_that_rejects():
    table = make_table(VARCHAR)
    pairs = [(KEY + b"\x8a\x88", row_value([(2, 6, text_body("\0")), (7, 6, text_body("abcd"))]))]
    with pytest.raises(MigrationError, match="column bad, row .*4 characters"):
        decode(build_row_decoder(table, {}, "t", value_policies({"zero_character": "reject"})), pairs)
    rejecting = build_row_decoder(table, {}, "t", value_policies({"zero_character": "replace", "length": "reject"}))
    assert decode(rejecting, pairs) == []
    changes, rejects = rejecting.problems.take()
    assert not changes, "what was replaced in a rejected row is not counted"
    assert rejects[0].row["before"] == {"bytes": "00"} and rejects[0].row["bad"] == {"bytes": b"abcd".hex()}


def test_only_rejecting_is_possible_where_a_computed_column_proves_the_value():
    table = make_table(TEXT)
    table.columns.append(Column(11, "computed", INT, computed="length(bad)"))
    pairs = pairs_of(6, text_body("\0"))
    for policy in ("replace", "null"):
        with pytest.raises(MigrationError, match="computed column computed is made from it: choose reject for zero_character"):
            decode(build_row_decoder(table, {}, "t", value_policies({"zero_character": policy})), pairs)
    rejecting = build_row_decoder(table, {}, "t", value_policies({"zero_character": "reject"}))
    assert len(decode(rejecting, pairs)) == 2


@pytest.mark.parametrize("expression", ["is_valid(\"before\")", "length('bad')", "before + 1:::INT8", "(good).bad", "bad(before)", '"BAD" || "a bad one"'])
def test_a_computed_column_that_only_looks_like_it_proves_nothing(expression):
    table = make_table(TEXT)
    table.columns.append(Column(11, "computed", INT, computed=expression))
    replacing = build_row_decoder(table, {}, "t", value_policies({"zero_character": "replace"}))
    assert len(decode(replacing, pairs_of(6, text_body("\0")))) == 3


@pytest.mark.parametrize("expression", ["length(bad)", 'length("bad")', "length(BAD)", "CASE WHEN before > 1:::INT8 THEN lower(bad) ELSE '' END", "(bad)::INT8"])
def test_a_computed_column_that_names_it_proves_it(expression):
    table = make_table(TEXT)
    table.columns.append(Column(11, "computed", INT, computed=expression))
    with pytest.raises(MigrationError, match="computed column computed is made from it"):
        decode(build_row_decoder(table, {}, "t", value_policies({"zero_character": "replace"})), pairs_of(6, text_body("\0")))


def test_json_names_that_become_the_same_stop_the_export():
    pairs = pairs_of(15, json_body({"a\0": None, "a\ufffd": True}))
    with pytest.raises(MigrationError, match="two names of a JSON object become the same"):
        decode(build_row_decoder(make_table(JSON), {}, "t", value_policies({"zero_character": "replace"})), pairs)


def test_malformed_bytes_stop_the_export_under_any_policy():
    policies = value_policies(dict.fromkeys(KINDS, "reject"))
    for families in (None, FAMILIES):
        pairs = pairs_of(6, b"\x7fcut", bool(families))
        with pytest.raises(MigrationError, match="db.public.t"):
            decode(build_row_decoder(make_table(TEXT, families=families), {}, "db.public.t", policies), pairs)


def test_a_value_is_not_changed_for_rows_without_a_policy_after_one_with():
    """No cache keeps what a policy has put there."""
    body = struct.pack(">d", 2e300)
    replacing = build_row_decoder(make_table(FLOAT4), {}, "t", value_policies({"real_range": "replace"}))
    assert decode(replacing, pairs_of(4, body)) == lines("Infinity")
    with pytest.raises(MigrationError, match="out of range for a real"):
        decode(build_row_decoder(make_table(FLOAT4), {}, "t"), pairs_of(4, body))


@pytest.mark.parametrize(("value", "words"), [
    (["length"], "has to be a mapping"), ({"lenght": "null"}, "did you mean length?"), ({"length": "rejct"}, "did you mean reject?"),
    ({"decimal_range": "replace"}, "it takes stop, null, reject"), ({"colour": "stop"}, "zero_character"),
])
def test_wrong_policies_are_named(value, words):
    with pytest.raises(ConfigurationError, match="value_policies") as caught:
        value_policies(value)
    assert words in str(caught.value)


def test_policies_are_part_of_an_exports_identity_only_when_there_are_some():
    assert value_policies({}).identity() == value_policies({"length": "stop"}).identity() == {}
    assert value_policies({"length": "null", "json_depth": None}).identity() == {"value_policies": {"json_depth": "null", "length": "null"}}
