# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The choices of conversion_policies work in a real PostgreSQL, and the verification finds what they made."""
from __future__ import annotations

import datetime
import threading

import pglast
import psycopg2
import psycopg2.errors
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Catalog,
    Check,
    Column,
    Database,
    ForeignKey,
    Function,
    Index,
    IndexColumn,
    Schema,
    Sequence,
    SqlType,
    Table,
    UniqueWithoutIndex,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    DEFAULT_POLICIES,
    QUESTIONS,
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.stored_columns import (
    computed_columns,
    loaded_columns,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.catalog_check import (
    check_catalog,
)

INT, TEXT, DECIMAL, BITS = SqlType("int", 20, 64), SqlType("string", 25), SqlType("decimal", 1700), SqlType("bit", 1562)
TIMESTAMPTZ, INTERVAL, JSON, REGCLASS, OID = SqlType("timestamptz", 1184), SqlType("interval", 1186), SqlType("json", 3802), SqlType("oid", 2205), SqlType("oid", 26)
EPOCH = datetime.datetime(2015, 1, 1, tzinfo=datetime.timezone.utc)


def make_table(number: int, name: str, *columns: Column, **parts) -> Table:
    key = Column(1, "id", INT, nullable=False)
    return Table(number, name, 1, [key, *columns], Index(1, "primary", unique=True, columns=[IndexColumn(1)]), **parts)


def make_database(*tables: Table, **parts) -> Database:
    return Database(100, "db", [Schema(1, "public")], tables=list(tables), **parts)


def options(**choices) -> ConvertOptions:
    return ConvertOptions("skip", policies=conversion_policies(choices))


def load(server, database, chosen):
    """Run the conversion, and verify its objects and columns as the verification does; return what was converted and a cursor."""
    connection = server.new_database("choices")
    features = server.features()
    conversion = convert_database(database, [], features, chosen)
    cursor = connection.cursor()
    for statement in conversion.statements:
        cursor.execute(statement.sql)
    connection.autocommit = False
    assert check_catalog(connection, database, conversion.statements, rights_migrated=False)[1] == []
    connection.rollback()
    connection.autocommit = True
    return conversion, cursor


def found(conversion, code):
    return [finding for finding in conversion.findings if finding.code == code]


# --- the choices themselves ---


@pytest.mark.parametrize(("value", "words"), [
    ({"unique_rowids": "function"}, "the key unique_rowids is not known, did you mean unique_rowid?"),
    ({"row_ttl": "jobs"}, "row_ttl cannot be jobs, did you mean job?"),
    ({"object_identifiers": "index"}, "object_identifiers cannot be index, there are: oid, text"),
    ({"row_ttl": None}, "row_ttl cannot be None"), ({"row_ttl": ["job"]}, "row_ttl cannot be"), (["row_ttl"], "it has to be a mapping with the keys unique_rowid,"),
])
def test_unknown_keys_and_choices_are_refused_by_name(value, words):
    with pytest.raises(ConfigurationError) as caught:
        conversion_policies(value)
    assert str(caught.value).startswith("conversion_policies: ") and words in str(caught.value) and "\n" not in str(caught.value)


def test_defaults_leave_no_trace():
    defaults = {name: question.default for name, question in QUESTIONS.items()}
    assert conversion_policies(defaults) == conversion_policies({}) == DEFAULT_POLICIES
    assert DEFAULT_POLICIES.identity() == {} and DEFAULT_POLICIES.chosen() == {}
    assert conversion_policies({**defaults, "row_ttl": "job"}).identity() == {"conversion_policies": {"row_ttl": "job"}}


# --- unique_rowid ---


def reversed_bits(number: int) -> int:
    return int(f"{number:048b}"[::-1], 2)


def test_unique_rowid_stays_a_function_whose_numbers_hold_the_time(server):
    table = make_table(1, "t", Column(2, "v", TEXT))
    table.columns[0].default = "unique_rowid()"
    table.columns += [Column(3, "spread", INT, default="unordered_unique_rowid()"), Column(4, "next", INT, default="unique_rowid() + 1:::INT8")]
    conversion, cursor = load(server, make_database(table), options(unique_rowid="function"))
    assert {finding.object for finding in found(conversion, "unique_rowid")} == {"db.public.t.id", "db.public.t.spread", "db.public.t.next"}
    cursor.execute("INSERT INTO t (v) SELECT 'x' FROM generate_series(1, 5000) RETURNING id, spread, next, now()")
    rows = cursor.fetchall()
    assert [len(set(column)) for column in zip(*rows)][:3] == [5000, 5000, 5000]
    numbers = [row[0] for row in rows]
    low = {number & 0x7FFF for number in numbers}
    assert len(low) == 5000 and max(low) < 2**15 and all(0 < number < 2**63 for row in rows for number in row[:3])
    started = rows[0][3]
    for number, spread, _next, _now in rows:
        for units in (number >> 15, reversed_bits(spread >> 15)):
            assert abs(EPOCH + datetime.timedelta(microseconds=10 * units) - started) < datetime.timedelta(minutes=1)
    assert [number >> 15 for number in numbers] == sorted(number >> 15 for number in numbers)
    spreads = [row[1] for row in rows]
    assert spreads != sorted(spreads)


def test_the_function_gives_numbers_to_whoever_may_insert_and_its_sequence_begins_anew(server):
    table = make_table(1, "t", Column(2, "v", TEXT))
    table.columns[0].default = "unique_rowid()"
    _conversion, cursor = load(server, make_database(table), options(unique_rowid="function"))
    cursor.execute("SELECT count(DISTINCT unique_rowid() & 32767) FROM generate_series(1, 40000)")
    assert cursor.fetchone() == (32768,)
    cursor.execute("DROP ROLE IF EXISTS writer; CREATE ROLE writer; GRANT INSERT ON t TO writer; SET ROLE writer; SET search_path = ''")
    cursor.execute("INSERT INTO public.t (v) VALUES ('x')")
    cursor.execute("RESET ROLE; DROP OWNED BY writer; DROP ROLE writer")


def test_the_function_makes_room_for_a_table_of_its_name_and_is_left_out_where_nothing_needs_it(server):
    table = make_table(1, "unique_rowid", Column(2, "a", INT, default="unique_rowid()"))
    other = make_table(2, "unique_rowid_seq", Column(2, "a", INT, default="unique_rowid()"))
    conversion, cursor = load(server, make_database(table, other), options(unique_rowid="function"))
    [function] = [statement.name for statement in conversion.statements if statement.kind == "function"]
    assert function != "unique_rowid" and function.startswith("unique_rowid_")
    cursor.execute("INSERT INTO unique_rowid (id) VALUES (1); INSERT INTO unique_rowid_seq (id) VALUES (1) RETURNING a > 1 << 40")
    assert cursor.fetchone() == (True,)
    plain = convert_database(make_database(make_table(1, "t", Column(2, "a", INT, default="1:::INT8"))), [], ServerFeatures(), options(unique_rowid="function"))
    assert {statement.kind for statement in plain.statements} == {"schema", "table", "primary_key"}


def test_a_virtual_sequence_stays_one_that_applications_can_ask(server):
    table = make_table(1, "t", Column(2, "v", INT, default="nextval(9:::REGCLASS)", uses_sequence_ids=[9]))
    conversion, cursor = load(server, make_database(table, sequences=[Sequence(9, "s", 1, virtual=True)]), options(unique_rowid="function"))
    assert found(conversion, "virtual_sequence") and not found(conversion, "unique_rowid")
    cursor.execute("INSERT INTO t (id) VALUES (1) RETURNING v, nextval('s')")
    assert cursor.fetchone() == (1, 2)


# --- object_identifiers ---


def test_what_computes_with_object_identifiers_that_become_text_is_left_out(server):
    column, other = Column(2, "what", REGCLASS), make_table(2, "other", Column(2, "number", OID))
    other.indexes = [Index(2, "other_number_key", unique=True, columns=[IndexColumn(2)])]
    table = make_table(1, "t", column, Column(3, "list", SqlType("array", element=REGCLASS)), checks=[Check("known", "what != 0:::OID", [2]), Check("there", "what IS NOT NULL", [2])])
    table.indexes = [Index(2, "some", columns=[IndexColumn(1)], predicate="what = 5:::OID")]
    table.foreign_keys = [ForeignKey("fk", [2], 2, [2])]
    views = [View(11, "seen", 1, "SELECT what, list FROM db.public.t", [Column(1, "what", REGCLASS), Column(2, "list", SqlType("array", element=REGCLASS))], depends_on=[1]),
             View(12, "compared", 1, "SELECT id FROM db.public.t WHERE what = 5", [Column(1, "id", INT)], depends_on=[1])]
    conversion, cursor = load(server, make_database(table, other, views=views), options(object_identifiers="text"))
    assert [finding.object for code in ("check_left_out", "index_left_out", "view_left_out", "foreign_key_left_out") for finding in found(conversion, code)] == [
        "db.public.t.known", "db.public.t.some", "db.public.compared", "db.public.t.fk",
    ]
    assert {finding.object for finding in found(conversion, "object_identifier")} == {"db.public.t.what", "db.public.t.list"}
    cursor.execute("INSERT INTO t VALUES (1, 'public.t', '{public.t,17}'); SELECT what::regclass = 't'::regclass, list[2] FROM seen")
    assert cursor.fetchone() == (True, "17")
    cursor.execute("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'other'::regclass) AND attnum > 1")
    assert dict(cursor.fetchall()) == {"what": "text", "list": "text[]", "number": "oid"}


# --- unique_without_index ---


def unique_table(*columns: Column, **parts) -> Table:
    columns = columns or (Column(2, "a", INT), Column(3, "b", TEXT))
    constraint = UniqueWithoutIndex("t_unique", [column.id for column in columns if column.name not in ("at", "active")], **parts)
    return make_table(1, "t", *columns, unique_without_index=[constraint])


TRIGGER = options(unique_without_index="trigger")


def refused(cursor, command, *values):
    with pytest.raises(psycopg2.errors.UniqueViolation) as caught:
        cursor.execute(command, values or None)
    assert caught.value.pgcode == "23505"
    return caught.value.diag


def test_a_trigger_keeps_values_unique(server):
    conversion, cursor = load(server, make_database(unique_table(comment="both")), TRIGGER)
    [finding] = found(conversion, "unique_without_index")
    assert finding.severity == "info" and "not checked" in finding.message
    cursor.execute("SELECT indisunique, obj_description(indexrelid) FROM pg_index WHERE indexrelid = 't_unique'::regclass")
    assert cursor.fetchone() == (False, "both")
    cursor.execute("INSERT INTO t VALUES (1, 1, 'x'), (2, 1, 'y'), (3, NULL, 'x'), (4, NULL, 'x'), (5, 1, NULL), (6, 1, NULL)")
    diagnosis = refused(cursor, "INSERT INTO t VALUES (7, 1, 'x')")
    assert (diagnosis.constraint_name, diagnosis.table_name, diagnosis.schema_name) == ("t_unique", "t", "public")
    assert diagnosis.message_primary == 'duplicate key value violates unique constraint "t_unique"' and diagnosis.message_detail == "Key (a, b)=(1, x) already exists."
    refused(cursor, "INSERT INTO t VALUES (8, 9, 'z'), (9, 9, 'z')")
    refused(cursor, "UPDATE t SET b = 'x' WHERE id = 2")
    refused(cursor, "INSERT INTO t VALUES (2, 1, 'y') ON CONFLICT (id) DO UPDATE SET b = 'x'")
    cursor.execute("UPDATE t SET a = a + 1 WHERE a IS NOT NULL")
    cursor.execute("UPDATE t SET b = CASE b WHEN 'x' THEN 'y' ELSE 'x' END WHERE id IN (1, 2)")
    cursor.execute("SELECT count(*) FROM t")
    assert cursor.fetchone() == (6,)


def test_rows_from_before_may_be_there_twice_and_the_predicate_holds_on_both_rows(server):
    table = unique_table(Column(2, "a", INT, nullable=False), Column(3, "active", SqlType("bool", 16)), predicate="active", validated=False)
    conversion = convert_database(make_database(table), [], server.features(), TRIGGER)
    connection = server.new_database("choices")
    cursor = connection.cursor()
    for statement in conversion.statements:
        if statement.kind == "constraint_trigger":
            cursor.execute("INSERT INTO t VALUES (1, 7, true), (2, 7, true), (3, 8, false), (4, 8, false)")
        cursor.execute(statement.sql)
    [finding] = found(conversion, "unique_without_index")
    assert finding.severity == "warning" and "becomes a trigger" in finding.message and "duplicates" in finding.message
    refused(cursor, "INSERT INTO t VALUES (5, 7, true)")
    cursor.execute("INSERT INTO t VALUES (6, 7, false), (7, 7, NULL), (8, 8, true)")
    refused(cursor, "UPDATE t SET active = true WHERE id = 3")
    cursor.execute("UPDATE t SET active = false WHERE id = 2; UPDATE t SET a = 7 WHERE id = 1")


@pytest.mark.parametrize(("kind", "value", "equal", "other"), [
    (DECIMAL, "1.0", "1.000", "1.01"), (BITS, "101", "101", "1010"), (INTERVAL, "1 mon", "1 mon", "30 days"), (JSON, '{"a": 1, "b": 2}', '{"b": 2, "a": 1.0}', '{"a": 1}'),
    (SqlType("float", 701, 64), "0", "-0", "1"), (TIMESTAMPTZ, "2024-01-01 00:00:00+00", "2024-01-01 01:00:00+01", "2024-01-01 00:00:00+01"),
    (SqlType("array", element=DECIMAL), "{1.0,NULL}", "{1,NULL}", "{1}"), (SqlType("bytes", 17), r"\x00ff", r"\x00FF", r"\x00"), (SqlType("string", 1042, 3), "a", "a ", "b"),
])
def test_equal_values_of_every_kind_are_found(server, kind, value, equal, other):
    _conversion, cursor = load(server, make_database(unique_table(Column(2, "v", kind))), TRIGGER)
    cursor.execute("INSERT INTO t VALUES (1, %s), (2, %s)", (value, other))
    refused(cursor, "INSERT INTO t VALUES (3, %s)", equal)


def test_concurrent_transactions_with_one_value_do_not_both_pass(server):
    _conversion, cursor = load(server, make_database(unique_table()), TRIGGER)
    first, second = server.connect("choices"), server.connect("choices")
    outcome: list[object] = []

    def insert():
        with second.cursor() as other:
            try:
                other.execute("INSERT INTO t VALUES (2, 1, 'x')")
                outcome.append("passed")
            except psycopg2.Error as error:
                outcome.append(error.pgcode)

    for end, wanted in (("COMMIT", "23505"), ("ROLLBACK", "passed")):
        cursor.execute("TRUNCATE t")
        with first.cursor() as one:
            one.execute("BEGIN; INSERT INTO t VALUES (1, 1, 'x')")
            waiting = threading.Thread(target=insert)
            waiting.start()
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event = 'advisory'", (second.info.backend_pid,))
            while not cursor.fetchone():
                assert waiting.is_alive(), outcome
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event = 'advisory'", (second.info.backend_pid,))
            one.execute(end)
        waiting.join(30)
        assert outcome.pop() == wanted
    first.close()
    second.close()


def test_many_writers_leave_each_value_once(server):
    _conversion, cursor = load(server, make_database(unique_table()), TRIGGER)
    connections = [server.connect("choices") for _number in range(6)]
    passed: list[int] = []

    def write(number):
        with connections[number].cursor() as writer:
            for value in range(60):
                try:
                    writer.execute("INSERT INTO t VALUES (%s, %s, 'x')", (number * 100 + value, value))
                    passed.append(value)
                except psycopg2.errors.UniqueViolation:
                    pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(passed) == list(range(60))
    cursor.execute("SELECT count(*), count(DISTINCT a) FROM t")
    assert cursor.fetchone() == (60, 60)
    for connection in connections:
        connection.close()


def test_other_isolation_levels_let_nothing_pass_unseen(server):
    _conversion, cursor = load(server, make_database(unique_table()), TRIGGER)
    first, second = server.connect("choices"), server.connect("choices")
    with first.cursor() as one, second.cursor() as two:
        for level, code in (("REPEATABLE READ", "0A000"), ("SERIALIZABLE", "40001")):
            cursor.execute("TRUNCATE t")
            one.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT 1 FROM t")
            two.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t VALUES (1, 1, 'x'); COMMIT")
            with pytest.raises(psycopg2.Error) as caught:
                one.execute("INSERT INTO t VALUES (2, 1, 'x')")
                one.execute("COMMIT")
            assert caught.value.pgcode == code
            one.execute("ROLLBACK")
    first.close()
    second.close()


def test_a_transaction_of_many_rows_needs_few_locks_and_whoever_may_insert_is_checked(server):
    _conversion, cursor = load(server, make_database(unique_table()), TRIGGER)
    cursor.execute("INSERT INTO t SELECT n, n, 'x' FROM generate_series(1, 50000) n")
    cursor.execute("DROP ROLE IF EXISTS writer; CREATE ROLE writer; GRANT INSERT ON t TO writer; SET ROLE writer; SET search_path = ''")
    refused(cursor, "INSERT INTO public.t VALUES (0, 4711, 'x')")
    cursor.execute("INSERT INTO public.t VALUES (0, 4711, 'y')")
    cursor.execute("RESET ROLE; DROP OWNED BY writer; DROP ROLE writer")


def test_a_column_that_a_trigger_changes_is_checked(server):
    table = unique_table(Column(2, "a", INT), Column(4, "at", INT, on_update="1:::INT8"))
    table.unique_without_index = [UniqueWithoutIndex("at_unique", [4])]
    _conversion, cursor = load(server, make_database(table), TRIGGER)
    cursor.execute("INSERT INTO t VALUES (1, 1, 5), (2, 2, 1)")
    refused(cursor, "UPDATE t SET a = 9 WHERE id = 1")


def test_a_constraint_that_a_foreign_key_refers_to_stays_an_index(server):
    table = unique_table(Column(2, "a", INT))
    other = make_table(2, "other", Column(2, "a", INT), foreign_keys=[ForeignKey("fk", [2], 1, [2])])
    conversion, cursor = load(server, make_database(table, other), TRIGGER)
    assert [finding.object for finding in found(conversion, "unique_without_index_referenced")] == ["db.public.t.t_unique"]
    assert [finding.message for finding in found(conversion, "unique_without_index")] == ["UNIQUE WITHOUT INDEX becomes a unique index."]
    cursor.execute("INSERT INTO t VALUES (1, 5); INSERT INTO other VALUES (1, 5)")


# --- row_ttl ---


def expiring(**ttl) -> Database:
    table = make_table(1, "Events", Column(2, "started", TIMESTAMPTZ, nullable=False), Column(3, "text", TEXT), ttl=ttl)
    return Database(100, "db", [Schema(1, "odd schema")], tables=[table])


def test_the_procedure_deletes_exactly_the_expired_rows(server):
    database = expiring(expiration="(started + '3 days':::INTERVAL)", cron="@hourly", delete_batch_size=7)
    conversion, cursor = load(server, database, options(row_ttl="job"))
    cursor.execute("""INSERT INTO "odd schema"."Events" SELECT n, now() - interval '1 day' * n, 'x' FROM generate_series(-20, 50) n""")
    [finding] = found(conversion, "row_ttl")
    head = "In pg_cron's database: "
    assert finding.advice.startswith(head)
    call = pglast.parse_sql(finding.advice[len(head):])[0].stmt.targetList[0].val
    assert [part.sval for part in call.funcname] == ["cron", "schedule_in_database"]
    name, schedule, command, target = (argument.val.sval for argument in call.args)
    assert (name, schedule, target) == ("ttl odd schema.Events", "0 * * * *", "db")
    cursor.execute("SET timezone = 'Asia/Tokyo'")
    cursor.execute(command)
    cursor.execute("""SELECT min(id), max(id), count(*) FROM "odd schema"."Events" WHERE id >= 0""")
    assert cursor.fetchone() == (0, 2, 3)
    cursor.execute("""SELECT count(*) FROM "odd schema"."Events" """)
    assert cursor.fetchone() == (23,)


def test_each_batch_is_a_transaction_and_locked_rows_wait_for_the_next_call(server):
    conversion, cursor = load(server, expiring(expiration="started", delete_batch_size=10), options(row_ttl="job"))
    cursor.execute("""INSERT INTO "odd schema"."Events" SELECT n, '2001-01-01+00', 'x' FROM generate_series(1, 35) n""")
    holder = server.connect("choices")
    with holder.cursor() as other:
        other.execute("""BEGIN; SELECT 1 FROM "odd schema"."Events" WHERE id = 20 FOR UPDATE""")
        [call] = [statement.name for statement in conversion.statements if statement.kind == "procedure"]
        cursor.execute("""CREATE TABLE gone AS SELECT 0 AS id, pg_current_xact_id() AS by;
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.gone VALUES (OLD.id, pg_current_xact_id()); RETURN OLD; END $$;
            CREATE TRIGGER note BEFORE DELETE ON "odd schema"."Events" FOR EACH ROW EXECUTE FUNCTION note();""")
        cursor.execute(f"""CALL "odd schema"."{call}"()""")
        cursor.execute("SELECT count(*), count(DISTINCT by) FROM gone WHERE id > 0")
        assert cursor.fetchone() == (34, 4)
        other.execute("ROLLBACK")
    cursor.execute(f"""CALL "odd schema"."{call}"()""")
    cursor.execute("""SELECT count(*) FROM "odd schema"."Events" """)
    assert cursor.fetchone() == (0,)
    holder.close()


def test_a_duration_deletes_by_the_column_that_cockroachdb_made(server):
    table = make_table(1, "t", Column(2, "crdb_internal_expiration", TIMESTAMPTZ, False, hidden=True, default="current_timestamp():::TIMESTAMPTZ + '10 days':::INTERVAL"),
                       ttl={"duration": "'10 days':::INTERVAL"})
    conversion, cursor = load(server, make_database(table), options(row_ttl="job"))
    cursor.execute("INSERT INTO t VALUES (1, now() - interval '1 second'), (2, DEFAULT)")
    [finding] = found(conversion, "row_ttl")
    cursor.execute(pglast.parse_sql(finding.advice.split(": ", 1)[1])[0].stmt.targetList[0].val.args[2].val.sval)
    cursor.execute("SELECT id FROM t")
    assert cursor.fetchall() == [(2,)]


@pytest.mark.parametrize(("ttl", "words", "procedures"), [
    ({"expiration": "compress(text, 'gzip')"}, "Schedule a DELETE by hand", 0), ({"enabled": True}, "Schedule a DELETE by hand", 0),
    ({"expiration": "started", "cron": "@every 90m"}, "pg_cron has no counterpart of the schedule @every 90m", 1),
    ({"expiration": "started", "cron": "CRON_TZ=UTC 0 3 * * *"}, "no counterpart of the schedule", 1), ({"expiration": "started", "cron": "*/5 8-18 * JAN,MAR MON"}, "*/5 8-18 * JAN,MAR MON", 1),
    ({"expiration": "started"}, "0 0 * * *", 1),
])
def test_what_cannot_be_said_is_a_finding(ttl, words, procedures):
    conversion = convert_database(expiring(**ttl), [], ServerFeatures(), options(row_ttl="job"))
    [finding] = found(conversion, "row_ttl")
    assert words in finding.advice
    assert len([statement for statement in conversion.statements if statement.kind == "procedure"]) == procedures


# --- gen_random_ulid ---


def test_ulids_begin_with_the_time_and_are_random_behind_it(server):
    columns = [Column(2, "made", SqlType("uuid", 2950), default="gen_random_ulid()"), Column(3, "shown", TEXT, default="uuid_to_ulid(gen_random_ulid())")]
    conversion, cursor = load(server, make_database(make_table(1, "t", *columns)), options())
    assert [finding.object for finding in found(conversion, "cockroach_function")] == ["db.public.gen_random_ulid", "db.public.uuid_to_ulid"]
    cursor.execute("INSERT INTO t (id) SELECT generate_series(1, 1000) RETURNING made, shown, extract(epoch FROM clock_timestamp()) * 1000")
    rows = cursor.fetchall()
    assert len({made[13:] for made, _shown, _now in rows}) == len({shown[10:] for _made, shown, _now in rows}) == 1000
    assert all(0 <= now - int(made.replace("-", "")[:12], 16) < 60_000 for made, _shown, now in rows)
    bits = [bin(int(made.replace("-", "")[12:], 16)) for made, _shown, _now in rows]
    assert all(0.4 < sum(text[2:].zfill(80)[place] == "1" for text in bits) / 1000 < 0.6 for place in range(80))


def test_a_random_uuid_instead_of_a_ulid(server):
    column = Column(2, "made", SqlType("uuid", 2950), default="gen_random_ulid()")
    conversion, cursor = load(server, make_database(make_table(1, "t", column)), options(gen_random_ulid="uuid"))
    assert not found(conversion, "cockroach_function")
    cursor.execute("INSERT INTO t (id) VALUES (1) RETURNING made")
    assert cursor.fetchone()[0][14] == "4"


# --- unique_rowid() outside of a column of integers ---


def test_row_ids_in_texts_views_and_functions_keep_their_kind(server):
    """A sequence for these would begin at 1, and collide with what is there."""
    table = make_table(1, "t", Column(2, "code", TEXT, default="'ord-':::STRING || unique_rowid()::STRING"), Column(3, "hex", TEXT, default="to_hex(unique_rowid())"),
                       Column(4, "many", DECIMAL, default="unique_rowid()"), Column(5, "shard", INT, default="mod(unique_rowid(), 8:::INT8)"))
    view = View(2, "v", 1, "SELECT id, unique_rowid() AS n FROM db.public.t", [Column(1, "id", INT), Column(2, "n", INT)], depends_on=[1])
    function = Function(3, "f", 1, [], INT, body="SELECT unordered_unique_rowid();")
    conversion, cursor = load(server, make_database(table, views=[view], functions=[function]), options())
    assert not [finding for finding in conversion.findings if finding.severity == "error"]
    assert sorted(finding.object for finding in found(conversion, "unique_rowid")) == ["db.public.f", *(f"db.public.t.{name}" for name in ("code", "hex", "many", "shard")), "db.public.v"]
    cursor.execute("INSERT INTO t (id) VALUES (1) RETURNING code, hex, many, shard, f()")
    code, hexadecimal, many, shard, made = cursor.fetchone()
    assert code.startswith("ord-") and min(int(code[4:]), int(hexadecimal, 16), many) > 1 << 57 and 0 <= shard < 8 and made > 1 << 15
    cursor.execute("SELECT n > 1::bigint << 57 FROM v")
    assert cursor.fetchone() == (True,)


# --- text_search ---

WORDS = {
    "to_tsvector('english':::STRING, v)": True, "to_tsvector('simple':::STRING, COALESCE(v, '':::STRING) || v)": True, "to_tsvector('german':::STRING, lower(v))": True,
    "to_tsvector(v)": False, "to_tsvector('klingon':::STRING, v)": False, "to_tsvector(v, v)": False, "to_tsvector('english':::STRING, initcap(v))": False,
}
"""Whether the configuration is a constant that PostgreSQL has, and nothing else differs."""


@pytest.mark.parametrize("choice", ["generated", "data"])
def test_text_search_stays_generated_where_its_configuration_is_a_constant(server, choice):
    columns = [Column(number, f"words{number}", SqlType("tsvector", 3614), computed=text) for number, text in enumerate(WORDS, 3)]
    catalog = Catalog([make_database(make_table(1, "t", Column(2, "v", TEXT), *columns))])
    keep_unconvertible_as_data(catalog, conversion_policies({"text_search": choice}))
    kept = [choice == "generated" and stays for stays in WORDS.values()]
    assert [finding.code for finding in catalog.findings] == ["text_search_recomputed" if stays else "computed_column_as_data" for stays in kept]
    table = catalog.databases[0].tables[0]
    assert computed_columns(table) == [] and [column in loaded_columns(table) for column in columns] == [not stays for stays in kept]
    conversion, cursor = load(server, catalog.databases[0], options(text_search=choice))
    assert not found(conversion, "expression_differs")
    names = ", ".join(f"{column.name} IS NOT NULL" for column in columns)
    cursor.execute(f"INSERT INTO t (id, v) VALUES (1, 'Tom''s cats ran') RETURNING {names}")
    assert list(cursor.fetchone()) == kept
