# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rows and tables beyond PostgreSQL's limits, on real servers: what the import continues without, what it does instead, and what ends it."""
from __future__ import annotations

import hashlib
import uuid

import psycopg2
import pytest
import synthetic_dump
from postgres_servers import query
from synthetic_dump import INT, TEXT, column, table

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.report_facts import (
    build_report,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.result_file import (
    PhaseRecord,
    utc_now,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Database,
    ForeignKey,
    Index,
    IndexColumn,
    Schema,
    Sequence,
    SqlType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)

BYTES, TEXTS = SqlType("bytes", 17), SqlType("array", 1009, element=TEXT)


def noise(length: int, seed: str = "") -> str:
    """Text that PostgreSQL cannot compress."""
    return "".join(hashlib.sha256(f"{seed}{number}".encode()).hexdigest() for number in range(length // 64 + 1))[:length]


LONG = noise(4000)


@pytest.fixture(name="name")
def _name():
    """A database name that no other test uses."""
    return f"limits_{uuid.uuid4().hex[:8]}"


def index(number: int, name: str, *column_ids: int, **fields) -> Index:
    return Index(number, name, columns=[IndexColumn(one) for one in column_ids], **fields)


def keyed(number: int, name: str, *indexes: Index, kind: SqlType = TEXT):
    """A table of a number, a short text and a column of the type."""
    return table(number, name, [column(1, "id", INT, False), column(2, "short", TEXT, False), column(3, "long", kind)], indexes=list(indexes))


def with_long_keys(name: str) -> tuple[Database, dict[int, tuple[list, list | None]]]:
    """Each table has one long value that an index would have to hold, and one that is long but compresses well."""
    text_key = table(108, "text_key", [column(1, "long", TEXT, False)])
    bytes_key = table(110, "bytes_key", [column(1, "long", BYTES, False)])
    of_storing, of_text_key = table(106, "of_storing", [column(1, "short", TEXT, False)]), table(109, "of_text_key", [column(1, "long", TEXT, False)])
    of_storing.foreign_keys = [ForeignKey("of_storing_fkey", [1], 105, [2])]
    of_text_key.foreign_keys = [ForeignKey("of_text_key_fkey", [1], 108, [1])]
    tables = [
        keyed(101, "one_column", index(2, "one_column_long", 3, created_explicitly=True)),
        keyed(102, "two_columns", index(2, "two_columns_long", 2, 3, created_explicitly=True)),
        keyed(103, "unique_text", index(2, "unique_text_key", 2, 3, unique=True)),
        keyed(104, "partial", index(2, "partial_key", 3, unique=True, created_explicitly=True, predicate="id > 0")),
        keyed(105, "storing", index(2, "storing_key", 2, unique=True, stored_column_ids=[3])),
        of_storing,
        keyed(107, "elements", index(2, "elements_long", 3, kind="inverted"), kind=TEXTS),
        text_key, of_text_key, bytes_key,
        keyed(111, "compressed", index(2, "compressed_long", 3, created_explicitly=True), index(3, "compressed_key", 3, unique=True)),
    ]
    tables[0].primary_index.stored_column_ids = [2, 3]
    rows = [f"1\ta\t{LONG}", f"2\tb\t{noise(4000, 'other')}", "3\tc\t\\N"]
    content = {item.id: (rows, None) for item in tables}
    content.update({
        106: (["a", "b"], None), 107: ([f"1\ta\t{{{LONG},x}}"], None), 108: ([LONG, "x"], None), 109: ([LONG], None),
        110: ([f"\\\\x{LONG}{LONG}"], None), 111: ([f"1\ta\t{'a' * 100000}"], None),
    })
    return Database(100, name, [Schema(1, "public")], tables=tables), content


def found_by_code(result, *codes):
    return {(item.severity, item.code, item.object.split(".", 1)[1]) for item in result.findings if item.code in codes}


def test_keys_that_are_too_long_end_no_import(any_postgres, name, tmp_path):
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), *with_long_keys(name))
    result = import_dump(dump, any_postgres, ImportOptions())
    expected = {
        ("error", "key_too_long", "public.two_columns.two_columns_long"), ("error", "key_too_long", "public.elements.elements_long"),
        ("error", "foreign_key_left_out", "public.of_text_key.of_text_key_fkey"),
        ("warning", "key_replaced", "public.one_column.one_column_long"), ("warning", "key_replaced", "public.storing.storing_key"),
        *(("error", "key_replaced", f"public.{table_name}.{key}") for table_name, key in (
            ("unique_text", "unique_text_key"), ("partial", "partial_key"), ("text_key", "text_key_pkey"), ("of_text_key", "of_text_key_pkey"),
            ("bytes_key", "bytes_key_pkey"),
        )),
    }
    codes = ("key_too_long", "key_replaced", "foreign_key_left_out", "refused_by_postgresql")
    assert found_by_code(result, *codes) == expected
    verified = verify_dump(dump, any_postgres, VerifyOptions())
    assert verified.succeeded, [line for line in verified.databases[name].tables.items() if not line[1].succeeded]

    definitions = dict(query(any_postgres, name, "SELECT indexname, split_part(indexdef, ' USING ', 2) FROM pg_indexes WHERE schemaname = 'public' AND indexname !~ '_pkey$'"))
    assert definitions == {
        "one_column_long": "hash (long)", "unique_text_key": "btree (md5(short), md5(long))", "partial_key": "btree (md5(long)) WHERE (id > 0)",
        "storing_key": "btree (short)", "compressed_long": "btree (long)", "compressed_key": "btree (long)",
    }
    for duplicate in (f"INSERT INTO unique_text VALUES (9, 'a', '{LONG}')", f"INSERT INTO text_key VALUES ('{LONG}')", f"INSERT INTO bytes_key VALUES ('\\x{LONG}{LONG}')"):
        with pytest.raises(psycopg2.errors.UniqueViolation):
            query(any_postgres, name, duplicate)
    assert query(any_postgres, name, "SELECT conname FROM pg_constraint WHERE contype = 'f'") == [("of_storing_fkey",)]

    manifest = read_manifest(dump)
    for phases in (("rehearsal_import", "rehearsal_verify"), ("target_import", "target_verify")):
        records = {phase: PhaseRecord(manifest.dump_id, "db:5432", "this", utc_now(), result=item) for phase, item in zip(phases, (result, verified))}
        verdict = build_report(manifest, records, "db:5432", "", "this").verdict
        assert verdict.startswith(("REHEARSED: ", "VERIFIED: ")) and verdict.endswith("; 8 findings say that something is missing: read them")

    again = import_dump(dump, any_postgres, ImportOptions())
    assert not again.changed and found_by_code(again, *codes) == expected == found_by_code(plan_import(dump, any_postgres, ImportOptions()), *codes)


def test_what_stands_in_is_verified_too(postgres17, name, tmp_path):
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), *with_long_keys(name))
    import_dump(dump, postgres17, ImportOptions())
    query(postgres17, name, "DROP INDEX unique_text_key; ALTER TABLE storing DROP CONSTRAINT storing_key CASCADE; ALTER TABLE storing ADD CONSTRAINT storing_key UNIQUE (id)")
    lines = "\n".join(verify_dump(dump, postgres17, VerifyOptions()).databases[name].objects_missing)
    assert "unique_text_key" in lines and "storing_key" in lines and "of_storing_fkey" in lines


