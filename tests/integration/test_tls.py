# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Connections to a PostgreSQL with TLS: what is let through, what is refused and how it is said."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
from journey import export
from playbook_runs import CHECKOUT, Run, variables
from postgres_servers import bin_dir, open_directory
from tls_authority import Authority

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    connect,
    connection_findings,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection_parameters import (
    ConnectionParameters,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)

NAME = "db.example"
PASSWORD, KEY_PASSWORD = "tls-pass-6d20", "key-pass-81be"
TO_LOOPBACK = {"hostaddr": "127.0.0.1"}
"""The name does not resolve; to libpq, and to us, the server is elsewhere."""


@dataclass(frozen=True)
class TlsServer:
    """A server whose certificate is for NAME. It lets ``anyone`` in with or without TLS, ``encrypted`` with TLS, ``certified`` with a client certificate."""

    parameters: ConnectionParameters
    authority: Authority
    other: Authority
    client: tuple[str, str]
    encrypted_client: tuple[str, str]
    stranger: tuple[str, str]

    def by(self, user: str, **given) -> ConnectionParameters:
        """Return the parameters of one of the users, to NAME."""
        return ConnectionParameters(**{**dict(host=NAME, port=self.parameters.port, user=user, password=PASSWORD, connect_params=TO_LOOPBACK), **given})


