# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Where layers are found in each release's layout, which are chosen, and what is said when one is missing."""
from __future__ import annotations

import shutil

import pytest
from building import SECOND, message, row_key, size, span, sst, time, unsigned, value, version, write_layer

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    CorruptBackupError,
    MigrationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import UnfinishedImport
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.coverage import prove
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    BackupRequest,
    open_backup,
)

TABLE = (unsigned(60) + unsigned(1), unsigned(60) + unsigned(2))
FULL = "2021/04/07-141126.52"
BASE = 1600000000
START, END = b"\x80", b"\xfd"


def at(seconds):
    return ((BASE + seconds) * SECOND, 0)


def layer(folder, start, end, rows, *fields, more=(), options=None, path="data/1.sst", **named):
    """A layer with one file of table 60: ``rows`` are (id, seconds, text), an empty text deletes."""
    points = [(row_key(60, 1, number), version(*at(when)), value(text) if text else b"") for number, when, text in rows]
    return write_layer(
        folder, at(start) if start else None, at(end), [(path, TABLE, points, options or {}, more)] if rows else [], *fields, **named)


def read(*locations, **request):
    backup = open_backup(BackupRequest(tuple(str(location) for location in locations), **request))
    tally: dict[int, int] = {}
    rows = {key[2] - 0x88: content[5:].decode() for keys, values in backup.scan(START, END, tally) for key, content in zip(keys, values)}
    assert not prove(backup, [(START, END)], tally)
    return rows


@pytest.fixture(params=["inside", "incrementals", "both ends in the name", "custom location"])
def collection(request, tmp_path):
    """A full backup and two increments in one release's layout; yields the locations and the second increment's folder."""
    root = tmp_path / "collection"
    layer(root / FULL, None, 10, [(1, 5, "one"), (2, 5, "two"), (3, 5, "three")])
    (root / "metadata" / "latest").mkdir(parents=True)
    if request.param == "inside":
        (root / "LATEST").write_text("/" + FULL)
    else:
        (root / "metadata" / "latest" / "LATEST-20").write_text("/1999/01/01-000000.00")
        (root / "metadata" / "latest" / "LATEST-13").write_text("/" + FULL)
    base = {"inside": root / FULL, "custom location": tmp_path / "other" / FULL}.get(request.param, root / "incrementals" / FULL)
    suffix = "-20210407-141126.52" if request.param == "both ends in the name" else ""
    first = layer(base / "20210408" / f"141127.00{suffix}", 10, 20, [(2, 15, "zwei"), (4, 15, "vier")])
    second = layer(base / "20210409" / f"141127.00{suffix}", 20, 30, [(1, 25, ""), (2, 25, "deux")])
    return [root, tmp_path / "other"] if request.param == "custom location" else [root], first, second


def test_increments_are_found(collection):
    locations, _first, _second = collection
    assert read(*locations) == {2: "deux", 3: "three", 4: "vier"}


def test_a_missing_layer_is_named(collection):
    locations, first, second = collection
    shutil.rmtree(first)
    with pytest.raises(CorruptBackupError, match=r"missing: .*141127.00.* between 2020-09-13T12:26:50.*and 2020-09-13T12:27:00") as raised:
        read(*locations)
    assert str(second) in str(raised.value)


def test_as_of_the_end_of_a_layer(collection):
    locations, _first, _second = collection
    assert read(*locations, as_of="2020-09-13T12:26:50Z") == {1: "one", 2: "two", 3: "three"}
    assert read(*locations, as_of="2020-09-13 12:27:00") == {1: "one", 2: "zwei", 3: "three", 4: "vier"}
    assert read(*locations, as_of="2020-09-13T14:27:00+02:00") == {1: "one", 2: "zwei", 3: "three", 4: "vier"}
    assert read(*locations, as_of="1600000030000000000.0000000000") == {2: "deux", 3: "three", 4: "vier"}


