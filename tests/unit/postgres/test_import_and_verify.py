# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Importing and verifying, on real servers: completeness, resuming, refusals."""
from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import re
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import synthetic_dump
from postgres_servers import bin_dir, query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.definitions import (
    ColumnDefinition,
    IndexDefinition,
    KeyDefinition,
    PolicyDefinition,
    TableDefinition,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.paths import table_directory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.import_phase import run_import
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import RecordedPhase
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Function,
    Index,
    IndexColumn,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load import import_graph
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import ledger
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.target_database import (
    create_database,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify import (
    pieces,
    table_checksum,
    twins,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_rows import WAYS
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

PRIMARY = KeyDefinition("PRIMARY KEY", ("a", "b"))
CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(name="name")
def _name():
    """A database name that no other test uses, and that must be quoted everywhere."""
    return f"Data.base/ñ \"{uuid.uuid4().hex[:8]}\""


@pytest.fixture(name="dump")
def _dump(tmp_path, name):
    return synthetic_dump.write(str(tmp_path / "dump"), name)


def test_texts_are_utf8_whatever_the_environment_says(postgres17, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with contextlib.closing(connect(postgres17)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT octet_length(%s), convert_from('\\xe282ac', 'UTF8')", ("ü€",))
        assert cursor.fetchone() == (5, "€")


def databases(parameters):
    return {name for name, in query(parameters, "", "SELECT datname FROM pg_database")}


def test_everything_arrives_and_a_second_run_changes_nothing(any_postgres, dump, name):
    assert plan_import(dump, any_postgres, ImportOptions()).changed
    assert name not in databases(any_postgres), "a check has changed something"
    first = import_dump(dump, any_postgres, ImportOptions())
    assert first.changed and first.databases[name].created
    result = verify_dump(dump, any_postgres, VerifyOptions())
    assert result.succeeded, result
    found = result.databases[name].tables
    assert found["public.orders"].rows_found == 600 and found["public.empty"].rows_found == 0 and found["public.only_computed"].rows_found == 1
    assert query(any_postgres, name, 'SELECT t FROM "Tricky" ORDER BY id') == [(text,) for text in synthetic_dump.TRICKY]
    assert query(any_postgres, name, "SELECT upper('zoë ß')")[0][0].startswith("ZOË")
    assert query(any_postgres, name, "SELECT nextval('\"Counter\"')") == [(42,)]
    finished = query(any_postgres, name, "SELECT max(finished_at) FROM cockroach_migrator.ledger")
    second = import_dump(dump, any_postgres, ImportOptions())
    assert not second.changed and not plan_import(dump, any_postgres, ImportOptions()).changed
    assert query(any_postgres, name, "SELECT max(finished_at) FROM cockroach_migrator.ledger") == finished


CHUNKS = {"SMALL_TABLE_BYTES": -1, "WHOLE_TABLE_BYTES": 0}
"""Bounds with which each chunk is a transaction, and each statement about its table."""
TABLES = {"SMALL_TABLE_BYTES": -1}
"""Bounds with which all rows of a table are one."""
PACKS = {"PACK_TABLES": 3}
"""A bound with which three tables are one, with their keys, indexes and statistics."""

KILLED = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import ConnectionParameters
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load import import_graph, transactions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
wanted = json.loads(sys.argv[3])
vars(import_graph).update(wanted["bounds"])

def kill_at(number):
    if number >= wanted["number"]:
        os.kill(os.getpid(), signal.SIGKILL)

def killed_before(function, calls=[]):
    def replacement(*arguments, **named):
        calls.append(function)
        kill_at(calls.count(function))
        return function(*arguments, **named)
    return replacement

if wanted["point"] in vars(transactions):
    setattr(transactions, wanted["point"], killed_before(vars(transactions)[wanted["point"]]))
import_dump(
    sys.argv[2], ConnectionParameters(**json.load(sys.stdin)), ImportOptions(),
    lambda state: kill_at(state.done) if state.phase == wanted["point"] else None,
)
"""
NOTED = "SELECT step, object, finished_at FROM cockroach_migrator.ledger"


def import_killed(dump, parameters, bounds, point, number):
    """Import until a process is killed: when so many parts of a phase are done, or before a function of transactions.py is called for that time."""
    wanted = json.dumps({"bounds": bounds, "point": point, "number": number})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(CHECKOUT / ".collections"), dump, wanted], input=json.dumps(dataclasses.asdict(parameters)),
        text=True, check=False, capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def goes_on(dump, parameters, name, before):
    """Import again; nothing that was done is done again, and all of it is there. ``before`` is the number of chunks that the ledger had."""
    total = sum(len(table.chunks) for table in read_manifest(dump).databases[0].tables)
    # As if the first attempt had begun 25 hours ago and had been killed 24 hours ago.
    query(parameters, name, "UPDATE cockroach_migrator.ledger SET finished_at = finished_at - CASE step WHEN 'attempt' THEN interval '25 h' ELSE interval '24 h' END")
    noted = query(parameters, name, NOTED)
    result = import_dump(dump, parameters, ImportOptions())
    assert 3600 < result.databases[name].seconds < 7200 and result.seconds == result.databases[name].seconds
    loaded = sum(table.chunks_loaded for table in result.databases[name].tables.values())
    assert 0 <= loaded <= total - before and query(parameters, name, "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'chunk'") == [(total,)]
    assert set(noted) <= set(query(parameters, name, NOTED))
    verified = verify_dump(dump, parameters, VerifyOptions())
    assert verified.succeeded, verified
    assert not import_dump(dump, parameters, ImportOptions()).changed


@pytest.mark.parametrize("bounds, phase, number", [
    (CHUNKS, "load", 1), (CHUNKS, "load", 4), (CHUNKS, "index", 1), (CHUNKS, "check", 1), (TABLES, "load", 1), (PACKS, "load", 1),
])
def test_a_killed_run_goes_on(any_postgres, dump, name, bounds, phase, number):
    import_killed(dump, any_postgres, bounds, phase, number)
    total = sum(len(table.chunks) for table in read_manifest(dump).databases[0].tables)
    before = query(any_postgres, name, "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'chunk'")[0][0]
    assert number <= before < total or phase != "load"
    goes_on(dump, any_postgres, name, before)


@pytest.mark.parametrize("bounds, point, number", [
    (TABLES, "copy_chunk", 2),  # a table is truncated, and has no rows yet
    (PACKS, "run_statements", 1), (PACKS, "_analyze", 2), (TABLES, "_analyze", 5), (PACKS, "foreign_key", 1), ({}, "analyze", 1),
])
def test_a_run_that_is_killed_within_a_transaction_goes_on(postgres17, dump, name, bounds, point, number):
    import_killed(dump, postgres17, bounds, point, number)
    goes_on(dump, postgres17, name, query(postgres17, name, "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'chunk'")[0][0])


def test_two_imports_at_once(postgres17, dump, name, monkeypatch):
    import_dump(dump, postgres17, ImportOptions())
    query(postgres17, name, "DELETE FROM cockroach_migrator.ledger WHERE step = 'import'")
    monkeypatch.setattr(ledger, "_LOCK_SECONDS", 0.3)
    other = connect(postgres17, name)
    ledger.lock(other, name)
    who = rf"another import .* is running \(session {other.info.backend_pid} of postgres from 127.0.0.1 since 20..-.*Z\): wait until it has ended, then run again"
    with pytest.raises(TargetError, match=who):
        import_dump(dump, postgres17, ImportOptions())
    other.close()
    assert import_dump(dump, postgres17, ImportOptions()).changed


def test_the_server_notices_the_loss_of_a_migrating_host_soon(postgres17, dump, name):
    """No host can be cut off here: the settings that make PostgreSQL notice it are looked at."""
    import_dump(dump, postgres17, ImportOptions())
    with contextlib.closing(connect(postgres17, name)) as control, control.cursor() as cursor:
        ledger.lock(control, name)
        cursor.execute("SELECT sum(setting::int) FROM pg_settings WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')")
        assert cursor.fetchone() == (43,)


def test_two_imports_that_make_one_database(postgres17, name):
    """Made before, and made at the same moment, of which PostgreSQL speaks otherwise."""
    with contextlib.closing(connect(postgres17)) as admin, contextlib.closing(connect(postgres17)) as other:
        create_database(admin, name)
        with pytest.raises(TargetError, match="another session has just created the database .*: wait until it has ended"):
            create_database(admin, name)
        with ThreadPoolExecutor(2) as threads:
            errors = [threads.submit(create_database, session, f"{name} 2").exception for session in (admin, other)]
            words = [str(error()) for error in errors if error()]
    assert len(words) == 1 and "another session has just created the database" in words[0]


def test_what_a_killed_run_left_at_work_is_ended(postgres17, dump, name):
    import_dump(dump, postgres17, ImportOptions())
    orphan, control = connect(postgres17, name), connect(postgres17, name)
    ledger.mark_worker(orphan)
    ledger.lock(control, name)
    with pytest.raises(Exception, match="terminat"), orphan.cursor() as cursor:
        cursor.execute("SELECT 1")
    control.close()
    orphan.close()


def test_tables_in_the_way(any_postgres, dump, name):
    quoted = '"' + name.replace('"', '""') + '"'
    query(any_postgres, "", f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'")
    query(any_postgres, name, "CREATE TABLE orders (mine text); INSERT INTO orders VALUES ('kept')")
    with pytest.raises(TargetError, match="public.orders.*nothing was changed"):
        import_dump(dump, any_postgres, ImportOptions())
    assert query(any_postgres, name, "SELECT * FROM orders") == [("kept",)]
    assert query(any_postgres, name, "SELECT count(*) FROM pg_namespace WHERE nspname = 'cockroach_migrator'") == [(0,)]
    query(any_postgres, name, "DROP TABLE orders")
    assert not import_dump(dump, any_postgres, ImportOptions()).databases[name].created
    assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_wrong_encoding(postgres17, dump, name):
    quoted = '"' + name.replace('"', '""') + '"'
    query(postgres17, "", f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc")
    with pytest.raises(TargetError, match="LATIN1, not UTF8"):
        import_dump(dump, postgres17, ImportOptions())


def test_the_database_of_the_first_connection(postgres17, dump, name):
    create_database(connect(postgres17), name)
    admin = dataclasses.replace(postgres17, database=name)
    with pytest.raises(TargetError, match="the one to which the migration connects first.*another name with rename"):
        import_dump(dump, admin, ImportOptions())
    assert query(postgres17, name, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_another_dump(postgres17, dump, name, tmp_path):
    import_dump(dump, postgres17, ImportOptions())
    with pytest.raises(TargetError, match="another dump"):
        import_dump(synthetic_dump.write(str(tmp_path / "other"), name, orders=601), postgres17, ImportOptions())


def test_no_right_to_create(postgres17, dump, name):
    query(postgres17, "", "CREATE ROLE poor LOGIN PASSWORD 'poor'")
    with pytest.raises(TargetError, match="may not create the database.*CREATEDB"):
        import_dump(dump, dataclasses.replace(postgres17, user="poor", password="poor"), ImportOptions())


def test_rows_that_postgresql_refuses(postgres17, tmp_path, name):
    """The first error of a table names table, line and column but no value; earlier chunks stay, and so does the way to go on."""
    dump = synthetic_dump.write(str(tmp_path / "bad"), name, change=lambda made: setattr(made.tables[6].columns[1], "type", synthetic_dump.INT))
    with pytest.raises(TargetError) as error:
        import_dump(dump, postgres17, ImportOptions())
    assert f"{name}.public.Tricky" in str(error.value) and "line 1, column t" in str(error.value)
    assert query(postgres17, name, 'SELECT count(*) FROM "Tricky"') == [(0,)]


def test_a_constraint_that_rows_break(postgres17, tmp_path, name):
    dump = synthetic_dump.write(str(tmp_path / "bad"), name, change=lambda made: setattr(made.tables[0].checks[0], "expression", "id > 5"))
    with pytest.raises(TargetError, match="check public.positive of table orders: .*violated"):
        import_dump(dump, postgres17, ImportOptions())


@pytest.mark.parametrize("small", [-1, 1 << 30])
def test_an_import_that_fails_says_how_far_it_is_and_the_two_ways_on(postgres17, tmp_path, name, monkeypatch, small):
    """In its message and in its record: what is said to be loaded is there, whether the tables are loaded in one transaction or each in its own."""
    monkeypatch.setattr(import_graph, "SMALL_TABLE_BYTES", small)
    dump = synthetic_dump.write(str(tmp_path / "bad"), name, change=lambda made: setattr(made.tables[0].checks[0], "expression", "id > 5"))
    log, phase = MigrationLog("", "import"), RecordedPhase(dump, "target:5432", str(tmp_path / "target_import.json"), "run")
    with pytest.raises(MigrationError) as caught:
        run_import(phase, postgres17, ImportOptions(parallelism=1), log)
    said = str(caught.value)
    assert "check public.positive of table orders" in said and "The same command goes on from there; the playbook rollback shows what was made" in said
    tables = [f"{schema}.{table}" for schema, table in query(postgres17, name, "SELECT quote_ident(schemaname), quote_ident(tablename) FROM pg_tables "
              "WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'cockroach_migrator')")]
    rows = sum(query(postgres17, name, f"SELECT count(*) FROM {table}")[0][0] for table in tables)
    found = re.search(r"How far the import into target:5432 is: database (.*): ([\d,]+) of ([\d,]+) rows are loaded, and (\d+) of (\d+) tables are complete(?:, not yet .*)?; of \d+ commands (\d+) are left: (.*); nothing is verified\.", said)
    assert found and found[1] == name and found[2] == f"{rows:,}" and (rows > 0) == (small < 0), said
    assert (found[4] == found[5]) == (found[2] == found[3]), said
    assert int(found[6]) > 0 and "check public.positive" in found[7], said
    assert json.loads((tmp_path / "target_import.json").read_text(encoding="utf-8"))["failure"] == said


@pytest.mark.parametrize("change, expected", [
    ("UPDATE orders SET customer = 'x' WHERE id = 17", "checksum"),
    ("DELETE FROM orders WHERE id = 599", "rows"),
    ("DROP INDEX orders_total", "index public.orders_total of table orders: missing"),
    ("ALTER TABLE lines DROP CONSTRAINT lines_order", "foreign key public.lines_order of table lines: missing"),
    ("ALTER TABLE orders ALTER customer SET NOT NULL", "column public.orders.customer: is NOT NULL"),
    ("ALTER TABLE orders ALTER total TYPE numeric(14,2)", "type is numeric(14,2), not numeric(12,2)"),
    ("ALTER TABLE orders VALIDATE CONSTRAINT unsure", "validated, which it was not"),
    ("SELECT setval('\"Counter\"', 10)", "its value"),
    ("COMMENT ON TABLE orders IS 'other'", "another text"),
    ("COMMENT ON COLUMN orders.customer IS NULL", "missing"),
    ("DROP TABLE lines", "table public.lines: missing"),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_total'::regclass", "not valid"),
])
def test_verification_sees_a_change(postgres17, module_import, change, expected):
    dump, name = module_import
    connection = connect(postgres17, name)
    try:
        with connection.cursor() as cursor:
            if "NOT NULL" in change:
                cursor.execute("UPDATE orders SET customer = '' WHERE customer IS NULL")
            cursor.execute(change)
        connection.commit()
        result = verify_dump(dump, postgres17, VerifyOptions())
    finally:
        connection.close()
    assert not result.succeeded
    found = result.databases[name]
    if expected in ("checksum", "rows"):
        table = found.tables["public.orders"]
        assert not table.succeeded and getattr(table, expected) != getattr(table, f"{expected}_found")
    else:
        assert any(expected in line for line in found.objects_missing), found.objects_missing


@pytest.fixture(name="module_import")
def _module_import(postgres17, prepared):
    """A fresh copy of one imported database."""
    dump, source = prepared
    quoted = '"' + source.replace('"', '""') + '"'
    query(postgres17, "", f"CREATE DATABASE {quoted} TEMPLATE prepared")
    yield dump, source
    query(postgres17, "", f"DROP DATABASE {quoted} WITH (FORCE)")  # `prepared` is imported under its name


@pytest.fixture(name="prepared", scope="module")
def _prepared(postgres17, tmp_path_factory):
    dump = synthetic_dump.write(str(tmp_path_factory.mktemp("prepared") / "dump"), "changed")
    import_dump(dump, postgres17, ImportOptions())
    query(postgres17, "", "ALTER DATABASE changed RENAME TO prepared")
    yield dump, "changed"
    query(postgres17, "", "DROP DATABASE prepared")  # the server outlives the module, which a worker may leave and enter again


def test_damaged_chunks(postgres17, dump, name):
    directory = pathlib.Path(dump) / table_directory(name, "public", "orders")
    chunk = directory / "00003.copy.zst"
    whole = chunk.read_bytes()
    for damaged, expected in ((whole[:-5], "bytes, the manifest says"), (None, "No such file")):
        if damaged is None:
            chunk.unlink()
        else:
            chunk.write_bytes(damaged)
        with pytest.raises(MigrationError, match=expected):
            import_dump(dump, postgres17, ImportOptions())
        assert name not in databases(postgres17)
    for position in (3, len(whole) // 2, len(whole) - 2):
        chunk.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1:])
        with pytest.raises(MigrationError, match="00003.copy.zst (is damaged|is not what)"):
            import_dump(dump, postgres17, ImportOptions())
    assert query(postgres17, name, "SELECT count(*) FROM orders WHERE id BETWEEN 200 AND 299") == [(0,)]
    chunk.write_bytes(whole)
    import_dump(dump, postgres17, ImportOptions())
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


def test_loading_by_hand(postgres17, tmp_path):
    """What README.txt says works with psql and zstd."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), "by_hand")
    query(postgres17, "", "CREATE DATABASE by_hand TEMPLATE template0 ENCODING 'UTF8'")
    environment = {
        "PATH": "/usr/bin:/bin", "PGHOST": postgres17.host, "PGPORT": str(postgres17.port), "PGUSER": postgres17.user, "PGPASSWORD": postgres17.password,
    }
    for script in ("pre-data.sql", "data.sql", "post-data.sql"):
        command = [f"{bin_dir(15)}/psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "by_hand", "-f", f"by_hand/{script}"]
        result = subprocess.run(command, cwd=dump, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


def test_parts_of_a_large_table(postgres17, dump, name, monkeypatch):
    import_dump(dump, postgres17, ImportOptions())
    monkeypatch.setattr(pieces, "PIECE_PAGES", 2)
    for small in (-1, pieces.SMALL_PAGES):
        monkeypatch.setattr(pieces, "SMALL_PAGES", small)
        for way in WAYS:
            assert verify_dump(dump, postgres17, VerifyOptions(parallelism=3, verify_by=way)).succeeded
    monkeypatch.setattr(table_checksum, "WIDE_ROW_BYTES", 0)
    monkeypatch.setattr(table_checksum, "ReadRows", None)
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded, "wide rows travel"
    query(postgres17, name, "ALTER TABLE orders DROP COLUMN paid")
    for way in WAYS:
        found = verify_dump(dump, postgres17, VerifyOptions(verify_by=way)).databases[name].tables["public.orders"]
        assert (found.missing_columns, found.rows_found) == (["paid"], None)


def test_twins_of_usual_tables_have_no_files(postgres17, dump, name, monkeypatch):
    import_dump(dump, postgres17, ImportOptions())
    made = []
    real = twins._read

    def look(cursor, batch, found):
        cursor.execute("SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname IN ('orders', 'orders_customer', 'One')")
        made.extend(cursor.fetchall())
        real(cursor, batch, found)

    monkeypatch.setattr(twins, "_read", look)
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded
    assert sorted(made) == [("One", None), ("orders", None), ("orders_customer", None)]


@pytest.mark.parametrize(("on_table", "key"), [
    ((PRIMARY,), '"b"'), ((), ""), ((PRIMARY, KeyDefinition("UNIQUE", ("b",))), '"b"'), ((PRIMARY, KeyDefinition("UNIQUE", ("a",))), ""),
    ((PRIMARY, IndexDefinition(("a",), unique=True)), ""), ((PRIMARY, IndexDefinition(('"b"', '"a"'), unique=True)), '"b"'),
    ((PRIMARY, IndexDefinition(("lower(a)",))), '"b"'), ((PRIMARY, PolicyDefinition("USING (true)")), ""),
])
def test_what_a_twin_is_partitioned_by(on_table, key):
    table = TableDefinition((ColumnDefinition("a", "bigint", generated="1"), ColumnDefinition("b", "text")))
    assert twins._partition_key(table, list(on_table)) == key
    assert not twins._partition_key(TableDefinition((*table.columns, ColumnDefinition("c", "bigint", identity="ALWAYS"))), list(on_table))


def with_refused_objects(made):
    """Add what PostgreSQL does not take: numbers have no lower(), 0 divides nothing, a materialized view computed anew may have equal rows, and a host may not
    know a time zone."""
    made.settings = ["timezone=Europe/Nowhere", "application_name=x"]
    columns = [synthetic_dump.column(1, "id", synthetic_dump.INT)]
    made.views = [
        View(301, "refused", 1, "SELECT lower(id) AS id FROM orders", columns, comment="with a comment"), View(302, "good", 1, "SELECT id FROM orders", columns),
        View(303, "on_refused", 1, "SELECT id FROM refused", columns, depends_on=[301]), View(304, "by_zero", 1, "SELECT 1 / (id - id) FROM orders", columns, materialized=True),
        View(306, "two_rows", 1, "SELECT (SELECT id FROM orders) AS id", columns, materialized=True),
        View(305, "all_one", 1, "SELECT id - id FROM orders", columns, materialized=True, indexes=[Index(2, "was_unique", unique=True, columns=[IndexColumn(1)])]),
    ]
    made.functions = [
        Function(401, "broken", 1, [], synthetic_dump.INT, body="SELECT lower(1:::INT8)"),
        Function(402, "broken_late", 1, [], synthetic_dump.INT, body="SELECT lower(id) FROM lines", depends_on=[102]),
    ]
    made.tables[3].columns.append(synthetic_dump.column(2, "n", synthetic_dump.INT, default="[FUNCTION 100402]()"))


def test_what_postgresql_refuses_is_left_out_and_named(any_postgres, tmp_path, name):
    """The rows arrive all the same; the findings come again with every run, and a verification does not look for what was left out."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), name, change=with_refused_objects)
    first = import_dump(dump, any_postgres, ImportOptions())
    found = [item for item in first.findings if item.code == "refused_by_postgresql"]
    words = {(item.object.removeprefix(f"{name}.public."), item.message.split(" is omitted")[0], item.severity) for item in found}
    assert words == {
        ("broken", "The function", "error"), ("broken_late", "The function", "error"), ("empty.n", "The column default", "error"),
        ("by_zero", "The materialized view", "error"), ("on_refused", "The view", "error"), ("refused", "The comment", "error"),
        ("refused", "The view", "error"), ("all_one.was_unique", "The unique index", "error"),
        ("two_rows", "The materialized view", "error"), (f"{name}.timezone", "The database setting", "error"),
    }
    view = next(item for item in found if item.message.startswith("The view") and item.object.endswith(".refused"))
    assert "lower(bigint) does not exist" in view.message and "CREATE VIEW" in view.advice
    assert any("division by zero" in item.message for item in found)
    assert query(any_postgres, name, "SELECT count(*) FROM good") == [(600,)]
    verified = verify_dump(dump, any_postgres, VerifyOptions())
    assert verified.succeeded, verified
    again = import_dump(dump, any_postgres, ImportOptions())
    assert not again.changed
    assert [item for item in again.findings if item.code == "refused_by_postgresql"] == [
        item for item in first.findings if item.code == "refused_by_postgresql"]
    query(any_postgres, name, "DROP VIEW good")
    assert not verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_a_table_that_postgresql_refuses_stops_the_import(any_postgres, tmp_path, name):
    def change(made):
        made.tables[0].columns[1].default = "lower(1:::INT8)"

    dump = synthetic_dump.write(str(tmp_path / "dump"), name, change=change)
    with pytest.raises(TargetError, match=r"table public.orders: .*lower\(bigint\) does not exist"):
        import_dump(dump, any_postgres, ImportOptions())
    assert query(any_postgres, name, "SELECT count(*) FROM pg_class WHERE relname = 'orders'") == [(0,)]
