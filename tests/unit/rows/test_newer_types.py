# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Types that only newer releases have, as value, in arrays and as key: what arrives in a PostgreSQL that has the type is what was stored."""
from __future__ import annotations

import decimal
import json
import shutil
import struct

import pytest
from postgres_servers import CORPUS_SERVERS, open_directory
from stored_forms import array_value, msb, row_value, search_vector, sized_value, tag, unsigned, zigzag
from test_rare_types import decoded
from test_row_decoder import decode, make_table
from test_text_forms import ask

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Index,
    IndexColumn,
    SqlType,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)

CITEXT, REFCURSOR, VECTOR, LTREE = SqlType("collated", 90008), SqlType("refcursor", 1790), SqlType("vector", 90006), SqlType("ltree", 90010)
LSN, JSON = SqlType("pg_lsn", 3220), SqlType("json", 3802)
WORDS = ["", "a", "A", "ÄÖß", "e\u0301", "İ", "it's", '"', "\\", "a,b", "{}", "NULL", "null", " ", " a ", "a\tb", "a\nb", "漢字", "🚀", "(x)", "w" * 300]
NUMBERS = [0, 1, 109, 110, 255, 256, 0xFFFFFFFF, 0x100000000, 2**63 - 1, 2**63, 2**64 - 1]
LARGEST = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]
VECTORS = [[0.0], [-0.0, 0.5, -1.0], [1e-45, -1e-45], [LARGEST, -LARGEST], [0.1, 1e6, 1e-5, 16777216.0, 1 / 3], [float(number) for number in range(2000)]]
PATHS = ["", "a", "A_1.b.c9", "Top.Hobbies.Amateurs_Astronomy", ".".join(["x"] * 300), "l" * 255, "NULL", "null.NULL"]
DOCUMENTS = [
    "null", "true", "false", '""', '"a"', '"it\'s \\"quoted\\" \\\\ \\n ü 🚀"', "0", "1", "-1", "1.5", "-0.09", "100000000000000000000", "1E-7",
    "123456789012345678901234567890.123", "[]", "{}", "[[], {}, [null]]", '[1, "a", null, true, {"b": [2.25, false]}]',
    '{"": 1, "a": {"b": {"c": []}}, "ü": "x", "z z": [-1, 0, 1]}',
]


@pytest.fixture(scope="module", name="server_of")
def _server_of():
    """Give a connection to a server of a name, which is started when it is first asked for."""
    opened, started, directories = {}, [], []

    def give(name: str, extension: str):
        if name not in opened:
            programs, directory = CORPUS_SERVERS[name](), open_directory()
            directories.append(directory)
            started.append(temporary_server(ServerOptions(str(directory / "server"), programs)))
            opened[name] = connect(started[-1].__enter__())
            opened[name].autocommit = True
        opened[name].cursor().execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        return opened[name]

    yield give
    for connection in opened.values():
        connection.close()
    for server in reversed(started):
        server.__exit__(None, None, None)
    for directory in directories:
        shutil.rmtree(directory)


def texts(words: list[str]) -> list[bytes]:
    return [sized_value(word.encode()) for word in words]


def vector(numbers: list[float]) -> bytes:
    return sized_value(len(numbers).to_bytes(4, "big") + struct.pack(f">{len(numbers)}f", *numbers))


def test_citext_keeps_its_capitals(server_of):
    server = server_of("installed with PostGIS", "citext")
    values, array = decoded(CITEXT, 6, texts(WORDS))
    assert ask(server, "x::citext::text", values) == values == WORDS
    assert ask(server, "x::citext = lower(x)::citext", values[1:3]) == ["true", "true"]
    assert ask(server, "to_jsonb(x::citext[]::text[])", [array]) == ask(server, "x::jsonb", [json.dumps([None, *WORDS, None])])


