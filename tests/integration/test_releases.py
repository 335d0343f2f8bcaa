# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The roads over SQL, ``restore`` and ``cluster``, on the releases that people run.

The stand-in repeats what a real v22.1 answered and refuses what each release refuses, by the table in stand_in_cockroach/releases.py; with
COCKROACH_BINARY the same runs on the release that is there.
"""
from __future__ import annotations

import contextlib
import io
import itertools
import json
import pathlib
from dataclasses import replace

import psycopg2
import pytest
import recorder
from backup_copies import copy_of_release
from cockroach_nodes import BINARY, TESTS, node
from conversation import Conversation
from exporting import export_cluster
from journey import export

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import (
    is_complete,
    read_catalog,
    read_manifest,
    read_roles,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError, ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Grant
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster import (
    cluster_source,
    kept_moment,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.releases import release_of
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_stream import TableReader
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.shown_schema import (
    read_shown_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore_statement import (
    BackupAddress,
    require_grammar,
)

RELEASES = ["v22.2.19", "v23.1.30", "v23.2.28", "v24.1.4", "v24.3.5", "v25.2.3", "v25.4.0", "v26.1.1", "v26.2.5", "v26.3.0", "v26.4.0"]
REAL = pytest.param("", marks=pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program"))
BACKUP = "intervals"
SHOWN = TESTS / "fixtures" / "conversations" / "intervals_shown.json"
CHUNK_ROWS = 2
"""As in the recorded conversation: each chunk is one page there, and one COPY here."""


@pytest.fixture(scope="module", name="from_files")
def _from_files(fixtures_dir, tmp_path_factory):
    """The dump of the backup's own files."""
    directory = tmp_path_factory.mktemp("files") / "dump"
    export([f"file://{fixtures_dir}/backups/{BACKUP}"], directory)
    return str(directory)


def collection(fixtures_dir: pathlib.Path, directory: pathlib.Path, version: str) -> pathlib.Path:
    """Return the directory for nodelocal with the backup, which says that it is of this release; '' is the backup's own."""
    if not version:
        return fixtures_dir / "backups"
    copy_of_release(fixtures_dir / "backups" / BACKUP, directory / "backups" / BACKUP, version)
    return directory / "backups"


def request(directory: pathlib.Path, kind: str, **values) -> dict:
    """Return the arguments of the export of the recorded conversation."""
    return dict(dump_dir=directory / kind, chunk_rows=CHUNK_ROWS, parallelism=2, kind=kind, source_id=BACKUP if kind == "restore" else "", **values)


def codes(dump: str) -> set[str]:
    """Return the codes of a dump's findings."""
    return {finding.code for finding in read_manifest(dump).findings}


@pytest.mark.parametrize("version", [*RELEASES, REAL])
def test_restore_and_cluster_give_what_the_backup_holds(version, fixtures_dir, tmp_path, from_files):
    io_dir = collection(fixtures_dir, tmp_path, version)
    with node("stand-in" if version else "real", tmp_path, io_dir, BACKUP, version=version) as parameters:
        restoration = restore_backup(
            parameters, RestoreRequest((f"file://{io_dir}/{BACKUP}",), str(tmp_path / "restore.json"), io_dir=str(io_dir), poll_interval=1), lambda state: None,
        )
        assert restoration.databases == [BACKUP]
        for kind, same in (("restore", from_files), ("cluster", str(tmp_path / "restore"))):
            exported = export_cluster(parameters, **request(tmp_path, kind, grants_restored=kind == "cluster"))
            assert exported.rows == 105 and compare_dumps(same, exported.dump_dir).differences == []
    later = version.startswith("v26.4")
    assert ("release_not_known" in codes(str(tmp_path / "cluster"))) == later
    assert ("release_not_known" in {finding.code for finding in restoration.findings}) == later


@contextlib.contextmanager
def cluster(tmp_path, fixtures_dir, version, **options):
    """A running cluster of this release, with the rows of the backup."""
    with node("stand-in", tmp_path, fixtures_dir / "backups", BACKUP, version=version, **options) as parameters:
        yield parameters


@pytest.mark.parametrize(("version", "copies"), [("v22.2.19", False), ("v23.1.30", True)])
def test_rows_come_by_copy_from_its_first_release_on(version, copies, fixtures_dir, tmp_path, monkeypatch):
    def refused(self, *arguments):
        raise CockroachError("COPY was asked for")

    monkeypatch.setattr(TableReader, "copy", refused)
    with cluster(tmp_path, fixtures_dir, version) as parameters, contextlib.ExitStack() as stack:
        if copies:
            stack.enter_context(pytest.raises(CockroachError, match="COPY was asked for"))
        assert export_cluster(parameters, **request(tmp_path, "cluster")).rows == 105


