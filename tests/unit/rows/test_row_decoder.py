# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Shapes of rows that the sample backups lack: old formats, interleaved tables, gone columns, damage, values that do not fit."""
from __future__ import annotations

import struct
from typing import Optional

import pytest
from stored_forms import leb, msb, row_value, unsigned, zigzag

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    CorruptBackupError,
    MigrationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    EnumMember,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.keys import key_reader
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    build_row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.values import (
    decode_sequence_value,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import LineBlock, split_lines

INT, TEXT, BYTES, DECIMAL = SqlType("int", 20, 64), SqlType("string", 25), SqlType("bytes", 17), SqlType("decimal", 1700)
COLLATED, TIMESTAMP = SqlType("collated", 25, locale="de"), SqlType("timestamp", 1114)


def hexes(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def make_table(types: dict[int, SqlType], key: list[int], number: int = 53, families: Optional[list[Family]] = None, **more) -> Table:
    index = Index(more.pop("index_id", 1), "primary", True, [IndexColumn(column) for column in key], composite_column_ids=more.pop("composite", []))
    index.interleave_ancestors = more.pop("ancestors", [])
    columns = [Column(column, f"c{column}", kind) for column, kind in types.items()]
    return Table(number, "t", 1, columns, index, families=families or [Family(0, "primary", list(types))], **more)


def decode(table: Table, pairs: list[tuple[bytes, bytes]], user_types: Optional[dict[int, UserType]] = None, size: int = 0) -> list[str]:
    decoder = build_row_decoder(table, user_types or {}, "db.public.t")
    step = size or max(len(pairs), 1)
    batches = [pairs[start:start + step] for start in range(0, len(pairs), step)]
    return [line.decode() for block in decoder.rows(([key for key, _ in batch], [value for _, value in batch]) for batch in batches) for line in split_lines(block.text)]


REAL_ROWS = [
    ("bd 89 89 88", "886978a0 0a 23 02 13 02", {1: INT, 2: INT, 3: INT}, [1], {}, "1\t1\t1"),
    ("9d 89 12 726567696f6e 00 01 12 75732d7765737431 00 01 88", "36852256 0a 35 09 34 8a 9b9fa07b28b200 15 0a 1a 8b 01ac4b6836c93a00",
     {1: TEXT, 2: TEXT, 3: DECIMAL, 4: DECIMAL}, [1, 2], {"number": 21}, "region\tus-west1\t43.804133000000000\t-120.554201000000000"),
    ("bd 89 89 88", "b244bd87 0a 35 05 34 8d 0f4272", {1: INT, 3: DECIMAL}, [1], {}, "1\t10000.50"),
    ("bd 89 12 ff 01 02 00 01 88", "dc5fdae1 0a 16 03 426f62", {1: COLLATED}, [1], {"composite": [1]}, "Bob"),
    ("bf 8a 8c 88", "aecfcf18 0a 26 01 64", {1: INT, 2: TEXT}, [1], {"number": 55, "index_id": 2}, "4\td"),
]


@pytest.mark.parametrize("key, value, types, key_ids, more, line", REAL_ROWS)
def test_rows_of_real_backups_known_byte_by_byte(key, value, types, key_ids, more, line):
    assert decode(make_table(types, key_ids, **more), [(hexes(key), hexes(value))]) == [line]


def test_decimals_of_many_digits():
    kind = SqlType("decimal", 1700)
    for digits in (300, 4000, 4400, 9001):
        coefficient = int("7" * 50) * 10 ** (digits - 50) + 5
        body = b"\x34\x8b" + coefficient.to_bytes((coefficient.bit_length() + 7) // 8, "big")
        value = row_value([(2, 5, leb(len(body)) + body)])
        want = f"1\t777.{'7' * 47}{'0' * (digits - 51)}5"
        assert decode(make_table({1: INT, 2: kind}, [1]), [(hexes("bd 89 89 88"), value)]) == [want]


def test_empty_points_have_the_nan_that_postgis_prints():
    point = bytes.fromhex("0101000020e6100000" + "010000000000f87f" * 2)
    body = b"\x08\x02\x12" + bytes([len(point)]) + point
    table = make_table({1: INT, 2: SqlType("geometry", 90000)}, [1])
    assert decode(table, [(hexes("bd 89 89 88"), row_value([(2, 20, msb(len(body)) + body)]))]) == ["1\t0101000020E6100000" + "000000000000F87F" * 2]


def test_enum_in_the_key():
    mood = UserType(106, "region", 1, members=[EnumMember("eu\tx", "40"), EnumMember("us", "80")])
    table = make_table({1: SqlType("enum", 100106, user_type_id=106), 2: INT, 3: SqlType("enum", 100106, user_type_id=106)}, [1, 2], number=57)
    pairs = [(hexes("c1 89 12 80 00 01 92 88"), row_value([(3, 6, b"\x01\x40")]))]
    assert decode(table, pairs, {106: mood}) == ["us\t10\teu\\tx"]
    with pytest.raises(CorruptBackupError, match="db.public.t, column c3, row .*no member 41"):
        decode(table, [(pairs[0][0], row_value([(3, 6, b"\x01\x41")]))], {106: mood})


PARENT = make_table({1: INT, 2: TEXT}, [1], number=55)
CHILD = make_table({1: INT, 2: INT, 3: TEXT}, [1, 2], number=56, ancestors=[(55, 1, 1)])
INTERLEAVED = [
    (hexes("bf 89 89 88"), row_value([(2, 6, b"\x01p")])),
    (hexes("bf 89 89 fe c0 89 8a 88"), row_value([(3, 6, b"\x01c")])),
    (hexes("bf 89 89 fe c1 89 8a 88"), row_value([(3, 6, b"\x01o")])),
    (hexes("bf 89 8b 88"), row_value([])),
]


def test_interleaved_tables_pick_their_own_rows():
    assert decode(PARENT, INTERLEAVED) == ["1\tp", "3\t\\N"]
    assert decode(CHILD, INTERLEAVED) == ["1\t2\tc"]


def test_interleaved_parent_with_families():
    families = [Family(0, "f0", [1]), Family(1, "f1", [2])]
    table = make_table({1: INT, 2: TEXT}, [1], number=55, families=families)
    pairs = [(hexes("bf 89 89 88"), row_value([])), (hexes("bf 89 89 89 89"), row_value([(2, 6, b"\x01p")])), *INTERLEAVED[1:]]
    for size in (1, 2, 9):
        assert decode(table, pairs, size=size) == ["1\tp", "3\t\\N"]


FAMILIES = [Family(0, "f0", [1]), Family(2, "f2", [2], 2), Family(200, "f200", [3, 4])]


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_row_of_several_families_may_be_spread_over_batches(size):
    table = make_table({1: INT, 2: TEXT, 3: TEXT, 4: INT}, [1], families=FAMILIES)
    pairs = [
        (hexes("bd 89 89 88"), b"\0\0\0\0\x0a"), (hexes("bd 89 89 8a 89"), b"\0\0\0\0\x03ta\tb"), (hexes("bd 89 89 f6c8 8a"), row_value([(3, 6, b"\x02\xc3\xa9"), (4, 3, b"\x05")])),
        (hexes("bd 89 8a 88"), b"\0\0\0\0\x0a"),
        (hexes("bd 89 8b 88"), b"\0\0\0\0\x0a"), (hexes("bd 89 8b f6c8 8a"), row_value([(4, 3, b"\x04")])), (hexes("bd 89 8b f7012c 8b"), row_value([(9, 3, b"\x04")])),
    ]
    assert decode(table, pairs, size=size) == ["1\tta\\tb\té\t-3", "2\t\\N\t\\N\t\\N", "3\t\\N\t\\N\t2"]


def test_a_row_without_its_first_family_is_refused():
    table = make_table({1: INT, 2: TEXT}, [1], families=FAMILIES)
    with pytest.raises(CorruptBackupError, match=r"db.public.t, row \(c1 = 1\): the row lacks its first column family"):
        decode(table, [(hexes("bd 89 89 8a 89"), b"\0\0\0\0\x03x")])


def test_tables_of_format_version_1():
    table = make_table({1: INT, 2: TEXT, 5: SqlType("bool", 16)}, [1], format_version=1)
    pairs = [(hexes("bd 89 89 88"), b"\0\0\0\0\x00"), (hexes("bd 89 89 8a 89"), b"\0\0\0\0\x03old"), (hexes("bd 89 89 8d 89"), b"\0\0\0\0\x01\x02"), (hexes("bd 89 8a 88"), b"\0\0\0\0\x03")]
    assert decode(table, pairs) == ["1\told\tt", "2\t\\N\t\\N"]


@pytest.mark.parametrize("tag", [*range(1, 7), *range(11, 15)])
@pytest.mark.parametrize("families", [None, FAMILIES])
def test_a_first_family_of_the_time_before_families_says_only_that_the_row_is_there(tag, families):
    """As in CockroachDB: processKV in pkg/sql/row/fetcher.go takes any value of family 0 that is no tuple for the row's sentinel."""
    table = make_table({1: INT, 2: TEXT, 3: TEXT, 4: INT}, [1], **({"families": families} if families else {}))
    assert decode(table, [(hexes("bd 89 89 88"), b"\0\0\0\0" + bytes([tag]) + b"x")]) == ["1\t\\N\t\\N\t\\N"]


def test_columns_that_are_gone_are_skipped_whatever_their_type():
    table = make_table({1: INT, 40: TEXT, 2000: INT}, [1])
    sized = b"\x02ab"
    gone = [
        (2, 1, b""), (3, 3, b"\x80\x01"), (4, 4, b"12345678"), (5, 5, b"\x02\x34\x89"), (6, 6, sized), (7, 8, b"\x02\x04"), (8, 9, b"\x02\x02\x02"), (9, 10, b""),
        (10, 12, b"u" * 16), (11, 13, sized), (12, 14, b"\x00\x20abcd"), (13, 14, b"\x01\x40" + b"a" * 16), (14, 15, sized), (15, 16, b"\x01\x13\x02"),
        (16, 17, b"\x05" + b"b" * 8), (17, 19, b"\x02\x02"), (18, 20, sized), (19, 24, b"\x04\x04\x04\x05" + b"f" * 8), (20, 25, b""), (21, 26, sized), (22, 44, sized),
    ]
    assert decode(table, [(hexes("bd 89 89 88"), row_value([*gone, (40, 6, b"\x04kept"), (1000, 3, b"\x02"), (2000, 3, b"\x0e")]))]) == ["1\tkept\t7"]
    with pytest.raises(UnsupportedError, match=r"row \(c1 = 1\): a value has the unknown type number 77"):
        decode(table, [(hexes("bd 89 89 88"), row_value([(2, 77, b"")]))])


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 129, 16383, 16384, 2097152])
def test_lengths_at_the_borders_of_their_encoding(length):
    table = make_table({1: INT, 2: TEXT, 3: BYTES, 4: INT}, [1])
    body = msb(length) + b"x" * length
    assert decode(table, [(hexes("bd 89 89 88"), row_value([(2, 6, body), (3, 6, body), (4, 3, b"\x02")]))]) == [f"1\t{'x' * length}\t\\\\x{'78' * length}\t1"]


@pytest.mark.parametrize("number", [0, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2**62, 2**63 - 1, -(2**63)])
def test_integers_at_the_borders_of_their_encoding(number):
    assert decode(make_table({1: INT, 2: INT}, [1]), [(hexes("bd 89 89 88"), row_value([(2, 3, zigzag(number))]))]) == [f"1\t{number}"]


CUT = row_value([(2, 6, b"\x05hello"), (3, 5, b"\x03\x34\x8a\x05"), (4, 8, zigzag(1700000000) + zigzag(5000)), (5, 3, b"\x88\x80\x01")])
CUT_TABLE = make_table({1: INT, 2: TEXT, 3: DECIMAL, 4: TIMESTAMP, 5: INT}, [1])


def test_a_value_that_is_cut_off_or_too_long_never_passes():
    key = hexes("bd 89 89 88")
    whole = decode(CUT_TABLE, [(key, CUT)])
    assert whole == ["1\thello\t50\t2023-11-14 22:13:20.000005\t8196"]
    ends = {5, 5 + 7, 5 + 7 + 5, len(CUT) - 4}
    for size in range(4, len(CUT)):
        if size in ends:
            assert len(decode(CUT_TABLE, [(key, CUT[:size])])[0].split("\t")) == 5
            continue
        with pytest.raises(CorruptBackupError, match="db.public.t"):
            decode(CUT_TABLE, [(key, CUT[:size])])
    for extra in (b"\0", b"\0\0", b"\x13", b"\x03\x02"):
        with pytest.raises(MigrationError, match="db.public.t"):
            decode(CUT_TABLE, [(key, CUT + extra)])


def test_keys_of_another_table_or_index_are_refused():
    for key in ("be 89 89 88", "bd 8a 89 88", "bd 89 89 8a 88", "bd 89 89", "bd 89 16 88", "bd"):
        with pytest.raises(CorruptBackupError, match="db.public.t"):
            decode(make_table({1: INT}, [1]), [(hexes(key), row_value([]))])


def bad_value(kind: SqlType, wire_type: int, body: bytes) -> str:
    table = make_table({1: TEXT, 2: INT, 7: kind}, [1, 2])
    with pytest.raises(MigrationError) as caught:
        decode(table, [(hexes("bd 89 12 6b 00 01 8a 88"), row_value([(7, wire_type, body)]))])
    assert type(caught.value) is MigrationError
    message = str(caught.value)
    assert message.startswith("db.public.t, column c7, row (c1 = k, c2 = 2): ")
    return message


def test_what_postgresql_cannot_hold_is_named_with_column_and_key():
    assert "U+0000" in bad_value(TEXT, 6, b"\x03a\0b")
    assert "U+0000" in bad_value(COLLATED, 6, b"\x03a\0b")
    assert "not UTF-8" in bad_value(TEXT, 6, b"\x02\xc3\x28")
    assert "4 characters, its column is declared with 3" in bad_value(SqlType("string", 1043, 3), 6, "\x05äabc".encode())
    assert "numeric(4,2)" in bad_value(SqlType("decimal", 1700, 2, 4), 5, b"\x04\x34\x8b\x27\x10")
    assert "does not fit into numeric(4,2)" in bad_value(SqlType("decimal", 1700, 2, 4), 5, b"\x01\x35")
    assert "outside PostgreSQL's range" in bad_value(TIMESTAMP, 8, zigzag(-(2**45)) + zigzag(0))
    assert "3 bits, its column is declared with 4" in bad_value(SqlType("bit", 1560, 4), 17, b"\x03" + b"\xe0" + b"\0" * 7)
    assert "PostgreSQL's name holds 63" in bad_value(SqlType("string", 19), 6, bytes([64]) + b"n" * 64)
    assert "out of range for a real" in bad_value(SqlType("float", 700, 32), 4, struct.pack(">d", 1e39))


def test_a_wrong_type_number_is_refused():
    with pytest.raises(CorruptBackupError, match=r"column c2, row \(c1 = 1\): the value has the type number 3, 6 was expected"):
        decode(make_table({1: INT, 2: TEXT}, [1]), [(hexes("bd 89 89 88"), row_value([(2, 3, b"\x02")]))])
    with pytest.raises(UnsupportedError, match="unknown tag 101"):
        decode(make_table({1: INT, 2: TEXT}, [1]), [(hexes("bd 89 89 88"), hexes("00000008 65 00"))])
    with pytest.raises(UnsupportedError, match="db.public.t, column c2: .*jsonpath"):
        decode(make_table({1: INT, 2: SqlType("jsonpath")}, [1]), [])


def test_strings_as_padded_and_short_types():
    table = make_table({1: INT, 2: SqlType("string", 1042, 3), 3: SqlType("array", 1014, element=SqlType("string", 1042, 3)), 4: SqlType("string", 18, 1)}, [1])
    array = b"\x01\x06\x02\x01a\x02bc"
    value = row_value([(2, 6, b"\x03b  "), (3, 13, msb(len(array)) + array), (4, 6, b"\x01\\")])
    assert decode(table, [(hexes("bd 89 89 88"), value)]) == ['1\tb\t{"a  ","bc "}\t\\\\']


def test_composite_values():
    kind = UserType(110, "pair", 1, "composite", fields=[INT, TEXT, SqlType("bool", 16), DECIMAL], field_names=["a", "b", "c", "d"])
    table = make_table(
        {1: INT, 2: SqlType("tuple", 100110, user_type_id=110), 3: SqlType("array", 100111, element=SqlType("tuple", 100110, user_type_id=110))}, [1],
    )
    body = b"\x04\x03\x0d\x06\x03a,b\x0a\x01"
    array = b"\x01" + b"\x0f\x10" + b"\x01" + body
    value = row_value([(2, 16, body), (3, 13, msb(len(array)) + array)])
    assert decode(table, [(hexes("bd 89 89 88"), value)], {110: kind}) == ['1\t(-7,"a,b",t,)\t{"(-7,\\\\"a,b\\\\",t,)"}']


def test_computed_columns_come_beside_the_lines():
    table = make_table({1: INT, 2: TEXT, 3: TEXT}, [1])
    table.columns[2].computed = "upper(c2)"
    decoder = build_row_decoder(table, {}, "db.public.t")
    assert ([column.name for column in decoder.columns], [column.name for column in decoder.computed]) == (["c1", "c2"], ["c3"])
    batches = [([hexes("bd 89 89 88")], [row_value([(2, 6, b"\x02a\n"), (3, 6, b"\x02A\n")])])]
    assert list(decoder.rows(batches)) == [LineBlock(b"1\ta\\n\n", 1, b"A\\n\n")]


def test_a_string_that_spells_null_is_not_null():
    table = make_table({1: INT, 2: TEXT, 3: TEXT}, [1])
    assert decode(table, [(hexes("bd 89 89 88"), row_value([(2, 6, b"\x02\\N")]))]) == ["1\t\\\\N\t\\N"]


KEYS = [
    (SqlType("array", 1016, element=INT), "3f 89 01 8a 00", [1, None, 2]), (SqlType("json", 3802), "4b 8a 48 2a 02 00 00 47 12 61 00 01 00 00", '[1, "a"]'),
    (SqlType("json", 3802), "4c 8a 47 12 6161 00 01 00 4a 47 12 62 00 01 00 45 00", '{"b": [], "aa": true}'),
    (SqlType("json", 3802), "46", "null"), (SqlType("pg_lsn", 3220), "f7 01 00", 256), (SqlType("void", 2278), "44", ""),
    (SqlType("tuple", 2249, fields=[INT, TEXT]), "8a 12 61 00 01", [2, b"a"]),
    (SqlType("geometry", 90000), "3d 0000000000000001 08 02 12 02 00ff 05 00 01", b"\x00\x05"),
]


@pytest.mark.parametrize("kind, key, value", KEYS)
def test_keys_of_rare_types(kind, key, value):
    data = hexes(key)
    assert key_reader(kind, False)(b"\x99" + data + b"\x88", 1) == (value, 1 + len(data))


DESCENDING = [
    (SqlType("array", 1016, element=INT), "40 87fe fe 87fd ff", [1, None, 2]), (SqlType("json", 3802), "53", "null"), (SqlType("json", 3802), "52 13 9e ff fe ff", '"a"'),
    (SqlType("json", 3802), "51 24 fd 00 ff", "1"), (SqlType("pg_lsn", 3220), "86 feff", 256), (SqlType("pg_lsn", 3220), "88", 0),
    (SqlType("geometry", 90000), "3e fffffffffffffffe f7 fd ed fd ff00 fa ff fe", b"\x00\x05"),
]


@pytest.mark.parametrize("kind, key, value", DESCENDING)
def test_descending_keys_of_rare_types(kind, key, value):
    data = hexes(key)
    assert key_reader(kind, True)(b"\x99" + data + b"\x88", 1) == (value, 1 + len(data))


DECIMAL_KEYS = [
    ("2a 02 00", (False, 1, 0)), ("2a 03 14 00", (False, 11, -1)), ("29 a0 00", (False, 8, -1)), ("24 eb 00", (True, 1, 1)), ("28 87 fe 16 00", (False, 11, -4)),
    ("34 f7 01 f5 1a 00", (False, 13, 1000)), ("25 ed 00", (True, 9, -2)), ("27", (False, 0, 0)), ("18", "NaN"), ("35", "Infinity"), ("19", "-Infinity"),
]


@pytest.mark.parametrize("key, value", DECIMAL_KEYS)
def test_decimal_keys(key, value):
    data = hexes(key)
    assert key_reader(DECIMAL, False)(data + b"\x88", 0) == (value, len(data))


INT_KEYS = [("88", 0), ("f5", 109), ("f6 6e", 110), ("f7 01 00", 256), ("87 ff", -1), ("86 ff 00", -256), ("80 80" + "00" * 7, -(2**63)), ("fd 7f" + "ff" * 7, 2**63 - 1)]


@pytest.mark.parametrize("key, value", INT_KEYS)
def test_integer_keys_in_both_directions(key, value):
    table = make_table({1: INT}, [1])
    assert decode(table, [(hexes("bd 89") + hexes(key) + b"\x88", row_value([]))]) == [str(value)]
    table.primary_index.columns[0].descending = True
    assert decode(table, [(hexes("bd 89") + hexes(key) + b"\x88", row_value([]))]) == [str(~value)]


def test_table_numbers_of_several_bytes():
    table = make_table({1: INT}, [1], number=1000)
    assert decode(table, [(unsigned(1000) + hexes("89 8a 88"), row_value([]))]) == ["2"]


def test_sequence_values():
    assert decode_sequence_value(hexes("00000000 01 0a")) == 5
    assert decode_sequence_value(hexes("00000000 01 09")) == -5
    for bad in ("00000000 03 0a", "00000000 01", "00000000 01 0a 00", "0000"):
        with pytest.raises(CorruptBackupError, match="sequence"):
            decode_sequence_value(hexes(bad))
