# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The blocks of docs/security.md give exactly the rights that reading needs: in S3, on a running CockroachDB, and on the host that migrates."""
from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import json
import os
import re
import subprocess
import sys
import sysconfig
import types
from urllib.parse import parse_qs, quote, unquote, urlsplit

import boto3
import faulty_server
import pytest
from cockroach_nodes import BINARY, node
from exporting import export_backup, export_cluster
from faulty_server import Answer, Request
from moto.core.authorization import enable_iam_authentication
from playbook_runs import CHECKOUT, SAMPLE
from postgres_servers import VERSIONS, bin_dir, query
from psycopg2 import sql
from storage_places import start_place

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

PAGE = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
POLICY = json.loads(re.search(r"```json\n(.+?)```", PAGE, re.DOTALL)[1])
BLOCKS = dict(re.findall(r"```(?:sql|sh)\n(?:--|#) (.+?)\n(.+?)```", PAGE, re.DOTALL))
USERS = {
    "migrator": POLICY, "without a listing": {**POLICY, "Statement": POLICY["Statement"][1:]}, "without reading": {**POLICY, "Statement": POLICY["Statement"][:1]},
    "writer": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}
FULL = "2026/11/23-032422.84"


class ConditionsOfThePolicy:
    """Stands in for what moto does not know of a policy: the condition on the prefix of a listing, and that S3 tells nobody who may not list whether an object is there.

    moto itself checks the signature, the action and the resource of every request.
    """

    def __init__(self, policy: dict) -> None:
        self.listable = [statement["Condition"]["StringLike"]["s3:prefix"] for statement in policy["Statement"] if statement["Action"] == "s3:ListBucket"]
        self.refused: list[str] = []

    def __call__(self, request: Request) -> Answer | None:
        query = parse_qs(urlsplit(request.path).query)
        if "list-type" in query or request.name.count("/") == 1:
            return None if self.allows(query.get("prefix", [""])[0]) else self.refuse(request)
        answer = request.passed_on()
        return self.refuse(request) if answer.status == 404 else answer

    def allows(self, prefix: str) -> bool:
        return any(fnmatch.fnmatchcase(prefix, pattern) for pattern in self.listable)

    def refuse(self, request: Request) -> Answer:
        self.refused.append(f"{request.method} {request.path}")
        return faulty_server.refusal(403, "AccessDenied", "Access Denied")


def without_conditions(policy: dict) -> str:
    return json.dumps({**policy, "Statement": [{name: value for name, value in statement.items() if name != "Condition"} for statement in policy["Statement"]]})


@pytest.fixture(name="account", scope="module")
def _account(fixtures_dir):
    """Users, one of which has the policy of the page, and a bucket that holds a backup where the policy says, and another file beside it."""
    with faulty_server.running_s3() as server:
        clients = {name: boto3.client(name, endpoint_url=server.url, aws_access_key_id="root", aws_secret_access_key="root", region_name="us-east-1") for name in ("iam", "s3")}
        clients["s3"].create_bucket(Bucket="backups")
        clients["s3"].put_object(Bucket="backups", Key="other/file", Body=b"0123456789")
        root = fixtures_dir / "backups" / "types"
        for path in root.rglob("*"):
            if path.is_file():
                clients["s3"].upload_file(str(path), "backups", f"nightly/{path.relative_to(root)}")
        keys = {}
        for user, policy in USERS.items():
            clients["iam"].create_user(UserName=user)
            clients["iam"].put_user_policy(UserName=user, PolicyName="p", PolicyDocument=without_conditions(policy))
            key = clients["iam"].create_access_key(UserName=user)["AccessKey"]
            keys[user] = key["AccessKeyId"], key["SecretAccessKey"]
        with enable_iam_authentication():
            yield types.SimpleNamespace(server=server, keys=keys)


@pytest.fixture(name="gate")
def _gate(account):
    account.server.reset()
    account.server.fault = gate = ConditionsOfThePolicy(POLICY)
    yield gate
    account.server.reset()


@pytest.fixture(name="options")
def _options(account):
    return StorageOptions(*account.keys["migrator"], region="us-east-1", endpoint_url=account.server.url)


def test_a_backup_is_read_with_the_policy_of_s3(account, gate, options, fixtures_dir, tmp_path):
    for subdirectory in ("LATEST", FULL):
        export_backup(BackupRequest(("s3://backups/nightly",), subdirectory=subdirectory, storage=options), tmp_path / subdirectory.replace("/", "-"))
    export_backup(BackupRequest((str(fixtures_dir / "backups" / "types"),)), tmp_path / "expected")
    for dump in ("LATEST", FULL.replace("/", "-")):
        assert compare_dumps(str(tmp_path / "expected"), str(tmp_path / dump)).differences == []
    assert gate.refused == [] and {request.method for request in account.server.requests} <= {"GET", "HEAD"}


