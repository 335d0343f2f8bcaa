# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Types that the sample backups lack, with awkward values, as value and inside arrays: what PostgreSQL prints for them."""
from __future__ import annotations

import struct

import pytest
from stored_forms import array_value, msb, row_value, search_query, search_vector, sized_value, zigzag
from test_text_forms import ask

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Family,
    Index,
    IndexColumn,
    SqlType,
    Table,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    build_row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import split_lines

KEY = bytes.fromhex("bd898988")
WORDS = ["a", "it's", "back\\slash", "''", "\\", "\\\\", "ünï", "e\u0301", "漢字", "🚀", " ", "a b", ":", ":*", "&|!", "<->", "(x)", "*", "\t", "\n", '"', "{}", ",", "NULL", "\ufeff", "w" * 127, "w" * 128, "é" * 600]
TSVECTOR, TSQUERY, LSN = SqlType("tsvector", 3614), SqlType("tsquery", 3615), SqlType("pg_lsn", 3220)
VECTOR, LTREE = SqlType("vector", 90006), SqlType("ltree", 90008)
VECTORS = [search_vector([])] + [search_vector([(word, [])]) for word in WORDS] + [
    search_vector([("a", [(1, 0), (2, 1), (3, 2), (16383, 3)])]), search_vector([("a", [(1, 0)]), ("b c", []), ("it's", [(5, 3)])]), search_vector([("x", [(number, number % 4) for number in range(1, 256)])]),
]
QUERIES = [None] + [(word, 0, False) for word in WORDS] + [("a", mask, bool(mask & 1)) for mask in range(16)] + [
    ("!", ("!", ("a", 0, False))), ("!", ("|", ("it's", 15, True), ("b", 0, False))), (16384, ("a", 0, False), (1, ("b", 0, False), ("c", 0, True))),
]
NUMBERS = [0, 1, 0xFFFFFFFF, 0x100000000, 0x16B3748, 2**63 - 1]


def decoded(kind: SqlType, number: int, bodies: list[bytes], user_types=None) -> tuple[list[str], str]:
    """The COPY texts of the values, and of their array with NULLs, without COPY's escapes."""
    columns = [Column(1, "c1", SqlType("int", 20, 64)), Column(2, "v", kind), Column(3, "a", SqlType("array", element=kind))]
    table = Table(53, "t", 1, columns, Index(1, "primary", True, [IndexColumn(1)]), families=[Family(0, "primary", [1, 2, 3])])
    decoder = build_row_decoder(table, user_types or {}, "db.public.t")
    array = array_value(number, [None, *bodies, None])
    values = [row_value([(2, number, body), (3, 13, array)]) for body in bodies]
    lines = [line.decode() for block in decoder.rows([([KEY] * len(values), values)]) for line in split_lines(block.text)]
    fields = [[_plain(text) for text in line.split("\t")[1:]] for line in lines]
    assert len({array for _value, array in fields}) == 1
    return [value for value, _array in fields], fields[0][1]


def _plain(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")


@pytest.mark.parametrize(("kind", "number", "bodies", "name"), [
    (TSVECTOR, 27, [sized_value(body) for body in VECTORS], "tsvector"), (TSQUERY, 26, [sized_value(search_query(tree)) for tree in QUERIES], "tsquery"),
    (LSN, 3, [zigzag(value) for value in [*NUMBERS, -1, -(2**63)]], "pg_lsn"),
], ids=["tsvector", "tsquery", "pg_lsn"])
def test_values_and_arrays_are_printed_as_postgresql_prints_them(postgres, kind, number, bodies, name):
    values, array = decoded(kind, number, bodies)
    assert values == ask(postgres, f"x::{name}", values)
    assert [array] == ask(postgres, f"x::{name}[]", [array])
    assert ask(postgres, f"array_length(x::{name}[], 1)", [array]) == [str(len(bodies) + 2)]


@pytest.mark.parametrize("tree", [b"\x02\x02" * 10_000 + b"\x01\0\0\x01a" * 10_001, (b"\x02\x02\x01\0\0\x01a") * 10_000 + b"\x01\0\0\x01a", b"\x02\x01" * 10_000 + b"\x01\0\0\x01a"])
def test_a_query_of_ten_thousand_operators_is_refused(tree):
    with pytest.raises(MigrationError, match=r"column v, row \(c1 = 1\): the tsquery is nested more than 800 levels deep \(value_policies can have null or reject for json_depth\)"):
        decoded(TSQUERY, 26, [sized_value((20_001).to_bytes(4, "big") + tree)])


def test_values_of_search_types_keep_their_words(postgres):
    values, _array = decoded(TSVECTOR, 27, [sized_value(search_vector([(word, [])])) for word in WORDS])
    assert ask(postgres, "(tsvector_to_array(x::tsvector))[1]", values) == WORDS


def test_vectors():
    numbers = [[], [0.0, -0.0], [1e-45, -1e-45], [3.4028234663852886e38, -3.4028234663852886e38], [0.1, 1e6, 1e-5, 16777216.0], [1.0] * 2000]
    bodies = [sized_value(len(row).to_bytes(4, "big") + struct.pack(f">{len(row)}f", *row)) for row in numbers]
    values, array = decoded(VECTOR, 44, bodies)
    assert values[:5] == ["[]", "[0,-0]", "[1e-45,-1e-45]", "[3.4028235e+38,-3.4028235e+38]", "[0.1,1e+06,1e-05,1.6777216e+07]"]
    assert array == "{NULL," + ",".join(f'"{value}"' if "," in value else value for value in values) + ",NULL}"


def test_label_paths():
    paths = ["", "a", "A_b-c.0.é", ".".join(["x"] * 300), "l" * 255, "NULL", "null.NULL"]
    bodies = [sized_value(msb(len(path.encode())) + path.encode()) for path in paths]
    values, array = decoded(LTREE, 45, bodies)
    assert values == paths
    assert array == '{NULL,"",' + ",".join(f'"{path}"' if path == "NULL" else path for path in paths[1:]) + ",NULL}"


def test_composite_values(postgres):
    pair = UserType(110, "pair", 1, "composite", fields=[SqlType("int", 20, 64), SqlType("string", 25)], field_names=["a", "b"])
    bodies = [b"\x02" + b"\x03" + zigzag(number) + b"\x06" + sized_value(word.encode()) for number, word in enumerate(["", *WORDS], -3)]
    bodies += [b"\x02\x01\x01", b"\x02\x01\x06\x04NULL", b"\x02\x03" + zigzag(-(2**63)) + b"\x01"]
    values, array = decoded(SqlType("tuple", 100110, user_type_id=110), 16, bodies, {110: pair})
    cursor = postgres.cursor()
    cursor.execute("DROP TYPE IF EXISTS pair; CREATE TYPE pair AS (a int8, b text)")
    assert values == ask(postgres, "x::pair", values)
    assert [array] == ask(postgres, "x::pair[]", [array])
    assert ask(postgres, "(x::pair).b", values) == ["", *WORDS, None, "NULL", None]
    cursor.execute("DROP TYPE pair")
