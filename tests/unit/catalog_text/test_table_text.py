# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Tables as the releases v20.1 to v26 print them."""
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
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import IndexColumn, SqlType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text import parsing
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)


def column(table, name):
    return next(item for item in table.columns if item.name == name)


def index(table, name):
    return next(item for item in table.indexes if item.name == name)


def keys(table, item):
    names = {column.id: column.name for column in table.columns}
    return [names[part.column_id] + (" DESC" if part.descending else "") for part in item.columns]


def names_of(table, numbers):
    return [item.name for number in numbers for item in table.columns if item.id == number]


TYPES = [
    ("INT8", SqlType("int", 20, 64)), ("INT4", SqlType("int", 23, 32)), ("INT2", SqlType("int", 21, 16)), ("INT", SqlType("int", 20, 64)),
    ("BIGINT", SqlType("int", 20, 64)), ("INTEGER", SqlType("int", 20, 64)), ("SMALLINT", SqlType("int", 21, 16)),
    ("FLOAT4", SqlType("float", 700, 32)), ("FLOAT8", SqlType("float", 701, 64)), ("DOUBLE PRECISION", SqlType("float", 701, 64)),
    ("FLOAT(20)", SqlType("float", 700, 32)), ("DECIMAL", SqlType("decimal", 1700)), ("NUMERIC(7)", SqlType("decimal", 1700, 0, 7)),
    ("DECIMAL(12,2)", SqlType("decimal", 1700, 2, 12)), ("BOOL", SqlType("bool", 16)), ("STRING", SqlType("string", 25)),
    ("STRING(5)", SqlType("string", 25, 5)), ("TEXT", SqlType("string", 25)), ("VARCHAR(9)", SqlType("string", 1043, 9)),
    ("CHARACTER VARYING(9)", SqlType("string", 1043, 9)), ("CHAR", SqlType("string", 1042, 1)), ("CHAR(3)", SqlType("string", 1042, 3)),
    ('"char"', SqlType("string", 18, 1)), ("NAME", SqlType("string", 19)), ("BYTES", SqlType("bytes", 17)), ("BIT", SqlType("bit", 1560, 1)),
    ("BIT(9)", SqlType("bit", 1560, 9)), ("VARBIT", SqlType("bit", 1562)), ("BIT VARYING(70)", SqlType("bit", 1562, 70)), ("DATE", SqlType("date", 1082)),
    ("TIME(3)", SqlType("time", 1083, precision=3)), ("TIMETZ", SqlType("timetz", 1266)), ("TIME WITH TIME ZONE", SqlType("timetz", 1266)),
    ("TIMESTAMP(0)", SqlType("timestamp", 1114, precision=0)), ("TIMESTAMP WITHOUT TIME ZONE", SqlType("timestamp", 1114)),
    ("TIMESTAMP WITH TIME ZONE", SqlType("timestamptz", 1184)), ("TIMESTAMPTZ(3)", SqlType("timestamptz", 1184, precision=3)),
    ("INTERVAL", SqlType("interval", 1186)), ("INTERVAL YEAR TO MONTH", SqlType("interval", 1186, interval_fields="YEAR TO MONTH")),
    ("INTERVAL DAY TO SECOND(3)", SqlType("interval", 1186, precision=3, interval_fields="DAY TO SECOND")), ("UUID", SqlType("uuid", 2950)),
    ("INET", SqlType("inet", 869)), ("JSONB", SqlType("json", 3802)), ("OID", SqlType("oid", 26)), ("REGCLASS", SqlType("oid", 2205)),
    ("GEOMETRY", SqlType("geometry", 90000)), ("GEOMETRY(POINT,4326)", SqlType("geometry", 90000, geo_shape="Point", srid=4326)),
    ("GEOMETRY(POINTZM)", SqlType("geometry", 90000, geo_shape="PointZM")), ("GEOGRAPHY(MULTILINESTRINGZ,4326)", SqlType("geography", 90002, geo_shape="MultiLineStringZ", srid=4326)),
    ("BOX2D", SqlType("box2d", 90004)), ("STRING COLLATE de", SqlType("collated", 25, locale="de")),
    ('VARCHAR(4) COLLATE "en-US-u-ks-level2"', SqlType("collated", 1043, 4, locale="en-US-u-ks-level2")),
    ("INT8[]", SqlType("array", 1016, element=SqlType("int", 20, 64))), ("VARCHAR(3)[]", SqlType("array", 1015, element=SqlType("string", 1043, 3))),
    ("STRING[] COLLATE en", SqlType("array", 1009, element=SqlType("collated", 25, locale="en"))),
    ("TSVECTOR", SqlType("tsvector", 3614)), ("TSQUERY", SqlType("tsquery", 3615)), ("PG_LSN", SqlType("pg_lsn", 3220)),
    ("REFCURSOR", SqlType("refcursor", 1790)), ("VECTOR(3)", SqlType("vector", 90006, 3)), ("VECTOR", SqlType("vector", 90006)),
    ("JSONPATH", SqlType("jsonpath", 4072)), ("INT2VECTOR", SqlType("array", 22, element=SqlType("int", 21, 16))),
]


