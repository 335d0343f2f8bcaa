# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The transactions of an import: which of them wait for which, what they cost a table, what is frozen, and how they end together."""
from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import Future

import delaying_proxy
import pytest
import synthetic_dump
from postgres_servers import bin_dir, open_directory, query
from synthetic_dump import INT, TEXT, column, table

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.paths import table_directory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError, TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Database,
    ForeignKey,
    Index,
    IndexColumn,
    Schema,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load import import_graph
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.scheduler import run_by_needs
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import target_watch
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_rows import WAYS
from ansible_collections.nomos.cockroach_migrator.plugins.modules import postgres_import

MANY = 300
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'"


@pytest.fixture(name="name")
def _name():
    """A database name that no other test uses."""
    return f"transactions_{uuid.uuid4().hex[:8]}"


@pytest.fixture(name="as_large")
def _as_large(monkeypatch):
    """Small tables are treated as large ones."""
    monkeypatch.setattr(import_graph, "SMALL_TABLE_BYTES", -1)


def many_tables(name: str) -> Database:
    """Each with two indexes."""
    made = [table(1000 + number, f"t{number}", [column(1, "id", INT, False), column(2, "name", TEXT), column(3, "n", INT)]) for number in range(MANY)]
    for item in made:
        item.indexes = [Index(2, f"{item.name}_name", columns=[IndexColumn(2)], created_explicitly=True), Index(3, f"{item.name}_n", columns=[IndexColumn(3)], created_explicitly=True)]
    return Database(100, name, [Schema(1, "public")], tables=made)


@pytest.mark.needs_postgres
def test_many_small_tables_take_few_round_trips_and_few_locks(tmp_path, monkeypatch):
    """Of a server that has room for 200 locks; 300 tables, each with a TOAST table and its index, want 900 at once."""
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), many_tables("many"), {1000 + number: (["1\ta\t2", "2\tb\t\\N"], None) for number in range(MANY)})
    settings = (("max_connections", "20"), ("max_locks_per_transaction", "10"))
    # The watch looks at the target every second, however long the import lasts.
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LOOKS", 600)
    with temporary_server(ServerOptions(str(open_directory() / "server"), bin_dir(17), settings=settings)) as server:
        with delaying_proxy.running(server.port, delaying_proxy.Distance()) as proxy:
            import_dump(dump, dataclasses.replace(server, port=proxy.port), ImportOptions())
            assert proxy.traffic.requests < 3 * MANY
        assert verify_dump(dump, server, VerifyOptions()).succeeded
        assert query(server, "many", "SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND attname = 'name'") == [(MANY,)]
        assert query(server, "many", "SELECT count(*), sum(rows) FROM cockroach_migrator.ledger WHERE step = 'chunk'") == [(MANY, 2 * MANY)]
        assert query(server, "many", "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'") == [(3 * MANY,)]
        query(server, "", "DROP DATABASE many")
        import_dump(dump, server, ImportOptions(content="schema"))
        with delaying_proxy.running(server.port, delaying_proxy.Distance()) as proxy:
            import_dump(dump, dataclasses.replace(server, port=proxy.port), ImportOptions(content="data"))
            assert proxy.traffic.requests < 10 * MANY
        assert verify_dump(dump, server, VerifyOptions(content="data")).succeeded


@pytest.mark.parametrize("most_locks", [1, 100, 1600])
def test_no_transaction_takes_more_locks_than_the_server_has_room_for(postgres17, name, tmp_path, most_locks):
    """Each table wants three locks, and one for each of its key and thirty indexes; what is alone in a transaction has no choice."""
    made = [table(1000 + number, f"t{number}", [column(1, "id", INT, False), column(2, "next", INT)]) for number in range(60)]
    for number, item in enumerate(made):
        item.indexes = [Index(2 + index, f"{item.name}_{index}", columns=[IndexColumn(2)], created_explicitly=True) for index in range(30)]
        item.foreign_keys = [ForeignKey(f"{item.name}_next", [2], 1000 + (number + 1) % 60, [1])]
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), Database(100, name, [Schema(1, "public")], tables=made), {item.id: (["1\t1"], None) for item in made})
    with contextlib.closing(connect(postgres17)) as admin:
        job, = plan_dump(dump, read_manifest(dump), admin, postgres17, ImportOptions()).jobs
    graph = import_graph.plan_transactions(job, most_locks)
    packs = {len(transaction.chunks) for transaction in graph if transaction.chunks}
    keys = {len(transaction.statements) for transaction in graph if transaction.statements and transaction.statements[0][1].step == "foreign_key"}
    assert (max(packs), max(keys)) == {1: (1, 1), 100: (2, 1), 1600: (47, 46)}[most_locks]
    assert sum(len(transaction.statements) for transaction in graph) == len(job.missing("primary_key", "index", "check", "foreign_key"))


