# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""RESTORE into a real CockroachDB (COCKROACH_BINARY): backups in directories and in S3, refusals, and restores that are broken off."""
from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
import tenacity
from s3_server import ACCESS_KEY, SECRET_KEY

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    CockroachError,
    ConfigurationError,
    MigrationError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import facts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NodeOptions,
    ensure_node,
    root_parameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.progress import RestoreProgress

BINARY = os.environ.get("COCKROACH_BINARY", "")
pytestmark = pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY does not name a real CockroachDB")
LAYERS = 9
MOMENTS = (("2021-04-07T14:11:26.525605000Z", 1), ("2021-04-07T14:11:28.787413000Z", 5), ("", LAYERS))
"""Ends of layers 0, 4 and 8 of the upstream chain, and how many layers there are until then."""


class Node:
    """A CockroachDB whose external files are a directory of backups."""

    def __init__(self, directory, backups):
        self.directory, self.backups = directory, backups
        self.pid = 0
        self.start()

    def start(self):
        options = NodeOptions(str(self.directory), BINARY, port=0, http_port=0, external_io_dir=str(self.backups), cache="64MiB", max_sql_memory="128MiB")
        facts = ensure_node("started", options, check=False)
        self.parameters, self.pid = root_parameters(facts), facts.pid

    def remove(self):
        ensure_node("absent", NodeOptions(str(self.directory)), check=False)

    def rows(self, query):
        connection = connect(self.parameters, "system")
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def restore(self, state_file, *names, progress=None, check=False, **options):
        """Restore the backups of these names; a name with a scheme is a location itself."""
        locations = tuple(name if "://" in name else f"file://{self.backups}/{name}" for name in names)
        options = {"io_dir": str(self.backups), "poll_interval": 0.1, **options}
        return facts(restore_backup(self.parameters, RestoreRequest(locations, str(state_file), **options), progress or (lambda state: None), check))


@pytest.fixture(scope="module", name="backups")
def _backups(tmp_path_factory, fixtures_dir, shared_fixtures):
    """A writable copy: CockroachDB's jobs may write beside a backup."""
    directory = tmp_path_factory.mktemp("external")
    for name in ("shop", "cluster", "tenant"):
        shutil.copytree(fixtures_dir / "backups" / name, directory / name)
    for name in ("modern-shaped", "upstream"):
        shutil.copytree(shared_fixtures / "backups" / name, directory / name)
    return directory


@pytest.fixture(scope="module", name="node")
def _node(tmp_path_factory, backups):
    """One node for all tests that clean up behind themselves."""
    node = Node(tmp_path_factory.mktemp("node") / "cockroach", backups)
    yield node
    node.remove()


@pytest.fixture(name="clean_node")
def _clean_node(node):
    """The node without databases."""
    yield node
    for (name,) in node.rows("SELECT database_name FROM [SHOW DATABASES]"):
        if name not in ("system", "defaultdb", "postgres"):
            node.rows(f'DROP DATABASE "{name}" CASCADE')


@pytest.fixture(name="new_node")
def _new_node(tmp_path, backups):
    """A node that never held anything."""
    node = Node(tmp_path / "cockroach", backups)
    yield node
    node.remove()


def restore_jobs(node):
    return node.rows("SELECT job_id, status FROM [SHOW JOBS] WHERE job_type = 'RESTORE' ORDER BY created DESC")


def test_database_backup_is_restored_once(clean_node, tmp_path):
    expected = clean_node.restore(tmp_path / "state.json", "shop", check=True)
    assert (expected["changed"], expected["coverage"], expected["databases"]) == (True, "database", ["shop"])
    assert clean_node.rows("SELECT 1 FROM [SHOW DATABASES] WHERE database_name = 'shop'") == []
    seen = []
    first = clean_node.restore(tmp_path / "state.json", "shop", progress=seen.append)
    assert (first["changed"], first["rows"]) == (True, 44273)
    assert clean_node.rows("SELECT count(*) FROM shop.public.orders") == [(6000,)]
    assert seen[-1] == RestoreProgress(int(first["job_id"]), 100)
    second = clean_node.restore(tmp_path / "state.json", "shop")
    assert {**second, "seconds": 0} == {**first, "changed": False, "seconds": 0}
    clean_node.rows("DROP DATABASE shop CASCADE")
    third = clean_node.restore(tmp_path / "state.json", "shop")
    assert third["changed"] and third["job_id"] != first["job_id"]