@pytest.mark.parametrize(("text", "expected"), TYPES)
def test_types(read_table, text, expected):
    table = read_table(f"CREATE TABLE public.t (a {text} NOT NULL, \"B\" {text} NULL)")
    assert [item.type for item in table.columns[:2]] == [expected, expected]
    assert [(item.name, item.nullable) for item in table.columns[:2]] == [("a", False), ("B", True)]


def test_types_whose_numbers_the_conversion_does_not_look_at(read_table):
    table = read_table("CREATE TABLE public.t (l LTREE, c CITEXT, v VOID)")
    assert [item.type.family for item in table.columns[:3]] == ["ltree", "collated", "void"]


def test_columns_of_user_types(read):
    database = read(
        "CREATE TYPE public.\"Mood\" AS ENUM ('sad', e'don\\'t');\nCREATE TYPE s.pair AS (a INT8, b public.Mood);\n"
        "CREATE TABLE public.t (m public.Mood DEFAULT 'sad':::public.Mood, l public.\"Mood\"[] DEFAULT ARRAY['sad':::public.Mood]:::public.Mood[], p s.pair);\n"
    )
    mood, pair = database.types
    assert ([member.name for member in mood.members], pair.field_names, pair.fields[0].family) == (["sad", "don't"], ["a", "b"], "int")
    table = database.tables[0]
    assert (column(table, "m").type.family, column(table, "m").type.user_type_id) == ("enum", mood.id)
    assert column(table, "m").default == f"'sad':::@{100000 + mood.id}"
    assert column(table, "l").type.oid == 100000 + mood.array_type_id
    assert column(table, "l").default == f"ARRAY['sad':::@{100000 + mood.id}]:::@{100000 + mood.array_type_id}"
    assert (column(table, "p").type.family, column(table, "p").type.user_type_id) == ("tuple", pair.id)


def test_what_stands_after_the_type(read_table):
    table = read_table("""CREATE TABLE public.t (
	a INT8 NOT NULL DEFAULT 5:::INT8 - 3:::INT8,
	b BOOL NULL DEFAULT 1:::INT8 NOT IN (1:::INT8, 2:::INT8) AND true IS NOT NULL,
	c INT8 NULL DEFAULT CASE WHEN true THEN 1:::INT8 ELSE NULL END,
	d TIMESTAMPTZ NOT VISIBLE NULL DEFAULT now():::TIMESTAMPTZ ON UPDATE now():::TIMESTAMPTZ,
	e STRING NULL AS (lower(f)) STORED,
	f STRING NULL AS (concat(g, ',', e'\\')')) VIRTUAL,
	g STRING DEFAULT 'x NOT NULL' NOT NULL,
	h INT8 GENERATED ALWAYS AS (a + 1) STORED,
	i STRING DEFAULT 'a' COLLATE de NOT NULL,
	CONSTRAINT pk PRIMARY KEY (a ASC)
)""")
    assert [(item.name, item.default) for item in table.columns if item.default] == [
        ("a", "5:::INT8 - 3:::INT8"), ("b", "1:::INT8 NOT IN (1:::INT8, 2:::INT8) AND true IS NOT NULL"),
        ("c", "CASE WHEN true THEN 1:::INT8 ELSE NULL END"), ("d", "now():::TIMESTAMPTZ"), ("g", "'x NOT NULL'"), ("i", "'a'"),
    ]
    assert (column(table, "d").hidden, column(table, "d").on_update) == (True, "now():::TIMESTAMPTZ")
    assert (column(table, "e").computed, column(table, "e").virtual) == ("lower(f)", False)
    assert (column(table, "f").computed, column(table, "f").virtual) == ("concat(g, ',', e'\\')')", True)
    assert (column(table, "g").nullable, column(table, "h").computed) == (False, "a + 1")
    assert (column(table, "i").type.locale, column(table, "i").nullable) == ("de", False)


def test_v20_1(read_table):
    """No schema, the key is called primary, the hidden column is only in the family."""
    table = read_table("""CREATE TABLE t (
	a INT8 NULL,
	b STRING NULL,
	INDEX t_a_idx (a ASC) STORING (b),
	UNIQUE INDEX u (b DESC),
	FAMILY "primary" (a, b, rowid)
)""")
    row_id = column(table, "rowid")
    assert (row_id.hidden, row_id.nullable, row_id.default, row_id.type) == (True, False, "unique_rowid()", SqlType("int", 20, 64))
    assert (table.primary_index.name, keys(table, table.primary_index)) == ("t_pkey", ["rowid"])
    assert (names_of(table, index(table, "t_a_idx").stored_column_ids), keys(table, index(table, "u")), index(table, "u").unique) == (["b"], ["b DESC"], True)