@pytest.mark.parametrize("as_of", ["2020-09-13T12:26:55Z", "2019-01-01", "2030-01-01 00:00:00", "yesterday"])
def test_an_as_of_that_cannot_be_had(collection, as_of):
    with pytest.raises(ConfigurationError, match=as_of) as raised:
        read(*collection[0], as_of=as_of)
    if as_of.endswith(("Z", ":00")):
        assert "2020-09-13T12:26:50.000000000Z (1600000010000000000.0000000000)" in str(raised.value)


def test_a_log_of_later_revisions_is_mentioned(tmp_path):
    layer(tmp_path / FULL, None, 10, [(1, 5, "one")])
    (tmp_path / "log" / "data").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be had .* folder log/ .*it is not read here; take an incremental backup"):
        read(tmp_path, as_of="2030-01-01 00:00:00")
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, as_of="2019-01-01 00:00:00")
    assert "log/" not in str(raised.value)
    assert read(tmp_path) == {1: "one"}


def test_a_folder_of_a_collection_as_the_location(collection):
    locations, _first, _second = collection
    if len(locations) == 1:
        assert read(locations[0] / FULL) == {2: "deux", 3: "three", 4: "vier"}


def test_explicit_subdirectory(collection):
    assert read(*collection[0], subdirectory="/" + FULL)[2] == "deux"
    with pytest.raises(ConfigurationError, match=f"no backup in .*2001/01/01-000000.00 .*set backup_subdirectory to one of: {FULL}"):
        read(*collection[0], subdirectory="2001/01/01-000000.00")


def test_unfinished_layers_are_left_alone(collection):
    locations, _first, second = collection
    (second / "BACKUP_MANIFEST").rename(second / "BACKUP-CHECKPOINT")
    assert read(*locations)[2] == "zwei"


def test_the_newest_full_backup_without_latest(tmp_path):
    for name, text in (("2021/04/07-141126.52", "old"), ("2021/05/01-000000.00", "new")):
        layer(tmp_path / name, None, 10, [(1, 5, text)])
    (tmp_path / "2021/06/01-000000.00/data").mkdir(parents=True)
    assert read(tmp_path) == {1: "new"}


def test_single_directories_in_any_order(tmp_path):
    layer(tmp_path / "full", None, 10, [(1, 5, "one")], name="BACKUP", check=False)
    layer(tmp_path / "a", 10, 20, [(2, 15, "two")])
    layer(tmp_path / "b", 20, 30, [(1, 25, "uno")])
    assert read(tmp_path / "b", tmp_path / "full", tmp_path / "a") == {1: "uno", 2: "two"}
    with pytest.raises(CorruptBackupError, match="layer of the backup is missing"):
        read(tmp_path / "full", tmp_path / "b")
    with pytest.raises(CorruptBackupError, match="up to .* no such full backup"):
        read(tmp_path / "a", tmp_path / "b")
    layer(tmp_path / "stranger", None, 7, [(1, 5, "x")])
    with pytest.raises(ConfigurationError, match="stranger does not belong"):
        read(tmp_path / "full", tmp_path / "stranger")


def test_layers_appended_to_a_single_directory(tmp_path):
    layer(tmp_path, None, 10, [(1, 5, "one")])
    layer(tmp_path / "20210408" / "141127.00", 10, 20, [(1, 15, "uno")])
    assert read(tmp_path) == {1: "uno"}


def test_a_compacted_layer_replaces_the_others(tmp_path):
    layer(tmp_path / "full", None, 10, [(1, 5, "one")])
    layer(tmp_path / "a", 10, 20, [(2, 15, "two")])
    layer(tmp_path / "b", 20, 30, [(1, 25, "uno")])
    layer(tmp_path / "c", 10, 30, [(1, 25, "compacted"), (2, 15, "two")], (29, 1))
    backup = open_backup(BackupRequest(tuple(str(tmp_path / name) for name in ("full", "a", "b", "c"))))
    assert [entry.path[-1] for entry in backup.info.layers] == ["l", "c"]
    assert [finding.code for finding in backup.findings] == ["backup_compacted"]