@pytest.mark.parametrize("code", ["0A000", "42601"])
def test_pages_where_copy_is_refused(code, fixtures_dir, tmp_path, from_files):
    with cluster(tmp_path, fixtures_dir, "v24.3.5", fault=f"refuses:{code}:COPY (") as parameters:
        exported = export_cluster(parameters, **request(tmp_path, "cluster"))
    assert exported.rows == 105
    assert not [line for line in compare_dumps(from_files, exported.dump_dir).differences if "GRANT" not in line]


def test_another_error_of_copy_is_not_hidden(fixtures_dir, tmp_path):
    with cluster(tmp_path, fixtures_dir, "v24.3.5", fault="refuses:22003:COPY (") as parameters, pytest.raises(CockroachError, match="refuses to be read"):
        export_cluster(parameters, **request(tmp_path, "cluster"))
    assert not is_complete(str(tmp_path / "cluster"))


def test_statements_that_a_release_refuses(fixtures_dir, tmp_path):
    """The table of the stand-in, asked directly."""
    moment, table = "'1795834577600783530.0000000000'", '"intervals"."public"."alone"'
    copy = 'COPY (SELECT "k", "n" FROM {}{} WHERE NOT (("k"::STRING >= \'-3 mons\'))) TO STDOUT'
    begin, descriptors = f"BEGIN AS OF SYSTEM TIME {moment}", f"SELECT id, descriptor FROM system.public.descriptor AS OF SYSTEM TIME {moment}"
    cases = [
        ("v22.2.19", [copy.format(table, "")], "42601"),
        ("v24.3.5", [copy.format(table, f" AS OF SYSTEM TIME {moment}")], "0A000"),
        ("v24.3.5", [begin, copy.format(table, " AS OF SYSTEM TIME '-1s'")], "0A000"),
        ("v24.3.5", [begin, copy.format(table, "")], None),
        ("v25.2.3", ["SET allow_unsafe_internals = on"], "42704"),
        ("v25.4.0", [descriptors], None),
        ("v26.1.1", [descriptors], "42501"),
        ("v26.1.1", ["SELECT crdb_internal.cluster_id()"], "42501"),
        ("v26.1.1", ["SET allow_unsafe_internals = on", descriptors], None),
        ("v26.1.1", ["SHOW BACKUP FROM 'x' IN 'nodelocal://1/x' WITH incremental_location = 'nodelocal://1/y'"], None),
        ("v26.2.5", ["RESTORE FROM 'x' IN 'nodelocal://1/x' WITH incremental_location = 'nodelocal://1/y', detached"], "42601"),
        ("v24.3.5", ["SET no_such_variable = 1"], "42704"),
        ("v24.1.4", ["SHOW CREATE ALL ROUTINES"], "42601"),
    ]
    for version, group in itertools.groupby(cases, key=lambda case: case[0]):
        directory = tmp_path / version
        directory.mkdir(exist_ok=True)
        with cluster(directory, fixtures_dir, version) as parameters:
            for _version, statements, code in group:
                assert asked(parameters, statements) == code, (version, statements)


def asked(parameters, statements) -> str | None:
    """Return the code of the error of the last of these statements, None when it has none."""
    connection = psycopg2.connect(host=parameters.host, port=parameters.port, user="root", dbname="defaultdb", sslmode="disable")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements[:-1]:
                cursor.execute(statement)
            last = statements[-1]
            cursor.copy_expert(last, io.BytesIO()) if last.startswith("COPY") else cursor.execute(last)
    except psycopg2.Error as error:
        return error.pgcode
    finally:
        connection.close()
    return None


@pytest.mark.parametrize(("version", "settings"), [
    ("v25.1.0", []), ("v25.2.3", ["SET row_security = off"]), ("v25.4.0", ["SET row_security = off", "SET allow_unsafe_internals = on"]),
])
def test_every_connection_sets_what_its_release_knows(version, settings, fixtures_dir, tmp_path):
    heard = tmp_path / "heard.zst"
    with cluster(tmp_path, fixtures_dir, version) as parameters, recorder.recording(parameters.port, heard) as port:
        connect(CockroachParameters(port=port)).close()
    assert [sql for sql, _answer in Conversation(heard).exchanges][-len(settings) or None:] == (settings or [sql for sql, _answer in Conversation(heard).exchanges])
    assert sum(sql in ("SET row_security = off", "SET allow_unsafe_internals = on") for sql, _answer in Conversation(heard).exchanges) == len(settings)


