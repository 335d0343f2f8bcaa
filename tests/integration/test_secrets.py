# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Marked secrets are looked for in everything that a migration shows or leaves, from all three sources and after failures, and every file's mode while it is there.

`make secrets` runs this file with the other tests of secrets.
"""
from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import json
import os
import pathlib
import shutil
import threading
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import boto3
import faulty_server
import pgwire
import psycopg2.extensions
import pyrage
import pytest
import synthetic_dump
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from cockroach_nodes import KINDS, STAND_IN, node, stand_in_environment
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from marked_secrets import ODD, Marked, Watch
from playbook_runs import CHECKOUT, SAMPLE, Run, tree
from postgres_servers import bin_dir, open_directory
from test_source_playbooks import restore_variables
from tls_authority import Authority

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection_parameters import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup import encryption
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.cockroach_server import (
    NodeOptions,
    ensure_node,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.opening import open_storage
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

BACKUPS = CHECKOUT / "tests" / "fixtures" / "backups"


class Unsafe(str):
    """A value that Ansible does not take for a template."""


yaml.SafeDumper.add_representer(Unsafe, lambda dumper, value: dumper.represent_scalar("!unsafe", str(value), style='"'))


@dataclass(frozen=True)
class Target:
    """A PostgreSQL that logs every statement, and lets ``migrator`` in with a certificate and a password."""

    log: pathlib.Path
    variables: dict
    refused: ConnectionParameters
    """A user whom pg_hba.conf does not let in."""


@pytest.fixture(scope="module", name="marked")
def _marked():
    return Marked()


@pytest.fixture(scope="module", name="target")
def _target(marked):
    directory = open_directory()
    authority = Authority(directory, "authority")
    certificate, key = authority.sign("server", ("localhost",))
    for path in (certificate, key, authority.certificate):
        shutil.chown(path, "postgres" if os.geteuid() == 0 else os.geteuid())
    rules = directory / "pg_hba.conf"
    rules.write_text("host all refused 127.0.0.1/32 reject\nhost all postgres 127.0.0.1/32 scram-sha-256\nhostssl all migrator 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n", encoding="utf-8")
    settings = (("ssl", "on"), ("ssl_cert_file", certificate), ("ssl_key_file", key), ("ssl_ca_file", authority.certificate), ("hba_file", str(rules)),
                ("log_statement", "all"), ("log_connections", "on"), ("log_error_verbosity", "verbose"), ("log_min_messages", "debug1"))
    password, key_password = marked.new("postgres_password", ODD, ODD), marked.new("sslpassword", "k ", "'y")
    try:
        with temporary_server(ServerOptions(str(directory / "server"), bin_dir(17), settings=settings)) as server:
            with contextlib.closing(connect(server)) as connection, connection, connection.cursor() as cursor:
                for user in ("migrator", "refused"):
                    verifier = psycopg2.extensions.encrypt_password(password, user, connection, "scram-sha-256")
                    cursor.execute(f"CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD %s", (verifier,))
            client, client_key = authority.sign("migrator", key_password=key_password.encode())
            values = {
                "postgres_host": "localhost", "postgres_port": server.port, "postgres_username": "migrator", "postgres_password": Unsafe(password),
                "postgres_sslmode": "verify-full", "postgres_sslrootcert": authority.certificate, "postgres_sslcert": client, "postgres_sslkey": client_key,
                "postgres_connect_params": {"sslpassword": Unsafe(key_password), "hostaddr": "127.0.0.1"},
            }
            yield Target(directory / "server" / "server.log", values, ConnectionParameters(port=server.port, user="refused", password=password))
    finally:
        shutil.rmtree(directory)


def mode_of(path: pathlib.Path) -> int:
    """Return the mode of what lies below the directory of a migration; programs are for everybody, and PostgreSQL's own user passes through."""
    parts = path.parts
    below = [number for number, part in enumerate(parts) if part.startswith("cockroach_migrator-")]
    if not below:
        return -1
    inside = parts[below[0] + 1:]
    if not inside or inside == ("rehearsal",):
        return 0o711
    if inside[0] == "cache":
        return 0o755
    return 0o600 if path.is_file() else 0o700


