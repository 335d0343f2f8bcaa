# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every value of real backups: what PostgreSQL prints after loading it, and what CockroachDB itself returned for it."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from backup_rows import DecodedTable, copy_in, decoded_tables, unescape  # noqa: E402

BACKUPS = [
    ("shop", "shop", ""), ("types", "types", ""), ("modern-shaped/shop-v4", "shop", ""), ("modern-shaped/shop-v7", "shop", ""),
    ("modern-shaped/types-v5", "types", ""), ("modern-shaped/types-v7-encrypted", "types", "correct horse"),
]


def texts_of(cursor, table: str, columns: list[str]) -> list[tuple]:
    shown = ", ".join(f'"{column}"::text' for column in columns)
    cursor.execute(f"SELECT {shown} FROM {table}")
    return cursor.fetchall()


def as_printed(decoded: DecodedTable) -> list[tuple]:
    """Our texts; a boolean is t or f in COPY and true or false in a cast."""
    booleans = [kind == "bool" for kind in decoded.types]
    return [
        tuple({"t": "true", "f": "false"}.get(text, None) if boolean else unescape(text) for boolean, text in zip(booleans, line.split("\t")))
        for line in decoded.lines
    ]


def check_against_truth(cursor, decoded: DecodedTable, truth: pathlib.Path, entry: dict) -> None:
    columns = [column["name"] for column in entry["columns"]]
    types = dict(zip(decoded.column_names, decoded.types))
    copy_in(cursor, "truth", columns, [types[name] for name in columns], (truth / entry["file"]).read_text(encoding="utf-8").split("\n")[:-1])
    got = sorted(texts_of(cursor, "ours", columns), key=repr)
    want = sorted(texts_of(cursor, "truth", columns), key=repr)
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
