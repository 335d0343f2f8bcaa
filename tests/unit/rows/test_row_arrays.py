# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The decoder of many rows at once gives what the general decoder gives row by row: text, changes, rejected rows, errors."""
from __future__ import annotations

import decimal
import random

import pytest
from backup_rows import open_tables
from both_decoders import Pair, both, decoders, in_blocks, outcome, row_by_row
from random_rows import POLICIES, RandomTable, document
from stored_forms import json_document, row_value, sized_value, unsigned, zigzag

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CorruptBackupError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats.packed_bytes import pack
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import (
    json_arrays,
    row_batches,
    row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.general_rows import (
    GeneralRows,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.json_values import json_text
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.span_arrays import Spans
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.copy_text import escape
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import (
    value_policies,
)


def test_random_tables_whole_and_damaged(monkeypatch):
    kinds = set()
    for seed in range(400):
        monkeypatch.setattr(json_arrays, "_FEWEST_DOCUMENTS", 1 + seed % 2 * 15)
        made = RandomTable(seed)
        for damages in range(3):
            if damages:
                made.damage()
            together, single = both(made.table, made.pairs, value_policies(made.policies))
            assert together == single, (seed, damages)
            kinds.add(together[0] if isinstance(together[0], type) else bool(together[3]) + 2 * bool(together[4]))
    # All kinds of outcome were among them: errors, changed and rejected rows.
    assert len(kinds) >= 6, kinds


def test_rows_spread_over_batches(monkeypatch):
    monkeypatch.setattr(row_decoder, "_BATCH_FIELDS", 1)
    monkeypatch.setattr(row_decoder, "_FEWEST_KEYS", 9)
    for seed in range(1000, 1060):
        made = RandomTable(seed)
        cuts = sorted(random.Random(seed).choices(range(len(made.pairs) + 1), k=5))
        batches = [made.pairs[start:end] for start, end in zip([0, *cuts], [*cuts, len(made.pairs)])]
        together, single = both(made.table, made.pairs, value_policies(made.policies), batches)
        assert together == single, seed


@pytest.mark.parametrize("backup", ["shop", "types", "tricky", "boxes", "tenant"])
def test_every_table_of_real_backups(fixtures_dir, backup):
    count = 0
    for table, user_types, batches in open_tables(fixtures_dir / "backups" / backup):
        pairs = [pair for keys, values in batches for pair in zip(keys, values)]
        for policies in (POLICIES[0], POLICIES[-1]):
            together, single = decoders(table, value_policies(policies), user_types)
            found = outcome(together, lambda made=together, pairs=pairs: in_blocks(made, [pairs]))
            assert found == outcome(single, lambda made=single, pairs=pairs: row_by_row(made.general, pairs)), table.name
            count += 1
    assert count


INT, TEXT = SqlType("int", 20, 64), SqlType("string", 25)


def usual_rows(count: int) -> tuple[Table, list[Pair]]:
    types = {1: INT, 2: TEXT, 3: SqlType("decimal", 1700, 2, 12), 4: SqlType("timestamptz", 1184), 5: SqlType("uuid", 2950), 6: SqlType("bool", 16), 7: SqlType("float", 701, 64)}
    columns = [Column(column, f"c{column}", kind) for column, kind in types.items()]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=[Family(0, "primary", list(types))])
    pairs = [
        (unsigned(53) + b"\x89" + unsigned(row) + b"\x88", row_value([
            (2, 6, sized_value(b"text of row %d" % row)), (3, 5, b"\x03\x34\x8a" + bytes((100 + row % 100,))), (4, 8, zigzag(1_700_000_000 + row) + zigzag(row % 1000 * 1000)), (5, 12, bytes(16)),
            (6, 10 + row % 2, b""), (7, 4, b"\x40\x09\x21\xfb\x54\x44\x2d\x18"),
        ]))
        for row in range(count)
    ]
    return table, pairs


def test_usual_rows_are_not_decoded_one_by_one(monkeypatch):
    table, pairs = usual_rows(500)
    want = both(table, pairs)[1]
    pairs[77] = (pairs[77][0], pairs[77][1].replace(b"text", b"te\tt"))
    decoded = []
    monkeypatch.setattr(GeneralRows, "decode", lambda self, row: decoded.append(row))
    decoder, _other = decoders(table)
    got = in_blocks(decoder, [pairs])
    assert decoded == [] and got[0] == want[0].replace(b"text of row 77\t", b"te\\tt of row 77\t") and got[2] == 500


def test_a_cursor_never_reads_the_next_row():
    table, pairs = usual_rows(3)
    key, value = pairs[1]
    for size in range(5, len(value)):
        cut = [pairs[0], (key, value[:size]), pairs[2]]
        together, single = both(table, cut)
        assert together == single, size
        if together[0] is not CorruptBackupError:
            assert together[2] == 3 and together[0].split(b"\n")[2] == in_blocks(decoders(table)[0], [pairs])[0].split(b"\n")[2]
    longer = [pairs[0], (key, value.replace(b"\x0dtext of row 1", b"\x7ftext of row 1")), pairs[2]]
    together, single = both(table, longer)
    assert together == single == (CorruptBackupError, "db.public.t, column c2, row (c1 = 1): the value is cut off")


PREFIX = unsigned(53) + b"\x89"
ONE = PREFIX + b"\x89\x88"
NUMBERS = [
    # Numbers of a key beyond signed 64 bits, of nine bytes, and what is none.
    (b"\xfd" + b"\xff" * 8, 0), (b"\x80" + b"\x00" * 8, 0), (b"\x80\x7f" + b"\xff" * 7, 0), (b"\xfe" + b"\x01" * 9, 0), (b"\x7f" + b"\x01" * 9, 0), (b"\x00", 0), (b"\xf6", 0), (b"", 0),
    # The same of a value.
    (b"\xff" * 9 + b"\x01", 1), (b"\xff" * 9 + b"\x02", 1), (b"\xff" * 9 + b"\x7f", 1), (b"\x80" * 8 + b"\x7f", 1), (b"\x80" * 9 + b"\x00", 1), (b"\x80" * 10 + b"\x01", 1), (b"\x80" * 30 + b"\x01", 1),
    # Lengths of many bytes.
    (b"\x80\x80\x80\x03abc", 2), (b"\x80\x80\x80\x80\x03abc", 2), (b"\x80" * 9 + b"\x03abc", 2), (b"\xff" * 9 + b"\x7fabc", 2), (b"\x8f\xff\xff\x7fabc", 2),
]


@pytest.mark.parametrize("body, where", NUMBERS, ids=lambda item: item.hex()[:24] if isinstance(item, bytes) else "key int length".split()[item])
def test_numbers_that_need_care(body, where):
    columns = [Column(1, "a", INT), Column(2, "b", INT), Column(3, "c", TEXT)]
    key = PREFIX + (body if where == 0 else b"\x89") + b"\x88"
    value = row_value([(2, 3, body)] if where == 1 else [(2, 3, b"\x02"), (3, 6, body)] if where == 2 else [])
    usual = (PREFIX + b"\x8a\x88", row_value([(2, 3, b"\x04"), (3, 6, b"\x01x")]))
    for descending in (False, True):
        table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1, descending)]), families=[Family(0, "primary", [1, 2, 3])])
        together, single = both(table, [(key, value), usual])
        assert together == single