def may_hold_secrets(work: pathlib.Path, path: pathlib.Path) -> bool:
    """As docs/security.md says: the user's own variables, the arguments that Ansible keeps for whoever asks it to, for a moment the password of a new server,
    which initdb reads, and the store of a CockroachDB, in whose jobs the locations are."""
    inside = path.relative_to(work).parts
    return inside[0] == "vars.yml" or path.name.startswith("AnsiballZ_") or inside[1:] == ("rehearsal", "data.pwfile") or inside[1:3] in (("rehearsal", "data"), ("cockroach", "data"))


def run(work: pathlib.Path, marked: Marked, values: dict, playbook: str = "migrate.yml") -> tuple[Run, Watch]:
    """Run a playbook with all that Ansible can tell, under an umask that hides nothing; return what came of it."""
    for name in ("ansible", "tmp"):
        (work / name).mkdir(exist_ok=True)
    (work / "vars.yml").write_text(yaml.safe_dump({"temp_dir": str(work), "chunk_rows": 3000, "parallelism": 2, **values}), encoding="utf-8")
    environment = {
        "ANSIBLE_LOG_PATH": str(work / "ansible.log"), "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TMP": str(work / "ansible" / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(work / "ansible" / "local"), "TMPDIR": str(work / "tmp"),
    }
    with Watch(marked, work, lambda path: may_hold_secrets(work, path), mode_of).running() as watch:
        finished = Run(playbook, f"-e@{work / 'vars.yml'}", "-vvvv", "--diff", environment=environment, umask=0, directory=work)
    return finished, watch


def require_hidden(marked: Marked, finished: Run, watch: Watch, target: Target) -> None:
    """Fail if a secret got anywhere, or a file was open to others."""
    assert marked.find(finished.output.encode()) == []
    assert watch.shown == set() and watch.processes > 10
    assert watch.open == set()
    assert list(watch.directory.glob("ansible/**/AnsiballZ_*")) and "-vvvv" not in finished.output
    assert not list(watch.directory.glob("**/core*")) and not list(watch.directory.glob("**/*.pyc")) and not list((watch.directory / "tmp").iterdir())
    assert marked.find(target.log.read_bytes()) == []


def with_passphrase(source: pathlib.Path, target: pathlib.Path, old: str, new: str) -> None:
    """Copy an encrypted backup, encrypted with another passphrase."""
    folder = next(source.rglob(f"{encryption.INFO}*"))
    keys = [encryption.passphrase_keys(open_storage(f"file://{folder.parent}", StorageOptions()), "", phrase)[0] for phrase in (old, new)]
    for path in source.rglob("*"):
        place = target / path.relative_to(source)
        if path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            if encryption.is_encrypted(data):
                nonce, plain, cipher = os.urandom(12), encryption.decrypt(data, keys[0], path.name), AESGCM(keys[1])
                pieces = range(0, len(plain) + 1, encryption.CHUNK)
                data = b"encrypt\x02" + nonce + b"".join(
                    cipher.encrypt(nonce[:4] + ((int.from_bytes(nonce[4:], "big") + number) % 2**64).to_bytes(8, "big"), plain[start:start + encryption.CHUNK], None)
                    for number, start in enumerate(pieces))
            place.write_bytes(data)
    for path in target.rglob("*-CHECKSUM"):
        path.write_bytes(hashlib.sha256(path.with_name(path.name.removesuffix("-CHECKSUM")).read_bytes()).digest()[:4])


@contextlib.contextmanager
def s3_with(prefix: str, directory: pathlib.Path):
    """Give the URL of an S3 server with a directory's files in the bucket ``backups``."""
    with faulty_server.running_s3() as server:
        client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="word", region_name="us-east-1")
        client.create_bucket(Bucket="backups")
        for path in directory.rglob("*"):
            if path.is_file():
                client.put_object(Bucket="backups", Key=f"{prefix}/{path.relative_to(directory)}", Body=path.read_bytes())
        yield server.url