def test_whole_cluster_comes_with_its_users_but_not_its_jobs(new_node, tmp_path):
    result = new_node.restore(tmp_path / "state.json", "cluster")
    assert (result["coverage"], result["databases"]) == ("cluster", ["shop", "types"])
    assert {"analysts", "app", "reader", "weird-user"} <= {name for (name,) in new_node.rows("SELECT username FROM system.users")}
    assert new_node.rows("SHOW CLUSTER SETTING jobs.scheduler.enabled") == [(False,)]
    assert new_node.rows("SELECT 1 FROM [SHOW JOBS] WHERE job_type = 'BACKUP' AND status IN ('running', 'pending')") == []
    assert new_node.restore(tmp_path / "state.json", "cluster")["changed"] is False
    with pytest.raises(CockroachError, match="holds shop already"):
        new_node.restore(tmp_path / "other.json", "shop")


def test_databases_of_a_cluster_backup(clean_node, tmp_path):
    result = clean_node.restore(tmp_path / "state.json", "cluster", selection=Selection(("types",)))
    assert (result["coverage"], result["databases"]) == ("database", ["types"])
    assert [finding["code"] for finding in result["findings"]] == ["cluster_not_restored"]


def test_a_cluster_backup_from_inside_a_virtual_cluster(new_node, tmp_path):
    """CockroachDB refuses the whole of it ("taken from different tenant"), so its databases are restored."""
    result = new_node.restore(tmp_path / "state.json", "tenant")
    assert (result["coverage"], result["databases"]) == ("database", ["tenant"])
    [finding] = [finding for finding in result["findings"] if finding["code"] == "cluster_not_restored"]
    assert "migration_source: backup" in finding["advice"]
    assert new_node.rows("SELECT count(*) FROM tenant.people") == [(1000,)]


def test_tables_need_their_database_and_sequences(clean_node, tmp_path, backups):
    clean_node.rows("CREATE DATABASE part")
    for statement in ("CREATE SEQUENCE part.public.numbers", "CREATE TABLE part.public.a (id INT PRIMARY KEY DEFAULT nextval('part.public.numbers'))",
                      "CREATE TABLE part.public.b (id INT PRIMARY KEY REFERENCES part.public.a (id))", "INSERT INTO part.public.a VALUES (1), (2)",
                      "BACKUP DATABASE part INTO 'nodelocal://1/part'",
                      "BACKUP TABLE part.public.a, part.public.numbers INTO 'nodelocal://1/two'", "DROP DATABASE part CASCADE"):
        clean_node.rows(statement)
    with pytest.raises(CockroachError, match=r'cannot restore table "b" without referenced table.*restore_skip_missing to \[foreign_keys\]'):
        clean_node.restore(tmp_path / "state.json", "part", selection=Selection(("part.public.b",)))
    result = clean_node.restore(tmp_path / "state.json", "part", selection=Selection(("part.public.b",)), options=("skip_missing_foreign_keys",))
    assert (result["coverage"], result["databases"]) == ("table", ["part"])
    assert [finding["code"] for finding in result["findings"]] == ["restored_without_partners"]
    clean_node.rows("DROP DATABASE part CASCADE")
    result = clean_node.restore(tmp_path / "a.json", "part", selection=Selection(("part.public.a",)))
    assert clean_node.rows("SELECT count(*) FROM part.public.a") == [(2,)]
    clean_node.rows("DROP DATABASE part CASCADE")
    assert clean_node.restore(tmp_path / "two.json", "two")["coverage"] == "table"
    clean_node.rows("DROP DATABASE part CASCADE")
    with pytest.raises(CockroachError, match="name its tables in include"):
        clean_node.restore(tmp_path / "uri.json", "nodelocal://1/two")


