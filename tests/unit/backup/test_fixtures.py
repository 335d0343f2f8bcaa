# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every byte of every fixture backup is read, whole or in pieces."""
from __future__ import annotations

import pickle

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.source_catalog import (
    find_leftovers,
    source_catalog,
)

START, END = b"\x80", b"\xfd"
PASSPHRASE = "correct horse"
SHOP, TYPES = 107356, 8825


def read(*locations, **request):
    backup = open_backup(BackupRequest(tuple(str(location) for location in locations), **request))
    tally: dict[int, int] = {}
    rows = [pair for keys, values in backup.scan(START, END, tally) for pair in zip(keys, values)]
    return backup, rows, tally


def assert_complete(backup, tally, sizes_known=True):
    files = backup.files(START, END)
    assert files
    for file in files:
        assert file.data_size == (tally.get(file.id, 0) if sizes_known else None), file


@pytest.mark.parametrize(("name", "entries"), [("shop", SHOP), ("types", TYPES), ("cluster", 118248)])
def test_each_key_of_a_real_backup_is_read(fixtures_dir, name, entries):
    backup, rows, tally = read(fixtures_dir / "backups" / name)
    assert len(rows) == entries
    assert_complete(backup, tally)
    assert rows == sorted(set(rows))
    assert backup.findings == []
    assert backup.info.coverage == ("cluster" if name == "cluster" else "requested")
    assert backup.info.layers[0].format == "rocksdb v2"


@pytest.mark.parametrize(("name", "original", "table_format"), [
    ("shop-v4", "shop", "pebble v4"), ("shop-v7", "shop", "pebble v7"), ("types-v5", "types", "pebble v5"), ("types-v7-encrypted", "types", "pebble v7")])
def test_modern_forms_give_the_same_as_the_original(fixtures_dir, name, original, table_format):
    backup, rows, tally = read(fixtures_dir / "backups" / "modern-shaped" / name, passphrase=PASSPHRASE)
    expected, expected_rows, _expected_tally = read(fixtures_dir / "backups" / original)
    assert rows == expected_rows
    assert backup.descriptors == expected.descriptors
    assert_complete(backup, tally, sizes_known=False)
    assert backup.info.layers[0].format == table_format
    assert backup.info.encrypted is name.endswith("encrypted")
    assert table_format in backup.findings[0].message


@pytest.mark.parametrize("name", ["shop", "modern-shaped/shop-v7", "modern-shaped/shop-v4"])
def test_pieces_hold_the_whole(fixtures_dir, name):
    backup, rows, tally = read(fixtures_dir / "backups" / name)
    bounds = [START, *backup.split(START, END, 1 << 20), END]
    assert len(bounds) > 4
    pieces: dict[int, int] = {}
    counted: dict[int, int] = {}
    found = []
    for start, end in zip(bounds, bounds[1:]):
        piece = [pair for keys, values in backup.scan(start, end, pieces) for pair in zip(keys, values)]
        assert sum(len(key) + len(value) for key, value in piece) < 4 << 20
        found += piece
        backup.count(start, end, counted)
    assert found == rows
    assert pieces == tally == counted


def test_no_row_is_cut_by_a_bound_inside_it(fixtures_dir):
    backup, rows, tally = read(fixtures_dir / "backups" / "types")
    keys = [key for key, _value in rows]
    families = next(place for place in range(len(keys) - 1) if keys[place + 1][:len(keys[place]) - 1] == keys[place][:-1])
    bound = keys[families + 1]
    pieces: dict[int, int] = {}
    before = [pair for batch in backup.scan(START, bound, pieces) for pair in zip(*batch)]
    after = [pair for batch in backup.scan(bound, END, pieces) for pair in zip(*batch)]
    assert before + after == rows
    assert before[-1][0] >= bound
    assert before[-1][0][:len(keys[families]) - 1] == keys[families][:-1] != after[0][0][:len(keys[families]) - 1]
    assert pieces == tally


def test_a_backup_survives_pickling(fixtures_dir):
    backup, rows, _tally = read(fixtures_dir / "backups" / "types")
    again = pickle.loads(pickle.dumps(backup))
    assert [pair for batch in again.scan(START, END, {}) for pair in zip(*batch)] == rows


@pytest.mark.parametrize(("layers", "live"), [(1, 40), (5, 98), (9, 150)])
def test_a_chain_of_real_layers(shared_fixtures, layers, live):
    chain = shared_fixtures / "backups" / "upstream" / "chain-v20.2.7"
    backup, rows, tally = read(*[chain / str(number) for number in reversed(range(layers))])
    assert_complete(backup, tally)
    assert len(rows) == live
    assert [layer.path.rpartition("/")[2] for layer in backup.info.layers] == [str(number) for number in range(layers)]


def test_as_of_a_real_chain_reads_fewer_layers(shared_fixtures):
    chain = shared_fixtures / "backups" / "upstream" / "chain-v20.2.7"
    folders = [chain / str(number) for number in range(9)]
    end = open_backup(BackupRequest(tuple(map(str, folders[:5])))).info.end_time_decimal
    assert read(*folders, as_of=end)[1] == read(*folders[:5])[1]


def test_a_backup_of_21_1(shared_fixtures):
    backup, rows, tally = read(shared_fixtures / "backups" / "upstream" / "remap-v21.1.1")
    assert len(rows) == 4
    assert_complete(backup, tally)


def test_large_tables_are_read_in_windows(shared_fixtures):
    backup = open_backup(BackupRequest((str(shared_fixtures / "backups" / "tpcc"),)))
    tally: dict[int, int] = {}
    backup.count(START, END, tally)
    assert_complete(backup, tally)
    pieces = backup.split(START, END, 8 << 20)
    assert 15 <= len(pieces) <= 22
    assert pieces == sorted(set(pieces))


def test_a_cluster_backup_from_inside_a_virtual_cluster(fixtures_dir):
    """Its system tables are read, too; v22.1 wrote the first row of the settings with a value that is not of its column's type."""
    backup, rows, tally = read(fixtures_dir / "backups" / "tenant")
    assert_complete(backup, tally)
    assert (backup.info.virtual_cluster, backup.info.coverage) == (10, "cluster")
    assert all(key[:1] != b"\xfe" for key, _value in rows)
    catalog = source_catalog(backup)
    find_leftovers(backup, catalog)
    assert [role.name for role in catalog.roles] == ["reader"]
    assert {table.name: table.comment for database in catalog.databases for table in database.tables}["items"] == "things"
    assert [finding.message for finding in catalog.findings] == ["Cluster settings are omitted: sql.defaults.distsql."]
