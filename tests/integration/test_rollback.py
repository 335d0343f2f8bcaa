# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A rollback leaves a server as it was before the import, whatever the import had come to, and keeps and names what was there before or was changed since."""
from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest
import synthetic_dump
from journey import export
from playbook_runs import CHECKOUT, Run, databases, variables
from postgres_servers import bin_dir, query
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import RollbackResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback.rollback import (
    RollbackOptions,
    roll_back,
)

NEWEST = 17


@pytest.fixture(scope="module", name="cluster")
def _cluster(fixtures_dir, tmp_path_factory) -> str:
    """The dump of a whole cluster: databases shop and types, and roles."""
    directory = tmp_path_factory.mktemp("dump") / "cluster"
    export([f"file://{fixtures_dir}/backups/cluster"], directory)
    return str(directory)


@pytest.fixture(scope="module", name="shop")
def _shop(fixtures_dir, tmp_path_factory) -> str:
    """The dump of the database shop."""
    directory = tmp_path_factory.mktemp("dump") / "shop"
    export([f"file://{fixtures_dir}/backups/shop"], directory)
    return str(directory)


@pytest.fixture(scope="module", name="small")
def _small(tmp_path_factory) -> str:
    """The dump of a small database that is called shop, too."""
    return synthetic_dump.write(str(tmp_path_factory.mktemp("dump") / "small"), orders=50)


def content_of(server) -> str:
    """Return everything that a server holds, roles too."""
    command = [f"{bin_dir(NEWEST)}/pg_dumpall", "-h", server.host, "-p", str(server.port), "-U", "postgres", "--no-role-passwords"]
    admin = dict(os.environ, PGPASSWORD=server.password)
    text = subprocess.run(command, env=admin, capture_output=True, text=True, check=True).stdout
    # A key that pg_dump makes up, against what its own output may tell psql.
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def undone(server, **options) -> RollbackResult:
    """Roll back, and look before: that changes nothing and says the same."""
    before = content_of(server)
    looked = roll_back(server, RollbackOptions(check=True, **options), lambda state: None)
    assert content_of(server) == before
    result = roll_back(server, RollbackOptions(**options), lambda state: None)
    assert (looked.changed, looked.databases) == (result.changed, result.databases)
    return result


def changes_nothing(server) -> None:
    """A second rollback finds nothing to do."""
    before = content_of(server)
    again = roll_back(server, RollbackOptions(), lambda state: None)
    assert not again.changed and content_of(server) == before


OWN = """
CREATE TABLE public.own (id serial PRIMARY KEY, note text); INSERT INTO public.own (note) VALUES ('mine');
CREATE SCHEMA billing; CREATE VIEW billing.mine AS SELECT * FROM public.own;
CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE FUNCTION public.own_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON DATABASE shop IS 'of the user'; ALTER DATABASE shop SET statement_timeout TO '7s'; ALTER DATABASE shop SET search_path TO public, billing;
CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA billing TO app; GRANT CONNECT ON DATABASE shop TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC
"""


def test_the_server_is_as_it_was(postgres, cluster):
    """The database shop is there, with objects of the user's, and types is not."""
    query(postgres, "", "CREATE DATABASE shop")
    query(postgres, "shop", OWN)
    before = content_of(postgres)
    imported = import_dump(cluster, postgres, ImportOptions(grants="create"))
    assert imported.changed and content_of(postgres) != before
    result = undone(postgres)
    assert result.changed and result.succeeded and set(result.databases) == {"shop", "types"}, [part.kept for part in result.databases.values()]
    assert "table public.orders with 6,000 rows" in result.databases["shop"].removed
    assert "database shop" not in result.databases["shop"].removed and "database types" in result.databases["types"].removed
    assert content_of(postgres) == before
    changes_nothing(postgres)
    assert import_dump(cluster, postgres, ImportOptions(grants="create")).changed


def test_a_schema_and_later_its_rows(empty_postgres, shop):
    before = content_of(empty_postgres)
    for content in ("schema", "data"):
        import_dump(shop, empty_postgres, ImportOptions(content=content))
    assert undone(empty_postgres).succeeded and content_of(empty_postgres) == before