@pytest.mark.slow
def test_a_backup_in_s3(marked, target, work, tmp_path):
    """Encrypted, with temporary keys; passwords of a target that wants a certificate, and of the rehearsal's server; an encrypted dump, whose key all phases have
    and without which none begins."""
    passphrase = marked.new("encryption_passphrase", "p's ", ' "e{{ x }}')
    with_passphrase(BACKUPS / "modern-shaped" / "types-v7-encrypted", tmp_path / "backup", "correct horse", passphrase)
    identity = pyrage.x25519.Identity.generate()
    marked.cores["dump_encryption_key"] = str(identity)[20:-8]
    with s3_with("marked", tmp_path / "backup") as url:
        values = {
            "migration_source": "backup", "s3_backup_path": "s3://backups/marked", "s3_endpoint_url": url, "aws_region": "us-east-1", "aws_access_key_id": "AKIAKEY",
            "aws_secret_access_key": marked.new("aws_secret_access_key", "a+/", "/="), "aws_session_token": marked.new("aws_session_token", "t+/", "=="),
            "encryption_passphrase": Unsafe(passphrase), "test_password": Unsafe(marked.new("test_password", "r'", ODD)), "grants": "create", "do_cleanup": False,
            **target.variables,
        }
        (tmp_path / "key").write_text(f"# public key: {identity.to_public()}\n{identity}\n", encoding="utf-8")
        finished, watch = run(work, marked, {**values, "dump_encryption_key_command": ["cat", str(tmp_path / "key")]})
        assert finished.code == 0 and "VERIFIED" in finished.output, finished.output
        require_hidden(marked, finished, watch, target)
        assert list(work.glob("*/dump/types/data/*/*.copy.zst.age")) and not list(work.glob("*/dump/**/*.zst"))
        report = next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8")
        assert ", encrypted\n" in report and json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))["encrypted"]

        (work / "vars.yml").write_text(yaml.safe_dump({"temp_dir": str(work), **values}), encoding="utf-8")
        before = tree(work)
        refused = Run("migrate.yml", f"-e@{work / 'vars.yml'}")
        assert refused.code != 0 and "is encrypted for age1" in refused.error and "Check the targets" not in refused.output and tree(work) == before, refused.output
        cleaned = Run("playbooks/cleanup.yml", f"-e@{work / 'vars.yml'}")
        assert cleaned.code == 0 and not list(work.glob("*/dump/**/*.age")), cleaned.output


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_restore(kind, marked, target, work):
    """With TLS. A real CockroachDB reads the backup from S3; the stand-in repeats what it said of one in a directory."""
    with s3_with("marked", BACKUPS / "types") as url:
        values = {
            **restore_variables(kind), "insecure_mode": False, "s3_backup_path": "s3://backups/marked" if kind == "real" else SAMPLE, "s3_endpoint_url": url, "aws_region": "us-east-1",
            "aws_access_key_id": "AKIAKEY", "aws_secret_access_key": marked.new("restores_key", "a+/", "="), "aws_session_token": marked.new("restores_token", "t+/"),
            "postgres_import_enabled": False, "do_cleanup": False, **target.variables,
        }
        finished, watch = run(work, marked, values)
    assert finished.code == 0 and "EXPORTED" in finished.output, finished.output
    require_hidden(marked, finished, watch, target)
    assert list(work.glob("*/cockroach/logs/*"))


@pytest.mark.slow
def test_a_cluster(marked, target, work, tmp_path):
    """With a password in its URL, and certificates."""
    password = marked.new("cockroach_password", "c/", ODD)
    with secure_node(tmp_path, password) as (port, certs_dir):
        url = f"postgresql://reader:{quote(password, safe='')}@localhost:{port}/defaultdb?sslmode=verify-full&sslrootcert={certs_dir}/ca.crt"
        url += f"&sslcert={certs_dir}/client.root.crt&sslkey={certs_dir}/client.root.key"
        finished, watch = run(work, marked, {
            "migration_source": "cluster", "cockroach_url": Unsafe(url), "test_postgresql_import": False, "postgres_import_enabled": False,
            "do_cleanup": False, **target.variables})
        assert finished.code == 0 and "EXPORTED" in finished.output, finished.output
        require_hidden(marked, finished, watch, target)


@contextlib.contextmanager
def secure_node(directory: pathlib.Path, password: str):
    """Give the port and the certificates of a stand-in with TLS that asks for a password."""
    (directory / "password").write_text(password, encoding="utf-8")
    environment = {**stand_in_environment("types"), "STAND_IN_PASSWORD_FILE": str(directory / "password")}
    options = NodeOptions(str(directory / "node"), str(STAND_IN), port=0, http_port=0, insecure=False, environment=environment)
    facts = ensure_node("started", options, check=False)
    try:
        yield facts.port, facts.certs_dir
    finally:
        ensure_node("absent", options, check=False)


