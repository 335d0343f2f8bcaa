# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What PostgreSQL cannot do as CockroachDB does is changed with a finding, and still loads."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Catalog,
    Check,
    Column,
    Database,
    Index,
    IndexColumn,
    Schema,
    Sequence,
    SqlType,
    Table,
    UniqueWithoutIndex,
    View,
)

INT, TEXT, TIMESTAMPTZ = SqlType("int", 20, 64), SqlType("string", 25), SqlType("timestamptz", 1184)
SKIP = ConvertOptions("skip")


def make_table(number: int, name: str, *columns: Column, primary: str = "primary") -> Table:
    key = Column(1, "id", INT, nullable=False)
    return Table(number, name, 1, [key, *columns], Index(1, primary, unique=True, columns=[IndexColumn(1)]))


def make_database(*tables: Table, **parts) -> Database:
    return Database(100, "db", [Schema(1, "public")], tables=list(tables), **parts)


def codes(conversion):
    return {finding.code for finding in conversion.findings}


def load(server, database):
    connection = server.new_database("changes")
    conversion = convert_database(database, [], server.features(), SKIP)
    cursor = connection.cursor()
    for statement in conversion.statements:
        cursor.execute(statement.sql)
    return conversion, cursor


def test_an_expression_that_depends_on_settings_is_wrapped(server):
    table = make_table(
        1, "t", Column(2, "at", TIMESTAMPTZ), Column(3, "day", TEXT, computed="to_char(at, 'YYYY-MM-DD':::STRING)"), Column(4, "v", TEXT, default="'x':::STRING"),
    )
    table.indexes = [Index(2, "late", columns=[IndexColumn(4)], predicate="at > '2024-01-01 00:00:00+00:00':::TIMESTAMPTZ")]
    conversion, cursor = load(server, make_database(table))
    assert "expression_function" in codes(conversion)
    cursor.execute("SET timezone = 'Asia/Tokyo'")
    cursor.execute("INSERT INTO t (id, at) VALUES (1, '2024-01-01 23:00:00+00') RETURNING day, v")
    assert cursor.fetchone() == ("2024-01-01", "x")


def test_names_that_clash_or_are_too_long(server):
    first, second = make_table(1, "first"), make_table(2, "second")
    first.columns.append(Column(2, "v", TEXT))
    second.columns.append(Column(2, "v", TEXT))
    long = "ü" * 40
    first.indexes = [Index(2, "same", columns=[IndexColumn(2)]), Index(3, long, columns=[IndexColumn(2)])]
    second.indexes = [Index(2, "same", columns=[IndexColumn(2)]), Index(3, "first", columns=[IndexColumn(2)])]
    conversion, cursor = load(server, make_database(first, second))
    cursor.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    names = {row[0] for row in cursor}
    assert {"first_pkey", "second_pkey", "same"} <= names
    assert len(names) == 6
    assert all(len(name.encode()) <= 63 for name in names)
    assert len([finding for finding in conversion.findings if finding.code == "index_renamed"]) == 5
    assert conversion.statements == convert_database(make_database(first, second), [], server.features(), SKIP).statements


def test_unique_rowid_in_a_nullable_column_and_identity(server):
    table = make_table(1, "t", Column(2, "a", INT, default="unique_rowid()"), Column(3, "b", INT, False, identity="ALWAYS", default="nextval(9:::REGCLASS)", uses_sequence_ids=[9], owns_sequence_ids=[9]))
    sequence = Sequence(9, "t_b_seq", 1, value=41, owner_table_id=1, owner_column_id=3)
    conversion, cursor = load(server, make_database(table, sequences=[sequence]))
    assert "unique_rowid" in codes(conversion)
    cursor.execute("INSERT INTO t (id) VALUES (7) RETURNING a, b")
    assert cursor.fetchone() == (1, 42)
    cursor.execute("INSERT INTO t (id, a) VALUES (8, NULL) RETURNING b")
    assert cursor.fetchone() == (43,)


def test_the_last_value_of_a_sequence(server):
    sequences = [Sequence(1, "full", 1, maximum=10, value=10), Sequence(2, "unknown", 1), Sequence(3, "fresh", 1, start=5, value=4)]
    conversion, cursor = load(server, make_database(sequences=sequences))
    assert "sequence_value_unknown" in codes(conversion)
    cursor.execute("SELECT nextval('unknown'), nextval('fresh'), last_value, is_called FROM \"full\"")
    assert cursor.fetchone() == (1, 5, 10, True)


def test_geometry_without_postgis_is_text():
    table = make_table(1, "t", Column(2, "g", SqlType("geometry", 90000)))
    table.indexes = [Index(2, "spatial", columns=[IndexColumn(2)], kind="inverted")]
    bare = convert_database(make_database(table), [], ServerFeatures(17), SKIP)
    assert {"type_as_text", "index_left_out"} <= codes(bare)
    full = convert_database(make_database(table), [], ServerFeatures(17, True, frozenset(("postgis",))), SKIP)
    assert not {"type_as_text", "index_left_out"} & codes(full)
    assert any("USING gist" in statement.sql for statement in full.statements)


