# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every change to an object is noticed and named by the module, by the playbook, and by one comparer each: with it switched off the change goes unseen."""
from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass, replace

import pytest
from ansible.module_utils import basic
from journey import export
from object_tamperings import OBJECT_TAMPERINGS
from playbook_runs import SAMPLE, Run, variables
from postgres_servers import CORPUS_SERVERS, bin_dir, open_directory
from test_tampering import given, report_of, run_sql
from whole_shop import ROLES, complete_dump

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ConvertOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_catalog, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import (
    existing_roles,
    probe,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify import catalog_check
from ansible_collections.nomos.cockroach_migrator.plugins.modules import postgres_verify

LEAST_TAMPERINGS = 45
OF_THE_DATABASE = (
    "ALTER DATABASE shop SET timezone TO 'Europe/Berlin'", "ALTER DATABASE shop SET statement_timeout TO '90s'", "COMMENT ON DATABASE shop IS 'the sample'",
    "ALTER DATABASE shop OWNER TO app", "GRANT CONNECT, CREATE ON DATABASE shop TO analysts",
)
"""What a database does not get from its template."""
PATH = "SET search_path = public"
EACH_KIND = [
    tampering for kind in catalog_check.COMPARERS for tampering in [one for one in OBJECT_TAMPERINGS if one.kind == kind][:3]
]
"""Up to three for each comparer go through the module one by one; through the playbook all go, and by the comparers."""


@dataclass(frozen=True)
class Migrated:
    """A server with the migrated sample as a template, and its dump."""

    parameters: ConnectionParameters
    dump_dir: str
    icu: bool

    def run(self, *commands: str, database: str = "postgres") -> None:
        run_sql(self.parameters, database, *commands)

    def fresh(self) -> None:
        """Make the migrated database anew."""
        self.run("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop TEMPLATE migrated", *OF_THE_DATABASE)


@contextlib.contextmanager
def server():
    """Give a server, with ICU where the host has one that also has PostGIS."""
    try:
        programs = CORPUS_SERVERS["installed with PostGIS"]()
    except pytest.skip.Exception:
        programs = bin_dir(17)
    directory = open_directory()
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs)) as parameters:
            run_sql(parameters, "postgres", *(f"CREATE ROLE {role}" for role in ROLES))
            yield parameters
    finally:
        shutil.rmtree(directory)


@pytest.fixture(name="migrated", scope="module")
def _migrated(tmp_path_factory):
    dump = tmp_path_factory.mktemp("dump") / "shop"
    export([SAMPLE.replace("types", "shop")], dump)
    complete_dump(str(dump))
    with server() as parameters:
        import_dump(str(dump), parameters, ImportOptions())
        run_sql(parameters, "postgres", "ALTER DATABASE shop RENAME TO migrated")
        with contextlib.closing(connect(parameters)) as connection:
            icu = probe(connection).icu
        yield Migrated(parameters, str(dump), icu)


@pytest.fixture(name="verify")
def _verify(migrated, monkeypatch, capsys):
    """Give what the module answers, run with arguments as Ansible gives them."""
    where = migrated.parameters
    arguments = {
        "dump_dir": migrated.dump_dir, "login_host": where.host, "login_port": where.port, "login_user": where.user, "login_password": where.password,
        "ssl_mode": "disable",
    }

    def run() -> tuple[int, dict]:
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit) as ended:
            postgres_verify.main()
        return ended.value.code, json.loads(capsys.readouterr().out)

    return run


def skip_without(migrated, tampering) -> None:
    if tampering.needs == "icu" and not migrated.icu:
        pytest.skip("the server has no ICU")


def test_there_are_enough():
    assert len(EACH_KIND) >= LEAST_TAMPERINGS and len({tampering.name for tampering in OBJECT_TAMPERINGS}) == len(OBJECT_TAMPERINGS)


def test_nothing_is_found_where_nothing_was_changed(migrated, verify):
    migrated.fresh()
    code, answer = verify()
    assert code == 0 and not answer.get("failed"), answer
    assert answer["databases"]["shop"]["objects_missing"] == [] and answer["databases"]["shop"]["objects_checked"] > 200


@pytest.mark.parametrize("tampering", EACH_KIND, ids=lambda tampering: tampering.name)
def test_the_module_fails_and_names_it(migrated, verify, tampering):
    skip_without(migrated, tampering)
    migrated.fresh()
    migrated.run(PATH, tampering.sql, database="shop")
    code, answer = verify()
    assert code != 0 and answer["failed"]
    lines = answer["databases"]["shop"]["objects_missing"]
    assert any(all(word in line for word in tampering.words) for line in lines), lines


@pytest.fixture(name="look")
def _look(migrated):
    """Give what differs after some SQL, in a transaction that is rolled back."""
    migrated.fresh()
    manifest = read_manifest(migrated.dump_dir)
    database = read_catalog(migrated.dump_dir, manifest.databases[0])
    with contextlib.closing(connect(migrated.parameters, "shop")) as connection:
        options = ConvertOptions("existing", existing_roles(connection))
        statements = convert_database(database, [], probe(connection), options).statements

        def differences(command: str) -> list[str]:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL search_path = public; " + command)
                cursor.execute("SET LOCAL search_path = DEFAULT")
            try:
                return catalog_check.check_catalog(connection, database, statements, rights_migrated=True)[1]
            finally:
                connection.rollback()

        yield differences