class Module:
    """Modules of the collection in this process. What they print, write below a directory, and send to the host's log has no secret."""

    def __init__(self, marked: Marked, directory: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
        self._marked, self._directory, self._capsys = marked, directory, capsys
        self.logged: list[str] = []

    def __call__(self, name: str, **options) -> dict:
        module = importlib.import_module(f"ansible_collections.nomos.cockroach_migrator.plugins.modules.{name}")
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        printed = self._capsys.readouterr()
        found = self._marked.find("".join([*printed, *self.logged]).encode())
        found += [f"{name} in {path}" for path in self._directory.rglob("*") if path.is_file() for name in self._marked.find(path.read_bytes())]
        assert found == []
        return json.loads(printed.out)


@pytest.fixture(name="module")
def _module(marked, tmp_path, capsys, monkeypatch):
    (tmp_path / "written").mkdir()
    module = Module(marked, tmp_path / "written", capsys)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, message, log_args=None: module.logged.append(f"{message} {log_args}"))
    return module


def test_a_statement_that_cockroachdb_repeats(marked, module, tmp_path):
    """The stand-in answers what it does not know with the whole statement: keys and tokens of every storage, of a KMS, and a passphrase are in it."""
    def secret(name: str, before: str = "", after: str = "") -> str:
        return quote(marked.new(name, before, after), safe="")

    locations = [
        f"s3://b/x?AWS_ACCESS_KEY_ID=AKIA&AWS_SECRET_ACCESS_KEY={secret('aws_secret_in_uri', 'u+/', '=')}&AWS_SESSION_TOKEN={secret('aws_token_in_uri', 'u+/', '=')}",
        f"gs://b/x?AUTH=specified&CREDENTIALS={secret('google_json_in_uri', 'ey', '==')}",
        f"azure-blob://c/x?AZURE_ACCOUNT_NAME=n&AZURE_ACCOUNT_KEY={secret('azure_key_in_uri', '+/')}",
        f"https://reader:{secret('http_password', ODD)}@files.invalid/x?sig={secret('signature', '+')}",
    ]
    kms = [f"azure-kms:///k/1?AZURE_TENANT_ID=t&AZURE_CLIENT_SECRET={secret('kms_secret', '~')}"]
    with node("stand-in", tmp_path, tmp_path, "types") as parameters:
        for location in locations:
            for more in ({"kms_uris": kms}, {"encryption_passphrase": marked.new("restore_passphrase", "p'", ODD)}):
                result = module(
                    "cockroach_restore", locations=[location], login_port=parameters.port, ssl_mode="disable", state_file=str(tmp_path / "written" / "state.json"),
                    log_file=str(tmp_path / "written" / "log"), **more)
                assert result["failed"] and result["msg"]
    assert "********" in (tmp_path / "written" / "log").read_text(encoding="utf-8")