def test_a_view_that_cannot_be_converted_takes_those_that_read_it_along():
    views = [View(11, "b", 1, "SELECT id FROM db.public.a", [Column(1, "id", INT)], depends_on=[12]), View(12, "a", 1, "SELECT fnv32(id) FROM db.public.t", [Column(1, "id", INT)], depends_on=[1])]
    conversion = convert_database(make_database(make_table(1, "t"), views=views), [], ServerFeatures(), SKIP)
    assert sorted(finding.object for finding in conversion.findings if finding.code == "view_left_out") == ["db.public.a", "db.public.b"]
    assert not [statement for statement in conversion.statements if statement.step == "view"]


def test_views_come_after_those_they_read(server):
    views = [View(11, "b", 1, "SELECT id FROM db.public.a", [Column(1, "id", INT)], depends_on=[12]), View(12, "a", 1, "SELECT id FROM db.public.t", [Column(1, "id", INT)], depends_on=[1])]
    _conversion, cursor = load(server, make_database(make_table(1, "t"), views=views))
    cursor.execute("SELECT * FROM b")
    assert cursor.fetchall() == []


def test_a_computed_column_without_counterpart_travels_as_data(server):
    table = make_table(1, "t", Column(2, "hash", INT, computed="fnv32(id)"), Column(3, "gone", INT, computed="fnv64(id)", virtual=True))
    table.indexes = [Index(2, "uses_gone", columns=[IndexColumn(3)])]
    catalog = Catalog([make_database(table)])
    keep_unconvertible_as_data(catalog)
    assert {finding.code for finding in catalog.findings} == {"computed_column_as_data", "virtual_column_left_out", "needs_left_out_column"}
    _conversion, cursor = load(server, catalog.databases[0])
    cursor.execute("INSERT INTO t (id, hash) VALUES (1, 99)")


def test_long_names_that_begin_alike_stay_apart(server):
    long = "x" * 70
    first, second = make_table(1, long + "1", Column(2, long + "a", TEXT), Column(3, long + "b", TEXT)), make_table(2, long + "2")
    first.checks = [Check("long", f"{long}a <> {long}b", [2, 3])]
    views = [View(11, long + "3", 1, f"SELECT {long}a FROM db.public.{long}1", [Column(1, long + "a", TEXT)], depends_on=[1])]
    conversion, cursor = load(server, make_database(first, second, views=views))
    assert len([finding for finding in conversion.findings if finding.code == "name_cut"]) == 6
    cursor.execute("SELECT count(DISTINCT relname) FROM pg_class WHERE relname LIKE 'xxx%' AND relkind IN ('r', 'v')")
    assert cursor.fetchone() == (3,)
    assert conversion.statements == convert_database(make_database(first, second, views=views), [], server.features(), SKIP).statements


def test_a_unique_constraint_that_was_never_validated_does_not_stop_the_import(server):
    table = make_table(1, "t", Column(2, "v", TEXT))
    table.unique_without_index = [UniqueWithoutIndex("checked", [2]), UniqueWithoutIndex("unchecked", [2, 1], validated=False)]
    conversion, cursor = load(server, make_database(table))
    assert "unique_not_validated" in codes(conversion)
    cursor.execute("SELECT relname, indisunique FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE '%checked' ORDER BY 1")
    assert cursor.fetchall() == [("checked", True), ("unchecked", False)]


def test_vector_indexes_need_pgvector_and_dimensions():
    table = make_table(1, "t", Column(2, "v", SqlType("vector", 90006, 3)), Column(3, "w", SqlType("vector", 90006)))
    table.indexes = [Index(2, "nearest", columns=[IndexColumn(2)], kind="vector"), Index(3, "vague", columns=[IndexColumn(3)], kind="vector")]
    made = convert_database(make_database(table), [], ServerFeatures(17, True, frozenset(("vector",))), SKIP)
    assert [statement.sql for statement in made.statements if statement.kind == "index"] == ['CREATE INDEX "nearest" ON "public"."t" USING hnsw ("v" vector_l2_ops)']
    assert [finding.object for finding in made.findings if finding.code == "index_left_out"] == ["db.public.t.vague"]
    assert "index_left_out" in codes(convert_database(make_database(table), [], ServerFeatures(17), SKIP))


def test_vector_indexes_keep_their_distance():
    table = make_table(1, "t", Column(2, "v", SqlType("vector", 90006, 3)))
    table.indexes = [Index(number, f"i{number}", columns=[IndexColumn(2)], kind="vector", distance=distance) for number, distance in enumerate(("ip", "cosine"), 2)]
    made = convert_database(make_database(table), [], ServerFeatures(17, True, frozenset(("vector",))), SKIP)
    assert [statement.sql.split("hnsw ")[1] for statement in made.statements if statement.kind == "index"] == ['("v" vector_ip_ops)', '("v" vector_cosine_ops)']