def test_no_backup_says_what_was_looked_for(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(ConfigurationError, match=r"no backup in file://.*BACKUP_METADATA, BACKUP_MANIFEST, BACKUP, LATEST.*did not finish"):
        read(tmp_path)
    with pytest.raises(ConfigurationError, match="is no directory"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("location", ["gs://bucket/x", "nodelocal://1/x", "ftp://x/y", "relative/path", "s3:///x", "s3://b/x?AWS_SECRET_ACCESS_KEY=hush"])
def test_locations_that_cannot_be_read(location):
    with pytest.raises(MigrationError) as raised:
        read(location)
    assert "hush" not in str(raised.value)


def test_layers_of_two_clusters(tmp_path):
    layer(tmp_path / "full", None, 10, [(1, 5, "one")])
    layer(tmp_path / "a", 10, 20, [(2, 15, "two")], (9, b"another cluster."))
    with pytest.raises(ConfigurationError, match="different clusters"):
        read(tmp_path / "full", tmp_path / "a")


@pytest.mark.parametrize("fields", [((26, message((1, 7))),), ((24, message((1, 7))),)])
def test_virtual_clusters_are_refused_by_number(tmp_path, fields):
    layer(tmp_path, None, 10, [(1, 5, "one")], *fields)
    with pytest.raises(UnsupportedError, match="tenants 7"):
        read(tmp_path)


def test_a_backup_from_inside_a_virtual_cluster_is_read(tmp_path):
    points = [(b"\xfe\x8a" + row_key(60, 1, 1), version(*at(5)), value("x"))]
    write_layer(tmp_path, None, at(10), [("1.sst", (b"\xfe\x8a", b"\xfe\x8b"), points, {}, ())])
    assert read(tmp_path) == {1: "x"}
    info = open_backup(BackupRequest((str(tmp_path),))).info
    assert info.virtual_cluster == 2


def test_keys_of_several_virtual_clusters_are_refused(tmp_path):
    files = [(f"{number}.sst", (b"\xfe" + unsigned(number), b"\xfe" + unsigned(number + 1)), [], {}, ()) for number in (2, 300)]
    write_layer(tmp_path, None, at(10), files)
    with pytest.raises(UnsupportedError, match=r"several virtual clusters \(2, 300\)"):
        read(tmp_path)
    write_layer(tmp_path, None, at(10), [files[0]])
    (tmp_path / "2.sst").write_bytes(sst([(b"\xfe\x8b" + row_key(60, 1, 1), version(*at(5)), value("x"))]))
    with pytest.raises(CorruptBackupError, match="2.sst: key fe8b.* is not one of the virtual cluster's"):
        read(tmp_path)
    layer(tmp_path / "a", 10, 20, [(1, 15, "x")])
    with pytest.raises(ConfigurationError, match="different clusters"):
        read(tmp_path, tmp_path / "a")


def test_localities_are_matched_by_backup_id(tmp_path):
    for number, (start, end) in enumerate([(None, 10), (10, 20)]):
        folder = FULL if not number else f"incrementals/{FULL}/20210408/141127.00"
        layer(tmp_path / "home" / folder, start, end, [(1, end - 5, f"east{number}")], (19, b"BACKUP_PART_1_region_east"), (20, b"region=east"),
              more=((9, b"region=east"),))
        (tmp_path / "east" / folder).mkdir(parents=True)
        (tmp_path / "home" / folder / "data").rename(tmp_path / "east" / folder / "data")
        (tmp_path / "east" / folder / "BACKUP_PART_1_region_east").write_bytes(message((1, b"region=east"), (3, b"backup".ljust(16, b"0"))))
    assert read(tmp_path / "home", tmp_path / "east") == {1: "east1"}
    assert read(tmp_path / "east", tmp_path / "home") == {1: "east1"}
    with pytest.raises(ConfigurationError, match="locality region=east"):
        read(tmp_path / "home")
    (tmp_path / "east" / FULL / "BACKUP_PART_1_region_east").write_bytes(message((1, b"region=east"), (3, b"another")))
    with pytest.raises(ConfigurationError, match="belongs to another backup"):
        read(tmp_path / "home", tmp_path / "east")


def test_introduced_spans_hide_earlier_layers(tmp_path):
    layer(tmp_path / "full", None, 10, [(1, 5, "rolled back"), (2, 5, "rolled back")])
    layer(tmp_path / "a", 10, 20, [(2, 4, "kept"), (3, 15, "")], (15, span(*TABLE)))
    assert read(tmp_path / "full", tmp_path / "a") == {2: "kept"}


def revisions(folder):
    rows = [(1, 9, "c"), (1, 6, "b"), (1, 3, "a"), (2, 8, ""), (2, 4, "x"), (3, 9, "late")]
    changes = [(16, message((1, time(*at(when))), (2, 60), *([(3, descriptor)] if descriptor else []))) for when, descriptor in (
        (1, message((1, message((1, b"old"), (3, 60))))), (5, message((1, message((1, b"new"), (3, 60))))), (9, b""))]
    return layer(folder, None, 10, rows, (13, 1), (17, time(*at(2))), *changes)


@pytest.mark.parametrize(("seconds", "expected", "name"), [
    (4, {1: "a", 2: "x"}, b"old"), (6, {1: "b", 2: "x"}, b"new"), (8, {1: "b"}, b"new"), (10, {1: "c", 3: "late"}, None)])
def test_any_time_of_a_revision_history(tmp_path, seconds, expected, name):
    revisions(tmp_path)
    as_of = f"{at(seconds)[0]}.0000000000"
    assert read(tmp_path, as_of=as_of) == expected
    descriptors = open_backup(BackupRequest((str(tmp_path),), as_of=as_of)).descriptors
    assert (name in descriptors[60]) if name else not descriptors


def test_a_time_before_the_revision_history(tmp_path):
    revisions(tmp_path)
    with pytest.raises(ConfigurationError, match="any time from 2020-09-13T12:26:42.000000000Z to 2020-09-13T12:26:50"):
        read(tmp_path, as_of=f"{at(1)[0]}.0")


DELETED = {"family": "pebble", "number": 2, "range_keys": [(row_key(60, 1, 2), TABLE[1], version(*at(15)))]}


def read_deleted(folder, *more, rows=((3, 18, "new"), (4, 12, "dead")), options=None):
    """Read a full layer and one with a range tombstone; return the rows and the codes of what the proof finds."""
    layer(folder / "full", None, 10, [(1, 5, "one"), (2, 5, "two"), (3, 5, "three")])
    layer(folder / "a", 10, 20, rows, more=more, options=options or DELETED)
    backup = open_backup(BackupRequest((str(folder / "full"), str(folder / "a"))))
    tally: dict[int, int] = {}
    found = {key[2] - 0x88: content[5:].decode() for keys, values in backup.scan(START, END, tally) for key, content in zip(keys, values)}
    return found, [finding.code for finding in backup.findings if finding.code != "backup_format_unproved"], [
        finding.code for finding in prove(backup, [(START, END)], tally)]


@pytest.mark.parametrize(("flag", "opened", "proved"), [
    ([(12, 1)], ["backup_range_tombstones"], []), ([], [], ["backup_range_tombstones"])], ids=["as since v24.2", "as in v22.2 to v24.1"])
def test_range_tombstones_delete_what_is_older(tmp_path, flag, opened, proved):
    assert read_deleted(tmp_path, *flag) == ({1: "one", 3: "new"}, opened, proved)


def test_a_file_of_nothing_but_a_range_tombstone(tmp_path):
    layer(tmp_path / "full", None, 10, [(1, 5, "one"), (2, 5, "two")])
    write_layer(tmp_path / "a", at(10), at(20), [("data/1.sst", TABLE, [], DELETED, ())])
    backup = open_backup(BackupRequest((str(tmp_path / "full"), str(tmp_path / "a"))))
    tally: dict[int, int] = {}
    assert [key for keys, _values in backup.scan(START, END, tally) for key in keys] == [row_key(60, 1, 1)]
    assert [finding.code for finding in prove(backup, [(START, END)], tally)] == ["backup_range_tombstones"]


def test_range_tombstones_that_were_counted_in_other_pieces(tmp_path):
    """The points are not more than the manifest says: believed, with a finding."""
    points = [(row_key(60, 1, 3), b"", value("new")), (row_key(60, 1, 4), b"", value("dead"))]
    pieces = [(row_key(60, 1, 2), row_key(60, 1, 9), b""), (row_key(60, 1, 9), TABLE[1], b"")]
    found, _opened, proved = read_deleted(tmp_path, (6, message((1, size(points, pieces)))))
    assert found == {1: "one", 3: "new"}
    assert proved == ["backup_range_tombstones", "range_tombstones_uncounted"]


@pytest.mark.parametrize(("options", "lacking"), [(DELETED, 1), ({}, -1), ({}, 1)], ids=["more than the manifest", "less, no range tombstone", "more"])
def test_the_proof_stays_strict(tmp_path, options, lacking):
    points = [(row_key(60, 1, 3), b"", value("new")), (row_key(60, 1, 4), b"", value("dead"))]
    with pytest.raises(CorruptBackupError, match="1.sst: .* bytes of keys and values were read, the backup's manifest says"):
        read_deleted(tmp_path, (6, message((1, size(points) - lacking))), options=options or {"family": "pebble"})


def test_undeclared_range_tombstones_are_refused(tmp_path):
    layer(tmp_path, None, 10, [(1, 5, "one")], options={"family": "pebble", "range_keys": [(*TABLE, version(*at(7)))]})
    with pytest.raises(UnsupportedError, match="range tombstones"):
        read(tmp_path)


def test_extended_values_and_their_tombstones(tmp_path):
    header = message((1, time(5)))
    extended = len(header).to_bytes(4, "big") + b"\x65" + header
    points = [(row_key(60, 1, 1), version(*at(5)), extended + value("one")), (row_key(60, 1, 2), version(*at(5)), extended)]
    write_layer(tmp_path, None, at(10), [("1.sst", TABLE, points, {}, ())])
    assert read(tmp_path) == {1: "one"}


def of_import(text, epoch):
    header = message((4, epoch))
    return len(header).to_bytes(4, "big") + b"\x65" + header + value(text)


@pytest.mark.parametrize(("unfinished", "expected"), [
    (UnfinishedImport("d.t", at(14)[0]), {1: b"one"}), (UnfinishedImport("d.t", at(15)[0] + 1), {1: b"one", 2: b"again", 4: b"new"}),
    (UnfinishedImport("d.t", at(14)[0], 2), {1: b"one"}), (None, {1: b"one", 2: b"again", 4: b"new"})])
def test_what_an_unfinished_import_wrote_is_left_out(tmp_path, unfinished, expected):
    """Row 2 is not revived: it was deleted between the layers, before the import wrote it again."""
    layer(tmp_path / "full", None, 10, [(1, 5, "one"), (2, 5, "two"), (3, 5, "three")])
    points = [(row_key(60, 1, number), version(*at(15)), content) for number, content in ((2, of_import("again", 2)), (3, b""), (4, of_import("new", 2)))]
    write_layer(tmp_path / "a", at(10), at(20), [("1.sst", TABLE, points, {}, ())])
    backup = open_backup(BackupRequest((str(tmp_path / "full"), str(tmp_path / "a"))))
    for bound in (row_key(60, 1, 1), row_key(60, 1, 3)):
        batches = [*backup.scan(TABLE[0], bound, {}, unfinished), *backup.scan(bound, TABLE[1], {}, unfinished)]
        found = {key[2] - 0x88: content[5:] for keys, values in batches for key, content in zip(keys, values)}
        # By time the deletion of row 3 is the import's, too: nothing of it came from before.
        assert found == expected


@pytest.mark.parametrize("content", [value("plain"), of_import("another's", 1)])
def test_rows_that_may_be_the_imports_or_not_are_refused(tmp_path, content):
    write_layer(tmp_path, None, at(20), [("1.sst", TABLE, [(row_key(60, 1, 1), version(*at(15)), content)], {}, ())])
    backup = open_backup(BackupRequest((str(tmp_path),)))
    with pytest.raises(UnsupportedError, match=r"d\.t: .* do not say whether they are the import's: exclude the table"):
        list(backup.scan(*TABLE, {}, UnfinishedImport("d.t", at(14)[0], 2)))
    assert list(backup.scan(*TABLE, {}, UnfinishedImport("d.t", at(16)[0], 2)))


def test_a_key_that_occurs_twice_is_an_error(tmp_path):
    layer(tmp_path, None, 10, [(1, 5, "one"), (1, 4, "again")])
    with pytest.raises(CorruptBackupError, match="1.sst: a key occurs twice"):
        read(tmp_path)


def test_a_key_outside_its_span_is_an_error(tmp_path):
    points = [(row_key(table, 1, 1), version(*at(5)), value("one")) for table in (59, 60)]
    write_layer(tmp_path, None, at(10), [("1.sst", TABLE, points, {}, ())])
    with pytest.raises(CorruptBackupError, match="1.sst: key c38989.* outside the spans"):
        read(tmp_path)


def test_elided_keys_get_their_table_back(tmp_path):
    points = [(row_key(60, 1, 1)[1:], version(*at(5)), value("one"))]
    write_layer(tmp_path, None, at(10), [("1.sst", TABLE, points, {}, ())], (28, 2))
    backup = open_backup(BackupRequest((str(tmp_path),)))
    assert [batch[0] for batch in backup.scan(START, END, {})] == [[row_key(60, 1, 1)]]


def family_key(row, family):
    """A key of column family ``family`` of a row of table 60."""
    return row_key(60, 1, row) if not family else row_key(60, 1, row)[:-1] + unsigned(family) + b"\x89"


def scattered(folder, overlapping=False):
    """Two layers with rows of five families, each family in a file of its own; the second layer changes the families 3 and 4 of row 2."""
    keys = [family_key(row, family) for row in range(1, 4) for family in range(5)]
    bounds = [TABLE[0], *keys[1:], TABLE[1]]
    points = [[(key, version(*at(5)), value(f"{place}"))] for place, key in enumerate(keys)]
    files = [(f"{place}.sst", (bounds[place], bounds[place + 1]), points[place], {}, ()) for place in range(len(keys))]
    if overlapping:
        files.append(("over.sst", TABLE, [(family_key(2, 4), version(*at(6)), value("over"))], {}, ()))
    write_layer(folder / "full", None, at(10), files)
    changed = [(family_key(2, family), version(*at(15)), value(f"new {family}")) for family in (3, 4)]
    middle = family_key(2, 4)
    write_layer(folder / "a", at(10), at(20), [
        ("low.sst", (TABLE[0], middle), changed[:1], {}, ()), ("high.sst", (middle, TABLE[1]), changed[1:], {}, ())])
    return keys, open_backup(BackupRequest((str(folder / "full"), str(folder / "a"))))


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_row_in_many_files_keeps_all_its_families(tmp_path, overlapping):
    keys, backup = scattered(tmp_path, overlapping)
    whole = [pair for batch in backup.scan(*TABLE, {}) for pair in zip(*batch)]
    assert [key for key, _value in whole] == keys
    assert [content[5:] for _key, content in whole[8:10]] == [b"new 3", b"new 4"]
    for bound in [*keys, *(key + b"\0" for key in keys), *(key[:-1] for key in keys)]:
        tally: dict[int, int] = {}
        before = [pair for batch in backup.scan(TABLE[0], bound, tally) for pair in zip(*batch)]
        after = [pair for batch in backup.scan(bound, TABLE[1], tally) for pair in zip(*batch)]
        assert before + after == whole
        assert not before or not after or before[-1][0][:3] != after[0][0][:3]
        assert not prove(backup, [TABLE], tally)


def test_files_far_behind_a_range_are_not_opened(tmp_path):
    _keys, backup = scattered(tmp_path, overlapping=True)
    backup._tables._tables.clear()
    assert list(backup.scan(TABLE[0], family_key(1, 2), {}))
    assert {name.rpartition("/")[2] for name in backup._tables._tables} == {"0.sst", "1.sst", "2.sst", "3.sst", "4.sst", "over.sst", "low.sst"}


def test_a_path_out_of_the_backup_is_refused(tmp_path):
    write_layer(tmp_path, None, at(10), [("../1.sst", TABLE, [(row_key(60, 1, 1), b"", value("x"))], {}, ())])
    with pytest.raises(CorruptBackupError, match="does not lie in the backup"):
        read(tmp_path)