def test_interleaved_and_partitioned(read):
    """Up to v21.1, and partitions to this day; their columns are printed without quotes."""
    database = read("""CREATE TABLE parent (id INT8 NOT NULL, CONSTRAINT "primary" PRIMARY KEY (id ASC));
CREATE TABLE child (
	id INT8 NOT NULL,
	n INT8 NOT NULL,
	CONSTRAINT "primary" PRIMARY KEY (id ASC, n ASC),
	INDEX i (id ASC) INTERLEAVE IN PARENT parent (id),
	INDEX p (n ASC) PARTITION BY LIST (n) (
		PARTITION x VALUES IN ((1), (2)),
		PARTITION y VALUES IN ((DEFAULT)) PARTITION BY RANGE (id) (PARTITION z VALUES FROM (MINVALUE) TO (5))
	) WHERE n > 1,
	FAMILY "primary" (id, n)
) INTERLEAVE IN PARENT parent (id) PARTITION BY RANGE (id) (
	PARTITION low VALUES FROM (MINVALUE) TO (10),
	PARTITION "High" VALUES FROM (10) TO (MAXVALUE)
);
-- Warning: Partitioned table with no zone configurations.
""")
    parent, child = database.tables
    assert child.primary_index.interleave_ancestors == [(parent.id, 1, 1)] == index(child, "i").interleave_ancestors
    assert (child.primary_index.partitioned, index(child, "p").partitioned, index(child, "i").partitioned) == (True, True, False)
    assert index(child, "p").predicate == "n > 1"


def test_hash_sharded_of_old_releases(read_table):
    """Up to v21.1 the hidden column is not printed as a column, but its check is."""
    table = read_table("""CREATE TABLE public.t (
	a INT8 NOT NULL,
	b INT8 NULL,
	CONSTRAINT "primary" PRIMARY KEY (a ASC) USING HASH WITH BUCKET_COUNT = 10,
	INDEX t_b_idx (b ASC, a DESC) USING HASH WITH BUCKET_COUNT = 4,
	FAMILY "primary" (crdb_internal_a_shard_10, a, b, crdb_internal_a_b_shard_4),
	CONSTRAINT check_crdb_internal_a_shard_10 CHECK (crdb_internal_a_shard_10 IN (0:::INT8, 1:::INT8))
)""")
    assert keys(table, table.primary_index) == ["crdb_internal_a_shard_10", "a"]
    assert (table.primary_index.shard_column, table.primary_index.shard_buckets) == ("crdb_internal_a_shard_10", 10)
    assert keys(table, index(table, "t_b_idx")) == ["crdb_internal_a_b_shard_4", "b", "a DESC"]
    assert table.checks == []


def test_hash_sharded_of_new_releases(read_table):
    table = read_table("""CREATE TABLE public.t (
	crdb_internal_a_shard_16 INT8 NOT VISIBLE NOT NULL AS (mod(fnv32(md5(crdb_internal.datums_to_bytes(a))), 16:::INT8)) VIRTUAL,
	a INT8 NOT NULL,
	b INT8 NOT NULL,
	CONSTRAINT t_pkey PRIMARY KEY (a ASC) USING HASH WITH (bucket_count=16),
	UNIQUE INDEX u (b ASC) USING HASH WITH (bucket_count=8) STORING (a) WHERE b > 3:::INT8
) WITH (schema_locked = true);""")
    assert keys(table, table.primary_index) == ["crdb_internal_a_shard_16", "a"]
    assert (keys(table, index(table, "u")), index(table, "u").predicate) == (["crdb_internal_b_shard_8", "b"], "b > 3:::INT8")
    assert [item.name for item in table.columns] == ["crdb_internal_a_shard_16", "a", "b", "crdb_internal_b_shard_8"]


@pytest.mark.parametrize("printed", [
    "crdb_internal_a_shard_8 INT4 NOT NULL AS (mod(fnv32(COALESCE(CAST(a AS STRING), '':::STRING)), 8:::INT8)) STORED",
    "crdb_internal_a_shard_8 INT4 NOT VISIBLE NOT NULL AS (mod(fnv32(crdb_internal.datums_to_bytes(a)), 8:::INT8)) VIRTUAL",
])
@pytest.mark.parametrize("index_text, shard, left", [
    ("INDEX i (crdb_internal_a_shard_8 ASC, a ASC)", "crdb_internal_a_shard_8", ["a", "b", "crdb_internal_a_shard_8"]),
    ("INDEX i (a ASC) USING HASH WITH BUCKET_COUNT = 8", "crdb_internal_a_shard_8", ["a", "b", "crdb_internal_a_shard_8"]),
    ("INDEX i (b ASC) USING HASH WITH BUCKET_COUNT = 8", "crdb_internal_b_shard_8", ["a", "b", "crdb_internal_b_shard_8"]),
    ("INDEX i (b ASC)", "", ["a", "b"]),
], ids=["printed in the key", "sharded", "of a column that was renamed", "left behind"])
def test_printed_shard_columns_lose_nothing(printed, index_text, shard, left):
    """Releases print them as columns, and an index' removal or a column's renaming leaves them behind."""
    catalog = read_schema_text(f"""CREATE TABLE public.t (
	a INT8 NOT NULL,
	b INT8 NOT NULL,
	{printed},
	CONSTRAINT t_pkey PRIMARY KEY (b ASC),
	{index_text},
	FAMILY f (a, b, crdb_internal_a_shard_8),
	CONSTRAINT check_crdb_internal_a_shard_8 CHECK (crdb_internal_a_shard_8 IN (0:::INT8, 1:::INT8))
)""")
    table = catalog.databases[0].tables[0]
    assert index(table, "i").shard_column == shard and sorted(column.name for column in table.columns) == left
    assert table.checks == [] and set(table.families[0].column_ids) <= {column.id for column in table.columns}
    keep_unconvertible_as_data(catalog)
    conversion = convert_database(catalog.databases[0], [], ServerFeatures(), ConvertOptions())
    found = [*catalog.findings, *conversion.findings]
    assert {finding.severity for finding in found} == {"info"}
    assert ("shard_column" in {finding.code for finding in found}) == ("crdb_internal_a_shard_8" not in left)
    made = [statement.sql for statement in conversion.statements if statement.kind in ("table", "index")]
    assert len(made) == 2 and not any("shard" in sql for sql in made)