def test_odd_names_and_the_databases_of_cockroachdb(clean_node, tmp_path):
    for statement in ('CREATE DATABASE "Odd ""db.1"', 'CREATE TABLE "Odd ""db.1".public."T ""x" (id INT PRIMARY KEY)', "CREATE TABLE postgres.public.kept (id INT PRIMARY KEY)",
                      'BACKUP DATABASE "Odd ""db.1", postgres, defaultdb INTO \'nodelocal://1/odd\'', 'DROP DATABASE "Odd ""db.1" CASCADE', "DROP TABLE postgres.public.kept"):
        clean_node.rows(statement)
    result = clean_node.restore(tmp_path / "state.json", "odd")
    assert set(result["databases"]) == {'Odd "db.1', "postgres"}
    assert clean_node.rows('SELECT count(*) FROM "Odd ""db.1".public."T ""x"') == [(0,)]
    assert clean_node.rows("SELECT count(*) FROM postgres.public.kept") == [(0,)]
    clean_node.rows('DROP DATABASE "Odd ""db.1" CASCADE')
    clean_node.rows("DROP TABLE postgres.public.kept")


@pytest.mark.parametrize(("as_of", "layers"), MOMENTS)
def test_chain_of_directories(clean_node, tmp_path, shared_fixtures, as_of, layers):
    names = [f"upstream/chain-v20.2.7/{number}" for number in range(LAYERS)]
    clean_node.restore(tmp_path / "state.json", *names, as_of=as_of, selection=Selection(("data",)))
    truth = json.loads((shared_fixtures / "truth" / f"chain-v20.2.7-layer{layers - 1}" / "tables.json").read_text(encoding="utf-8"))
    expected = {table["table"]: table["rows"] for table in truth["tables"]}
    assert expected
    assert {name: clean_node.rows(f"SELECT count(*) FROM data.public.{name}")[0][0] for name in expected} == expected


def test_old_directory_backup(clean_node, tmp_path):
    assert clean_node.restore(tmp_path / "state.json", "upstream/remap-v21.1.1")["databases"] == ["d"]


def s3(server, **changes):
    return StorageOptions(**{"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": "us-east-1", "endpoint_url": server.url, **changes})


def test_backup_in_s3(clean_node, tmp_path, s3_server, backups):
    location = s3_server.upload(backups / "shop", "nightly shop+1")
    result = clean_node.restore(tmp_path / "state.json", location, storage=s3(s3_server))
    assert (result["databases"], result["rows"]) == (["shop"], 44273)


def test_a_wrong_key_is_named_and_never_shown(clean_node, tmp_path, s3_server, backups):
    location = s3_server.upload(backups / "shop", "nightly")
    with pytest.raises(MigrationError, match="access key is not known"):
        clean_node.restore(tmp_path / "state.json", location, storage=s3(s3_server, access_key_id="AKIAWRONG", secret_access_key="hidden/secret+1="))
    uri = f"{location}?AWS_ACCESS_KEY_ID=AKIAWRONG&AWS_SECRET_ACCESS_KEY=hidden%2Fsecret%2B1%3D&AWS_REGION=us-east-1&AWS_ENDPOINT={s3_server.url}"
    with pytest.raises(CockroachError, match="access key is not known") as caught:
        clean_node.restore(tmp_path / "state.json", uri)
    assert "hidden" not in str(caught.value)
    assert "AKIAWRONG" not in str(caught.value)


def test_a_uri_of_cockroachdb_works_and_its_secret_stays_out_of_state_and_result(clean_node, tmp_path, s3_server, backups):
    location = s3_server.upload(backups / "shop", "nightly")
    uri = f"{location}?AWS_ACCESS_KEY_ID={ACCESS_KEY}&AWS_SECRET_ACCESS_KEY={SECRET_KEY}&AWS_REGION=us-east-1&AWS_ENDPOINT={s3_server.url}"
    result = clean_node.restore(tmp_path / "state.json", uri)
    assert [finding["code"] for finding in result["findings"]] == ["backup_version_unchecked"]
    assert SECRET_KEY not in json.dumps(result) + (tmp_path / "state.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "options", "problem"), [
    ("nothing", {}, "no directory"),
    ("nodelocal://1/nothing", {}, "there is no backup collection"),
    ("shop", {"subdirectory": "2020/01/01-000000.00"}, "set backup_subdirectory to one of"),
    ("nodelocal://1/shop", {"subdirectory": "2020/01/01-000000.00"}, "check the location and the subdirectory"),
    ("modern-shaped/types-v7-encrypted", {}, "set the backup's passphrase"),
    ("modern-shaped/types-v7-encrypted", {"passphrase": "hidden wrong"}, "passphrase is wrong"),
    ("nodelocal://1/shop", {"passphrase": "hidden wrong"}, "not encrypted"),
    ("modern-shaped/shop-v4", {}, "check the location and the subdirectory"),
    ("shop", {"as_of": "2020-01-01 00:00:00"}, "cannot be had"),
    ("shop", {"selection": Selection(("shp",))}, "matches nothing"),
    ("shop", {"options": ("skip_everything",)}, "not known"),
])
def test_what_cannot_be_restored_is_said_before_anything_happens(clean_node, tmp_path, name, options, problem):
    before = restore_jobs(clean_node)
    with pytest.raises(MigrationError, match=problem) as caught:
        clean_node.restore(tmp_path / "state.json", name, **options)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert restore_jobs(clean_node) == before
    assert not (tmp_path / "state.json").exists()