FAMILY_VALUES = [
    # The family 1 twice, the second time in a longer form of its number; families that are gone; values that go on.
    [(b"\x89\x89", b"\0\0\0\0\x01\x02"), (b"\xf6\x01\x8a", b"\0\0\0\0\x01\x04")], [(b"\x8e\x89", row_value([(9, 3, b"\x02")]))], [(b"\x8e\x89", row_value([(9, 3, b"\xff")]))], [(b"\x8e\x89", row_value([(2, 3, b"\x02")]))], [(b"\x89\x89", row_value([(3, 6, b"\x01x")]))], [(b"\x89\x89", b"\0\0\0\0\x01\x02\x02")],
    [(b"\x89\x89", b"\0\0\0\0\x00\x02")], [(b"\x89\x89", b"\0\0\0\0\x01")], [(b"\x89\x89", b"\0\0\0")], [(b"\x89\x89", b"")], [(b"\x8a\x89", b"\0\0\0\0\x03\xff")], [(b"\x8a\x89", b"\0\0\0\0\x01\x02")], [(b"\x89\x88", row_value([]))],
]


@pytest.mark.parametrize("pairs", FAMILY_VALUES, ids=lambda pairs: " ".join(key.hex() + "-" + value.hex() for key, value in pairs))
def test_families_that_need_care(pairs):
    columns = [Column(1, "a", INT), Column(2, "b", INT), Column(3, "c", TEXT)]
    families = [Family(0, "f0", [1]), Family(1, "f1", [2], 2), Family(2, "f2", [3], 3)]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=families)
    usual = [(PREFIX + b"\x8a\x88", row_value([])), (PREFIX + b"\x8a\x89\x89", b"\0\0\0\0\x01\x02")]
    together, single = both(table, [(ONE, row_value([])), *[(PREFIX + b"\x89" + key, value) for key, value in pairs], *usual])
    assert together == single


