# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The choices of the conversion on the whole way: export of a real backup, import, verification; over SQL the dump is the same."""
from __future__ import annotations

import json

import pytest
from cockroach_nodes import KINDS, node
from exporting import export_backup, export_cluster
from playbook_runs import CHECKOUT, Run, variables
from test_choosing import query
from test_source_playbooks import restore_variables, target_variables

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import Arrangement
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import open_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export import run
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_numbers import read_records
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

SHOP = f"file://{CHECKOUT}/tests/fixtures/backups/shop"
EVERYTHING = {"unique_rowid": "function", "object_identifiers": "text", "unique_without_index": "trigger", "row_ttl": "job"}


def export(backup, dump_dir, arrangement=None, **choices):
    """Export one of the fixtures."""
    request = BackupRequest(locations=(f"file://{CHECKOUT}/tests/fixtures/backups/{backup}",))
    return export_backup(request, dump_dir, arrangement=arrangement or Arrangement(), conversion=conversion_policies(choices))


def load_and_verify(parameters, dump_dir):
    """Import, verify, and import again, which changes nothing."""
    import_dump(str(dump_dir), parameters, ImportOptions(parallelism=2))
    verified = verify_dump(str(dump_dir), parameters, VerifyOptions(parallelism=2))
    assert verified.succeeded, verified
    assert not import_dump(str(dump_dir), parameters, ImportOptions()).changed


@pytest.fixture(name="restored", params=KINDS)
def _restored(request, tmp_path, fixtures_dir):
    """A node with the restored backup ``tricky``, and what the restore said."""
    with node(request.param, tmp_path, fixtures_dir / "backups", "tricky") as parameters:
        location = f"file://{fixtures_dir}/backups/tricky"
        wanted = RestoreRequest((location,), str(tmp_path / "restore.json"), io_dir=str(fixtures_dir / "backups"), poll_interval=1)
        yield parameters, restore_backup(parameters, wanted, lambda state: None)


def over_sql(dump_dir, restoration, **parts):
    """The arguments of an export of the restored backup."""
    return dict(
        dump_dir=dump_dir, chunk_rows=20, parallelism=2, kind="restore", source_id="tricky", grants_restored=restoration.coverage == "cluster",
        conversion=conversion_policies({"object_identifiers": "text"}), **parts,
    )


@pytest.mark.parametrize("arrangement", [Arrangement(), Arrangement((("tricky.public.v_bool", "Ja oder nein"), ("tricky.public.awkward", "heikel")), "everything")])
@pytest.mark.slow
def test_both_sources_give_object_identifiers_the_same_names(restored, arrangement, tmp_path, empty_postgres):
    """RESTORE has given new numbers to everything; the values have the old ones."""
    parameters, restoration = restored
    export("tricky", tmp_path / "backup", arrangement, object_identifiers="text")
    numbers = read_records(json.loads(json.dumps(restoration.object_numbers)))
    wanted = over_sql(tmp_path / "restore", restoration, object_numbers=numbers, arrangement=arrangement)
    assert export_cluster(parameters, **wanted).changed and not export_cluster(parameters, **wanted).changed
    result = compare_dumps(str(tmp_path / "backup"), str(tmp_path / "restore"))
    assert result.differences == [] and result.rows > 8000
    load_and_verify(empty_postgres, tmp_path / "restore")
    database, schema = ("everything", "tricky") if arrangement.merged_database else ("tricky", "public")
    renamed, kind = ('tricky."Ja oder nein"', "tricky.heikel") if arrangement.merged_database else ("public.v_bool", "public.awkward")

    def values(table):
        return [value for value, in query(empty_postgres, database, f'SELECT v FROM {schema}.{table} WHERE v IS NOT NULL ORDER BY id')]

    assert values("v_regtype") == ["bigint", "text", "character varying", "timestamp with time zone", '"char"', "integer[]", kind]
    assert values("v_regclass")[2:] == [renamed, f"{schema}.k_bool"] and all(value.isdigit() for value in values("v_regclass")[:2])
    assert values("v_regnamespace") == [schema, "pg_catalog"] and values("v_regrole") == ["root", "admin"]
    assert all(value.isdigit() for value in values("v_regproc"))
    for name in ("k_regtype", "d_regtype", "c_regtype"):
        assert sorted(values(name)) == sorted(values("v_regtype"))
    for name in ("regclass", "regtype", "regnamespace"):
        checked = query(empty_postgres, database, f"SET search_path = ''; SELECT count(*), count(*) FILTER (WHERE v::{name}::text = v) FROM {schema}.v_{name} WHERE v !~ '^[0-9]+$'")
        assert checked[0][0] == checked[0][1] > 1
        assert query(empty_postgres, database, f"SELECT DISTINCT pg_typeof(alone)::text FROM {schema}.v_{name}") == [("text[]",)]
        assert query(empty_postgres, database, f"SELECT count(*) FROM {schema}.v_{name} WHERE id > 0 AND (alone <> ARRAY[v] OR nulls <> ARRAY[NULL, v, NULL] OR pair[1] <> v)") == [(0,)]
    found = {finding.object for finding in read_manifest(str(tmp_path / "restore")).findings}
    assert "all databases" in found, "owners and grants are lost"


