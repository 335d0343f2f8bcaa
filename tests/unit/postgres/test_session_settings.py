# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Session settings of the role, of the server and of libpq's environment, each at its worst: preflight, import and verification do the same with them."""
from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import time
from dataclasses import replace

import psycopg2
import pytest
import synthetic_dump
from exporting import export_backup
from postgres_servers import bin_dir, open_directory, query
from session_settings import ODD, WORST, odd_environment, role_settings

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.write_dump import DumpContent, write_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Database,
    Index,
    IndexColumn,
    Role,
    Schema,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.session import hide_commands
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    check_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    stop_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import (
    WantedServer,
    ensure_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

BACKUPS = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "backups"
PASSWORD = "settings-pass-71d0"

@pytest.fixture(scope="module", name="dump")
def _dump(tmp_path_factory):
    """Functions, triggers' functions, arrays with NULL, intervals, computed columns and checks."""
    directory = str(tmp_path_factory.mktemp("settings") / "dump")
    export_backup(BackupRequest(locations=(f"file://{BACKUPS}/written",)), directory)
    return directory


@pytest.fixture(scope="module", name="server")
def _server(postgres17):
    """A server with a role that may create databases, with a tablespace and an access method that it is not to use."""
    data = pathlib.Path(query(postgres17, "", "SHOW data_directory")[0][0])
    tablespace, owner = data.parent / "closed", data.stat()
    tablespace.mkdir()
    os.chown(tablespace, owner.st_uid, owner.st_gid)
    for command in (
        f"CREATE ROLE mover LOGIN CREATEDB PASSWORD '{PASSWORD}'", f"CREATE TABLESPACE closed LOCATION '{tablespace}'",
        "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler",
    ):
        query(postgres17, "", command)
    yield postgres17
    for command in ("DROP OWNED BY mover", "DROP ROLE mover", "DROP TABLESPACE closed", "DROP ACCESS METHOD other"):
        query(postgres17, "", command)


@contextlib.contextmanager
def settings_of_mover(server, settings):
    """Give the role settings for a while; return those that the server knows. Afterwards what was imported is gone."""
    try:
        with role_settings(server, "mover", settings) as made:
            yield made
    finally:
        query(server, "", "DROP DATABASE IF EXISTS written WITH (FORCE)")


def migrate(server, dump):
    """Look at the target, import and verify as the role; return the findings."""
    login = replace(server, user="mover", password=PASSWORD)
    assert not check_target(login, PreflightOptions(dump)).problems
    imported = import_dump(dump, login, ImportOptions(parallelism=2))
    result = verify_dump(dump, login, VerifyOptions(parallelism=1))
    assert result.succeeded, result
    return [(item.code, item.object, item.message) for item in imported.findings]


@pytest.fixture(scope="module", name="usual")
def _usual(server, dump):
    """The findings without any setting."""
    with settings_of_mover(server, {}):
        return migrate(server, dump)


@pytest.mark.parametrize("name", WORST)
def test_each_setting_of_the_role(server, dump, usual, name):
    with settings_of_mover(server, {name: WORST[name]}) as made:
        if not made:
            pytest.skip(f"PostgreSQL 17 knows no {name}")
        assert migrate(server, dump) == usual


def test_nothing_ends_a_session_that_takes_its_time(server):
    """A command, a transaction, and waiting within and between transactions, each longer than the role's timeouts."""
    with settings_of_mover(server, WORST), contextlib.closing(connect(replace(server, user="mover", password=PASSWORD))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.6)")
        time.sleep(0.2)
        connection.commit()
        time.sleep(0.7)
        cursor.execute("SELECT 1")


def test_all_settings_of_the_role_and_the_environment_together(server, dump, usual, monkeypatch, tmp_path):
    """Also those that only make an import slower; the preflight names what is not followed, and what only a superuser can change."""
    for name, value in odd_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with settings_of_mover(server, {**WORST, **ODD}):
        assert migrate(server, dump) == usual
        login = replace(server, user="mover", password=PASSWORD)
        notes = "\n".join(check_target(login, PreflightOptions(dump, grants="create")).notes)
    for note in ("default_tablespace (closed) is not followed", "default_table_access_method (other) is not followed", "temp_file_limit (64 kB)", "log_statement = all"):
        assert note in notes
    assert not check_target(login, PreflightOptions(dump)).notes


def test_backslashes_arrive_whatever_the_role_says(postgres17):
    query(postgres17, "", f"CREATE ROLE backslashes LOGIN PASSWORD '{PASSWORD}'")
    query(postgres17, "", "ALTER ROLE backslashes SET standard_conforming_strings = off")
    text = '{"d": "\\"quoted\\" \\\\ back"}'
    with contextlib.closing(connect(replace(postgres17, user="backslashes", password=PASSWORD))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", (text,))
        assert cursor.fetchone() == (text,)


def test_switched_off_triggers_are_refused_first_unless_the_role_may_switch_them_on(server, dump, usual):
    with settings_of_mover(server, {"session_replication_role": "replica"}):
        login = replace(server, user="mover", password=PASSWORD)
        line = 'session_replication_role of user mover is replica.*ALTER ROLE "mover" SET session_replication_role = origin'
        assert re.search(line, check_target(login, PreflightOptions(dump)).problems[0])
        with pytest.raises(TargetError, match=line):
            import_dump(dump, login, ImportOptions())
        query(server, "", "GRANT SET ON PARAMETER session_replication_role TO mover")
        assert migrate(server, dump) == usual


@pytest.mark.parametrize(("variable", "value", "line"), [
    ("PGHOSTADDR", "127.0.0.2", "PGHOSTADDR on the host that migrates leads connections to another server than postgres_host"),
    ("PGLOADBALANCEHOSTS", "random", "PGLOADBALANCEHOSTS on the host that migrates leads connections to another server"),
    ("PGTZ", "Nowhere", "PGOPTIONS, PGTZ, PGDATESTYLE and PGGEQO in the environment"), ("PGOPTIONS", "--nonsense", "PGOPTIONS, PGTZ, PGDATESTYLE and PGGEQO"),
    ("PGTARGETSESSIONATTRS", "standby", "PGTARGETSESSIONATTRS in the environment of the host"), ("PGSERVICE", "missing", "PGSERVICE cannot be read on the host"),
])
def test_what_the_environment_must_not_say(postgres17, monkeypatch, variable, value, line):
    """A preflight names the variable."""
    monkeypatch.setenv(variable, value)
    (problem,) = check_target(postgres17, PreflightOptions()).problems
    assert line in problem


@pytest.mark.needs_postgres
def test_a_server_of_our_own_knows_no_environment(monkeypatch):
    monkeypatch.setenv("PGTZ", "Nowhere")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.2")
    directory = open_directory()
    try:
        started = ensure_server(WantedServer(str(directory / "server"), bin_dir=bin_dir(17), user="other", password=PASSWORD, database="made"), check=False)
        assert started.changed and os.environ["PGTZ"] == "Nowhere"
        monkeypatch.undo()
        assert query(ConnectionParameters(port=started.port, user="other", password=PASSWORD), "made", "SELECT current_user") == [("other",)]
    finally:
        stop_server(str(directory / "server"), "", remove=True)
        shutil.rmtree(directory)


def test_a_library_that_cannot_be_loaded(server):
    query(server, "", "ALTER ROLE mover SET session_preload_libraries = 'missing'")
    (problem,) = check_target(replace(server, user="mover", password=PASSWORD), PreflightOptions()).problems
    query(server, "", "ALTER ROLE mover RESET session_preload_libraries")
    assert "correct session_preload_libraries or local_preload_libraries" in problem


def test_an_event_trigger_is_named_first_and_by_what_it_refuses(server, dump):
    query(server, "", "CREATE DATABASE written OWNER mover TEMPLATE template0 ENCODING 'UTF8'")
    query(server, "written", "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no tables on Sundays'; END $$")
    query(server, "written", "CREATE EVENT TRIGGER sundays ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse()")
    with settings_of_mover(server, {}):
        login = replace(server, user="mover", password=PASSWORD)
        assert "event triggers, which run for the commands of the import and may refuse them: sundays (ddl_command_end, function refuse)" in "\n".join(
            check_target(login, PreflightOptions(dump)).notes)
        with pytest.raises(TargetError, match="no tables on Sundays"):
            import_dump(dump, login, ImportOptions())
        query(server, "written", "ALTER EVENT TRIGGER sundays DISABLE")
        migrate(server, dump)


def test_an_extension_in_another_schema_is_found(server, tmp_path):
    """An operator class of it has no schema in the index's definition."""
    orders = synthetic_dump.table(101, "orders", [synthetic_dump.column(1, "id", synthetic_dump.INT, False), synthetic_dump.column(2, "name", synthetic_dump.TEXT)])
    orders.indexes = [Index(2, "orders_name", kind="inverted", columns=[IndexColumn(2)], created_explicitly=True)]
    database = Database(100, "written", [Schema(1, "public")], tables=[orders])
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), database, {101: (["1\tsome words"], None)})
    query(server, "", "CREATE DATABASE written OWNER mover TEMPLATE template0 ENCODING 'UTF8'")
    for command in ("CREATE SCHEMA extensions", "CREATE EXTENSION pg_trgm SCHEMA extensions", "GRANT USAGE ON SCHEMA extensions TO mover"):
        query(server, "written", command)
    with settings_of_mover(server, {}):
        migrate(server, dump)
        assert "extensions.gin_trgm_ops" in query(server, "written", "SET search_path = ''; SELECT pg_get_indexdef('public.orders_name'::regclass)")[0][0]