KILLED = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
import importlib
UTILS = "ansible_collections.nomos.cockroach_migrator.plugins.module_utils."
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import ConnectionParameters
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load import import_graph
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback import removal
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback.rollback import RollbackOptions, roll_back
wanted = json.loads(sys.argv[2])
import_graph.SMALL_TABLE_BYTES, import_graph.WHOLE_TABLE_BYTES = -1, 0
removal.most_objects_in_a_transaction = lambda cursor: 1
module = importlib.import_module(UTILS + wanted["module"])
function, calls = getattr(module, wanted["function"]), []

def killed_after(*arguments, **named):
    result = function(*arguments, **named)
    calls.append(1)
    if len(calls) == wanted["number"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(module, wanted["function"], killed_after)
parameters = ConnectionParameters(**json.load(sys.stdin))
if wanted["dump"]:
    import_dump(wanted["dump"], parameters, ImportOptions(parallelism=1, grants="create"))
else:
    roll_back(parameters, RollbackOptions(), lambda state: None)
"""


def killed(server, dump: str, module: str, function: str, number: int) -> None:
    """Import a dump, or without one roll back, until the process is killed after the call of a function of that number."""
    wanted = json.dumps({"dump": dump, "module": module, "function": function, "number": number})
    found = subprocess.run(
        [sys.executable, "-c", KILLED, str(CHECKOUT / ".collections"), wanted], input=json.dumps(dataclasses.asdict(server)),
        text=True, check=False, capture_output=True,
    )
    assert found.returncode == -signal.SIGKILL, found.stderr


IMPORT_POINTS = [("_run_roles", 1), ("run_pre_data", 1), ("perform", 4), ("perform", 40), ("create_database", 1), ("_complete", 2)]
"""Functions after whose call of that number the import is killed."""


def test_an_import_that_was_killed_is_undone(empty_postgres, cluster):
    query(empty_postgres, "", "CREATE DATABASE shop")
    query(empty_postgres, "shop", OWN)
    before = content_of(empty_postgres)
    for function, number in IMPORT_POINTS:
        killed(empty_postgres, cluster, "_postgres.load.load", function, number)
        result = roll_back(empty_postgres, RollbackOptions(), lambda state: None)
        assert result.changed and result.succeeded and content_of(empty_postgres) == before, (function, result)


def test_a_rollback_that_was_killed_goes_on(empty_postgres, cluster):
    query(empty_postgres, "", "CREATE DATABASE shop")
    query(empty_postgres, "shop", OWN)
    before = content_of(empty_postgres)
    import_dump(cluster, empty_postgres, ImportOptions(grants="create"))
    for number in (1, 7):
        killed(empty_postgres, "", "_postgres.rollback.removal", "_remove_pack", number)
        with pytest.raises(TargetError, match="a rollback of the database shop on the target has begun"):
            import_dump(cluster, empty_postgres, ImportOptions(grants="create"))
    killed(empty_postgres, "", "_postgres.rollback.removal", "_set_back", 1)
    killed(empty_postgres, "", "_postgres.rollback.rollback", "drop_database", 1)
    result = undone(empty_postgres)
    assert result.succeeded and content_of(empty_postgres) == before


CHANGES = {
    "INSERT INTO billing.payments SELECT gen_random_uuid(), order_id, amount, currency, paid_at, raw FROM billing.payments LIMIT 1":
        ("table billing.payments", "it holds 2,501 rows, and the import has loaded 2,500"),
    "UPDATE public.events SET kind = 'other' WHERE id = (SELECT min(id) FROM public.events)": ("table public.events", "rows were changed after the import"),
    "ALTER TABLE public.no_pk ADD COLUMN extra int": ("table public.no_pk", "it was changed after the import: column extra was added"),
    "CREATE INDEX mine ON public.addresses (city)": ("table public.addresses", "it was changed after the import: index mine was added"),
    "GRANT SELECT ON public.products TO PUBLIC": ("table public.products", "it was changed after the import: privileges were changed"),
    "CREATE VIEW public.recent AS SELECT * FROM public.order_totals": ("view public.order_totals", "view recent needs it, which the migration has not made"),
    "COMMENT ON MATERIALIZED VIEW public.daily_sales IS 'mine'": ("materialized view public.daily_sales", "it was changed after the import: comment"),
    "SELECT nextval('billing.never_used')": ("sequence billing.never_used", "it was changed after the import: value was changed from unused to -10"),
    'ALTER SCHEMA "Mixed Case" OWNER TO other': ('schema "Mixed Case"', "it was changed after the import: owner was changed"),
}
NEEDED = {"table public.orders", "table public.customers", "table public.order_items", "type public.order_status", "type billing.currency", "schema billing"}
"""Some of what these need: order_totals reads order_items, which refers to orders."""


def test_what_was_changed_is_kept_and_named(postgres, shop):
    query(postgres, "", "CREATE ROLE other")
    import_dump(shop, postgres, ImportOptions())
    for change in CHANGES:
        query(postgres, "shop", change)
    rows = "SELECT (SELECT count(*) FROM public.orders), (SELECT count(*) FROM billing.payments), (SELECT count(*) FROM public.recent)"
    before = query(postgres, "shop", rows)
    result = undone(postgres)
    kept = result.databases["shop"].kept
    assert result.changed and not result.succeeded
    for name, reason in CHANGES.values():
        assert kept[name].startswith(reason), kept
    assert set(kept) >= NEEDED and kept["database shop"] == "it holds what is kept"
    assert result.databases["shop"].removed == ['table "Mixed Case"."Order" with 21 rows', "view billing.open_orders", "privilege CREATE of PUBLIC on the schema public"]
    assert query(postgres, "shop", rows) == before
    changes_nothing(postgres)
    # What kept them is gone, and the next run removes the rest.
    query(postgres, "shop", "DROP VIEW public.recent; DROP INDEX public.mine")
    assert "view public.order_totals" in undone(postgres).databases["shop"].removed
    with pytest.raises(TargetError, match="a rollback of the database shop on the target has begun and not removed everything"):
        import_dump(shop, postgres, ImportOptions())


OTHERS = {
    "CREATE TABLE public.mine (id int)": "table mine", "CREATE EXTENSION pg_trgm": "extension pg_trgm", "SELECT lo_create(0)": "large object",
    "CREATE TABLE cockroach_migrator.mine (id int)": "table cockroach_migrator.mine", "CREATE PUBLICATION mine": "publication mine",
}
OF_DATABASE = {
    "ALTER DATABASE shop SET work_mem = '8MB'": "setting work_mem was added", "GRANT CONNECT ON DATABASE shop TO other": "privileges were changed",
    "ALTER ROLE other IN DATABASE shop SET work_mem = '8MB'": "setting of role other was added",
}


@pytest.mark.parametrize("changes, reason", [(OTHERS, "it holds what the migration has not made: "), (OF_DATABASE, "the database shop was changed after the import: ")])
def test_a_database_that_holds_something_else_is_kept(empty_postgres, small, changes, reason):
    query(empty_postgres, "", "CREATE ROLE other")
    import_dump(small, empty_postgres, ImportOptions())
    for change in changes:
        query(empty_postgres, "shop", change)
    result = undone(empty_postgres)
    (name, found), = result.databases["shop"].kept.items()
    assert name == "database shop" and found.startswith(reason) and all(text in found for text in changes.values()), found
    assert "table public.orders with 50 rows" in result.databases["shop"].removed
    changes_nothing(empty_postgres)


def test_once_the_cause_is_gone_the_database_is_dropped(empty_postgres, shop):
    import_dump(shop, empty_postgres, ImportOptions())
    query(empty_postgres, "shop", "CREATE TABLE public.mine (id int)")
    kept = undone(empty_postgres).databases["shop"]
    assert list(kept.kept) == ["database shop"] and "privilege CREATE of PUBLIC on the schema public" in kept.removed
    query(empty_postgres, "shop", "DROP TABLE public.mine")
    result = undone(empty_postgres)
    assert result.succeeded and "database shop" in result.databases["shop"].removed, result


def test_rows_in_tables_of_the_user(empty_postgres, shop):
    import_dump(shop, empty_postgres, ImportOptions(content="schema"))
    # As if the user had made the tables.
    query(empty_postgres, "shop", "DROP SCHEMA cockroach_migrator CASCADE; SELECT setval('public.invoice_no', 77, false)")
    before = content_of(empty_postgres)
    import_dump(shop, empty_postgres, ImportOptions(content="data"))
    assert query(empty_postgres, "shop", "SELECT count(*) FROM public.orders") == [(6000,)]
    result = undone(empty_postgres)
    assert result.succeeded and "6,000 rows of the table public.orders" in result.databases["shop"].removed
    assert content_of(empty_postgres) == before
    import_dump(shop, empty_postgres, ImportOptions(content="data"))
    query(empty_postgres, "shop", "DELETE FROM billing.payments WHERE id = (SELECT min(id::text)::uuid FROM billing.payments); SELECT nextval('public.invoice_no')")
    result = undone(empty_postgres)
    kept = result.databases["shop"].kept
    assert kept["rows of the table billing.payments"] == "it holds 2,499 rows, and the import has loaded 2,500"
    assert kept["rows of the table public.orders"] == "table billing.payments needs it, which is kept"
    assert kept["value of the sequence public.invoice_no"] == "it was changed after the import"
    counts = "SELECT (SELECT count(*) FROM billing.payments), (SELECT count(*) FROM public.orders), (SELECT count(*) FROM public.events)"
    assert query(empty_postgres, "shop", counts) == [(2499, 6000, 0)]
    changes_nothing(empty_postgres)


def test_a_role_that_was_changed_or_is_used_is_kept(empty_postgres, cluster):
    import_dump(cluster, empty_postgres, ImportOptions(grants="create"))
    query(empty_postgres, "", "ALTER ROLE analysts CREATEDB; CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO app")
    result = roll_back(empty_postgres, RollbackOptions(), lambda state: None)
    assert result.roles.kept["role analysts"] == "its options, settings or memberships were changed after the import"
    assert "table mine" in result.roles.kept["role app"] and result.roles.removed == ["role reader", "role weird-user"]
    changes_nothing(empty_postgres)
    query(empty_postgres, "", "DROP TABLE mine")


def test_sessions_in_a_database_that_is_to_be_dropped_are_named(empty_postgres, small):
    import_dump(small, empty_postgres, ImportOptions())
    with contextlib.closing(connect(empty_postgres, "shop")) as session:
        with pytest.raises(TargetError, match=f"sessions are connected to it: pid {session.info.backend_pid} of the user postgres"):
            roll_back(empty_postgres, RollbackOptions(), lambda state: None)
        assert query(empty_postgres, "shop", "SELECT count(*) FROM public.orders") == [(50,)]
    assert undone(empty_postgres).succeeded


def test_a_locked_table_names_who_holds_it(empty_postgres, small, monkeypatch):
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback import removal

    monkeypatch.setattr(removal, "_LOCK_TIMEOUT", "100ms")
    query(empty_postgres, "", "CREATE DATABASE shop")
    import_dump(small, empty_postgres, ImportOptions())
    with contextlib.closing(connect(empty_postgres, "shop")) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE public.orders IN ACCESS SHARE MODE"))
        with pytest.raises(TargetError, match=f"in use by pid {session.info.backend_pid} of the user postgres"):
            roll_back(empty_postgres, RollbackOptions(), lambda state: None)
    assert undone(empty_postgres).succeeded


def test_rows_that_arrive_while_it_runs_are_kept(empty_postgres, shop, monkeypatch):
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback import rollback

    query(empty_postgres, "", "CREATE DATABASE shop")
    import_dump(shop, empty_postgres, ImportOptions())
    for write in ("INSERT INTO public.categories (name) VALUES ('new')", "UPDATE public.products SET title = title || '!'"):
        carry_out = rollback.remove_objects

        def late(*arguments, write=write, carry_out=carry_out):
            query(empty_postgres, "shop", write)
            return carry_out(*arguments)

        with monkeypatch.context() as patched, pytest.raises(TargetError, match="(categories|products) was written to while the rollback ran|id_seq was changed while"):
            patched.setattr(rollback, "remove_objects", late)
            roll_back(empty_postgres, RollbackOptions(), lambda state: None)
    assert query(empty_postgres, "shop", "SELECT count(*) FROM public.products WHERE title LIKE '%!'") == [(1200,)]
    assert {"table public.categories", "table public.products"} <= set(undone(empty_postgres).databases["shop"].kept)


def test_a_transaction_that_writes_keeps_its_table(empty_postgres, shop):
    query(empty_postgres, "", "CREATE DATABASE shop")
    import_dump(shop, empty_postgres, ImportOptions())
    with contextlib.closing(connect(empty_postgres, "shop")) as session, session.cursor() as cursor:
        cursor.execute("UPDATE public.events SET kind = 'other'")
        result = roll_back(empty_postgres, RollbackOptions(check=True), lambda state: None)
        assert result.databases["shop"].kept["table public.events"] == f"the session {session.info.backend_pid} of the user postgres is writing to it"


def test_imports_of_several_dumps(empty_postgres, small, tmp_path):
    for dump in (small, synthetic_dump.write(str(tmp_path / "types"), "types")):
        import_dump(dump, empty_postgres, ImportOptions())
    with pytest.raises(ConfigurationError, match=r"the server holds the imports of several dumps: \w+ \((shop|types)\), \w+ \((shop|types)\)"):
        roll_back(empty_postgres, RollbackOptions(), lambda state: None)
    assert set(undone(empty_postgres, databases=("types",)).databases) == {"types"}
    assert set(undone(empty_postgres).databases) == {"shop"}


def test_an_import_of_an_earlier_release_is_kept(empty_postgres, small):
    import_dump(small, empty_postgres, ImportOptions())
    query(empty_postgres, "shop", "DROP VIEW cockroach_migrator.progress; DROP TABLE cockroach_migrator.objects, cockroach_migrator.tables; ALTER TABLE cockroach_migrator.ledger DROP COLUMN checksum")
    before = content_of(empty_postgres)
    result = undone(empty_postgres)
    assert not result.changed and "a release before 1.7.0" in result.databases["shop"].kept["database shop"]
    assert content_of(empty_postgres) == before


def test_the_rights_of_the_import_are_enough(empty_postgres, cluster):
    query(empty_postgres, "", "CREATE ROLE importer LOGIN CREATEDB CREATEROLE PASSWORD 'poor'")
    query(empty_postgres, "", "CREATE DATABASE types OWNER importer")
    importer = dataclasses.replace(empty_postgres, user="importer", password="poor")
    before = content_of(empty_postgres)
    import_dump(cluster, importer, ImportOptions(grants="create"))
    import_dump(cluster, importer, ImportOptions(grants="create"))
    result = roll_back(importer, RollbackOptions(), lambda state: None)
    assert result.succeeded and content_of(empty_postgres) == before, result


def test_the_playbook_shows_first_and_removes_when_that_is_confirmed(empty_postgres, small, work):
    import_dump(small, empty_postgres, ImportOptions())
    query(empty_postgres, "shop", "CREATE VIEW public.recent AS SELECT * FROM public.lines")
    argument = variables(work, postgres_host=empty_postgres.host, postgres_port=empty_postgres.port, postgres_password=empty_postgres.password, parallelism=1)
    before = content_of(empty_postgres)
    looked = Run("playbooks/rollback.yml", argument)
    assert looked.code == 0 and looked.changed == 0 and content_of(empty_postgres) == before, looked.output
    assert "KEEPS: " in looked.output and f" objects of {empty_postgres.host}:{empty_postgres.port} would be removed" in looked.output and "-e rollback_confirmed=true" in looked.output, looked.output
    assert "database shop: keeps the table public.lines: view recent needs it, which the migration has not made" in looked.output
    kept = Run("playbooks/rollback.yml", argument, "-e", "rollback_confirmed=true")
    assert kept.code != 0 and kept.changed == 1, kept.output
    assert f"KEPT: {empty_postgres.host}:{empty_postgres.port} is not as it was before the import: " in kept.error and "table public.lines" in kept.error
    query(empty_postgres, "shop", "DROP VIEW public.recent")
    done = Run("playbooks/rollback.yml", argument, "-e", "rollback_confirmed=true", "--diff")
    assert done.code == 0 and done.changed == 1 and f"UNDONE: {empty_postgres.host}:{empty_postgres.port} is as it was" in done.output, done.output
    assert "-shop: table public.lines" in done.output and "shop" not in databases(empty_postgres)


def test_a_database_that_a_killed_import_has_made_and_somebody_uses_is_kept(empty_postgres, cluster):
    killed(empty_postgres, cluster, "_postgres.load.load", "create_database", 1)
    query(empty_postgres, "shop", "CREATE TABLE public.mine AS SELECT 7 AS id")
    result = undone(empty_postgres)
    assert result.databases["shop"].kept == {"database shop": "it holds what the migration has not made: table mine"}
    assert query(empty_postgres, "shop", "SELECT id FROM public.mine") == [(7,)]
    query(empty_postgres, "shop", "DROP TABLE public.mine")
    assert undone(empty_postgres).databases["shop"].removed == ["database shop"]


def test_a_copy_of_a_database_is_kept(empty_postgres, small):
    import_dump(small, empty_postgres, ImportOptions())
    query(empty_postgres, "", "CREATE DATABASE staging TEMPLATE shop")
    result = undone(empty_postgres)
    assert result.databases["staging"].kept == {"database staging": "it is a copy of another database, which an import has made or changed"}
    assert result.databases["shop"].removed[0] == "database shop" and query(empty_postgres, "staging", "SELECT count(*) FROM public.orders") == [(50,)]
    changes_nothing(empty_postgres)
    query(empty_postgres, "", "DROP DATABASE staging")


def test_a_table_that_somebody_has_made_in_the_place_of_an_imported_one_is_kept(empty_postgres, small):
    query(empty_postgres, "", "CREATE DATABASE shop")
    import_dump(small, empty_postgres, ImportOptions())
    query(empty_postgres, "shop", "CREATE TABLE public.new AS TABLE public.lines; DROP TABLE public.lines; ALTER TABLE public.new RENAME TO lines")
    rows = query(empty_postgres, "shop", "SELECT count(*) FROM public.lines")
    result = undone(empty_postgres)
    assert rows != [(0,)] and query(empty_postgres, "shop", "SELECT count(*) FROM public.lines") == rows
    assert "the table public.lines" not in " ".join(result.databases["shop"].removed)


def test_a_dump_that_is_not_the_one_that_was_imported(empty_postgres, small):
    import_dump(small, empty_postgres, ImportOptions())
    for named in ({}, {"databases": ("shop",)}):
        with pytest.raises(ConfigurationError, match=r"the target holds no import of the dump 0123, but of \w+ \(shop\): "):
            roll_back(empty_postgres, RollbackOptions(dump_id="0123", **named), lambda state: None)
    assert undone(empty_postgres).succeeded
    assert not roll_back(empty_postgres, RollbackOptions(dump_id="0123"), lambda state: None).changed


@pytest.mark.parametrize("late", ["UPDATE public.orders SET id = id", "CREATE TABLE public.mine (id int)", "ALTER TABLE public.orders ADD COLUMN mine int", "COMMENT ON DATABASE shop IS 'mine'"])
def test_what_is_done_in_a_database_between_the_comparison_and_its_removal_is_kept(late, empty_postgres, small, monkeypatch):
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.rollback import rollback

    import_dump(small, empty_postgres, ImportOptions())
    drop_database = rollback.drop_database

    def after(*arguments):
        query(empty_postgres, "shop", late)
        drop_database(*arguments)

    monkeypatch.setattr(rollback, "drop_database", after)
    with pytest.raises(TargetError, match="while the rollback ran|it holds what the migration has not made: table mine"):
        roll_back(empty_postgres, RollbackOptions(), lambda state: None)
    assert query(empty_postgres, "shop", "SELECT count(*) FROM public.orders") == [(50,)]