def test_a_column_that_a_user_wrote_is_no_shard(read_table):
    table = read_table("""CREATE TABLE public.t (
	a STRING NOT NULL PRIMARY KEY,
	crdb_internal_shard_8 INT8 NOT NULL AS (fnv32(a)) STORED,
	part INT8 NOT NULL AS (mod(fnv32(a), 8:::INT8)) STORED,
	CONSTRAINT c CHECK (part < 8:::INT8)
)""")
    assert [column.name for column in table.columns] == ["a", "crdb_internal_shard_8", "part"] and len(table.checks) == 1


def test_a_check_is_of_the_columns_that_its_parsed_names_are(read_table):
    """Neither words in strings, nor functions, types and fields of composite values."""
    table = read_table("""CREATE TYPE public.spot AS (x INT8, y INT8);
CREATE TABLE public.t (
	id INT8 NOT NULL, x INT8 NULL, "date" DATE NULL, length INT8 NULL, "Id" INT8 NULL, place public.spot NULL,
	CONSTRAINT c1 CHECK ((place).x > 0:::INT8), CONSTRAINT c2 CHECK (length('id'::STRING) > 1:::INT8), CONSTRAINT c3 CHECK ("date" > '2000-01-01'::DATE),
	CONSTRAINT c4 CHECK (ID > x), CONSTRAINT c5 CHECK ("Id" > length), CONSTRAINT c6 CHECK (is_valid(place))
)""")
    assert [names_of(table, check.column_ids) for check in table.checks] == [["place"], [], ["date"], ["id", "x"], ["length", "Id"], ["place"]]


def test_indexes_of_every_kind(read):
    catalog = read_schema_text("""CREATE TABLE public.t (
	id INT8 NOT NULL,
	j JSONB NULL,
	s STRING NULL,
	v VECTOR(3) NULL,
	g GEOMETRY NULL,
	CONSTRAINT t_pkey PRIMARY KEY (id ASC),
	INVERTED INDEX inv (id, j) WHERE s IS NOT NULL,
	INVERTED INDEX trig (s gin_trgm_ops),
	INVERTED INDEX geo (g) WITH (s2_max_level=15, geometry_min_x=0),
	VECTOR INDEX vec (id, v vector_l2_ops),
	INDEX hidden (s ASC) NOT VISIBLE,
	INDEX part (s DESC NULLS LAST) WHERE s > 'a':::STRING NOT VISIBLE,
	INDEX half (s ASC) VISIBILITY 0.50,
	INDEX gone (s ASC) VISIBILITY 0.00
);
CREATE UNIQUE INDEX made ON public.t (s ASC NULLS FIRST, id) INCLUDE (v) WHERE id > 3;
CREATE INVERTED INDEX IF NOT EXISTS made2 ON t (j);
CREATE INDEX ON t USING GIN (j);
CREATE VECTOR INDEX made4 ON t (v vector_cosine_ops) WITH (build_beam_size=16);
CREATE INDEX made5 ON t USING btree (s) STORING (id);
""", "d")
    table = catalog.databases[0].tables[0]
    assert {item.name: item.kind for item in table.indexes if item.kind != "forward"} == {
        "inv": "inverted", "trig": "inverted", "geo": "inverted", "vec": "vector", "made2": "inverted", "t_j_idx": "inverted", "made4": "vector",
    }
    assert {item.name for item in table.indexes if item.not_visible} == {"hidden", "part", "half", "gone"}
    assert {item.name: item.distance for item in table.indexes if item.kind == "vector"} == {"vec": "l2", "made4": "cosine"}
    assert (index(table, "part").predicate, keys(table, index(table, "part"))) == ("s > 'a':::STRING", ["s DESC"])
    assert (keys(table, index(table, "inv")), index(table, "inv").predicate) == (["id", "j"], "s IS NOT NULL")
    made = index(table, "made")
    assert (made.unique, made.created_explicitly, keys(table, made), names_of(table, made.stored_column_ids), made.predicate) == (
        True, True, ["s", "id"], ["v"], "id > 3")
    assert [(item.code, item.object) for item in catalog.findings] == [("storage_parameters", "d.public.t.geo"), ("storage_parameters", "d.public.t.made4")]