@pytest.mark.parametrize("kind", catalog_check.COMPARERS)
def test_each_comparer_alone_notices_something(migrated, look, monkeypatch, kind):
    """The comparers are tested, too: with one of them switched off a change that only it can see is not noticed any more."""
    own = [tampering for tampering in OBJECT_TAMPERINGS if tampering.kind == kind]
    assert own, "nothing in the table is for this comparer to notice"
    own = [tampering for tampering in own if tampering.needs != "icu" or migrated.icu]
    if not own:
        pytest.skip("the server has no ICU")
    for tampering in own:
        lines = look(tampering.sql)
        assert any(all(word in line for word in tampering.words) for line in lines), (tampering.name, lines)
    monkeypatch.delitem(catalog_check.COMPARERS, kind)
    # What setval() has done is not rolled back.
    assert any(not look(tampering.sql) for tampering in own), "another comparer notices all of it, too: this one is not needed, or not tested"


def test_without_the_right_to_it_the_catalog_is_compared_all_the_same(migrated):
    """A role that may only read verifies: its temporary objects are all that it makes."""
    migrated.fresh()
    reader = replace(migrated.parameters, user="auditor", password="audit")
    migrated.run("DROP ROLE IF EXISTS auditor", "CREATE ROLE auditor LOGIN PASSWORD 'audit' BYPASSRLS IN ROLE pg_read_all_data")
    manifest = read_manifest(migrated.dump_dir)
    database = read_catalog(migrated.dump_dir, manifest.databases[0])
    migrated.run(PATH, "ALTER TABLE extras ALTER size SET DEFAULT 6", database="shop")
    with contextlib.closing(connect(reader, "shop")) as connection:
        statements = convert_database(database, [], probe(connection), ConvertOptions("existing", existing_roles(connection))).statements
        assert catalog_check.check_catalog(connection, database, statements, rights_migrated=True)[1] == [
            "column public.extras.size: default is 6, not (5)::bigint",
        ]


def test_what_the_target_gives_to_new_objects_is_no_difference(migrated, look):
    """The role that imports may have default privileges, which its tables and functions then have."""
    given_to_new = (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; "
        "GRANT SELECT ON events, products TO reader; REVOKE EXECUTE ON FUNCTION note_change FROM PUBLIC"
    )
    assert look(given_to_new) == []
    assert look(given_to_new + "; GRANT INSERT ON events TO reader") == ["grant on table public.events: reader has INSERT, more than there should be"]


def test_a_role_that_may_not_make_temporary_objects_is_told_so(migrated, look):
    migrated.run("DROP ROLE IF EXISTS plain_reader", "CREATE ROLE plain_reader IN ROLE pg_read_all_data")
    with pytest.raises(TargetError, match='GRANT TEMPORARY ON DATABASE "shop" TO "plain_reader"'):
        look("REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC; SET LOCAL ROLE plain_reader")


def test_a_server_that_is_read_only_is_no_difference(look):
    """A standby makes no temporary objects, and so nothing can be compared there."""
    with pytest.raises(TargetError, match="read-only, like a standby.*verify on the primary"):
        look("SET TRANSACTION READ ONLY")


def test_tables_that_somebody_uses_are_not_locked(migrated, look):
    """The verification does not wait for who writes or builds an index, and so nobody waits for it."""
    with contextlib.closing(connect(migrated.parameters, "shop")) as writer, writer.cursor() as cursor:
        cursor.execute("UPDATE orders SET note = note; LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE")
        assert look("SET LOCAL lock_timeout = '2s'") == []


@pytest.mark.slow
@pytest.mark.needs_postgres
def test_the_playbook_fails_and_names_them(work):
    """A run for each group of changes, each on a database that was imported anew; the report has a line for each of them."""
    with server() as target:
        argument = variables(work, **given(target))
        exported = Run("migrate.yml", argument, '-e{"postgres_import_enabled": false}')
        assert exported.code == 0, exported.output
        dump = complete_dump(str(next(work.glob("*/dump"))))
        good = Run("migrate.yml", argument)
        assert good.code == 0 and report_of(work)[2].startswith("VERIFIED"), good.output
        with contextlib.closing(connect(target)) as connection:
            icu = probe(connection).icu
        for number in sorted({tampering.group for tampering in OBJECT_TAMPERINGS}):
            group = [tampering for tampering in OBJECT_TAMPERINGS if tampering.group == number and (icu or tampering.needs != "icu")]
            run_sql(target, "shop", PATH, *(tampering.sql for tampering in group))
            run = Run("migrate.yml", argument)
            report = report_of(work)
            assert run.code != 0 and report[2].startswith("DIFFERENT: "), run.output
            lines = report[report.index("What differs in the target"):]
            unnamed = [tampering.name for tampering in group if not any(all(word in line for word in tampering.words) for line in lines)]
            assert not unnamed, (unnamed, lines)
            run_sql(target, "postgres", "DROP DATABASE shop")
            import_dump(dump, target, ImportOptions())