def test_the_policy_of_s3_allows_nothing_else(gate, options):
    beside = open_storage("s3://backups/other", options)
    for call in (beside.list, lambda: beside.read("file"), lambda: beside.size("file"), lambda: open_storage("s3://backups", options).list()):
        with pytest.raises(ConfigurationError, match="access is denied"):
            call()
    client = open_storage("s3://backups/nightly", options).bucket.client
    for write in (lambda: client.put_object(Bucket="backups", Key="nightly/x", Body=b""), lambda: client.delete_object(Bucket="backups", Key="nightly/LATEST")):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            write()


@pytest.mark.parametrize("user", ["without a listing", "without reading"])
def test_each_statement_of_the_policy_is_needed(account, gate, options, user, tmp_path):
    key, secret = account.keys[user]
    with pytest.raises(ConfigurationError, match="access is denied: the key needs s3:GetObject and s3:ListBucket on this bucket"):
        export_backup(BackupRequest(("s3://backups/nightly",), storage=dataclasses.replace(options, access_key_id=key, secret_access_key=secret)), tmp_path / "dump")


@pytest.mark.parametrize(("kind", "reading"), [
    ("gs", r"GET (/download)?/storage/v1/b/backups/o(/[^?]+)?(\?.*)?"),
    ("azure-blob", r"GET /devstoreaccount1/backups\?restype=container&comp=list&.*|(GET|HEAD) /devstoreaccount1/backups/[^?]+"),
])
def test_nothing_but_reading_and_listing_is_asked_for(kind, reading, fixtures_dir, tmp_path_factory, monkeypatch):
    """Stands in for the roles, which no emulator knows: whatever else is asked for is refused (Google's library asks for the bucket in the background, and takes no for an answer)."""
    refused: list[str] = []

    def gate(request: Request) -> Answer | None:
        asked = f"{request.method} {request.path}"
        if re.fullmatch(reading, asked):
            return None
        refused.append(asked)
        return faulty_server.refusal(403, "AuthorizationFailure", "not allowed")

    with contextlib.ExitStack() as stack:
        place = start_place(kind, stack, tmp_path_factory)
        root = fixtures_dir / "backups" / "types"
        place.put({f"nightly/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()})
        server = stack.enter_context(faulty_server.running(place.url))
        server.fault = gate
        for name in place.environment:
            monkeypatch.setenv(name, server.url)
        directory = tmp_path_factory.mktemp("dumps")
        export_backup(BackupRequest((place.location("nightly", url=server.url),)), directory / "found")
        export_backup(BackupRequest((str(root),)), directory / "expected")
    assert compare_dumps(str(directory / "expected"), str(directory / "found")).differences == []
    assert {unquote(urlsplit(asked).path) for asked in refused} <= {"GET /storage/v1/b/backups"}


def run(parameters, *statements) -> None:
    with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_a_running_cockroachdb_is_read_with_its_block(tmp_path, fixtures_dir):
    """The sessions of the user write nothing, though it is a member of admin; without that it may not read the schema. (A node without TLS takes no password.)"""
    create = [line for line in BLOCKS["A running CockroachDB"].splitlines() if line]
    assert len(create) == 3
    create[0] = create[0].replace(" WITH PASSWORD 'choose-one'", "")
    with node("real", tmp_path, fixtures_dir / "backups", "") as parameters:
        run(parameters, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v STRING)", "INSERT INTO d.t SELECT g, 'x' FROM generate_series(1, 1000) g", "CREATE SEQUENCE d.s")
        migrator = dataclasses.replace(parameters, user="migrator")
        run(parameters, *create)
        result = export_cluster(migrator, dump_dir=tmp_path / "dump", chunk_rows=300, parallelism=2)
        assert result.rows == 1000
        for statement in ("DELETE FROM d.t", "INSERT INTO d.t VALUES (0)", "TRUNCATE d.t", "DROP TABLE d.t", "DROP DATABASE d CASCADE"):
            with pytest.raises(Exception, match="cannot execute .* in a read-only transaction"):
                run(migrator, statement)
        run(parameters, "REVOKE admin FROM migrator", "GRANT SELECT ON TABLE d.* TO migrator")
        with pytest.raises(MigrationError, match='GRANT admin TO "migrator"'):
            export_cluster(migrator, dump_dir=tmp_path / "other", chunk_rows=300, parallelism=2)
        run(parameters, "REVOKE ALL ON TABLE d.* FROM migrator", create[1], *filter(None, BLOCKS["After a running CockroachDB"].splitlines()))
        with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM [SHOW USERS] WHERE username = 'migrator'")
            assert cursor.fetchone() == (0,)


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_a_real_cockroachdb_restores_with_the_policy_of_s3(account, tmp_path, fixtures_dir):
    """BACKUP with the rights of root, RESTORE with those of the page."""
    def uri(key: str, secret: str) -> str:
        return f"s3://backups/nightly/real?AWS_ENDPOINT={quote(account.server.url, safe='')}&AWS_REGION=us-east-1&AWS_ACCESS_KEY_ID={key}&AWS_SECRET_ACCESS_KEY={quote(secret, safe='')}"

    with node("real", tmp_path, fixtures_dir / "backups", "") as parameters:
        run(parameters, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1), (2)",
            sql.SQL("BACKUP DATABASE d INTO {}").format(sql.Literal(uri(*account.keys["writer"]))), "DROP DATABASE d CASCADE")
        account.server.reset()
        account.server.fault = gate = ConditionsOfThePolicy(POLICY)
        run(parameters, sql.SQL("RESTORE DATABASE d FROM LATEST IN {}").format(sql.Literal(uri(*account.keys["migrator"]))))
        with contextlib.closing(connect(parameters)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM d.t")
            assert cursor.fetchone() == (2,)
        account.server.reset()
    assert gate.refused == []


UNPRIVILEGED = 65534


def interpreter() -> list[str]:
    """Return the Python for a user without rights, with the libraries of this one; skip the test where there is none."""
    libraries = sysconfig.get_paths()["purelib"]
    for program in (sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"):
        command = [*as_nobody(), "env", f"PYTHONPATH={libraries}", program]
        if subprocess.run([*command, "-c", "import ansible, psycopg2, numpy"], capture_output=True, check=False, cwd="/").returncode == 0 and os.access(CHECKOUT, os.R_OK):
            return command
    pytest.skip("the user nobody may not read this checkout, or run a Python with its libraries")


def as_nobody() -> list[str]:
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


@pytest.mark.slow
@pytest.mark.parametrize(("umask", "imports"), [(0o077, False), (0o000, True)])
def test_a_host_without_rights(work, empty_postgres, umask, imports):
    """The sample arrives; what is written lies in one directory, and nobody else may read it, whatever the umask."""
    exported = re.match(r"export (.+)\n", BLOCKS["A host whose home directory is read-only"])[1].replace("/srv/migration", f"{work}/migration").split()
    command = interpreter()
    (work / "home").mkdir(mode=0o555)
    (work / "home").chmod(0o555)
    (work / "migration").mkdir(mode=0o700)
    if as_nobody():
        os.chown(work / "migration", UNPRIVILEGED, UNPRIVILEGED)
    given = {
        "migration_source": "backup", "s3_backup_path": SAMPLE, "temp_dir": f"{work}/migration", "test_postgresql_import": imports, "postgres_import_enabled": imports,
        "postgres_binaries_bin_dir": bin_dir(VERSIONS[-1]), "postgres_host": empty_postgres.host, "postgres_port": empty_postgres.port, "postgres_username": empty_postgres.user,
        "postgres_password": empty_postgres.password,
    }
    (work / "vars.json").write_text(json.dumps(given), encoding="utf-8")
    (work / "vars.json").chmod(0o644)
    environment = {
        "HOME": f"{work}/home", "PATH": "/usr/sbin:/usr/bin:/bin", "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
        **dict(setting.split("=") for setting in exported)}
    finished = subprocess.run(
        [*command, "-m", "ansible", "playbook", str(CHECKOUT / "playbooks" / "migrate.yml"), f"-e@{work}/vars.json"], env=environment, cwd="/", umask=umask, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert finished.returncode == 0 and ("VERIFIED" in finished.stdout) == imports, finished.stdout
    if imports:
        assert query(empty_postgres, "types", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(48,)]
    assert list((work / "home").iterdir()) == []
    [own] = (work / "migration").glob("cockroach_migrator-*")
    open_to_others = [path for path in own.rglob("*") if path.stat().st_mode & 0o077 or as_nobody() and path.stat().st_uid != UNPRIVILEGED]
    assert open_to_others == [] and sum(1 for _path in own.rglob("*")) > 1
