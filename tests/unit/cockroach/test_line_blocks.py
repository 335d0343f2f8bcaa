# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What is converted column by column gives what its rows give one by one, and COPY text that is the same in both is passed on as it came."""
from __future__ import annotations

import random
import re
from typing import Optional

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    EnumMember,
    Index,
    IndexColumn,
    SqlType,
    Table,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import TableSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.line_blocks import (
    LineBlocks,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_texts import RowTexts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import LineBlock
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import (
    STOP_ALL,
    value_policies,
)

INT, TEXT, UUID, BYTES = SqlType("int", 20, 64), SqlType("string", 25), SqlType("uuid", 2950), SqlType("bytes", 17)
VARCHAR, MOOD = SqlType("string", 1043, 5), UserType(104, "mood", 29, members=[EnumMember("sad", "40"), EnumMember("t\tab", "80")])
ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
"""Source: pkg/sql/copy_to.go, EncodeCopy."""

# A type, values of which PostgreSQL prints the same text, values that have to be looked at.
CASES: list[tuple[SqlType, list[str], list[str]]] = [
    (INT, ["0", "-9223372036854775808"], []),
    (UUID, ["123e4567-e89b-12d3-a456-426614174000"], []),
    (TEXT, ["", "\\", "\\\\n", "\\N", "\\b", "a\tb\nc\rd", "é😀", "\x01"], ["\b", "x\\\f", "\v\\b"]),
    (BYTES, ["\\x", "\\x00ff"], []),
    (VARCHAR, ["", "abcde", "äö"], ["ab\b"]),
    (SqlType("string", 1042, 4), [], ["ab  ", "abcd", ""]),
    (SqlType("bool", 16), ["t", "f"], []),
    (SqlType("enum", user_type_id=104), ["sad", "t\tab"], []),
    (SqlType("decimal", 1700, 2, 4), ["0.00", "12.50", "-10.01"], ["-0.00", "1.5", "-0.01", "1E+1", "3"]),
    (SqlType("decimal", 1700, 0, 3), ["0", "999", "-12"], ["-0", "1E+2"]),
    (SqlType("decimal", 1700, 2, 2), ["0.99"], ["-0.99", "0"]),
    (SqlType("decimal", 1700), ["1.500", "-3"], ["1E+3", "-0.00", "NaN"]),
    (SqlType("date", 1082), ["2024-02-29", "1000-01-01", "9999-12-31"], ["0999-12-31", "-0043-03-15", "infinity", "0044-03-15 BC", "10000-01-01"]),
    (SqlType("timestamp", 1114), ["2024-02-29 00:00:00", "2024-02-29 23:59:59.000001"], ["0001-01-01 00:00:00", "-0043-03-15 00:00:00", "12024-01-01 00:00:00", "0044-03-15 01:02:03 BC"]),
    (SqlType("timestamp", 1114, precision=3), ["2024-02-29 00:00:00", "2024-02-29 23:59:59.001"], ["2024-02-29 23:59:59.0005"]),
    (SqlType("timestamp", 1114, precision=0), ["2024-02-29 00:00:00"], ["2024-01-01 00:00:00.5"]),
    (SqlType("timestamptz", 1184), ["2024-02-29 00:00:00.5+00", "2024-02-29 10:00:00+00"], ["2024-02-29 00:00:00.5+00:00", "2024-02-29 00:00:00+05:30", "2024-02-29 00:00:00-07", "0001-01-01 00:00:00+00:00", "2024-02-29 00:00:00+00:30"]),
    (SqlType("time", 1083), ["24:00:00", "00:00:00.1"], []),
    (SqlType("timetz", 1266), [], ["10:11:12+00", "10:11:12+00:00:-01"]),
    (SqlType("float", 701), ["1.5", "-0"], ["1e+06", "+Inf", "NaN"]),
    (SqlType("json", 3802), [], ['{"bb": "\\n", "a": [1, null]}', '"\\b"', "[]"]),
    (SqlType("array", 1009, element=TEXT), [], ['{a,NULL,"b\\\\c"}', "{}"]),
    (SqlType("interval", 1186), ["1 day", "00:00:01"], ["1 year -00:00:01"]),
    (SqlType("inet", 869), [], ["10.0.0.1", "::1", "10.0.0.1/8"]),
    (SqlType("bit", 1562, 3), ["", "101"], []),
    (SqlType("oid", 26), ["4294967295"], []),
]
ALL = [*CASES, (SqlType("collated", 25, locale="de"), ["a"], ["b\v"])]


def source(*kinds: SqlType, computed: int = 0) -> TableSource:
    columns = [Column(number, f"c{number}", kind) for number, kind in enumerate(kinds, start=1)]
    for column in columns[len(columns) - computed:] if computed else []:
        column.computed = "1"
    return TableSource("db", "public", Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)])), {MOOD.id: MOOD})