def test_key_strings_with_zero_bytes():
    bodies = [b"a\x00\x01", b"a\x00\xffb\x00\x01", b"\x00\x01", b"a\x00\x05b\x00\x01", b"a", b"a\x00", b"a\x00\xff", b"\x00\xff\x00\xff\x00\x01"]
    columns = [Column(1, "a", SqlType("bytes", 17)), Column(2, "b", INT)]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1), IndexColumn(2)]), families=[Family(0, "primary", [1, 2])])
    for body in bodies:
        pairs = [(PREFIX + b"\x12" + part + b"\x8a\x88", row_value([])) for part in (b"k\x00\x01", body, b"l\x00\x01")]
        together, single = both(table, pairs)
        assert together == single, body


def test_json_documents_are_written_as_one_by_one(monkeypatch):
    monkeypatch.setattr(json_arrays, "_FEWEST_DOCUMENTS", 1)
    rng = random.Random(7)
    usual = total = 0
    for round_number in range(120):
        stored = [json_document(document(rng, False)) for _number in range(12)] * 2
        if round_number % 2:
            stored[rng.randrange(24)] = damaged(rng, stored[rng.randrange(24)])
        packed = pack(stored)
        matrix, found = json_arrays.document_texts(packed, Spans(packed.starts, packed.ends - packed.starts))
        for data, text, is_usual in zip(stored, matrix, found.tolist()):
            if is_usual:
                assert text.tobytes().replace(b"\0", b"").decode() == escape(json_text(data))
            usual, total = usual + is_usual, total + 1
    # Most of those without escapes, long texts and special numbers.
    assert usual > total / 4, (usual, total)


def damaged(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]


def test_an_error_of_the_source_comes_after_those_of_the_rows_before_it():
    table, pairs = usual_rows(2)

    def failing(batch: list[Pair]):
        yield [key for key, _value in batch], [value for _key, value in batch]
        raise CorruptBackupError("the block is damaged")

    with pytest.raises(CorruptBackupError, match="the block is damaged"):
        list(decoders(table)[0].rows(failing(pairs)))
    with pytest.raises(CorruptBackupError, match="column c2, row"):
        list(decoders(table)[0].rows(failing([pairs[0], (pairs[1][0], pairs[1][1][:8])])))


