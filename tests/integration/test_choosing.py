# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""New names, one database of many schemas, schema only, rows only: each from a real backup into real servers, and what is refused."""
from __future__ import annotations

import pytest
from cockroach_nodes import KINDS, node
from exporting import export_backup, export_cluster
from playbook_runs import CHECKOUT, Run, databases, variables

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import (
    AS_IN_SOURCE,
    Arrangement,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.state import verified_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
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


def export(backup, dump_dir, rename=None, merged="", **selection):
    """Export one of the fixtures."""
    request = BackupRequest(locations=(f"file://{CHECKOUT}/tests/fixtures/backups/{backup}",))
    chosen = Selection(**{key: tuple(value) for key, value in selection.items()})
    return export_backup(request, dump_dir, selection=chosen, chunk_rows=5000, arrangement=Arrangement(tuple((rename or {}).items()), merged))


def query(parameters, database, text):
    """Run a query, or several commands."""
    connection = connect(parameters, database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            found = cursor.fetchall() if cursor.description else None
        connection.commit()
        return found
    finally:
        connection.close()


def load_and_verify(parameters, dump_dir, content="all", grants="existing"):
    """Import, verify, and import again, which changes nothing."""
    imported = import_dump(str(dump_dir), parameters, ImportOptions(content=content, grants=grants))
    verified = verify_dump(str(dump_dir), parameters, VerifyOptions(content=content, grants=grants))
    assert verified.succeeded, verified
    assert not import_dump(str(dump_dir), parameters, ImportOptions(content=content, grants=grants)).changed
    return imported, verified


@pytest.fixture(name="dump", scope="module")
def _dump(tmp_path_factory):
    """The sample under a name that has to be quoted."""
    directory = tmp_path_factory.mktemp("plain") / "dump"
    export("shop", directory, {"shop": "my shop"})
    return directory


@pytest.fixture(name="name")
def _name():
    """The name of its database."""
    return "my shop"


def test_new_names_arrive_with_everything_that_refers_to_them(postgres, tmp_path):
    names = {
        "shop": "store", "shop.public": "store.sales", "shop.public.orders": "Bestell\"ungen", "shop.public.customers": "store.sales.Kunden",
        "shop.billing.open_orders": "offen", "shop.public.invoice_no": "Rechnungen",
    }
    assert export("shop", tmp_path / "dump", names).databases == ["store"]
    assert not export("shop", tmp_path / "dump", names).changed
    _imported, verified = load_and_verify(postgres, tmp_path / "dump")
    tables = verified.databases["store"].tables
    assert tables["sales.Bestell\"ungen"].rows_found == 6000 and tables["billing.payments"].rows_found == 2500
    assert query(postgres, "store", "SELECT count(*) FROM billing.offen") == [(3000,)]
    assert query(postgres, "store", "SELECT count(*) FROM sales.order_totals") == [(6000,)]
    assert query(postgres, "store", "SELECT to_regclass('sales.\"Rechnungen\"') IS NOT NULL, to_regclass('public.customers') IS NULL") == [(True, True)]
    keys = query(postgres, "store", "SELECT confrelid::regclass::text FROM pg_constraint WHERE conname = 'payments_order_id_fkey'")
    assert keys == [("sales.\"Bestell\"\"ungen\"",)]
    findings = read_manifest(str(tmp_path / "dump")).findings
    assert {finding.object for finding in findings if finding.code == "renamed"} >= {"store", "store.sales", "store.sales.Kunden", "store.billing.offen"}
    with pytest.raises(ConfigurationError, match="another backup or selection"):
        export("shop", tmp_path / "dump")


def test_all_databases_become_schemas_of_one(postgres, tmp_path):
    export("cluster", tmp_path / "dump", {"types": "kinds"}, "everything")
    before = databases(postgres)
    _imported, verified = load_and_verify(postgres, tmp_path / "dump", grants="create")
    assert set(databases(postgres)) - set(before) == {"everything"}
    found = {schema for schema, in query(postgres, "everything", "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")}
    assert found >= {"shop", "shop_billing", "shop_Mixed Case", "kinds"}
    tables = verified.databases["everything"].tables
    assert tables["shop.orders"].rows_found == 6000 and sum(name.startswith("kinds.") for name in tables) == 48
    assert query(postgres, "everything", "SELECT count(*) FROM shop.order_totals o JOIN shop_billing.payments p ON p.order_id = o.id") == [(2500,)]
    assert query(postgres, "everything", "SELECT obj_description('shop'::regnamespace)") == [("the sample shop",)]
    assert read_manifest(str(tmp_path / "dump")).findings


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_over_sql_gives_the_same_dump_under_new_names(kind, tmp_path, fixtures_dir):
    """CockroachDB is asked for the tables by their old names. The stand-in repeats what a real CockroachDB v22.1 answered."""
    names = {"shop": "store", "shop.public": "sales", "shop.public.orders": "bestellungen", "shop.public.order_status": "zustand"}
    export("shop", tmp_path / "backup", names, "everything")
    with node(kind, tmp_path, fixtures_dir / "backups", "shop") as parameters:
        location = f"file://{fixtures_dir}/backups/shop"
        restore_backup(parameters, RestoreRequest((location,), str(tmp_path / "restore.json"), io_dir=str(fixtures_dir / "backups"), poll_interval=1), lambda state: None)
        wanted = {
            "dump_dir": tmp_path / "restore", "chunk_rows": 3000, "parallelism": 2, "kind": "restore", "source_id": "shop", "grants_restored": False,
            "arrangement": Arrangement(tuple(names.items()), "everything"),
        }
        exported = export_cluster(parameters, **wanted)
        assert exported.databases == ["everything"] and not export_cluster(parameters, **wanted).changed
    result = compare_dumps(str(tmp_path / "backup"), str(tmp_path / "restore"))
    assert result.differences == [] and result.rows == exported.rows > 40000


@pytest.mark.parametrize("names, merged, words", [
    ({"shop.public.order": "x"}, "", "did you mean shop.public.orders"),
    ({"shop.public.orders": "customers"}, "", "two objects would be shop.public.customers"),
    ({}, "x" * 64, "63 bytes"),
    ({"shop": "template1"}, "", "PostgreSQL's own one"),
])
def test_impossible_names_are_refused_before_anything_is_written(tmp_path, names, merged, words):
    with pytest.raises(ConfigurationError, match=words):
        export("shop", tmp_path / "dump", names, merged)
    assert not (tmp_path / "dump").exists()


def test_the_schema_first_and_its_rows_later(postgres, dump, name):
    checked = plan_import(str(dump), postgres, ImportOptions(content="schema"))
    assert checked.databases[name].chunks == 0 and name not in databases(postgres)
    imported, verified = load_and_verify(postgres, dump, "schema")
    assert imported.content == "schema" and imported.databases[name].rows == 0
    assert verified.databases[name].tables == {} and verified.databases[name].objects_checked > 80
    assert query(postgres, name, "SELECT count(*) FROM public.orders") == [(0,)]
    with pytest.raises(TargetError, match="set content: data to add its rows"):
        import_dump(str(dump), postgres, ImportOptions())
    _imported, verified = load_and_verify(postgres, dump, "data")
    assert verified.databases[name].rows == sum(table.rows for table in read_manifest(str(dump)).databases[0].tables)
    assert verify_dump(str(dump), postgres, VerifyOptions()).succeeded, "the schema and its rows are not all of the dump"
    assert not import_dump(str(dump), postgres, ImportOptions(content="schema")).changed


def make_tables(parameters, dump, name):
    """A database with all of the schema, foreign keys too, and no ledger: what a user has who made it by hand."""
    import_dump(str(dump), parameters, ImportOptions(content="schema"))
    query(parameters, name, "DROP SCHEMA cockroach_migrator CASCADE")


def test_rows_into_tables_that_the_user_has_made(postgres, dump, name):
    with pytest.raises(TargetError, match="has no database"):
        import_dump(str(dump), postgres, ImportOptions(content="data"))
    make_tables(postgres, dump, name)
    objects = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^(pg_|information_schema|cockroach_migrator)'"
    before = query(postgres, name, objects)
    with pytest.raises(TargetError, match="already has"):
        import_dump(str(dump), postgres, ImportOptions())

    def stop(state):
        if state.phase == "load" and state.done > 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        import_dump(str(dump), postgres, ImportOptions(content="data"), stop)
    imported, verified = load_and_verify(postgres, dump, "data")
    assert imported.content == "data" and query(postgres, name, objects) == before
    tables = verified.databases[name].tables
    assert tables["public.orders"].rows_found == 6000 and tables["public.orders"].checksum_found == tables["public.orders"].checksum
    assert "materialized_view_not_refreshed" in {finding.code for finding in imported.findings}
    query(postgres, name, "UPDATE public.orders SET note = 'x' WHERE id = (SELECT min(id) FROM public.orders)")
    assert not verify_dump(str(dump), postgres, VerifyOptions(content="data")).succeeded


def test_tables_that_do_not_fit_are_refused_before_anything_is_loaded(postgres, dump, name):
    make_tables(postgres, dump, name)
    query(postgres, name, """
        ALTER TABLE public.customers ADD COLUMN o bigint REFERENCES public.orders;
        ALTER TABLE public.order_items ADD a bigint, ADD b bigint, ADD CONSTRAINT to_itself FOREIGN KEY (a, b) REFERENCES public.order_items
    """)
    with pytest.raises(TargetError, match="satisfies the foreign keys to_itself of public.order_items, customers_o_fkey of public.customers, fk_customer of public.orders:"):
        import_dump(str(dump), postgres, ImportOptions(content="data"))
    query(postgres, name, """
        DROP TABLE billing.payments;
        ALTER TABLE public.products DROP COLUMN weight_kg CASCADE, ADD COLUMN extra int NOT NULL;
        ALTER TABLE public.customers ALTER email_domain DROP EXPRESSION;
        INSERT INTO public.categories (id, name) VALUES (1, 'x')
    """)
    with pytest.raises(TargetError) as error:
        import_dump(str(dump), postgres, ImportOptions(content="data"))
    for problem in (
        "billing.payments is not there", "public.products lacks weight_kg", "public.products wants values that the dump does not have for extra",
        "public.customers does not compute email_domain", "public.categories has rows already", "nothing was changed",
    ):
        assert problem in str(error.value)
    assert query(postgres, name, "SELECT count(*) FROM public.orders") == [(0,)]
    assert query(postgres, name, "SELECT to_regclass('cockroach_migrator.ledger')") == [(None,)]


@pytest.mark.slow
def test_the_playbook_with_every_choice(work, empty_postgres):
    """The clean-up keeps rows that no target has proved."""
    choices = {
        "rename": {"shop.public.orders": "bestellungen"}, "database_layout": "schemas", "merged_database": "one", "databases": ["shop"], "content": "schema",
        "s3_backup_path": f"file://{CHECKOUT}/tests/fixtures/backups/shop", "postgres_host": empty_postgres.host, "postgres_port": empty_postgres.port,
        "postgres_username": empty_postgres.user, "postgres_password": empty_postgres.password, "test_postgresql_import": False,
    }
    run = Run("migrate.yml", variables(work, **choices))
    assert run.code == 0, run.output
    assert "holds the schema of 10 tables" in run.output
    assert query(empty_postgres, "one", "SELECT count(*) FROM shop.bestellungen") == [(0,)]
    state = next(work.glob("cockroach_migrator-*/state"))
    assert verified_dump(str(state.parent / "dump"), str(state), [f"{empty_postgres.host}:{empty_postgres.port}"]) == ""
    assert list(work.glob("*/dump/**/*.zst")), "the clean-up has removed rows that were never loaded"


def test_names_as_in_the_source_are_no_choice():
    assert AS_IN_SOURCE.identity() == {} and Arrangement((("a", "b"),), "c").identity() == {"rename": {"a": "b"}, "merged_database": "c"}