FROZEN = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relpages > 0 AND relallvisible = relpages"


def test_a_table_that_is_loaded_by_one_transaction_is_frozen(any_postgres, name, tmp_path, as_large):
    """Whatever the role's transactions are like; ANALYZE counts the pages whose rows are visible to all, which nobody but COPY FREEZE has made so."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    strict = dataclasses.replace(any_postgres, connect_params={"options": "-c default_transaction_isolation=serializable"})
    import_dump(dump, strict, ImportOptions())
    assert {relation for relation, in query(any_postgres, name, FROZEN)} == {"orders", "lines", "One", "Tricky"}
    assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_a_table_that_is_loaded_chunk_by_chunk_is_not_frozen(postgres17, name, tmp_path, as_large, monkeypatch):
    monkeypatch.setattr(import_graph, "WHOLE_TABLE_BYTES", 2000)
    import_dump(synthetic_dump.write(str(tmp_path / "dump"), name), postgres17, ImportOptions())
    assert {relation for relation, in query(postgres17, name, FROZEN)} == {"One", "Tricky"}


def interrupted(dump, parameters, name) -> None:
    """Import a dump until the first of all chunks is found to be damaged: the tables are there and empty. Then the chunk is mended."""
    chunk = f"{dump}/{table_directory(name, 'public', 'orders')}/00001.copy.zst"
    with open(chunk, "rb") as file:
        whole = file.read()
    with open(chunk, "wb") as file:
        file.write(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(MigrationError, match="damaged"):
        import_dump(dump, parameters, ImportOptions(parallelism=1))
    with open(chunk, "wb") as file:
        file.write(whole)
    assert query(parameters, name, "SELECT count(*) FROM orders") == [(0,)]


def test_rows_of_somebody_else_are_never_truncated(postgres17, name, tmp_path, as_large):
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    interrupted(dump, postgres17, name)
    query(postgres17, name, "INSERT INTO orders (id, \"Fixed\", host, at) VALUES (-7, 'x', '::1', now()); ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TargetError, match="check public.positive"):
        import_dump(dump, postgres17, ImportOptions())
    assert query(postgres17, name, "SELECT count(*), min(id) FROM orders") == [(601, -7)]


def test_rows_of_a_table_that_inherits_are_neither_truncated_nor_overlooked(postgres17, name, tmp_path, as_large):
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    interrupted(dump, postgres17, name)
    query(postgres17, name, "CREATE TABLE mine () INHERITS (orders); INSERT INTO mine (id, \"Fixed\", host, at) VALUES (7, 'x', '::1', now())")
    import_dump(dump, postgres17, ImportOptions())
    assert query(postgres17, name, "SELECT count(*) FROM mine") == [(1,)]
    for way in WAYS:
        tables = verify_dump(dump, postgres17, VerifyOptions(verify_by=way)).databases[name].tables
        assert {table: found.rows_found - found.rows for table, found in tables.items() if found.rows_found != found.rows} == {"public.orders": 1}


def test_a_table_that_has_got_a_foreign_key_is_loaded_all_the_same(postgres17, name, tmp_path, as_large):
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    interrupted(dump, postgres17, name)
    query(postgres17, name, "ALTER TABLE orders ADD CONSTRAINT by_hand UNIQUE (id); CREATE TABLE mine (id int8 REFERENCES orders (id))")
    import_dump(dump, postgres17, ImportOptions())
    assert query(postgres17, name, "SELECT count(*) FROM orders") == [(600,)]


def test_rows_for_tables_of_the_user_are_never_frozen(postgres17, name, tmp_path):
    """Nor is any of the tables truncated, whose owner may be another role; each chunk is a transaction."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    import_dump(dump, postgres17, ImportOptions(content="schema"))
    query(postgres17, name, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'truncated'; END$$; "
          "CREATE TRIGGER no BEFORE TRUNCATE ON orders EXECUTE FUNCTION no()")
    import_dump(dump, postgres17, ImportOptions(content="data"))
    assert query(postgres17, name, FROZEN) == []
    assert query(postgres17, name, "SELECT count(DISTINCT xmin::text) FROM orders UNION ALL SELECT count(DISTINCT xmin::text) FROM lines") == [(6,), (5,)]
    assert verify_dump(dump, postgres17, VerifyOptions(content="data")).succeeded