@pytest.mark.parametrize(("text", "computed", "kind"), [
    ("lower(s) ASC", "lower(s)", SqlType("string", 25)),
    ("(a + 1:::INT8) DESC", "a + 1:::INT8", SqlType("int", 20, 64)),
    ("(j->>'x':::STRING) ASC", "j->>'x':::STRING", SqlType("string", 25)),
    ("(s || 'x') ASC", "s || 'x'", SqlType("string", 25)),
    ("(a > 3) ASC", "a > 3", SqlType("bool", 16)),
    ("(a::DECIMAL(5,2)) ASC", "a::DECIMAL(5,2)", SqlType("decimal", 1700, 2, 5)),
    ("CAST(a AS STRING) ASC", "CAST(a AS STRING)", SqlType("string", 25)),
    ("COALESCE(a, 0) ASC", "COALESCE(a, 0)", SqlType("int", 20, 64)),
    ("(a::public.mood) ASC", None, None),
    ("my_function(a) ASC", "my_function(a)", SqlType("unknown")),
])
def test_expressions_in_indexes(read, text, computed, kind):
    database = read(f"CREATE TYPE public.mood AS ENUM ('a');\nCREATE TABLE public.t (a INT8 NULL, s STRING NULL, j JSONB NULL, INDEX i (s ASC, {text}))")
    table = database.tables[0]
    part = index(table, "i").columns[1]
    found = next(item for item in table.columns if item.id == part.column_id)
    assert (found.inaccessible, found.virtual, part.descending) == (True, True, "DESC" in text)
    assert found.type == (kind or SqlType("enum", 100000 + database.types[0].id, user_type_id=database.types[0].id))
    assert found.computed == (computed or f"a::@{100000 + database.types[0].id}")


def test_an_expression_on_json_of_an_inverted_index(read_table):
    table = read_table("CREATE TABLE public.t (j JSONB NULL, INVERTED INDEX i ((j->'x':::STRING)))")
    assert [(item.computed, item.type.family) for item in table.columns if item.inaccessible] == [("j->'x':::STRING", "json")]


def test_constraints(read):
    database = read("""CREATE TABLE public.p (a INT8 NOT NULL, b INT8 NOT NULL, CONSTRAINT p_pkey PRIMARY KEY (a ASC, b DESC));
CREATE TABLE s.t (
	a INT8 NULL,
	b INT8 NULL,
	"C" INT8 NULL,
	CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES public.p(a, b) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE,
	CONSTRAINT "fk 2" FOREIGN KEY (b, "C") REFERENCES public.p NOT VALID,
	CONSTRAINT gone FOREIGN KEY (a) REFERENCES other.public.x(a) ON DELETE RESTRICT,
	CONSTRAINT ck CHECK ((a > 0:::INT8) OR ("C" IS NULL)) NOT VALID,
	CHECK (b > 0:::INT8),
	CONSTRAINT uwi UNIQUE WITHOUT INDEX (a, C) WHERE b > 0:::INT8 NOT VALID,
	UNIQUE WITHOUT INDEX (b),
	CONSTRAINT un UNIQUE (b ASC),
	UNIQUE (a, b) WHERE a > 1
)""")
    parent, table = database.tables
    assert [(key.name, names_of(table, key.column_ids), key.match, key.on_delete, key.on_update, key.validated) for key in table.foreign_keys] == [
        ("fk", ["a", "b"], "FULL", "SET NULL", "CASCADE", True), ("fk 2", ["b", "C"], "SIMPLE", "NO ACTION", "NO ACTION", False),
        ("gone", ["a"], "SIMPLE", "RESTRICT", "NO ACTION", True),
    ]
    assert [names_of(parent, key.referenced_column_ids) for key in table.foreign_keys] == [["a", "b"], ["a", "b"], []]
    assert [key.referenced_table_id for key in table.foreign_keys] == [parent.id, parent.id, 0]
    assert [(check.name, check.expression, names_of(table, check.column_ids), check.validated) for check in table.checks] == [
        ("ck", '(a > 0:::INT8) OR ("C" IS NULL)', ["a", "C"], False), ("check_b", "b > 0:::INT8", ["b"], True),
    ]
    assert [(item.name, names_of(table, item.column_ids), item.predicate, item.validated) for item in table.unique_without_index] == [
        ("uwi", ["a", "C"], "b > 0:::INT8", False), ("unique_b", ["b"], "", True),
    ]
    assert [(item.name, item.unique, item.predicate) for item in table.indexes] == [("un", True, ""), ("t_a_b_key", True, "a > 1")]


def test_constraints_inside_of_columns(read):
    database = read("""CREATE TABLE p (id SERIAL PRIMARY KEY, n STRING UNIQUE CHECK (n > ''));
CREATE TABLE t (id UUID PRIMARY KEY USING HASH WITH (bucket_count = 4), p INT8 NOT NULL REFERENCES p ON DELETE CASCADE, q INT8 CONSTRAINT fk REFERENCES p (id),
 r STRING CONSTRAINT ck CHECK (length(r) > q) CONSTRAINT un UNIQUE FAMILY f, s INT8 CREATE FAMILY)""")
    parent, table = database.tables
    assert (parent.columns[0].default, parent.columns[0].nullable, parent.primary_index.name) == ("unique_rowid()", False, "p_pkey")
    assert ([item.name for item in parent.indexes], [item.name for item in parent.checks]) == (["p_n_key"], ["check_n"])
    assert [(key.name, key.on_delete, key.referenced_table_id) for key in table.foreign_keys] == [("t_p_fkey", "CASCADE", parent.id), ("fk", "NO ACTION", parent.id)]
    assert [names_of(parent, key.referenced_column_ids) for key in table.foreign_keys] == [["id"], ["id"]]
    assert (table.primary_index.shard_buckets, [item.name for item in table.indexes]) == (4, ["un"])
    assert [(check.name, names_of(table, check.column_ids)) for check in table.checks] == [("ck", ["q", "r"])]
    assert [(family.name, names_of(table, family.column_ids)) for family in table.families] == [("f", ["r"]), ("fam_1_s", ["s"])]