def test_refcursors(postgres):
    values, array = decoded(REFCURSOR, 6, texts(WORDS))
    assert ask(postgres, "x::refcursor::text", values) == WORDS
    assert ask(postgres, "to_jsonb(x::refcursor[]::text[])", [array]) == ask(postgres, "x::jsonb", [json.dumps([None, *WORDS, None])])


def test_vectors(server_of):
    server = server_of("18 with pgvector", "vector")
    values, array = decoded(VECTOR, 44, [vector(numbers) for numbers in VECTORS])
    for text, numbers in zip(values, VECTORS):
        (got,) = ask(server, "x::vector::real[]::float8[]", [text])
        assert [struct.pack(">f", float(number)) for number in got[1:-1].split(",")] == [struct.pack(">f", number) for number in numbers]
    assert ask(server, "x::vector::text", values) == values
    assert ask(server, "x::vector[]::text", [array]) == [array]


def test_label_paths(server_of):
    server = server_of("installed with PostGIS", "ltree")
    values, array = decoded(LTREE, 45, [sized_value(msb(len(path)) + path.encode()) for path in PATHS])
    labels = [sized_value(len(path.split(".")).to_bytes(2, "big") + b"".join(b"\x12" + label.encode() + b"\0\1" for label in path.split("."))) for path in PATHS[1:]]
    assert decoded(LTREE, 45, labels)[0] == PATHS[1:]
    assert ask(server, "x::ltree::text", values) == PATHS
    assert ask(server, "nlevel(x::ltree)", values) == [str(len(path.split("."))) if path else "0" for path in PATHS]
    assert ask(server, "x::ltree[]::text", [array]) == [array]


def test_composite_values_of_newer_types(postgres):
    fields = [LSN, SqlType("tsvector", 3614), REFCURSOR, SqlType("array", 3221, element=LSN)]
    kind = UserType(110, "newer", 1, "composite", fields=fields, field_names=["a", "b", "c", "d"])
    words = sized_value(search_vector([("it's", [(1, 3)]), ("x, y", [])]))
    full = b"\x04" + tag(0, 3) + zigzag(0x16B3748) + tag(0, 27) + words + tag(0, 6) + sized_value(b'my "cursor"') + tag(0, 13) + array_value(3, [None, zigzag(-1)])
    values, array = decoded(SqlType("tuple", 100110, user_type_id=110), 16, [full, b"\x04\x01\x01\x01\x01"], {110: kind})
    cursor = postgres.cursor()
    cursor.execute("DROP TYPE IF EXISTS newer; CREATE TYPE newer AS (a pg_lsn, b tsvector, c refcursor, d pg_lsn[])")
    assert ask(postgres, "row_to_json(x::newer)", values) == [
        """{"a":"0/16B3748","b":"'it''s':1A 'x, y'","c":"my \\"cursor\\"","d":[null,"FFFFFFFF/FFFFFFFF"]}""", '{"a":null,"b":null,"c":null,"d":null}']
    assert ask(postgres, "x::newer[]", [array]) == [array]
    cursor.execute("DROP TYPE newer")


def keyed(kind: SqlType, key: bytes, descending: bool, entries=(), composite=()) -> str:
    """The COPY text of a table's only row, whose key column has these bytes."""
    table = make_table({1: kind}, [1])
    table.primary_index = Index(1, "primary", True, [IndexColumn(1, descending)], composite_column_ids=list(composite))
    (line,) = decode(table, [(b"\xbd\x89" + key + b"\x88", row_value(list(entries)) if entries else b"\0\0\0\0\x0a")])
    return line.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\0", "\\")


def test_citext_keys_are_told_by_their_values(server_of):
    """The key holds what sorts the texts, which is the same for a and A."""
    server = server_of("installed with PostGIS", "citext")
    values = [
        keyed(CITEXT, start + b"\x15\xef" + end, descending, [(1, 6, sized_value(word.encode()))], [1])
        for word in WORDS[1:] for start, end, descending in ((b"\x12", b"\0\1", False), (b"\x13", b"\xff\xfe", True))
    ]
    assert ask(server, "x::citext::text", values) == [word for word in WORDS[1:] for _direction in range(2)]


