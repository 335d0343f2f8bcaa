# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every value of real backups: what PostgreSQL prints after loading it, and what CockroachDB itself returned for it."""
from __future__ import annotations

import json
import pathlib

import pytest
from backup_rows import DecodedTable, copy_in, decoded_tables, quote, unescape

BACKUPS = [
    ("shop", "shop", ""), ("types", "types", ""), ("tricky", "tricky", ""), ("boxes", "boxes", ""), ("tenant", "tenant", ""), ("modern-shaped/shop-v4", "shop", ""), ("modern-shaped/shop-v7", "shop", ""),
    ("modern-shaped/types-v5", "types", ""), ("modern-shaped/types-v7-encrypted", "types", "correct horse"),
]


def texts_of(cursor, table: str, columns: list[str]) -> list[tuple]:
    shown = ", ".join(f"{quote(column)}::text" for column in columns)
    cursor.execute(f"SELECT {shown} FROM {table}")
    return cursor.fetchall()


def as_printed(decoded: DecodedTable) -> list[tuple]:
    """Our texts; a boolean is t or f in COPY and true or false in a cast."""
    booleans = [kind == "bool" for kind in decoded.types]
    return [
        tuple({"t": "true", "f": "false"}.get(text) if boolean else unescape(text) for boolean, text in zip(booleans, line.split("\t")))
        for line in decoded.lines
    ]


def check_against_truth(cursor, decoded: DecodedTable, truth: pathlib.Path, entry: dict) -> None:
    columns = [column["name"] for column in entry["columns"]]
    types = dict(zip(decoded.column_names, decoded.types))
    copy_in(cursor, "truth", columns, [types.get(name, "text") for name in columns], (truth / entry["file"]).read_text(encoding="utf-8").split("\n")[:-1])
    # Virtual columns are not stored: what CockroachDB returned for them has no counterpart in a backup.
    stored = [name for name in columns if name in types]
    hidden = {column.name for column in decoded.table.columns if column.hidden}
    assert set(types) - hidden <= set(stored)
    got = sorted(texts_of(cursor, "ours", stored), key=repr)
    want = sorted(texts_of(cursor, "truth", stored), key=repr)
    assert got == want, decoded.name


@pytest.mark.parametrize("backup, database, passphrase", BACKUPS)
def test_every_value_is_what_postgresql_prints_and_what_cockroachdb_returned(postgres, fixtures_dir, backup, database, passphrase):
    if postgres.server_version < 170000 and backup.startswith("modern"):
        pytest.skip("the same rows in another container: once is enough")
    truth = fixtures_dir / "truth" / database
    entries = {f"{entry['schema']}.{entry['table']}": entry for entry in json.loads((truth / "tables.json").read_text(encoding="utf-8"))["tables"]}
    cursor = postgres.cursor()
    done = set()
    for decoded in decoded_tables(fixtures_dir / "backups" / backup, passphrase=passphrase):
        copy_in(cursor, "ours", decoded.column_names, decoded.types, decoded.lines)
        assert sorted(texts_of(cursor, "ours", decoded.column_names), key=repr) == sorted(as_printed(decoded), key=repr), decoded.name
        check_against_truth(cursor, decoded, truth, entries[decoded.name])
        done.add(decoded.name)
    assert done == {name for name, entry in entries.items() if entry["kind"] == "BASE TABLE"}


def test_the_tricky_values_are_many(fixtures_dir):
    truth = fixtures_dir / "truth" / "tricky"
    values, arrays, keys = set(), set(), set()
    for entry in json.loads((truth / "tables.json").read_text(encoding="utf-8"))["tables"]:
        columns = [column["name"] for column in entry["columns"]]
        kind = entry["columns"][columns.index("v")]["crdb_type"]
        with open(truth / entry["file"], encoding="utf-8", newline="") as lines:
            for line in lines:
                row = dict(zip(columns, line.rstrip("\n").split("\t")))
                if not entry["table"].startswith("v_"):
                    keys.add((entry["table"][0], kind, row["v"]))
                elif row["v"] != "\\N":
                    values.add((kind, row["v"]))
                    arrays |= {(kind, row["alone"])} if "alone" in row else set()
    assert len(values) >= 300 and len(arrays) >= 300
    assert len({text for _kind, text in values}) >= 300
    for direction in "kdc":
        assert len({text for table, _kind, text in keys if table == direction}) >= 300


@pytest.mark.parametrize("chain, truth_name", [(1, "chain-v20.2.7-layer0"), (5, "chain-v20.2.7-layer4"), (9, "chain-v20.2.7-layer8")])
def test_rows_of_a_chain_of_layers(postgres, shared_fixtures, chain, truth_name):
    if postgres.server_version < 170000:
        pytest.skip("once is enough")
    folder = shared_fixtures / "backups" / "upstream" / "chain-v20.2.7"
    truth = shared_fixtures / "truth" / truth_name
    entries = {entry["table"]: entry for entry in json.loads((truth / "tables.json").read_text(encoding="utf-8"))["tables"]}
    cursor = postgres.cursor()
    done = set()
    for decoded in decoded_tables(*[folder / str(layer) for layer in range(chain)], subdirectory="."):
        copy_in(cursor, "ours", decoded.column_names, decoded.types, decoded.lines)
        check_against_truth(cursor, decoded, truth, entries[decoded.table.name])
        done.add(decoded.table.name)
    assert done == set(entries)


def test_tpcc_gives_the_digests_of_cockroachdb(postgres, shared_fixtures):
    if postgres.server_version < 170000:
        pytest.skip("once is enough")
    entries = {entry["table"]: entry for entry in json.loads((shared_fixtures / "truth/tpcc/tables.json").read_text(encoding="utf-8"))["tables"]}
    cursor = postgres.cursor()
    done = set()
    small = {name for name, entry in entries.items() if entry["rows"] <= 60000}
    for decoded in decoded_tables(shared_fixtures / "backups" / "tpcc", only=small):
        entry = entries[decoded.table.name]
        copy_in(cursor, "ours", decoded.column_names, decoded.types, decoded.lines)
        shown = ", ".join(f"{quote(column['name'])}::text" for column in entry["columns"])
        cursor.execute(f"SELECT count(*), sum(hashtextextended(ROW({shown})::text, 0))::text FROM ours")
        assert cursor.fetchone() == (entry["rows"], entry["digest"]), decoded.name
        done.add(decoded.table.name)
    assert done == small