def field(value: Optional[str]) -> str:
    return "\\N" if value is None else re.sub(r"[\\\b\f\n\r\t\v]", lambda found: ESCAPES[found.group()], value)


def sent(rows: list) -> bytes:
    return "".join("\t".join(map(field, row)) + "\n" for row in rows).encode()


def both(table: TableSource, rows: list, policies=STOP_ALL) -> LineBlock:
    """The block of the rows, which one by one give the same."""
    one_by_one, copied, fetched = (RowTexts(table, policies) for _number in range(3))
    wanted = one_by_one.block(rows)
    assert LineBlocks(copied).of_copy_text(sent(rows)) == wanted
    assert LineBlocks(fetched).of_rows(rows) == wanted
    assert one_by_one.problems.take() == copied.problems.take() == fetched.problems.take()
    return wanted


@pytest.mark.parametrize(("kind", "same", "looked_at"), ALL, ids=[f"{number}-{case[0].family}" for number, case in enumerate(ALL)])
def test_every_type(kind, same, looked_at):
    table = source(INT, kind)
    assert both(table, []).rows == 0
    for chosen in (same, looked_at, [*same, *looked_at]):
        assert both(table, [[str(number), value] for number, value in enumerate([*chosen, None])]).rows == len(chosen) + 1
    for value in same:
        assert both(table, [["1", value]]).text == sent([["1", value]])


def test_text_that_is_the_same_is_not_copied():
    copied = LineBlocks(RowTexts(source(INT, *(kind for kind, same, _looked_at in CASES if same))))
    text = sent([["7", *(same[0] for _kind, same, _looked_at in CASES if same)]] * 3)
    assert copied.of_copy_text(text).text is text


def test_random_rows_with_computed_columns():
    chosen = random.Random(5)
    for computed in (0, 1, 4):
        for _ in range(25):
            kinds = [chosen.choice(CASES) for _ in range(7)]
            rows = [[str(number), *(chosen.choice([*same[:chosen.choice([0, 9])], *looked_at[:chosen.choice([0, 0, 9])], None]) for _kind, same, looked_at in kinds)] for number in range(chosen.randrange(1, 30))]
            assert (both(source(INT, *(case[0] for case in kinds), computed=computed), rows).computed is None) == (computed == 0)


def test_a_table_without_loaded_columns_and_one_without_columns():
    assert both(source(INT, computed=1), [["1"], ["2"]]) == LineBlock(b"\n\n", 2, b"1\n2\n")
    table = source()
    assert LineBlocks(RowTexts(table)).of_copy_text(b"\\N\n\\N\n") == LineBlock(b"\n\n", 2)


@pytest.mark.parametrize("policy", ["null", "reject", "replace"])
@pytest.mark.parametrize(("kind", "column", "value"), [("zero_character", TEXT, "a\0"), ("length", VARCHAR, "abcdef"), ("decimal_scale", SqlType("decimal", 1700, 2, 4), "1.005")])
def test_values_that_postgresql_cannot_hold(kind, column, value, policy):
    rows = [["1", "2024-02-29"], ["2", None], ["3", "\b"]]
    table, rows = source(INT, TEXT, column), [[*row, bad] for row, bad in zip(rows, [None, value, None])]
    assert both(table, rows, value_policies({kind: policy})).rows == (2 if policy == "reject" else 3)
    with pytest.raises(MigrationError, match=r"db\.public\.t, column c3, row \(c1 = 2\): "):
        LineBlocks(RowTexts(table)).of_copy_text(sent(rows))


@pytest.mark.parametrize(("text", "message"), [
    (b"1\ta\\qb\n", "unknown escape"), (b"1\ta\\N\n", "unknown escape"), (b"1\t\\\\\\N\n", "unknown escape"), (b"1\t\\Na\n", "unknown escape"), (b"1\n", "a row of 1 columns, 2 were asked for"),
    (b"1\ta\tb\n", "a row of 3 columns"), (b"1\ta\n2\n", "a row of 1 columns"),
])
def test_what_is_no_copy_text_of_the_columns_is_refused(text, message):
    with pytest.raises(CockroachError, match=message):
        LineBlocks(RowTexts(source(INT, TEXT))).of_copy_text(text)
