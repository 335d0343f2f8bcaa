# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The regions of a database: the enum that no SHOW CREATE ALL TYPES prints, and the columns that have it."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

CREATE_DATABASE = 'CREATE DATABASE d PRIMARY REGION "us" REGIONS = "ap", "eu", "us" SURVIVE REGION FAILURE;'
DEFAULT = "DEFAULT default_to_database_primary_region(gateway_region())::public.crdb_internal_region"
TABLE = f"""CREATE TABLE public.t (
	id INT8 NOT NULL,
	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL {DEFAULT},
	CONSTRAINT t_pkey PRIMARY KEY (id ASC)
) LOCALITY REGIONAL BY ROW;
"""
ROWS = (("us", "t"), ("ap", "f"), ("eu", "f"))


def aligned(header: str, *rows: str, border: str = "-----+-----") -> str:
    return "\n".join((header, border, *rows, f"({len(rows)} rows)", ""))


@pytest.mark.parametrize("regions", [
    CREATE_DATABASE,
    'CREATE DATABASE d PRIMARY REGION = "us" REGIONS "ap", "eu" SURVIVE = ZONE FAILURE PLACEMENT RESTRICTED;',
    "CREATE DATABASE IF NOT EXISTS d WITH PRIMARY REGION us REGIONS = AP, eu;",
    "CREATE DATABASE d PRIMARY REGION 'us' REGIONS 'eu' SECONDARY REGION 'ap';",
    'ALTER DATABASE d SET PRIMARY REGION "us"; ALTER DATABASE d ADD REGION "ap"; ALTER DATABASE d ADD REGION IF NOT EXISTS eu; ALTER DATABASE d SURVIVE REGION FAILURE;',
    'ALTER DATABASE d PRIMARY REGION = "us"; ALTER DATABASE d ADD REGION "gone"; ALTER DATABASE d ADD REGION "ap"; ALTER DATABASE d DROP REGION "gone"; ALTER DATABASE d SET SECONDARY REGION = eu;',
    CREATE_DATABASE + ' ALTER DATABASE d ADD REGION "gone"; ALTER DATABASE d DROP REGION IF EXISTS "gone"; ALTER DATABASE d DROP SECONDARY REGION; '
    'ALTER DATABASE d ALTER SUPER REGION far VALUES "ap"; ALTER DATABASE d DROP SUPER REGION far;',
    aligned(" database | region | primary | zones ", *(f" d        | {name} | {primary}       | {{{name}-a,{name}-b}}" for name, primary in ROWS)),
    aligned("  database | region | primary | secondary |  zones", *(f"  d        | {name}     | {primary}       | f         | {{}}" for name, primary in ROWS), border="-----------+----+----+----+---"),
    "database,region,primary,zones\n" + "".join(f'd,{name},{primary},"{{{name}-a,{name}-b}}"\n' for name, primary in ROWS) + "(3 rows)\n",
    "database\tregion\tprimary\tsecondary\tzones\n" + "".join(f"d\t{name}\t{primary}\tf\t{{a}}\n" for name, primary in ROWS) + "Time: 3ms\n",
    "database|region|primary|zones\n" + "".join(f"d|{name}|{primary}|{{a,b}}\n" for name, primary in ROWS) + "(3 rows)\n",
    "".join(f"-[ RECORD {number} ]---\ndatabase | d\nregion   | {name}\nprimary  | {primary}\nzones    | {{a,b}}\n" for number, (name, primary) in enumerate(ROWS, 1)),
    aligned(" database_name | regions | primary_region ", ' d | {ap,"eu",us} | us '),
    aligned(" region | zones | database_names | primary_region_of ", " ap | {a} | {d} | {} ", " eu | {a} | {d} | {} ", " us | {a} | {d} | {d} ", " xx | {a} | {} | {} "),
])
def test_the_ways_in_which_a_text_names_regions(regions):
    (database,) = read_schema_text(f"{regions}\n{TABLE}").databases
    (kind,) = database.types
    assert (kind.name, kind.kind, [member.name for member in kind.members]) == ("crdb_internal_region", "multi-region enum", ["ap", "eu", "us"])
    assert (database.name, sorted(database.regions), database.primary_region) == ("d", ["ap", "eu", "us"], "us")
    assert [table.name for table in database.tables] == ["t"] and database.tables[0].columns[1].type.user_type_id == kind.id


def test_regions_that_come_after_the_tables():
    """As in files of their own for databases with regions."""
    text = """CREATE TABLE scores (id INT8 PRIMARY KEY, shard INT8 NOT NULL); CREATE TABLE info (id INT8 PRIMARY KEY);
        ALTER DATABASE game PRIMARY REGION "us"; ALTER DATABASE game ADD REGION "eu";
        ALTER TABLE scores ADD COLUMN crdb_region crdb_internal_region NOT NULL AS (CASE WHEN shard IN (1, 2) THEN 'eu' ELSE 'us' END) STORED;
        ALTER TABLE scores SET LOCALITY REGIONAL BY ROW; SET override_multi_region_zone_config = true; ALTER TABLE info SET locality GLOBAL;
        ALTER PARTITION "eu" OF INDEX scores@scores_pkey CONFIGURE ZONE USING constraints = '{+region=eu: 1}', num_replicas=COPY FROM PARENT;"""
    result = convert_text(text, "", ServerFeatures(17, True, frozenset()), ConvertOptions("create", frozenset()))
    assert result.refused == []
    assert """CASE WHEN "shard" IN (1, 2) THEN CAST('eu' AS "public"."crdb_internal_region") ELSE CAST('us' AS "public"."crdb_internal_region") END""" in result.files["pre-data.sql"]