def test_the_end_of_show_create_all_tables(read):
    database = read("""CREATE TABLE public.a (id INT8 NOT NULL, b INT8 NULL, CONSTRAINT a_pkey PRIMARY KEY (id ASC));
CREATE TABLE public.b (id INT8 NOT NULL, CONSTRAINT b_pkey PRIMARY KEY (id ASC));
ALTER TABLE public.a ADD CONSTRAINT a_b_fkey FOREIGN KEY (b) REFERENCES public.b(id) NOT VALID;
ALTER TABLE public.a ADD CONSTRAINT stays FOREIGN KEY (b) REFERENCES public.b(id) ON DELETE CASCADE NOT VALID;
ALTER TABLE public.a ADD CONSTRAINT ck CHECK (b > id) NOT VALID, ADD COLUMN c STRING NOT NULL DEFAULT 'x';
-- Validate foreign key constraints. These can fail if there was unvalidated data during the SHOW CREATE ALL TABLES
ALTER TABLE public.a VALIDATE CONSTRAINT a_b_fkey;
""")
    table = database.tables[0]
    assert [(key.name, key.validated, key.referenced_table_id) for key in table.foreign_keys] == [
        ("a_b_fkey", True, database.tables[1].id), ("stays", False, database.tables[1].id)]
    assert ([check.validated for check in table.checks], column(table, "c").default) == ([False], "'x'")


@pytest.mark.parametrize(("options", "ttl"), [
    ("ttl = 'on', ttl_automatic_column = 'on', ttl_expire_after = '10 days':::INTERVAL", {"duration": "'10 days':::INTERVAL"}),
    ("ttl = 'on', ttl_expiration_expression = e'(a + \\'1 day\\':::INTERVAL)', ttl_job_cron = '@daily', schema_locked = true",
     {"expiration": "(a + '1 day':::INTERVAL)", "cron": "@daily"}),
    ("ttl = 'on', ttl_select_batch_size = 5", {"enabled": True}), ("ttl = 'on', ttl_expiration_expression = 'a', ttl_delete_batch_size = 7", {"expiration": "a", "delete_batch_size": 7}),
    ("ttl = 'off'", {}), ("schema_locked = false", {}),
])
def test_row_level_ttl(read_table, options, ttl):
    table = read_table(f"CREATE TABLE public.t (a TIMESTAMPTZ NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (a ASC)) WITH ({options})")
    assert (table.ttl, table.data_excluded) == (ttl, False)


def test_storage_parameters():
    catalog = read_schema_text(
        "CREATE TABLE t (a INT8 NOT NULL) WITH (exclude_data_from_backup = true, sql_stats_automatic_collection_enabled = false) LOCALITY GLOBAL;"
        "ALTER TABLE t SET (fillfactor = 50)", "d")
    assert (catalog.databases[0].tables[0].data_excluded, catalog.databases[0].tables[0].locality) == (True, "GLOBAL")
    assert [item.message for item in catalog.findings] == [
        "The table's storage parameters have no counterpart: sql_stats_automatic_collection_enabled.",
        "The table's storage parameters have no counterpart: fillfactor.",
    ]


@pytest.mark.parametrize(("text", "locality"), [
    ("GLOBAL", "GLOBAL"), ("REGIONAL BY TABLE IN PRIMARY REGION", "REGIONAL BY TABLE"), ('REGIONAL BY TABLE IN "us-east1"', "REGIONAL BY TABLE IN us-east1"),
    ("REGIONAL BY ROW", "REGIONAL BY ROW"), ("REGIONAL BY ROW AS crdb_region", "REGIONAL BY ROW AS crdb_region"),
])
def test_locality(read_table, text, locality):
    table = read_table(f"""CREATE TYPE public.crdb_internal_region AS ENUM ('us-east1');
CREATE TABLE public.t (
	a INT8 NOT NULL,
	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL DEFAULT default_to_database_primary_region(gateway_region())::public.crdb_internal_region,
	CONSTRAINT t_pkey PRIMARY KEY (a ASC)
) WITH (schema_locked = true) LOCALITY {text};
ALTER PARTITION "us-east1" OF INDEX d.public.t@t_pkey CONFIGURE ZONE USING
	num_replicas = 3,
	constraints = '[+region=us-east1]';
""")
    assert table.locality == locality