def test_closed_system_tables_are_read_by_show(fixtures_dir, tmp_path, from_files):
    with cluster(tmp_path, fixtures_dir, "v26.2.5", closed="1", shown=str(SHOWN)) as parameters:
        exported = export_cluster(parameters, **request(tmp_path, "cluster"))
    dump = exported.dump_dir
    assert exported.rows == 105 and {"schema_from_text"} <= codes(dump)
    assert not [line for line in compare_dumps(from_files, dump).differences if "GRANT" not in line]
    manifest = read_manifest(dump)
    catalog = read_catalog(dump, next(database for database in manifest.databases if database.name == BACKUP))
    assert (catalog.owner, catalog.tables[0].owner, catalog.schemas[0].owner) == ("root", "clerk", "admin")
    assert Grant("clerk", ["SELECT", "INSERT"], ["SELECT"]) in catalog.tables[1].grants and Grant("public", ["CONNECT"]) in catalog.grants
    roles = {role.name: role for role in read_roles(dump)}
    assert set(roles) == {"clerk", "staff"}
    assert (roles["clerk"].login, roles["clerk"].member_of, roles["clerk"].options) == (True, ["staff"], ["CREATEDB"]) and not roles["staff"].login


def test_closed_system_tables_of_a_database_with_regions(fixtures_dir, tmp_path):
    """SHOW CREATE ALL TYPES does not print their type."""
    answers = json.loads(SHOWN.read_text(encoding="utf-8"))
    own = answers[BACKUP]
    own[f'SHOW CREATE DATABASE "{BACKUP}"']["rows"][0][1] = f'CREATE DATABASE {BACKUP} PRIMARY REGION "us" REGIONS = "eu", "us" SURVIVE ZONE FAILURE'
    own["SHOW CREATE ALL TABLES"]["rows"].append(["CREATE TABLE public.homes (r public.crdb_internal_region NOT NULL, CONSTRAINT k PRIMARY KEY (r ASC)) LOCALITY REGIONAL BY ROW AS r;"])
    shown = tmp_path / "shown.json"
    shown.write_text(json.dumps(answers), encoding="utf-8")
    with cluster(tmp_path, fixtures_dir, "v26.2.5", closed="1", shown=str(shown)) as parameters, contextlib.closing(connect(parameters)) as connection:
        database = next(item for item in read_shown_catalog(connection, parameters, "'-1s'").databases if item.name == BACKUP)
    assert (database.primary_region, [member.name for item in database.types for member in item.members if item.kind == "multi-region enum"]) == ("us", ["eu", "us"])
    assert any(table.name == "homes" and table.columns[0].type.user_type_id for table in database.tables)


def test_closed_system_tables_and_no_admin(fixtures_dir, tmp_path):
    """SHOW CREATE shows such a user what it may see only: nobody would know what is missing."""
    with cluster(tmp_path, fixtures_dir, "v26.2.5", closed="1", user="plain") as parameters, pytest.raises(CockroachError) as failure:
        export_cluster(parameters, **request(tmp_path, "cluster"))
    assert "allow_unsafe_internals" in str(failure.value) and 'GRANT admin TO "root"' in str(failure.value)
    assert "log in as" not in str(failure.value) and not (tmp_path / "cluster").exists()


@pytest.mark.parametrize(("version", "user", "owner", "allowed"), [
    ("v25.2.3", "plain", "somebody", False), ("v26.3.0", "plain", "somebody", False), ("v25.2.3", "plain", "root", True), ("v25.2.3", "bypasses", "somebody", True),
    ("v25.2.3", "bypasses by option", "somebody", True), ("v25.2.3", "", "somebody", True),
])
def test_row_level_security_that_could_hide_rows(version, user, owner, allowed, fixtures_dir, tmp_path, monkeypatch):
    """No backup of a release that has it is here: two tables of the catalog are said to have it."""
    read = cluster_source.read_catalog

    def secured(*arguments):
        catalog = read(*arguments)
        for table in catalog.databases[-1].tables[:2]:
            table.row_level_security, table.owner = True, owner
        return catalog

    monkeypatch.setattr(cluster_source, "read_catalog", secured)
    with cluster(tmp_path, fixtures_dir, version, user=user) as parameters:
        if allowed:
            assert export_cluster(parameters, **request(tmp_path, "cluster")).rows == 105
            return
        with pytest.raises(CockroachError) as failure:
            export_cluster(parameters, **request(tmp_path, "cluster"))
    message = str(failure.value)
    assert "intervals.public.alone, intervals.public.behind" in message and 'ALTER ROLE "root" WITH BYPASSRLS' in message and "GRANT admin" in message
    assert not (tmp_path / "cluster").exists()