def test_the_last_region_is_dropped():
    """It turns the database back into one without regions: pkg/ccl/logictestccl/testdata/logic_test/multi_region_drop_region."""
    (database,) = read_schema_text("CREATE DATABASE d PRIMARY REGION us; ALTER DATABASE d DROP REGION us; CREATE TABLE t (a INT8);").databases
    assert (database.regions, database.primary_region, database.types) == ([], "", [])


def test_line_numbers_stay_behind_a_table_of_regions():
    text = aligned(" database | region | primary | zones ", " d | us | t | {a}") + "CREATE TABLE t (a NOTYPE);"
    with pytest.raises(UnsupportedError, match="line 5"):
        read_schema_text(text)


@pytest.mark.parametrize("before", ["", "-[ RECORD 1 ]---\ncreate_statement | "])
def test_long_lines_are_no_tables_of_regions(before):
    text = before + "CREATE TABLE t (" + ", ".join(f"region_{number} INT8 CHECK (region_{number} | 1 > 0)" for number in range(400)) + ")"
    assert len(read_schema_text(text).databases[0].tables[0].columns) == 401


def converted(text: str) -> tuple[str, list[str]]:
    result = convert_text(text, "d", ServerFeatures(17, True, frozenset()), ConvertOptions("create", frozenset()))
    return "".join(text for name, text in result.files.items() if name.endswith(".sql")), [f"{item.code} {item.object}" for item in result.findings]


@pytest.mark.parametrize(("column", "made"), [
    ("r public.crdb_internal_region NOT NULL", "text NOT NULL"),
    ("r crdb_internal_region NULL DEFAULT 'us':::public.crdb_internal_region", "text DEFAULT (CAST('us' AS TEXT))"),
    ("r public.crdb_internal_region[] NULL", "text[]"),
    ("r d.public.crdb_internal_region NOT NULL AS (CASE WHEN id <= 10:::INT8 THEN 'us':::public.crdb_internal_region ELSE 'eu':::public.crdb_internal_region END) STORED",
     "text GENERATED ALWAYS AS"),
    ("r public.crdb_internal_region NOT NULL, CONSTRAINT c CHECK (r IN ('us':::public.crdb_internal_region, 'eu':::public.crdb_internal_region)), INDEX i (r) WHERE r = 'us':::public.crdb_internal_region",
     "text NOT NULL"),
])
def test_without_regions_the_type_is_text(column, made):
    sql, findings = converted(f"CREATE TABLE public.t (id INT8 PRIMARY KEY, {column}) LOCALITY REGIONAL BY ROW AS r;")
    line = next(line.strip() for line in sql.splitlines() if line.strip().startswith('"r" '))
    assert line.startswith(f'"r" {made}') and "crdb_internal_region" not in sql
    assert findings.count("regions_not_known d.public.crdb_internal_region") == 1 and not [item for item in findings if "left_out" in item]


def test_functions_of_a_type_without_regions():
    sql, findings = converted("""CREATE FUNCTION public.f(r crdb_internal_region) RETURNS crdb_internal_region LANGUAGE SQL AS $$SELECT r::public.crdb_internal_region$$;
CREATE FUNCTION public.g(r public.crdb_internal_region) RETURNS STRING LANGUAGE plpgsql AS $$DECLARE x crdb_internal_region := r; BEGIN RETURN x::STRING; END$$;
""")
    assert "crdb_internal_region" not in sql and sql.count("CREATE FUNCTION") == 2 and findings == ["regions_not_known d.public.crdb_internal_region"]


def test_a_default_needs_the_primary_region():
    assert """"crdb_region" "public"."crdb_internal_region" DEFAULT (CAST('us' AS "public"."crdb_internal_region")) NOT NULL""" in converted(CREATE_DATABASE + TABLE)[0]
    assert "default_left_out d.public.t.crdb_region" in converted(TABLE)[1]


@pytest.mark.parametrize("text", [
    "CREATE TABLE public.t (id INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (id ASC), FAMILY f (id)) LOCALITY REGIONAL BY ROW;",
    "CREATE TABLE public.t (id INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (id ASC)); ALTER TABLE public.t SET LOCALITY REGIONAL BY ROW;",
    TABLE, TABLE + "ALTER TABLE t SET LOCALITY REGIONAL BY ROW; ALTER TABLE t SET LOCALITY GLOBAL;",
])
def test_the_hidden_column_of_regional_by_row(text):
    (table,) = read_schema_text(CREATE_DATABASE + text).databases[0].tables
    assert [(column.name, column.hidden, column.nullable) for column in table.columns] == [("id", False, False), ("crdb_region", True, False)]
    assert table.columns[1].default.startswith("default_to_database_primary_region(gateway_region())::@")


def test_the_hidden_column_where_no_region_is_known():
    sql, findings = converted("CREATE TABLE public.t (id INT8 PRIMARY KEY) LOCALITY REGIONAL BY ROW;")
    assert "crdb_region" not in sql and findings == ["regions_not_known d.public.t", "locality d.public.t"]