def test_a_newer_backup_is_refused_by_its_manifest(clean_node, tmp_path, monkeypatch):
    """A stand-in for a newer backup: the node's release is said to be an older one."""
    monkeypatch.setattr("ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore.server_version", lambda connection: "v21.2.17")
    with pytest.raises(ConfigurationError, match=r"v21\.2\.17 cannot restore this backup of v22\.1.*v22\.1, v22\.2"):
        clean_node.restore(tmp_path / "state.json", "shop")


def test_time_limit_cancels_the_job(clean_node, tmp_path):
    with pytest.raises(CockroachError, match=r"was cancelled at .* time limit of 1e-06 seconds"):
        clean_node.restore(tmp_path / "state.json", "shop", time_limit=1e-6)
    assert restore_jobs(clean_node)[0][1] == "canceled"
    assert clean_node.restore(tmp_path / "state.json", "shop")["changed"]


def test_a_cancelled_play_cancels_the_job(clean_node, tmp_path):
    with pytest.raises(CockroachError, match="asked to end \\(SIGTERM\\)"):
        clean_node.restore(tmp_path / "state.json", "shop", progress=lambda state: os.kill(os.getpid(), signal.SIGTERM))
    assert restore_jobs(clean_node)[0][1] == "canceled"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_killed_node_is_named_and_the_job_goes_on(new_node, tmp_path):
    started = []

    def kill(state):
        if not started:
            os.kill(new_node.pid, signal.SIGKILL)
        started.append(state.job)

    with pytest.raises(CockroachError, match="does not answer any more"):
        new_node.restore(tmp_path / "state.json", "shop", progress=kill)
    new_node.start()
    result = new_node.restore(tmp_path / "state.json", "shop")
    assert (result["changed"], result["job_id"]) == (True, str(started[0]))
    assert len(restore_jobs(new_node)) == 1
    assert new_node.rows("SELECT count(*) FROM shop.public.orders") == [(6000,)]


def test_a_paused_job_is_named_and_resumed(clean_node, tmp_path):
    jobs = []

    def pause(state):
        if not jobs:
            clean_node.rows(f"PAUSE JOB {state.job}")
        jobs.append(state.job)

    with pytest.raises(CockroachError, match=r"is paused.*run this again"):
        clean_node.restore(tmp_path / "state.json", "shop", progress=pause)
    assert clean_node.restore(tmp_path / "state.json", "shop")["job_id"] == str(jobs[0])
    assert clean_node.rows("SELECT count(*) FROM shop.public.orders") == [(6000,)]


def test_another_restore_is_not_disturbed(clean_node, tmp_path):
    clean_node.rows("SET CLUSTER SETTING jobs.registry.interval.adopt = '1h'")
    clean_node.rows("RESTORE DATABASE types FROM LATEST IN 'nodelocal://1/cluster' WITH detached")
    job = restore_jobs(clean_node)[0][0]
    try:
        with pytest.raises(CockroachError, match=f"another RESTORE runs in this CockroachDB \\(job {job}\\)"):
            clean_node.restore(tmp_path / "state.json", "shop")
    finally:
        clean_node.rows(f"CANCEL JOB {job}")
        clean_node.rows("SET CLUSTER SETTING jobs.registry.interval.adopt = '1s'")
        # Other tests restore into this node, too.
        until = tenacity.Retrying(retry=tenacity.retry_if_result(lambda status: status != "canceled"), stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2))
        until(lambda: dict(restore_jobs(clean_node))[job])