def test_a_moment_that_is_not_kept_for_long_enough(fixtures_dir, tmp_path):
    with cluster(tmp_path, fixtures_dir, "v24.3.5", gc_seconds="0") as parameters:
        with pytest.raises(CockroachError, match=r'ALTER DATABASE "intervals" CONFIGURE ZONE USING gc.ttlseconds = 3600.*gc_check: false'):
            export_cluster(parameters, **request(tmp_path, "cluster"))
        assert not (tmp_path / "cluster").exists()
        assert export_cluster(parameters, **request(tmp_path, "cluster", gc_check=False)).rows == 105
        # The temporary node of a restore keeps every moment.
        assert export_cluster(parameters, **request(tmp_path, "restore", grants_restored=False)).rows == 105


def test_the_tables_are_counted_where_nothing_estimates_them(fixtures_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_moment, "ROWS_A_SECOND", 1)
    with cluster(tmp_path, fixtures_dir, "v26.1.1", gc_seconds="40") as parameters:
        assert export_cluster(parameters, check=True, **request(tmp_path, "cluster")).changed
        with pytest.raises(CockroachError, match="will last about 52 seconds .*keeps the rows of its moment for"):
            export_cluster(parameters, **request(tmp_path, "cluster"))
    assert not (tmp_path / "cluster").exists()


def test_a_moment_that_is_collected_while_it_is_read(fixtures_dir, tmp_path):
    """The chunks that are finished are used when it can be read again, and nothing is mixed with another moment."""
    later = """(("a" > '3') OR ("a" = '3' AND "k"::STRING <= '2 mons -30 days')) AND NOT"""
    for _attempt in range(2):
        with cluster(tmp_path, fixtures_dir, "v24.3.5", fault=f"collected:{later}") as parameters, pytest.raises(CockroachError) as failure:
            export_cluster(parameters, **request(tmp_path, "cluster"))
        message = str(failure.value)
        assert "no longer keeps the rows" in message and "finished chunks of that moment are kept" in message and "gc.ttlseconds" in message
        assert str(tmp_path / "cluster") in message and not is_complete(str(tmp_path / "cluster"))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cluster").rglob("*.zst")}
    with cluster(tmp_path, fixtures_dir, "v24.3.5") as parameters:
        result = export_cluster(parameters, **request(tmp_path, "cluster"))
    assert result.rows == 105 and kept and {path: path.stat().st_mtime_ns for path in kept} == kept


def test_telemetry_is_off_from_the_start_and_after_a_whole_cluster_came_back(fixtures_dir, tmp_path):
    backups = fixtures_dir / "backups"
    with node("stand-in", tmp_path, backups, "belongings") as parameters:
        assert reporting(parameters) == "false"
        wanted = RestoreRequest((f"file://{backups}/belongings",), str(tmp_path / "restore.json"), io_dir=str(backups), poll_interval=1)
        assert restore_backup(parameters, wanted, lambda state: None).coverage == "cluster"
        assert reporting(parameters) == "false"


def reporting(parameters) -> str:
    """Return whether the node reports to its maker."""
    with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW ALL CLUSTER SETTINGS")
        return {row[0]: row[1] for row in cursor.fetchall()}["diagnostics.reporting.enabled"]


def test_no_tls_where_it_is_asked_for(fixtures_dir, tmp_path):
    with cluster(tmp_path, fixtures_dir, "v24.3.5") as parameters, pytest.raises(CockroachError, match="speaks no TLS.*cockroach_sslmode: disable"):
        connect(replace(parameters, sslmode="require"))


@pytest.mark.parametrize("version", ["v26.2.5", "v22.1.0"])
def test_incrementals_elsewhere(version):
    """From v26.2 on the option is gone: refused by name, before CockroachDB is asked."""
    address = BackupAddress(("nodelocal://1/x",), "/2026/01/01-000000.00", ("nodelocal://1/y",))
    if version == "v22.1.0":
        require_grammar(address, release_of(version))
        return
    with pytest.raises(ConfigurationError, match=r"removed in v26\.2.*v25\.4 or v26\.1.*incrementals/.*migration_source: backup"):
        require_grammar(address, release_of(version))