def test_a_key_that_fits_once_the_rows_are_gone_is_made_on_the_next_run(postgres17, name, tmp_path):
    """What has no stand-in is tried again."""
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), *with_long_keys(name))
    import_dump(dump, postgres17, ImportOptions())
    query(postgres17, name, "UPDATE two_columns SET long = 'short'")
    assert found_by_code(import_dump(dump, postgres17, ImportOptions()), "key_too_long") == {("error", "key_too_long", "public.elements.elements_long")}


def test_a_row_that_no_page_holds_ends_the_import_and_names_the_table(postgres17, name, tmp_path):
    columns = [column(1, "id", INT, False), *(column(number, f"c{number}", INT) for number in range(2, 1301))]
    made = Database(100, name, [Schema(1, "public")], tables=[table(101, "wide", columns)])
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), made, {101: (["\t".join(["7"] * 1300)], None)})
    with pytest.raises(TargetError, match=r"public\.wide: row is too big: size 10\d+, maximum size 8160.*exclude the table"):
        import_dump(dump, postgres17, ImportOptions())
    findings = {item.severity: item.message for item in validate_dump(dump).findings}
    assert set(findings) == {"error"} and "needs at least 10,424 bytes" in findings["error"]


def test_the_validation_names_the_keys_that_may_be_too_long(name, tmp_path):
    """It compresses nothing: what it does not name has no key that is too long."""
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), *with_long_keys(name))
    result = validate_dump(dump, 2)
    assert result.succeeded and {(item.severity, item.code) for item in result.findings} == {("warning", "key_too_long")}
    assert {item.object.split(".", 2)[2]: item.message.split(" has ")[1].split(" bytes")[0] for item in result.findings} == {
        "one_column.one_column_long": "about 4,000", "two_columns.two_columns_long": "about 4,001", "unique_text.unique_text_key": "about 4,001",
        "partial.partial_key": "about 4,000", "storing.storing_key": "about 4,001", "elements.elements_long": "about 4,004", "text_key.text_key_pkey": "about 4,000",
        "of_text_key.of_text_key_pkey": "about 4,000", "bytes_key.bytes_key_pkey": "about 4,000", "compressed.compressed_long": "about 100,000",
        "compressed.compressed_key": "about 100,000",
    }