def test_families(read_table):
    table = read_table('CREATE TABLE public.t (a INT8 NOT NULL, b INT8 NULL, c INT8 NULL AS (a) VIRTUAL, CONSTRAINT k PRIMARY KEY (a), FAMILY f1 (a), FAMILY "f 2" (b))')
    assert [(family.name, names_of(table, family.column_ids)) for family in table.families] == [("f1", ["a"]), ("f 2", ["b"])]
    table = read_table("CREATE TABLE public.t (a INT8 NOT NULL, c INT8 NULL AS (a) VIRTUAL, CONSTRAINT k PRIMARY KEY (a))")
    assert [(family.name, names_of(table, family.column_ids)) for family in table.families] == [("primary", ["a"])]


def test_a_descending_key(read_table):
    table = read_table("CREATE TABLE t (a INT8, b INT8, PRIMARY KEY (b DESC, a))")
    assert table.primary_index.columns == [IndexColumn(2, True), IndexColumn(1, False)]
    assert [item.nullable for item in table.columns] == [False, False]


def test_a_table_without_columns(read_table):
    table = read_table("CREATE TABLE public.t (rowid INT8 NOT VISIBLE NOT NULL DEFAULT unique_rowid(), CONSTRAINT t_pkey PRIMARY KEY (rowid ASC))")
    assert [item.name for item in table.columns] == ["rowid"]
    assert read_table("CREATE TABLE t ()").columns[0].name == "rowid"


def test_the_order_of_statements(read):
    """What is needed may come later, and what is changed may be needed."""
    database = read("""CREATE VIEW v (a) AS SELECT a FROM t;
CREATE TABLE t (a INT8 DEFAULT nextval('s'), e mood, b INT8 REFERENCES u);
CREATE TABLE u (a INT8 PRIMARY KEY);
ALTER TABLE t ADD COLUMN c INT8;
CREATE INDEX i ON t (c);
CREATE SEQUENCE s;
CREATE TYPE mood AS ENUM ('a');
""")
    table, other = database.tables
    assert (table.columns[0].uses_sequence_ids, table.columns[1].type.user_type_id) == ([database.sequences[0].id], database.types[0].id)
    assert (table.foreign_keys[0].referenced_table_id, keys(table, index(table, "i")), database.views[0].depends_on) == (other.id, ["c"], [table.id])


def test_names_of_databases_in_names():
    catalog = read_schema_text(
        "CREATE DATABASE a; CREATE DATABASE b; USE a; CREATE TABLE public.t (x INT8); USE b; CREATE TABLE t (x INT8); CREATE TABLE a.public.u (x INT8); "
        "SET database = a; CREATE TABLE s.v (x INT8); CREATE TABLE b.w (x INT8);")
    assert {item.name: [table.name for table in item.tables] for item in catalog.databases} == {"a": ["t", "u", "v"], "b": ["t", "w"]}


def test_ids_are_the_same_every_time(read):
    text = "CREATE TABLE t (x INT8);CREATE SEQUENCE s;CREATE TYPE e AS ENUM ('a');CREATE VIEW v AS SELECT x FROM t"
    first, second = read(text), read(text)
    assert first == second
    items = [first, *first.schemas, *first.tables, *first.sequences, *first.types, *first.views]
    assert len({item.id for item in items}) == len(items)


def test_rows_are_left_out_with_a_finding():
    catalog = read_schema_text("CREATE TABLE t (x INT8);\nINSERT INTO t (x) VALUES (1), (2);\nINSERT INTO t (x) VALUES (3);", "d")
    assert [(item.code, item.severity, item.object) for item in catalog.findings] == [("rows_left_out", "error", "d")]
    assert catalog.findings[0].message == "2 INSERT statements are omitted, the first at line 2: t."


def test_a_temporary_table_is_left_out_with_a_finding():
    catalog = read_schema_text("CREATE TEMP TABLE t (x INT8);CREATE TABLE u (x INT8)", "d")
    assert [table.name for table in catalog.databases[0].tables] == ["u"]
    assert [item.code for item in catalog.findings] == ["temporary_table"]