@contextlib.contextmanager
def repeating(kind: str):
    """Give the port of a server that refuses everybody with the words in which it was told the password."""
    def refuse(user: str, password: str) -> str:
        said = {
            "url": f"cannot parse postgresql://{user}:{quote(password, safe='')}@host/db", "dsn": f"host=db password='{password}'", "base64": base64.b64encode(password.encode()).decode(),
            "hexadecimal": password.encode().hex(), "json": json.dumps({"password": password}), "plus": quote_plus(password),
        }
        return f"password authentication failed: {said[kind]}"

    with pgwire.Server(0, lambda database: lambda sql: b"", login=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_server_that_repeats_the_password(marked, module, tmp_path):
    password, dump = marked.new("repeated_password", ODD, ODD), synthetic_dump.write(str(tmp_path / "dump"), orders=1)
    log, state, other = (str(tmp_path / "written" / name) for name in ("log", "state.json", "other"))

    def require_refusal(result: dict) -> None:
        assert result["failed"] and "********" in result["msg"] and "refuses" in result["msg"], result["msg"]

    for kind in ("url", "dsn", "base64", "hexadecimal", "json", "plus"):
        with repeating(kind) as port:
            login = {"login_host": "127.0.0.1", "login_port": port, "ssl_mode": "disable", "login_password": password}
            require_refusal(module("postgres_import", dump_dir=dump, log_file=log, result_file=state, **login))
            require_refusal(module("cockroach_export", dump_dir=other, log_file=log, login_user="reader", **login))
    with repeating("url") as port:
        login["login_port"] = port
        require_refusal(module("postgres_verify", dump_dir=dump, log_file=log, result_file=state, **login))
        require_refusal(module("postgres_preflight", **login))
        require_refusal(module("cockroach_export", dump_dir=other, log_file=log, url=f"postgresql://reader:{quote(password, safe='')}@127.0.0.1:{port}/d?sslmode=disable"))
    assert json.loads((tmp_path / "written" / "state.json").read_text(encoding="utf-8"))["failure"]


def test_a_login_that_fails(marked, module, target, tmp_path):
    """A wrong password, another host, a rule against the user, a key with another password, a parameter that libpq does not know."""
    password = marked.new("wrong_password", ODD, ODD)
    good = {"login_host": "127.0.0.1", "login_port": target.refused.port, "login_user": "postgres", "login_password": password}
    given = target.variables
    certified = {"ssl_cert": given["postgres_sslcert"], "client_key": given["postgres_sslkey"]}
    for changes, words in (
        ({}, "wrong or missing password"), ({"login_host": "nowhere.invalid"}, "cannot be reached"), ({"login_user": "refused"}, "pg_hba.conf there"),
        ({"login_user": "migrator", "ssl_mode": "require", **certified, "connect_params": {"sslpassword": password}}, "cannot be used"),
        ({"connect_params": {"sslpassword": password, "sslpasword": password}}, "did you mean sslpassword"), ({"connect_params": {"options": f"-c {password}"}}, "PostgreSQL"),
    ):
        result = module("postgres_preflight", **{**good, **changes})
        assert result["failed"] and words in result["msg"], result["msg"]


def test_a_module_that_crashes(marked, module, tmp_path, monkeypatch):
    """An error that nobody expects, with a secret in its words, is told with its traceback and without the secret."""
    password = marked.new("crash_password", ODD, ODD)

    def crash(*arguments):
        raise RuntimeError(f"{password} {quote(password)} {base64.b64encode(password.encode()).decode()}")

    monkeypatch.setattr("ansible_collections.nomos.cockroach_migrator.plugins.modules.postgres_import.run_import", crash)
    result = module("postgres_import", dump_dir=str(tmp_path), login_password=password, log_file=str(tmp_path / "written" / "log"))
    assert result["failed"] and result["msg"] == "an error of the collection, please report it with its traceback: RuntimeError: ******** ******** ********"
    assert result["traceback"][0].startswith("Traceback") and any("in crash" in line for line in result["traceback"])


def test_secrets_that_ansible_takes_for_templates(marked, work):
    """Ansible would show the line of the file. With !unsafe, as docs/security.md says, each password is one: see the tests above."""
    odd = {
        "postgres_password": marked.new("a_template", "p{{ ", " }}"), "encryption_passphrase": marked.new("a_statement", "p{% "), "aws_secret_access_key": marked.new("an_end", "", "{{"),
        "dump_encryption_key": marked.new("a_comment", "{# "), "s3_backup_path": f"{SAMPLE}?x={marked.new('a_location')}{{{{ y }}}}",
    }
    (work / "vars.yml").write_text(yaml.safe_dump({"temp_dir": str(work), "migration_source": "backup", **odd}), encoding="utf-8")
    finished = Run("migrate.yml", f"-e@{work / 'vars.yml'}", "-vvvv")
    assert finished.code != 0 and all(f"{name} cannot be evaluated" in finished.error for name in odd) and "write !unsafe before such a value" in finished.error, finished.output
    assert marked.find(finished.output.encode()) == []


def test_what_is_not_hidden_is_found(marked):
    """The search itself, in each form and anywhere in a longer text."""
    secret = marked.new("found", ODD, ODD)
    data = secret.encode()
    texts = [data, quote(secret).encode(), quote(quote(secret, safe=""), safe="").encode(), data.hex().encode(), data.hex().upper().encode(), json.dumps(secret).encode(), repr(secret).encode()]
    texts += [base64.b64encode(before + data + b"!") for before in (b"", b"a", b"ab", b"user:")] + [base64.urlsafe_b64encode(data)]
    for text in texts:
        assert marked.find(b"before " + text + b" behind") == ["found"], text
    assert marked.find(data.replace(b"zq", b"qz")) == []