def test_numbers_of_a_backup_that_cannot_be_read_stay_numbers(restored, tmp_path):
    parameters, restoration = restored
    export_cluster(parameters, **over_sql(tmp_path / "restore", restoration))
    manifest = read_manifest(str(tmp_path / "restore"))
    assert "object_numbers_not_known" in {finding.code for finding in manifest.findings}
    [table] = [table for table in manifest.databases[0].tables if table.name == "v_regclass"]
    lines = [line for chunk in table.chunks for line in open_chunk(str(tmp_path / "restore" / table.directory / chunk.file)).read().decode().splitlines()]
    assert [line.split("\t")[1] for line in lines] == ["\\N", "4294967129", "4294967135", "2355", "2356"]


def test_the_dump_keeps_the_choices_and_others_make_another_dump(postgres, tmp_path):
    assert export("shop", tmp_path / "dump", **EVERYTHING).changed
    assert not export("shop", tmp_path / "dump", **EVERYTHING).changed
    for others in ({}, {"unique_rowid": "function"}):
        with pytest.raises(ConfigurationError, match="another backup or selection"):
            export("shop", tmp_path / "dump", **others)
    manifest = read_manifest(str(tmp_path / "dump"))
    assert manifest.conversion_policies == manifest.source["identity"]["conversion_policies"] == EVERYTHING
    assert "unique_rowid" in (tmp_path / "dump" / "shop" / "pre-data.sql").read_text(encoding="utf-8")
    load_and_verify(postgres, tmp_path / "dump")
    assert query(postgres, "shop", "SELECT count(*) > 0 FROM pg_proc WHERE proname = 'unique_rowid'") == [(True,)]


def test_dumps_without_choices_are_those_that_they_were(tmp_path):
    export("shop", tmp_path / "plain")
    export("shop", tmp_path / "defaults", unique_rowid="identity", row_ttl="finding")
    export("shop", tmp_path / "other", unique_rowid="function")
    plain, defaults, other = (read_manifest(str(tmp_path / name)) for name in ("plain", "defaults", "other"))
    assert plain.dump_id == defaults.dump_id != other.dump_id
    text = (tmp_path / "plain" / "manifest.json").read_text(encoding="utf-8")
    assert "conversion_policies" not in text
    assert not export("shop", tmp_path / "plain", unique_rowid="identity").changed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_the_playbook_with_a_restored_backup(kind, work, empty_postgres):
    values = {**restore_variables(kind), **target_variables(empty_postgres), "do_cleanup": False}
    wrong = Run("migrate.yml", variables(work, **values, conversion_policies={"unique_rowid": "functions"}))
    assert wrong.code != 0 and "conversion_policies: unique_rowid cannot be functions, did you mean function?" in wrong.error, wrong.output
    argument = variables(work, **values, conversion_policies={"unique_rowid": "function", "object_identifiers": "text", "row_ttl": "finding"})
    run = Run("migrate.yml", argument)
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    manifest = json.loads(next(work.glob("*/dump/manifest.json")).read_text(encoding="utf-8"))
    assert manifest["conversion_policies"] == {"unique_rowid": "function", "object_identifiers": "text"}
    assert "object_numbers_not_known" not in {finding["code"] for finding in manifest["findings"]}
    again = Run("migrate.yml", argument)
    assert (again.code, again.changed) == (0, 0), again.output
    other = Run("migrate.yml", variables(work, **values))
    assert other.code != 0 and "holds the dump of another backup" in other.error and "other names or policies" in other.error, other.output


@pytest.mark.slow
def test_the_playbook_with_a_backups_files(work, empty_postgres):
    values = {**target_variables(empty_postgres), "s3_backup_path": SHOP, "conversion_policies": {"unique_rowid": "function"}}
    run = Run("migrate.yml", variables(work, **values))
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    assert query(empty_postgres, "shop", "SELECT count(*) FROM pg_proc WHERE proname = 'unique_rowid'") == [(1,)]


@pytest.mark.parametrize("recomputed", [True, False])
def test_words_that_postgresql_computes_anew_are_not_compared(recomputed, tmp_path, empty_postgres, monkeypatch):
    """No fixture has a TSVECTOR that is computed: an upper case that becomes a lower case stands for words that are others."""
    def with_other_values(catalog, policies):
        keep_unconvertible_as_data(catalog, policies)
        [table] = [table for database in catalog.databases for table in database.tables if table.name == "parts"]
        [column] = [column for column in table.columns if column.name == "shouted"]
        table.checks, column.computed, column.recomputed = [], "lower(code)", recomputed

    monkeypatch.setattr(run, "keep_unconvertible_as_data", with_other_values)
    export("text_order", tmp_path / "dump")
    if recomputed:
        load_and_verify(empty_postgres, tmp_path / "dump")
    else:
        with pytest.raises(AssertionError):
            load_and_verify(empty_postgres, tmp_path / "dump")
    [(database,)] = query(empty_postgres, "postgres", "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')")
    assert query(empty_postgres, database, "SELECT count(*) > 0, bool_and(shouted = lower(code)) FROM parts") == [(True, True)]