@pytest.mark.parametrize(("text", "message"), [
    ("CREATE TABLE t (a INT8 NOT NULL,)", "something is missing after the comma"),
    ("CREATE TABLE t (a INT8 FROBNICATED)", "'FROBNICATED' is not known in a column"),
    ("CREATE TABLE t (a FROB)", "the type FROB is not known"),
    (f"CREATE TABLE t (a VARCHAR({'9' * 4301}))", "a number of more than 4,300 digits is out of range"),
    ("CREATE TABLE t (a VARCHAR(²))", "expected a whole number, found '²'"), ("CREATE TABLE t (a INT8) WITH (ttl_expire_after = '1 day', ttl_delete_batch_size = '²')", "a whole number was expected"),
    (f"CREATE TABLE t (a INT8) WITH (ttl_expire_after = '1 day', ttl_delete_batch_size = {'9' * 4301})", "a whole number was expected"),
    ("CREATE TABLE t (a INT8 DEFAULT 1::frob)", "the type frob is not known"),
    ("CREATE TABLE t (a INT8, a INT8)", "the column a is there twice"),
    ("CREATE TABLE t (a INT8, INDEX (b))", "d.public.t has no column 'b'"),
    ("CREATE TABLE t (a INT8); CREATE TABLE t (b INT8)", "d.public.t is there twice"),
    ("CREATE TABLE t (a INT8", "something is missing at the end"),
    ("CREATE TABLE t (LIKE u)", "the table that this one is like is not there"),
    ("CREATE TABLE t (a INT8) TABLESPACE x", "'TABLESPACE' is not known after a table's columns"),
    ("CREATE TABLE t (a INT8, INDEX (a) FROB)", "'FROB' is not known in an index"),
    ("CREATE TABLE t (a GEOMETRY(BLOB))", "the shape BLOB is not known"),
    ("CREATE TABLE t AS SELECT frob(1) AS x", "the type of the column x is not known"),
    ("CREATE TABLE t (a INT8); ALTER TABLE t FROB", "ALTER TABLE … FROB is not known"),
    ("CREATE TABLE t (a INT8); ALTER TABLE t VALIDATE CONSTRAINT c", "d.public.t has no constraint 'c'"),
    ("ALTER TABLE t VALIDATE CONSTRAINT c", "t is not there"),
    ("CREATE TABLE t (a INT8); DROP FROB t", "DROP FROB is not known"),
    ("SET default_int_size = 4; CREATE TABLE t (a INT)", "default_int_size changes what the statements after it mean"),
    ("CREATE FROB x", "CREATE FROB is not known"),
    ("CREATE TABLE t (a STRING DEFAULT 'x)", "a quote or comment does not end"),
    ("hello", "the statement is not one of a schema"),
])
def test_what_is_not_understood(text, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        read_schema_text(text, "d")
    assert "line 1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_error_names_the_place_and_the_beginning_of_the_statement():
    text = "CREATE TABLE t (a INT8);\n\nCREATE TABLE public.u (\n\ta INT8 NOT NULL,\n\tsomewhat STRING ELSEWHERE\n)" + " " * 5
    with pytest.raises(UnsupportedError) as caught:
        read_schema_text(text, "d")
    assert str(caught.value) == (
        "the schema text is not understood: 'ELSEWHERE' is not known in a column, at line 5, column 18, in the statement: "
        "CREATE TABLE public.u ( a INT8 NOT NULL, somewhat STRING ELSEWHERE )"
    )


def test_with_any_word_missing_it_is_read_or_refused(fixtures_dir):
    """Never anything but a word on what is not understood."""
    text = (fixtures_dir / "truth" / "shop" / "show_create.sql").read_text(encoding="utf-8")
    words = parsing.words(text, "the test")
    refused = 0
    for word in words[::9]:
        try:
            read_schema_text(text[:word.start] + text[word.end:], "shop")
        except UnsupportedError as error:
            refused += "line " in str(error)
    assert refused > len(words) / 9 * 0.7


@pytest.mark.parametrize(("check", "name"), [
    ("a > 1", "check_a"),
    ("a > 1 AND b < 5 AND a < b", "check_a_b_a_b"),
    ("((a = 1 OR a = 2) AND (b IS NULL)) OR c IN (1, 2)", "check_a_a_b_c"),
    ("c BETWEEN a AND b", "check_c_a_b"),
    ("length(length::STRING) > 1 AND t.a > 0", "check_length_a"),
])
def test_the_names_that_cockroachdb_gives_to_checks(read_table, check, name):
    """As a v22.1 made them."""
    assert [item.name for item in read_table(f"CREATE TABLE t (a INT8, b INT8, c INT8, length INT8, CHECK ({check}))").checks] == [name]


@pytest.mark.parametrize("text", [
    "CREATE TABLE u (a INT8 PRIMARY KEY, CONSTRAINT c CHECK (a > 0), CONSTRAINT c CHECK (a > 1))",
    "CREATE TABLE u (a INT8 PRIMARY KEY CONSTRAINT c CHECK (a > 0), b INT8 CONSTRAINT c REFERENCES u (a))",
    "CREATE TABLE u (a INT8 PRIMARY KEY); ALTER TABLE u ADD CONSTRAINT c CHECK (a > 0); ALTER TABLE u ADD CONSTRAINT c CHECK (a > 1)",
    "CREATE TABLE u (a INT8 PRIMARY KEY); ALTER TABLE u ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a); ALTER TABLE u ADD CONSTRAINT c UNIQUE WITHOUT INDEX (a)",
])
def test_constraints_of_one_name(read, text):
    with pytest.raises(UnsupportedError, match="has another constraint 'c'"):
        read(text)


@pytest.mark.parametrize("text", [
    "CREATE TABLE u (a INT8 PRIMARY KEY); ALTER TABLE u ADD CONSTRAINT c CHECK (a > 0); ALTER TABLE u DROP CONSTRAINT c; ALTER TABLE u ADD CONSTRAINT c CHECK (a > 1)",
    "CREATE TABLE u (a INT8 PRIMARY KEY CONSTRAINT c CHECK (a > 1)); CREATE TABLE v (a INT8 PRIMARY KEY CONSTRAINT c CHECK (a > 1))",
])
def test_names_of_constraints_that_are_free(read, text):
    assert [item.expression for item in read(text).tables[0].checks] == ["a > 1"]