@contextlib.contextmanager
def locked(parameters, name, relation):
    """Lock a table in a session of somebody else, which its server ends in the end."""
    holder = connect(parameters, name)
    with holder.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '60 s'; LOCK TABLE {relation}")
    yield
    with holder.cursor() as cursor:
        cursor.execute("SELECT 'still locked'")
    holder.close()


def wait_until(condition) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)


def test_an_error_ends_what_the_other_connections_do(postgres17, name, tmp_path, as_large):
    dump = synthetic_dump.write(str(tmp_path / "dump"), name, change=lambda made: setattr(made.tables[6].columns[1], "type", INT))
    interrupted(dump, postgres17, name)
    with locked(postgres17, name, "lines"):
        with pytest.raises(TargetError, match="Tricky"):
            import_dump(dump, postgres17, ImportOptions(parallelism=3))
        wait_until(lambda: query(postgres17, "", WAITING.format(name)) == [(0,)])


def test_sigterm_ends_what_the_connections_do(postgres17, name, tmp_path):
    """As the module is run; a session that waits for a lock does not notice by itself that its client is gone."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), name)
    interrupted(dump, postgres17, name)
    arguments = {
        "dump_dir": dump, "login_host": postgres17.host, "login_port": postgres17.port, "login_user": postgres17.user, "login_password": postgres17.password,
        "login_db": "postgres", "ssl_mode": "disable", "parallelism": 2,
    }
    with locked(postgres17, name, "lines"):
        with subprocess.Popen(
            [sys.executable, postgres_import.__file__], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:
            process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
            process.stdin.close()
            wait_until(lambda: query(postgres17, "", WAITING.format(name)) != [(0,)] or process.poll() is not None)
            process.send_signal(signal.SIGTERM)
            output = process.stdout.read()
        assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in output, output
        wait_until(lambda: query(postgres17, "", WAITING.format(name)) == [(0,)])
    assert import_dump(dump, postgres17, ImportOptions()).changed
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


def in_a_circle(name: str) -> Database:
    """Tables that refer to each other, and each to itself."""
    made = [table(101 + number, f"t{number}", [column(1, "id", INT, False), column(2, "next", INT), column(3, "self", INT)]) for number in range(4)]
    for number, item in enumerate(made):
        item.foreign_keys = [ForeignKey(f"{item.name}_next", [2], 101 + (number + 1) % 4, [1]), ForeignKey(f"{item.name}_self", [3], item.id, [1])]
    return Database(100, name, [Schema(1, "public")], tables=made)


def test_foreign_keys_that_share_a_table_never_run_side_by_side(postgres17, name, tmp_path, as_large):
    """Each locks both of its tables."""
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), in_a_circle(name), {101 + number: (["1\t1\t1"], None) for number in range(4)})
    with contextlib.closing(connect(postgres17)) as admin:
        job, = plan_dump(dump, read_manifest(dump), admin, postgres17, ImportOptions()).jobs
    graph = import_graph.plan_transactions(job, 1600)

    def everything_before(transaction):
        return {transaction}.union(*map(everything_before, graph[transaction]))

    keys = [transaction for transaction in graph if transaction.statements and transaction.statements[0][1].step == "foreign_key"]
    assert len(keys) == 8
    for one in keys:
        for other in keys:
            shared = {need for need in one.statements[0][1].needs & other.statements[0][1].needs if need.kind == "relation"}
            assert not shared or one in everything_before(other) or other in everything_before(one)
    import_dump(dump, postgres17, ImportOptions(parallelism=4))
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


def test_work_begins_when_all_that_it_needs_has_ended_the_heaviest_first():
    begun = []

    def start(node):
        begun.append(node)
        future = Future()
        future.set_result(node * 2)
        return future

    needs = {"a": [], "b": [], "c": ["a", "b"], "d": ["b"], "e": []}
    ended = list(run_by_needs(needs, start, {"a": 1, "b": 2, "c": 9, "d": 0, "e": 1}.__getitem__, 1))
    assert begun == ["b", "a", "c", "e", "d"] and ended == [(node, node * 2) for node in begun]


def test_no_work_begins_after_an_error():
    futures = {"a": Future(), "b": Future(), "c": Future()}
    futures["a"].set_exception(TargetError("no"))
    begun = []
    with pytest.raises(TargetError, match="no"):
        list(run_by_needs({"a": [], "b": ["a"], "c": []}, lambda node: begun.append(node) or futures[node], lambda node: 0, 2))
    assert begun == ["a", "c"]