@pytest.fixture(scope="module", name="tls")
def _tls():
    directory = open_directory()
    authority, other = Authority(directory, "authority"), Authority(directory, "other")
    certificate, key = authority.sign("server", (NAME,))
    for path in (certificate, key, authority.certificate):
        shutil.chown(path, "postgres" if os.geteuid() == 0 else os.geteuid())
    rules = directory / "pg_hba.conf"
    rules.write_text(
        "host all postgres 127.0.0.1/32 scram-sha-256\nhost all anyone 127.0.0.1/32 scram-sha-256\nhostssl all encrypted 127.0.0.1/32 scram-sha-256\n"
        "hostssl all certified 127.0.0.1/32 cert\n", encoding="utf-8")
    settings = (("ssl", "on"), ("ssl_cert_file", certificate), ("ssl_key_file", key), ("ssl_ca_file", authority.certificate), ("hba_file", str(rules)))
    try:
        with temporary_server(ServerOptions(str(directory / "server"), bin_dir(17), settings=settings)) as parameters:
            connection = connect(parameters)
            with connection, connection.cursor() as cursor:
                for user in ("anyone", "encrypted", "certified"):
                    cursor.execute(f"CREATE ROLE {user} LOGIN CREATEDB PASSWORD %s", (PASSWORD,))
            connection.close()
            yield TlsServer(parameters, authority, other, authority.sign("certified"), authority.sign("encrypted"), other.sign("stranger"))
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module", name="dump")
def _dump(fixtures_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls") / "dump"
    export([f"file://{fixtures_dir}/backups/shop"], directory)
    return directory


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


def protection(parameters: ConnectionParameters) -> tuple[str, bool, list[str]]:
    """Return the mode that counted, whether TLS was used, and the codes of the findings."""
    connection = connect(parameters)
    try:
        return connection.info.dsn_parameters["sslmode"], connection.info.ssl_in_use, [item.code for item in connection_findings(connection, parameters)]
    finally:
        connection.close()


def refusal(parameters: ConnectionParameters) -> str:
    """Return the one line that the connection ends with."""
    with pytest.raises((TargetError, ConfigurationError)) as caught:
        connect(parameters)
    text = str(caught.value)
    assert "\n" not in text and PASSWORD not in text and KEY_PASSWORD not in text
    return text


def test_a_verified_connection(tls):
    assert protection(tls.by("encrypted", sslmode="verify-full", sslrootcert=tls.authority.certificate)) == ("verify-full", True, [])


@pytest.mark.parametrize(("user", "given", "line"), [
    ("encrypted", {"sslmode": "verify-full", "sslrootcert": "OTHER"}, "not signed by an authority of postgres_sslrootcert"),
    ("encrypted", {"sslmode": "verify-full"}, "name the file of its authority in postgres_sslrootcert"),
    ("encrypted", {"sslmode": "verify-full", "sslrootcert": "/no/such.crt"}, "postgres_sslrootcert (ca_cert): there is no file /no/such.crt"),
    ("encrypted", {"sslmode": "verify-full", "sslrootcert": "OWN", "host": "other.example"}, "certificate is for another name: connect to that name with postgres_host"),
    ("encrypted", {"sslmode": "require", "sslrootcert": "system"}, "system needs postgres_sslmode (ssl_mode): verify-full"),
    ("encrypted", {"sslrootcert": "system"}, "certificate is not signed by an authority of postgres_sslrootcert"),
    ("encrypted", {"sslmode": "disable"}, "with TLS only, or not from this host: set postgres_sslmode (ssl_mode) to require or verify-full"),
    ("encrypted", {"password": "wrong"}, "wrong or missing password: postgres_password"),
    ("certified", {}, "wants a client certificate: set postgres_sslcert (client_cert) and postgres_sslkey (client_key)"),
    ("certified", {"sslcert": "/no/client.crt"}, "postgres_sslcert (client_cert): there is no file /no/client.crt"),
    ("certified", {"sslcert": "STRANGER"}, "does not take the client certificate in postgres_sslcert (client_cert): have its own authority sign it"),
    ("certified", {"sslcert": "CLIENT", "sslkey": "/no/client.key"}, "client key in postgres_sslkey (client_key) cannot be used"),
    ("anyone", {"sslcert": "CLIENT", "sslkey": "STRANGERS"}, "client key in postgres_sslkey (client_key) cannot be used"),
    ("anyone", {"connect_params": {"sslrotcert": "x"}}, "no parameter sslrotcert, did you mean sslrootcert?"),
    ("anyone", {"connect_params": {"dbname": "x"}}, "dbname has a variable of its own, postgres_database"),
    ("anyone", {"connect_params": {"client_encoding": "LATIN1"}}, "client_encoding cannot be given: it is always UTF8"),
    ("anyone", {"connect_params": {"keepalives": True}}, "the value of keepalives has to be a string or a number"),
], ids=lambda value: value if isinstance(value, str) and len(value) < 10 else None)
def test_what_is_refused_names_what_to_change(tls, user, given, line):
    files = {
        "OWN": tls.authority.certificate, "OTHER": tls.other.certificate, "CLIENT": tls.client[0], "STRANGER": tls.stranger[0], "STRANGERS": tls.stranger[1],
    }
    given = {name: files.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    if given.get("sslcert") == tls.stranger[0]:
        given["sslkey"] = tls.stranger[1]
    assert line in refusal(tls.by(user, **given))


def test_a_client_certificate(tls):
    certificate, key = tls.client
    assert protection(tls.by("certified", password="", sslcert=certificate, sslkey=key))[1]
    assert "is for another role" in refusal(tls.by("certified", password="", sslcert=tls.encrypted_client[0], sslkey=tls.encrypted_client[1]))
    pathlib.Path(key).chmod(0o644)
    try:
        assert "nobody else may read it (chmod 600)" in refusal(tls.by("certified", sslcert=certificate, sslkey=key))
    finally:
        pathlib.Path(key).chmod(0o600)


def test_a_server_without_tls(postgres17):
    elsewhere = replace(postgres17, host=NAME, sslmode="", connect_params=TO_LOOPBACK)
    assert "speaks no TLS: switch it on there (ssl = on)" in refusal(elsewhere)
    assert protection(replace(elsewhere, sslmode="disable")) == ("disable", False, ["connection_not_encrypted"])
    assert protection(replace(postgres17, sslmode="")) == ("prefer", False, [])


def test_what_counts_when_nothing_is_said(tls, postgres17, monkeypatch, tmp_path):
    """Defaults by the place; then libpq's environment, its service file and its password file."""
    assert protection(tls.by("anyone")) == ("require", True, ["certificate_not_verified"])
    assert protection(tls.by("anyone", host="127.0.0.1", connect_params={})) == ("prefer", True, [])
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert protection(tls.by("anyone")) == ("disable", False, ["connection_not_encrypted"])
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "name the file of its authority" in refusal(tls.by("anyone"))
    monkeypatch.setenv("PGSSLROOTCERT", tls.authority.certificate)
    assert protection(tls.by("anyone")) == ("verify-full", True, [])
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert protection(tls.by("anyone", password=""))[1]
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGPASSWORD"):
        monkeypatch.delenv(name)
    assert "wrong or missing password" in refusal(tls.by("anyone", password=""))
    services, passwords = tmp_path / "services", tmp_path / "passwords"
    services.write_text(f"[checked]\nsslmode=verify-full\nsslrootcert={tls.authority.certificate}\n[open]\nhostaddr=127.0.0.1\n", encoding="utf-8")
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n", encoding="utf-8")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert protection(tls.by("anyone", password="", connect_params={**TO_LOOPBACK, "service": "checked"})) == ("verify-full", True, [])
    monkeypatch.setenv("PGSERVICE", "open")
    assert protection(tls.by("anyone", connect_params={}))[1]
    assert "the service says no sslmode" in refusal(replace(postgres17, host=NAME, sslmode="", connect_params={}))


def run_module(work: pathlib.Path, name: str, arguments: dict) -> tuple[dict, str]:
    """Run one module of the collection on localhost; return its result and all that Ansible printed."""
    playbook = work / "play.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "connection": "local", "vars": {"ansible_python_interpreter": sys.executable}, "tasks": [
        {"name": "Run", f"nomos.cockroach_migrator.{name}": arguments, "register": "result", "ignore_errors": True},
        {"name": "Keep", "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": f"{work}/result.json", "mode": "0600"}},
    ]}]), encoding="utf-8")
    programs = pathlib.Path(sys.executable).parent
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1",
    }
    run = subprocess.run([str(programs / "ansible-playbook"), str(playbook), "-vvv"], check=False, text=True, capture_output=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((work / "result.json").read_text(encoding="utf-8")), run.stdout + run.stderr


@pytest.mark.slow
def test_the_modules_options_and_the_secrets(tls, dump, work):
    """A key with a password: it is used, and shown nowhere; other parameters are shown as they are."""
    certificate, key = tls.authority.sign("certified", key_password=KEY_PASSWORD.encode())
    login = {"login_host": NAME, "login_port": tls.parameters.port, "login_user": "certified", "dump_dir": str(dump), "ssl_cert": certificate, "client_key": key}
    params = {**TO_LOOPBACK, "sslpassword": KEY_PASSWORD, "connect_timeout": 5}
    refused, output = run_module(work, "postgres_import", {**login, "ssl_mode": "verify-full", "ssl_rootcert": tls.other.certificate, "connect_params": params})
    assert refused["failed"] and "postgres_sslrootcert" in refused["msg"] and KEY_PASSWORD not in output
    result, output = run_module(work, "postgres_import", {**login, "connect_params": params})
    assert result["changed"] and result["databases"]["shop"]["rows"]
    assert [item["severity"] for item in result["findings"] if item["code"] == "certificate_not_verified"] == ["info"]
    assert KEY_PASSWORD not in output and '"connect_timeout": 5' in output and '"hostaddr": "127.0.0.1"' in output
    again, _output = run_module(work, "postgres_import", {**login, "connect_params": params, "ssl_mode": "verify-full", "ca_cert": tls.authority.certificate})
    assert not again["changed"] and "certificate_not_verified" not in [item["code"] for item in again["findings"]]


@pytest.mark.slow
def test_a_migration_over_tls(tls, work):
    """The playbook's variables reach import and verification; a wrong one is refused by its name."""
    certificate, key = tls.authority.sign("certified", key_password=KEY_PASSWORD.encode())
    values = {
        "postgres_host": NAME, "postgres_port": tls.parameters.port, "postgres_username": "certified", "postgres_sslmode": "verify-full",
        "postgres_sslcert": certificate, "postgres_sslkey": key, "test_postgresql_import": False,
    }
    for params, line in (({**TO_LOOPBACK, "host": "x"}, "host has a variable of its own, postgres_host"), ([], "has to be a mapping")):
        run = Run("migrate.yml", variables(work, **values, postgres_connect_params=params or ["x"]))
        assert run.code != 0 and line in run.error
    values["postgres_connect_params"] = {**TO_LOOPBACK, "sslpassword": KEY_PASSWORD}
    run = Run("migrate.yml", variables(work, **values, postgres_sslrootcert=tls.other.certificate))
    assert run.code != 0 and "not signed by an authority of postgres_sslrootcert" in run.error
    run = Run("migrate.yml", variables(work, **values, postgres_sslrootcert=tls.authority.certificate), "-vvv", watch=True)
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    assert KEY_PASSWORD not in run.output and not any(KEY_PASSWORD in arguments for arguments in run.seen_arguments)
    written = "".join(path.read_text(encoding="utf-8", errors="replace") for path in work.glob("cockroach_migrator-*/**/*") if path.is_file())
    assert KEY_PASSWORD not in written