def test_few_keys_are_decoded_with_those_that_follow_as_long_as_they_are_small():
    def sizes(*batches: tuple[int, int]) -> list[int]:
        return [len(keys) for keys, _stored in row_batches.batches_of_rows([([b"k"] * keys, [b"v" * size] * keys) for keys, size in batches], True, 3000)]

    assert sizes((2, 9), (3, 9), (4, 9)) == [9]
    assert sizes((700, 9), (700, 9), (700, 9), (700, 9), (7, 9)) == [2807]
    assert sizes((1000, 9), (1000, 9), (1000, 9), (7, 9)) == [3000, 7]
    assert sizes(*[(1000, 9)] * 6) == [3000, 2000, 1000]
    # Keys that are many by themselves are not copied.
    assert sizes((7, 9), (5000, 9)) == [7, 3000, 2000]
    assert sizes((2, 1 << 20), (2, 1 << 20), (1, 1 << 20), (1, 9 << 20), (1, 1)) == [4, 1, 1, 1]


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


AN_ARRAY, AN_OBJECT, A_STRING, A_NUMBER, TRUE, FROM_START = 0x80000000, 0x40000000, 0x10000000, 0x20000000, 0x40000000, 0x80000000
DOCUMENTS = {
    "ends that are not in order": words(AN_ARRAY | 2, A_STRING | FROM_START | 5, A_STRING | FROM_START | 3) + b"abc",
    "an end beyond the document": words(AN_ARRAY | 1, A_STRING | 9) + b"abc",
    "bytes after the last value": words(AN_ARRAY | 1, A_STRING | 2) + b"abc",
    "a name that is no text": words(AN_OBJECT | 1, TRUE | 3, TRUE) + b"abc",
    "a name with a zero character": words(AN_OBJECT | 1, A_STRING | 2, TRUE) + b"a\0",
    "a name that is not UTF-8": words(AN_OBJECT | 1, A_STRING | 2, TRUE) + b"a\xff",
    "bytes in a literal": words(AN_ARRAY | 1, TRUE | 1) + b"x",
    "a number of another length": words(AN_ARRAY | 1, A_NUMBER | 4) + b"\x02\x34\x89\x05",
    "a zero with digits": words(AN_ARRAY | 1, A_NUMBER | 3) + b"\x02\x27\x05",
    "a number of no bytes": words(AN_ARRAY | 1, A_NUMBER),
    "a value of an unknown type": words(AN_ARRAY | 1, 0x70000000),
    "entries that are cut off": words(AN_ARRAY | 9, A_STRING),
    "another header": words(0xA0000001, A_STRING),
    "nothing": b"",
    "three bytes": b"\x80\0\0",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json_documents_that_need_care(monkeypatch, name):
    monkeypatch.setattr(json_arrays, "_FEWEST_DOCUMENTS", 1)
    good = json_document({"a": [True, "x"], "b": decimal.Decimal(5)})
    inside = json_document([True])
    nested = words(AN_ARRAY | 1, 0x50000000 | len(DOCUMENTS[name])) + DOCUMENTS[name]
    stored = [good, DOCUMENTS[name], nested, inside, DOCUMENTS[name], nested, good]
    packed = pack(stored)
    matrix, usual = json_arrays.document_texts(packed, Spans(packed.starts, packed.ends - packed.starts))
    for data, text, is_usual in zip(stored, matrix, usual.tolist()):
        assert not is_usual or text.tobytes().replace(b"\0", b"").decode() == escape(json_text(data))
    assert usual[[0, 3, 6]].all() and not usual[[1, 2, 4, 5]].any()


def test_a_column_is_read_in_its_own_family_only():
    columns = [Column(1, "a", INT), Column(2, "b", INT), Column(3, "c", TEXT)]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=[Family(0, "f0", [1, 3]), Family(1, "f1", [2])])
    pairs = [(ONE, row_value([(2, 3, b"\x02"), (3, 6, b"\x01x")])), (ONE[:-1] + b"\x89\x89", row_value([(3, 6, b"\x01y")])), (ONE[:-1] + b"\x8e\x89", row_value([(2, 3, b"\x04")]))]
    assert both(table, pairs)[0][0] == both(table, pairs)[1][0] == b"1\t\\N\tx\n"
