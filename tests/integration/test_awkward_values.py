# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A real backup with values that PostgreSQL cannot hold: exported under policies, imported, verified, reported; over SQL the dump is the same.

The backup holds U+0000 in text, JSON, arrays and keys, NaN in JSON, deep JSON, long names, reals and decimals out of range.
"""
from __future__ import annotations

import os

import pytest
from cockroach_nodes import KINDS as NODE_KINDS
from cockroach_nodes import node
from exporting import export_backup, export_cluster

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_facts import (
    build_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_text import render_text
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.result_file import (
    PhaseRecord,
    utc_now,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.value_policies import (
    KINDS,
    value_policies,
)

REPLACING = {kind: "replace" if detail.replaced_by else "null" for kind, detail in KINDS.items()}
REJECTING = {**dict.fromkeys(KINDS, "reject"), "json_number": "replace"}
NULLING = {**dict.fromkeys(KINDS, "null"), "zero_character": "reject", "json_number": "replace"}
# A stored computed column is made from a text with U+0000 in it: only rejecting is possible there.
WITHOUT_COMPUTED = Selection(exclude=("awkward.public.computed",))
CHOICES = {"replace": (REPLACING, WITHOUT_COMPUTED), "reject": (REJECTING, Selection()), "null": (NULLING, WITHOUT_COMPUTED)}


@pytest.fixture(name="location")
def _location(fixtures_dir):
    return f"file://{fixtures_dir}/backups/awkward"


def export(location, dump, policies, selection=WITHOUT_COMPUTED):
    return export_backup(BackupRequest((location,)), dump, selection=selection, chunk_rows=2, policies=value_policies(policies))


def migrated(parameters, location, dump, choice):
    export(location, dump, *CHOICES[choice])
    imported = import_dump(str(dump), parameters, ImportOptions())
    return imported, verify_dump(str(dump), parameters, VerifyOptions())


def query(parameters, text):
    connection = connect(parameters, "awkward")
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else connection.commit()
    finally:
        connection.close()


def findings_of(dump, code):
    return {finding.object.split(".", 2)[2]: finding for finding in read_manifest(str(dump)).findings if finding.code == code}


def test_without_policies_the_export_stops(location, tmp_path):
    with pytest.raises(MigrationError, match=r"^awkward\.public\.\w+, column \w+, row .*value_policies can have .*null or reject for \w+\)$"):
        export(location, tmp_path / "dump", {})


def test_rows_that_were_put_aside_are_known_everywhere(location, tmp_path, empty_postgres):
    dump = tmp_path / "dump"
    imported, verified = migrated(empty_postgres, location, dump, "reject")
    assert validate_dump(str(dump)).succeeded and validate_dump(str(dump)).rejected == 12
    assert verified.succeeded, verified
    tables = verified.databases["awkward"].tables
    assert {name: table.rejected_found for name, table in tables.items() if table.rejected} == {
        "public.parents": 3, "public.children": 1, "public.texts": 4, "public.numbers": 2, "public.computed": 2,
    }
    assert imported.databases["awkward"].tables["public.parents"].rejected == 3
    rows = query(empty_postgres, "SELECT key, column_name, kind, row_values->'name'->>'bytes', row_values->>'note' FROM cockroach_migrator.rejects "
                                 "WHERE table_name = 'parents' ORDER BY key")
    assert rows[0] == ("(id = 2)", "name", "zero_character", "7a0065726f", "note")
    assert [row[:3] for row in rows[1:]] == [("(id = 3)", "note", "zero_character"), ("(id = 8)", "doc", "json_depth")]
    assert query(empty_postgres, "SELECT count(*) FROM texts WHERE code LIKE 'k%'") == [(0,)]
    # The child of a rejected row is there.
    assert query(empty_postgres, "SELECT id, parent FROM children WHERE parent = 3") == [(3, 3)]
    assert query(empty_postgres, "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f'") == [("children_parent_fkey", False)]
    assert findings_of(dump, "foreign_key_not_validated")["children.children_parent_fkey"].severity == "warning"
    assert findings_of(dump, "rows_rejected")["texts"].severity == "error"
    assert not import_dump(str(dump), empty_postgres, ImportOptions()).changed
    assert query(empty_postgres, "SELECT count(*) FROM cockroach_migrator.rejects") == [(12,)]

    manifest = read_manifest(str(dump))
    results = {"target_import": imported, "target_verify": verified}
    records = {phase: PhaseRecord(manifest.dump_id, "db:5432", "this", utc_now(), result=result) for phase, result in results.items()}
    report = build_report(manifest, records, "db:5432", "", "this")
    assert report.verdict.startswith("VERIFIED") and "12 rows were rejected" in report.verdict
    text = render_text(report)
    assert "[error] awkward.public.texts (rows_rejected)" in text and "4 rows were rejected; they are not in the table" in text

    query(empty_postgres, "DELETE FROM cockroach_migrator.rejects WHERE table_name = 'texts' AND key = '(code = long)'")
    assert not verify_dump(str(dump), empty_postgres, VerifyOptions()).succeeded


@pytest.mark.parametrize("choice", ["replace", "null"])
def test_changed_values_arrive_and_are_counted(location, tmp_path, empty_postgres, choice):
    dump = tmp_path / "dump"
    _imported, verified = migrated(empty_postgres, location, dump, choice)
    assert verified.succeeded, verified
    if choice == "replace":
        assert query(empty_postgres, "SELECT name, doc->>'k', tags FROM parents WHERE id IN (2, 3) ORDER BY id") == [
            ("z\ufffdero", None, None), ("three", "a\ufffdb", ["a\ufffd", "ok", None])]
        assert query(empty_postgres, "SELECT length(n::text) FROM texts WHERE code IN ('long', 'wide') ORDER BY code") == [(63,), (31,)]
        assert query(empty_postgres, "SELECT code FROM texts WHERE code LIKE 'k%'") == [("k\ufffdey",)]
        assert query(empty_postgres, "SELECT f::text, small FROM numbers WHERE id IN (2, 5) ORDER BY id")[0][0] == "Infinity"
        found = findings_of(dump, "values_replaced")
        assert "2 rows had the character U+0000" in found["texts.code"].message and "Keys: (code = k\ufffdey)" in found["texts.code"].message
        assert not findings_of(dump, "rows_rejected") and found["texts.code"].severity == "warning"
    nulled = findings_of(dump, "values_set_null")
    assert {"parents.doc", "numbers.small"} <= set(nulled)
    assert query(empty_postgres, "SELECT doc, small FROM parents, numbers WHERE parents.id = 8 AND numbers.id = 5") == [(None, None)]


def test_other_policies_make_another_dump(location, tmp_path):
    dump = tmp_path / "dump"
    assert export(location, dump, REPLACING).changed and not export(location, dump, REPLACING).changed
    with pytest.raises(ConfigurationError, match="another backup or selection"):
        export(location, dump, NULLING)


def test_null_is_refused_where_the_column_is_not_null(location, tmp_path):
    with pytest.raises(MigrationError, match="cannot become NULL, for the column is NOT NULL: choose another policy for zero_character"):
        export(location, tmp_path / "dump", dict.fromkeys(KINDS, "null"))


def test_a_damaged_file_of_rejects_is_named(location, tmp_path):
    dump = tmp_path / "dump"
    export(location, dump, REJECTING, Selection())
    path = next((dump / "awkward" / "rejects" / "public.texts").iterdir())
    assert os.stat(path).st_mode & 0o077 == 0
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    result = validate_dump(str(dump))
    assert not result.succeeded and str(path) in result.problems[0]


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_both_sources_agree_under_each_policy(kind, location, tmp_path, fixtures_dir):
    with node(kind, tmp_path, fixtures_dir / "backups", "awkward") as parameters:
        restore_backup(parameters, RestoreRequest((location,), str(tmp_path / "restore.json"), io_dir=str(fixtures_dir / "backups"), poll_interval=1), lambda state: None)
        for choice, (policies, selection) in CHOICES.items():
            export(location, tmp_path / f"{choice}_backup", policies, selection)
            export_cluster(
                parameters, tmp_path / f"{choice}_restore", selection=selection, chunk_rows=100, kind="restore", source_id="awkward", grants_restored=False,
                policies=value_policies(policies),
            )
            result = compare_dumps(str(tmp_path / f"{choice}_backup"), str(tmp_path / f"{choice}_restore"))
            assert result.differences == [], choice