def test_a_value_beyond_an_existing_sequence_ends_no_import(postgres17, name, tmp_path):
    """With content: data the target's own sequence may be of a smaller type."""
    made = Database(100, name, [Schema(1, "public")], tables=[table(101, "t", [column(1, "id", INT, False)])], sequences=[Sequence(102, "s", 1, value=5 * 10**9)])
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), made, {101: (["1"], None)})
    query(postgres17, "", f"CREATE DATABASE {name}")
    query(postgres17, name, "CREATE TABLE t (id int8 PRIMARY KEY); CREATE SEQUENCE s AS integer")
    for _run in range(2):
        result = import_dump(dump, postgres17, ImportOptions(content="data"))
        assert found_by_code(result, "refused_by_postgresql") == {("error", "refused_by_postgresql", "public.s")} and "5000000001 is out of bounds" in result.findings[-1].message
    assert verify_dump(dump, postgres17, VerifyOptions(content="data")).succeeded
    query(postgres17, name, "ALTER SEQUENCE s AS bigint")
    assert not found_by_code(import_dump(dump, postgres17, ImportOptions(content="data")), "refused_by_postgresql")
    assert query(postgres17, name, "SELECT nextval('s')") == [(5000000001,)]


def test_a_key_that_is_too_long_for_an_existing_index_ends_the_import_and_names_the_index(postgres17, name, tmp_path):
    made, content = with_long_keys(name)
    made.tables = [item for item in made.tables if item.name == "unique_text"]
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), made, content)
    assert not found_by_code(import_dump(dump, postgres17, ImportOptions(content="schema")), "key_replaced")
    with pytest.raises(TargetError, match=r'index row size 40\d\d exceeds.*nothing of this chunk was loaded.*: drop the index unique_text_key, and make one on a hash'):
        import_dump(dump, postgres17, ImportOptions(content="data"))
    query(postgres17, name, "ALTER TABLE unique_text DROP CONSTRAINT unique_text_key")
    import_dump(dump, postgres17, ImportOptions(content="data"))
    assert verify_dump(dump, postgres17, VerifyOptions(content="data")).succeeded


def test_a_key_that_was_omitted_stays_so_whatever_became_of_the_table(postgres17, name, tmp_path):
    """A later run tries an omitted key again; by then the table may have another one, or rows that violate it."""
    array_key = table(101, "array_key", [column(1, "long", TEXTS, False)])
    referring = table(102, "referring", [column(1, "long", TEXTS, False)])
    referring.foreign_keys = [ForeignKey("referring_fkey", [1], 101, [1])]
    made = Database(100, name, [Schema(1, "public")], tables=[array_key, referring])
    dump = synthetic_dump.write_database(str(tmp_path / "dump"), made, {101: ([f"{{{LONG}}}", "{a}"], None), 102: (["{a}"], None)})
    omitted = {("error", "key_too_long", "public.array_key.array_key_pkey"), ("error", "foreign_key_left_out", "public.referring.referring_fkey")}
    assert found_by_code(import_dump(dump, postgres17, ImportOptions()), "key_too_long", "foreign_key_left_out") == omitted
    query(postgres17, name, "ALTER TABLE array_key ADD COLUMN id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY; INSERT INTO referring VALUES ('{b}')")
    assert {code for _severity, code, _name in found_by_code(import_dump(dump, postgres17, ImportOptions()), "refused_by_postgresql", "foreign_key_left_out")} == {
        "refused_by_postgresql", "foreign_key_left_out"}
    query(postgres17, name, "ALTER TABLE array_key DROP COLUMN id; DELETE FROM array_key; INSERT INTO array_key VALUES ('{a}')")
    result = import_dump(dump, postgres17, ImportOptions())
    assert found_by_code(result, "key_too_long") == set() and found_by_code(result, "refused_by_postgresql") == {("error", "refused_by_postgresql", "public.referring.referring_fkey")}


@pytest.mark.parametrize("kind, value, fits", [(INT, "7", 997), (TEXT, LONG, 443), (TEXT, "x" * 9, 797), (BYTES, f"\\\\x{LONG}", 443)])
def test_the_validation_names_the_very_row_that_a_server_refuses(postgres17, name, tmp_path, kind, value, fits):
    """It knows the rows whose values have these types to the byte, and names no row that the server stores."""
    columns = [column(1, "id", INT, False), *(column(number, f"c{number}", kind) for number in range(2, 1201))]
    made = Database(100, name, [Schema(1, "public")], tables=[table(101, "wide", columns)])
    for values in (fits, fits + 1):
        line = "\t".join(["1", *([value] * values), *(["\\N"] * (1199 - values))])
        dump = synthetic_dump.write_database(str(tmp_path / str(values)), made, {101: ([line], None)})
        found = [item.severity for item in validate_dump(dump).findings]
        query(postgres17, "", f"DROP DATABASE IF EXISTS {name}")
        if values == fits:
            import_dump(dump, postgres17, ImportOptions())
            assert not found
        else:
            with pytest.raises(TargetError, match="row is too big: size 81"):
                import_dump(dump, postgres17, ImportOptions())
            assert found == ["error"]