def test_verifiers_of_passwords_reach_no_log(server, tmp_path):
    """What CREATE ROLE holds is not logged where the role may say so: not as a command, nor as a slow one, nor as one that fails."""
    verifier = "SCRAM-SHA-256$4096:bmV2ZXJzZWVu$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    roles = [Role("hidden", password_hash=verifier)]
    content = DumpContent({"kind": "backup", "subdirectory": "synthetic"}, [], roles, [])
    write_dump(str(tmp_path), content, keep_passwords=True)
    log = pathlib.Path(query(server, "", "SHOW data_directory")[0][0]).parent / "server.log"
    with role_settings(server, "postgres", {"log_statement": "'all'", "log_min_duration_statement": "0", "log_min_error_statement": "debug5"}):
        import_dump(str(tmp_path), server, ImportOptions(grants="create"))
        with contextlib.closing(connect(server)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 'seen in the log'")
            hide_commands(cursor)
            with pytest.raises(psycopg2.Error):
                cursor.execute("CREATE ROLE hidden PASSWORD 'bmV2ZXJzZWVu'")
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "seen in the log" in text and "bmV2ZXJzZWVu" not in text and "already exists" in text
    assert query(server, "", "SELECT rolpassword FROM pg_authid WHERE rolname = 'hidden'") == [(verifier,)]
    query(server, "", "DROP ROLE hidden")