@pytest.mark.parametrize("descending", [False, True])
def test_keys_of_lsn(postgres, descending):
    values = [keyed(LSN, descending_unsigned(number) if descending else unsigned(number), descending) for number in NUMBERS]
    assert ask(postgres, "x::pg_lsn - '0/0'::pg_lsn", values) == [str(number) for number in NUMBERS]


def descending_unsigned(number: int) -> bytes:
    body = ((1 << 8 * ((number.bit_length() + 7) // 8)) - 1 ^ number).to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0x88 - len(body)]) + body


@pytest.mark.parametrize("descending", [False, True])
def test_keys_of_json(postgres, descending):
    values = [keyed(JSON, json_key(json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal), descending), descending) for text in DOCUMENTS]
    assert ask(postgres, "x::jsonb", values) == ask(postgres, "x::jsonb", DOCUMENTS)


def test_keys_of_json_with_zeros_at_the_end_are_told_by_their_values(postgres):
    stored = bytes.fromhex("20000001" "20000005" "04" "34 89 05dc")
    assert ask(postgres, "x::jsonb", [keyed(JSON, json_key(decimal.Decimal("1.5"), False), False, [(1, 15, sized_value(stored))], [1])]) == ["1.500"]


def json_key(value, descending: bool) -> bytes:
    """The key form of a JSON value; descending, markers are counted from the other end and all else is turned round."""
    def marker(number: int) -> bytes:
        return bytes([0x99 - number if descending else number])

    end = b"\xff" if descending else b"\0"
    if value is None or isinstance(value, bool):
        return marker({None: 0x46, False: 0x49, True: 0x4A}[value])
    if isinstance(value, str):
        raw = value.encode()
        inside = bytes(0xFF - byte for byte in raw).replace(b"\xff", b"\xff\0") if descending else raw.replace(b"\0", b"\0\xff")
        return marker(0x47) + (b"\x13" + inside + b"\xff\xfe" if descending else b"\x12" + inside + b"\0\1") + end
    if isinstance(value, decimal.Decimal):
        return marker(0x48) + decimal_key(value.copy_negate() if descending else value) + end
    if not value and isinstance(value, list):
        return marker(0x45)
    count = len(value)
    size = bytes([0x87, 0xFF - count]) if descending else bytes([0x88 + count])
    parts = value if isinstance(value, list) else [part for key in sorted(value, key=str.encode) for part in (key, value[key])]
    return marker(0x4B if isinstance(value, list) else 0x4C) + size + b"".join(json_key(part, descending) for part in parts) + end


def decimal_key(value: decimal.Decimal) -> bytes:
    """The ascending key form of a decimal: pairs of digits behind the point, and how many hundreds they count."""
    sign, digits, exponent = decimal.Context(prec=100).normalize(value).as_tuple()
    text = "".join(map(str, digits))
    if text == "0":
        return b"\x27"
    point = len(text) + int(exponent)
    text = "0" * (point % 2) + text
    hundreds = (point + point % 2) // 2
    pairs = [int((text + "0")[start:start + 2]) for start in range(0, len(text), 2)]
    body = bytes([2 * pair + 1 for pair in pairs[:-1]] + [2 * pairs[-1]])
    if sign:
        body = bytes(0xFF - byte for byte in body)
    if 0 <= hundreds <= 10:
        return bytes([0x25 - hundreds if sign else 0x29 + hundreds]) + body + b"\0"
    if hundreds > 10:
        return (b"\x1a" + descending_unsigned(hundreds) if sign else b"\x34" + unsigned(hundreds)) + body + b"\0"
    return (b"\x26" + unsigned(-hundreds) if sign else b"\x28" + descending_unsigned(-hundreds)) + body + b"\0"


def test_keys_of_label_paths_are_refused_by_name():
    with pytest.raises(UnsupportedError, match="db.public.t.*ltree"):
        decode(make_table({1: LTREE}, [1]), [])
