# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Targets that are looked at first, roles without superuser, and a rehearsal that refuses what the target will refuse."""
from __future__ import annotations

import contextlib
import functools
import http.server
import json
import pathlib
import shutil
import threading
from dataclasses import replace

import pytest
from journey import export
from playbook_runs import CHECKOUT, Run, databases, variables
from postgres_servers import bin_dir, open_directory
from session_settings import ODD, WORST, odd_environment, role_settings

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.expected_database import ExpectedDatabase
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import from_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import facts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import (
    ConnectionParameters,
    connect,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    check_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.schema_needs import schema_needs
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.likeness import likeness_of
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    stop_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import (
    WantedServer,
    ensure_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.server_facts import ServerFacts
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)

PASSWORD = "preflight-pass-19ce"
SHOP = f"file://{CHECKOUT}/tests/fixtures/backups/shop"


@pytest.fixture(scope="module", name="dump")
def _dump(tmp_path_factory):
    directory = tmp_path_factory.mktemp("preflight") / "dump"
    export([SHOP], directory)
    return str(directory)


def run(parameters, *commands: str, database: str = "") -> None:
    """Run commands as the superuser, each for itself."""
    connection = connect(parameters, database)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        for command in commands:
            cursor.execute(command)


@pytest.fixture(name="login")
def _login(postgres):
    """Makes a role and returns its connection parameters; afterwards nothing of the test is left on the server."""
    before = databases(postgres)

    def make(options: str) -> ConnectionParameters:
        run(postgres, f"CREATE ROLE mover LOGIN {options} PASSWORD '{PASSWORD}'")
        return replace(postgres, user="mover", password=PASSWORD)

    yield make
    run(postgres, *(f'DROP DATABASE "{name}"' for name in databases(postgres) if name not in before))
    with contextlib.closing(connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'")
        roles = [name for (name,) in cursor.fetchall()]
    run(postgres, *(command for role in roles for command in (f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')))


def look(parameters, dump="", **options) -> dict:
    """Look at a target, which changes nothing there."""
    return facts(check_target(parameters, PreflightOptions(dump, **options)))


EMPTY_SHOP = "CREATE DATABASE shop OWNER mover TEMPLATE template0 ENCODING 'UTF8'"


@pytest.mark.parametrize(("options", "before", "grants", "problem"), [
    ("SUPERUSER", (), "create", ""),
    ("CREATEDB", (), "existing", ""),
    ("", (EMPTY_SHOP,), "existing", ""),
    ("CREATEDB CREATEROLE", (), "existing", ""),
    ("CREATEDB CREATEROLE", (), "create", ""),
    ("", (EMPTY_SHOP,), "create", 'may not make the roles analysts, app, weird-user: ALTER ROLE "mover" CREATEROLE'),
    ("", (), "existing", 'may not create the database shop: ALTER ROLE "mover" CREATEDB, or have it made empty: CREATE DATABASE "shop" OWNER "mover"'),
    ("CREATEDB", ("CREATE DATABASE shop TEMPLATE template0",), "existing", 'GRANT CREATE ON DATABASE "shop" TO "mover", or make the user its owner'),
], ids=["superuser", "createdb", "owner of an empty database", "createrole", "createrole makes roles", "cannot make roles", "no rights", "another owner"])
def test_roles(postgres, login, dump, options, before, grants, problem):
    """What the preflight lets pass is imported and verified; what it does not is refused before anything is made."""
    parameters = login(options)
    run(postgres, *before)
    there = databases(postgres)
    seen = look(parameters, dump, grants=grants)
    assert databases(postgres) == there
    if problem:
        assert problem in "; ".join(seen["problems"])
        if grants == "existing":
            with pytest.raises(TargetError):
                import_dump(dump, parameters, ImportOptions(grants=grants))
            assert databases(postgres) == there
        return
    assert not seen["problems"]
    import_dump(dump, parameters, ImportOptions(grants=grants))
    assert verify_dump(dump, parameters, VerifyOptions(grants=grants)).succeeded
    assert not look(parameters, dump, grants=grants)["problems"]


def test_owners_that_the_role_may_not_set(postgres, login, dump):
    """With the roles there and the user no member of them: said beforehand with the GRANT that helps, a finding of the import, and gone with the GRANT."""
    parameters = login("CREATEDB")
    run(postgres, "CREATE ROLE app", "CREATE ROLE analysts", 'CREATE ROLE "weird-user"')
    assert 'may not make everything belong to its owner: GRANT "app" TO "mover"' in " ".join(look(parameters, dump)["notes"])
    found = import_dump(dump, parameters, ImportOptions()).findings
    assert any('GRANT "app" TO "mover"' in finding.message + finding.advice for finding in found)


def test_everything_in_the_way_is_said_at_once(postgres, login):
    """Names are enough, no dump is needed."""
    parameters = login("")
    run(postgres, EMPTY_SHOP, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        + (" LOCALE_PROVIDER libc" if connect(postgres).server_version >= 150000 else ""))
    run(postgres, "CREATE TABLE public.orders (id int)", database="shop")
    expected = (ExpectedDatabase("shop", ("public",), (("public", "orders"), ("public", "customers"))), ExpectedDatabase("latin"), ExpectedDatabase("third"))
    found = look(parameters, expected=expected)["problems"]
    assert len(found) == 3
    assert "shop on the target already has public.orders" in found[0] and "latin" in found[1] and "encoding is LATIN1" in found[1]
    assert "may not create the database third" in found[2]
    assert look(replace(parameters, password="wrong"))["problems"][0].startswith("PostgreSQL at")


def test_an_extension_that_the_role_may_not_create(postgres, login, tmp_path):
    """Tried in a transaction that is rolled back, and said with what helps. The rehearsal refuses it as the target does, and has it where the target has it."""
    if "postgis" not in look(postgres)["server"]["extensions"]:
        pytest.skip("this PostgreSQL has no PostGIS")
    export([SHOP.replace("shop", "types")], tmp_path / "dump")
    dump, parameters = str(tmp_path / "dump"), login("CREATEDB")
    line = 'may not create the extension postgis in the database types'
    assert line in look(parameters, dump)["problems"][0] and "make that database for it" in look(parameters, dump)["problems"][0]
    run(postgres, "CREATE DATABASE types OWNER mover TEMPLATE template0 ENCODING 'UTF8'")
    before = look(parameters, dump)
    assert line in before["problems"][0] and "postgis" not in before["server"]["creatable"]
    with rehearsal_like(before["server"]) as rehearsal, pytest.raises(TargetError, match="postgis.*permission denied"):
        import_dump(dump, rehearsal, ImportOptions())
    run(postgres, "CREATE EXTENSION postgis", database="types")
    after = look(parameters, dump)
    assert not after["problems"] and "postgis" in after["server"]["creatable"]
    with rehearsal_like(after["server"]) as rehearsal:
        import_dump(dump, rehearsal, ImportOptions())
        assert verify_dump(dump, rehearsal, VerifyOptions()).succeeded


def test_a_dump_says_which_extensions_it_needs(postgres, login, dump, tmp_path):
    """One of an earlier release does not, which is said as long as it is not imported."""
    manifest = json.loads((pathlib.Path(dump) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema_needs"] == {"shop": schema_needs(dump)} == {"shop": ["icu"]}
    older = tmp_path / "older"
    shutil.copytree(dump, older)
    parameters, notes = login("CREATEDB"), []
    for needs in ({"schema_needs": {"shop": ["icu", "not_there"]}}, {"schema_needs": None}):
        (older / "manifest.json").write_text(json.dumps({**manifest, **needs}), encoding="utf-8")
        notes.append(" ".join(look(parameters, str(older))["notes"]))
    assert ["no extension not_there" in text for text in notes] == [True, False]
    assert ["made by an earlier release" in text for text in (" ".join(look(parameters, dump)["notes"]), *notes)] == [False, False, True]
    import_dump(str(older), parameters, ImportOptions())
    assert "earlier release" not in " ".join(look(parameters, str(older))["notes"])


@contextlib.contextmanager
def rehearsal_like(server: dict):
    """Run a throw-away server that is like the target; give the parameters of its role."""
    directory = open_directory()
    try:
        wanted = WantedServer(str(directory / "server"), bin_dir=bin_dir(server["major"]), password=PASSWORD, database="migration_test", like=[server])
        started = ensure_server(wanted, check=False)
        yield ConnectionParameters(port=started.port, user=started.user, password=PASSWORD, database="migration_test")
    finally:
        stop_server(str(directory / "server"), "", remove=True)
        shutil.rmtree(directory)


def test_the_rehearsal_is_like_the_target(postgres, major, login, dump):
    """Its role has the target role's rights, its databases the target's locale, and what the target leaves out it leaves out, too."""
    parameters = login("CREATEDB")
    run(postgres, "CREATE ROLE app", "CREATE ROLE analysts", "GRANT analysts TO mover",
        *(["ALTER ROLE mover SET createrole_self_grant = 'set'"] if major >= 16 else []),
        "CREATE DATABASE shop OWNER mover TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    server = look(parameters, dump)["server"]
    assert server["user"] == {"name": "mover", "superuser": False, "createdb": True, "createrole": False, "may_become": ["analysts"]}
    assert server["roles"] == ["analysts", "app"] and server["databases"]["shop"]["owned"]
    both = likeness_of(from_json(list[ServerFacts], [server, {**server, "user": {**server["user"], "createdb": False, "may_become": []}}]))
    assert (both.createdb, both.may_become, both.superuser) == (False, (), False)
    with rehearsal_like(server) as rehearsal:
        assert rehearsal.user == "mover"
        with contextlib.closing(connect(rehearsal, "shop")) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT datcollate, datctype, pg_get_userbyid(datdba), current_setting('createrole_self_grant', true) FROM pg_database WHERE datname = 'shop'")
            assert cursor.fetchone() == ("C", "C", "mover", "set" if major >= 16 else None)
        again = look(rehearsal, dump)["server"]
        assert {key: again[key] for key in ("user", "roles", "major")} == {key: server[key] for key in ("user", "roles", "major")}
        found, wanted = (sorted((item.code, item.object) for item in import_dump(dump, where, ImportOptions()).findings) for where in (rehearsal, parameters))
        assert found == wanted
        assert any('GRANT "app" TO "mover"' in item.message + item.advice for item in import_dump(dump, rehearsal, ImportOptions()).findings)


@pytest.mark.slow
def test_the_playbook_looks_first(empty_postgres, work, monkeypatch):
    """All problems of all targets in one message before the backup is read; afterwards a rehearsal under the role's rights, of the target's version."""
    run(empty_postgres, f"CREATE ROLE mover LOGIN CREATEDB PASSWORD '{PASSWORD}'", "CREATE DATABASE shop TEMPLATE template0")
    inventory = work / "inventory.json"
    target = {"postgres_host": empty_postgres.host, "postgres_port": empty_postgres.port, "postgres_username": "mover", "postgres_password": PASSWORD}
    inventory.write_text(json.dumps({"all": {"children": {"migration_targets": {"hosts": {
        "first": target, "second": {**target, "postgres_port": 1}}}}}}), encoding="utf-8")
    for playbook, arguments in (("migrate.yml", ("--check",)), ("playbooks/rehearse.yml", ())):
        refused = Run(playbook, variables(work, s3_backup_path=SHOP, standby_name="replica"), f"-i{inventory}", *arguments)
        assert refused.code != 0 and not list(work.glob("*/dump/*")), refused.output
        first, second = f"{empty_postgres.place}: the user may not create schemas in the database shop", "PostgreSQL at 127.0.0.1:1 cannot be reached"
        assert "GRANT pg_read_all_stats TO" in refused.error
        assert first in refused.error and second in refused.error and 'GRANT CREATE ON DATABASE' in refused.error
        assert f"127.0.0.1:1: {second}" not in refused.error and "; the target was only checked" in refused.error
    run(empty_postgres, "ALTER DATABASE shop RENAME TO other")
    # Rehearsal, import, verification and report are the same with every setting at its worst.
    for name, value in odd_environment(work).items():
        monkeypatch.setenv(name, value)
    with role_settings(empty_postgres, "mover", {**WORST, **ODD, "default_tablespace": "pg_global", "default_table_access_method": "missing"}):
        limits = {"target_connections": 1, "load_rate": 100, "lock_wait": 600, "statement_time_limit": 600}
        done = Run("migrate.yml", variables(work, s3_backup_path=SHOP, **limits, **target))
    assert done.code == 0 and "VERIFIED" in done.output and PASSWORD not in done.output, done.output
    assert done.output.count("The target has no role") == 1
    assert "role_missing" in next(work.glob("*/state/rehearsal_import.json")).read_text(encoding="utf-8")
    again = Run("migrate.yml", variables(work, s3_backup_path=SHOP, **target))
    assert (again.code, again.changed) == (0, 0), again.output


def test_a_backup_on_an_http_server_is_looked_into_first(postgres, work):
    """A location that is wrong ends the run before anything has begun, and the message has the port that the user has to check."""
    empty = work / "empty"
    empty.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(empty))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        location = f"http://127.0.0.1:{server.server_port}/nightly"
        target = {"postgres_host": postgres.host, "postgres_port": postgres.port, "postgres_username": postgres.user, "postgres_password": postgres.password}
        refused = Run("migrate.yml", variables(work, s3_backup_path=location, **target))
        server.shutdown()
    assert refused.code != 0 and f"no backup in {location}" in refused.error, refused.output
    assert "The migration stopped" not in refused.output and not list(work.glob("*/report/*"))