def test_a_stored_column_whose_last_digits_differ_keeps_its_values():
    decimal, price = SqlType("decimal", 1700), SqlType("decimal", 1700, 2, 12)
    table = make_table(
        1, "t", Column(2, "free", decimal, computed="id / 3:::INT8"), Column(3, "rounded", price, computed="id / 3:::INT8"),
        Column(4, "text", TEXT, computed="j::STRING"), Column(5, "j", SqlType("json", 3802)), Column(6, "now", decimal, computed="id / 3:::INT8", virtual=True),
    )
    catalog = Catalog([make_database(table)])
    keep_unconvertible_as_data(catalog)
    assert [finding.object for finding in catalog.findings if finding.code == "computed_column_as_data"] == ["db.public.t.free", "db.public.t.text"]
    assert [column.name for column in catalog.databases[0].tables[0].columns if column.computed] == ["rounded", "now"]
    assert "expression_differs" in codes(convert_database(catalog.databases[0], [], ServerFeatures(), SKIP))


def test_the_check_of_a_shard_column_goes_with_it(server):
    """A table that was made again from an older SHOW CREATE has this check as one of its own."""
    shard = Column(2, "crdb_internal_id_shard_8", SqlType("int", 23, 32), False, computed="mod(fnv32(crdb_internal.datums_to_bytes(id)), 8:::INT8)", virtual=True, hidden=True)
    table = make_table(1, "t", shard)
    table.indexes = [Index(2, "spread", columns=[IndexColumn(2), IndexColumn(1)], shard_column=shard.name, shard_buckets=8)]
    table.checks = [Check("check_crdb_internal_id_shard_8", f"{shard.name} IN (0:::INT8, 1:::INT8)", [2]), Check("own", "id > 0:::INT8", [1])]
    conversion, cursor = load(server, make_database(table))
    cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'")
    assert cursor.fetchall() == [("own",)]
    assert codes(conversion) == {"index_renamed", "hash_sharded"}


def test_expressions_and_predicates_go_with_the_virtual_column_that_they_name(server):
    gone = Column(2, "id_hash", INT, computed="length(compress(v::BYTES, 'gzip':::STRING))", virtual=True)
    table = make_table(1, "t", gone, Column(3, "v", TEXT), Column(4, "crdb_internal_idx_expr", INT, computed="id_hash + 1:::INT8", virtual=True, inaccessible=True))
    table.indexes = [
        Index(2, "by_expression", columns=[IndexColumn(4)]), Index(3, "by_predicate", columns=[IndexColumn(3)], predicate="id_hash > 1:::INT8"),
        Index(4, "kept", columns=[IndexColumn(3)], predicate="v != 'id_hash':::STRING"),
    ]
    table.unique_without_index = [UniqueWithoutIndex("unique_v", [3], "id_hash > 2:::INT8")]
    catalog = Catalog([make_database(table)])
    keep_unconvertible_as_data(catalog)
    conversion, _cursor = load(server, catalog.databases[0])
    assert {finding.object for finding in catalog.findings if finding.code == "needs_left_out_column"} == {
        "db.public.t.by_expression", "db.public.t.by_predicate", "db.public.t.unique_v"}
    assert [statement.name for statement in conversion.statements if statement.kind == "index"] == ["kept"]


def test_a_virtual_column_that_needs_an_extension_is_there_where_the_server_has_it(server):
    """It holds no data, so that nothing has to be decided while the rows are exported."""
    point = Column(2, "p", SqlType("geometry", 90000), computed="st_setsrid(st_makepoint(id::FLOAT8, 1.5:::FLOAT8), 4326:::INT8)", virtual=True)
    catalog = Catalog([make_database(make_table(1, "t", point))])
    catalog.databases[0].tables[0].indexes = [Index(2, "near", columns=[IndexColumn(2)], kind="inverted")]
    keep_unconvertible_as_data(catalog)
    assert not catalog.findings
    conversion, cursor = load(server, catalog.databases[0])
    cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum")
    there = "postgis" in server.features().extensions
    assert [name for name, in cursor] == (["id", "p"] if there else ["id"])
    left_out = [(finding.code, finding.object) for finding in conversion.findings if finding.severity == "error"]
    assert left_out == ([] if there else [("virtual_column_left_out", "db.public.t.p"), ("needs_left_out_column", "db.public.t.near")])
    if there:
        cursor.execute("INSERT INTO t (id) VALUES (7); SELECT st_x(p) FROM t")
        assert cursor.fetchone() == (7.0,)


def test_all_tables_without_a_counterpart_are_named_at_once():
    """As an export does, which stops: the user excludes them together."""
    database = make_database(*(make_table(number, f"t{number}", Column(2, "c", SqlType("any", 2283))) for number in (1, 2)), make_table(3, "t3"))
    with pytest.raises(UnsupportedError, match=r"^db\.public\.t1\.c: .*no known counterpart.*; db\.public\.t2\.c: [^;]*$"):
        convert_database(database, [], ServerFeatures(), SKIP)
