# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Text in an existing database that sorts by the rules of a language: everything means what it meant in CockroachDB, or a finding names it."""
from __future__ import annotations

import contextlib
import json
import shutil

import pytest
from exporting import export_backup
from playbook_runs import CHECKOUT, Run, variables
from postgres_servers import CORPUS_SERVERS, open_directory, query
from test_source_playbooks import target_variables

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import ServerFeatures
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import (
    with_order_of,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.target_database import (
    create_database,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

pytestmark = pytest.mark.needs_postgres

BACKUP = f"file://{CHECKOUT}/tests/fixtures/backups/text_order"
"""Taken by CockroachDB v22.1 from tests/fixtures/sql/text_order.sql."""
DATABASE = "text_order"
COCKROACH_ROWS = {
    "sorted": [(7, "0"), (1, "A"), (9, "B"), (2, "Z"), (3, "_"), (4, "a"), (8, "b"), (5, "z"), (10, "{"), (6, "ä")],
    "renamed": [("ä", 6), ("{", 10), ("z", 2), ("z", 5)],
    "numbered": [("0", 7), ("A", 1), ("B", 9), ("Z", 2)],
    "ends": [("0", "ä", "ä", "ä")],
    "ranked ORDER BY id": [
        (1, 3, "0"), (2, 4, "0"), (3, 7, "0"), (4, 5, "a"), (5, 6, "a"), (6, 8, "a"), (7, 10, "0"), (8, 1, "a"), (9, 9, "0"), (10, 2, "a"),
    ],
    "joined": [("0ABZ_abz{ä", ["ä", "~", "b", "a", "_", "Z", "B", "A", "0", None])],
    "differing": [(value,) for value in ("0", "A", "B", "Z", "_", "{", "Ä")],
    "united": [(value,) for value in (None, "0", "A", "B", "Z", "_", "a", "b", "z")],
    "firsts": [("beyond", "{"), ("rest", "0"), ("upper", "A")],
    "ranges": [(1,), (2,)],
    "greater": [(1, 8), (2, 6), (3, 5), (4, 4), (5, 2), (7, 9), (8, 3), (9, 7), (10, 1)],
    "above": [(5,), (6,), (8,), (10,)],
    "derived": [("upper", "Z"), ("rest", "z"), ("beyond", "ä")],
    "chosen": [(9, "0"), (6, "A"), (3, "B"), (5, "Z"), (4, "_"), (2, "Z"), (1, "A"), (7, None), (10, "{"), (8, "b")],
    "mostly": [(5, "ä")],
    "listed": [("0", "0"), ("b", "A"), ("A", "B"), ("B", "Z"), ("_", "_"), ("Z", "a"), ("_", "z"), ("z", "z"), ("ä", "ä")],
    "named": [("0",), ("A",), ("B",), ("Z",), ("_",)],
    "german": [("A",), ("ä",), ("b",)],
    "alike": [(1,), (4,)],
    "classes": [("rest",), ("upper",)],
    "tags_sorted": [(4, None), (10, []), (7, ["0"]), (8, ["A"]), (1, ["B"])],
    "kept ORDER BY class": [("beyond", "ä"), ("rest", "z"), ("upper", "Z")],
}
"""What CockroachDB v22.1 returns for the queries of these views."""
OBJECTS = ("big", "most", "shouted", "class", "ascii", "pair", "tagged", "same", "german", "parts_code", "parts_upper", "parts_other", "parts_first")
WITHOUT_ORDER = ("parts.same", "parts.german", "parts.parts_code", "named", "german", "alike")
"""Objects that compare text only for equality, by a collation of their own, or as the type name, which has the collation C."""
SORTED = {
    "parts_upper": 'code COLLATE "C" >= \'A\' AND code COLLATE "C" < \'a\'',
    "parts_code": "code > 'a' ORDER BY code",
}
"""An index and the query that uses it."""


@pytest.fixture(scope="module", name="icu")
def _icu():
    """A server whose host's PostgreSQL has ICU."""
    programs, directory = CORPUS_SERVERS["installed with PostGIS"](), open_directory()
    try:
        with temporary_server(ServerOptions(str(directory / "server"), programs)) as parameters:
            yield parameters
    finally:
        shutil.rmtree(directory)


def existing_database(parameters, locale: str = "en-US") -> None:
    """Make the database that the import finds, with a language's order."""
    query(parameters, "postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    query(
        parameters, "postgres", f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' LOCALE_PROVIDER icu "
        f"ICU_LOCALE '{locale}'",
    )
    assert query(parameters, DATABASE, "SELECT 'a' < 'B'") == [(True,)]


@pytest.mark.slow
def test_the_playbook_keeps_the_order_of_bytes(icu, work):
    existing_database(icu)
    values = {**target_variables(icu), "s3_backup_path": BACKUP, "test_postgresql_import": False}
    run = Run("migrate.yml", variables(work, **values))
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    assert {view: query(icu, DATABASE, f"SELECT * FROM {view}") for view in COCKROACH_ROWS} == COCKROACH_ROWS
    assert query(icu, DATABASE, "SELECT id, big, class FROM parts WHERE id IN (3, 4, 9) ORDER BY id") == [(3, True, "rest"), (4, False, "rest"), (9, True, "upper")]
    checks = query(icu, DATABASE, "SELECT conname FROM pg_constraint WHERE conrelid = 'parts'::regclass AND contype = 'c' AND convalidated ORDER BY 1")
    assert [name for name, in checks] == ["ascii", "german", "pair", "same", "tagged"]
    for index, condition in SORTED.items():
        plan = query(icu, DATABASE, f"SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN SELECT * FROM parts WHERE {condition}")
        assert any(f"using {index} " in line for line, in plan), plan
    report = json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))
    found = {item["code"]: item["message"] for item in report["findings"] if item["code"].startswith("text_order")}
    assert set(found) == {"text_order_kept", "text_order_of_queries"}
    assert found["text_order_of_queries"].endswith("These are: public.parts (parts_code, parts_upper, parts_other, parts_first).")
    of_table, views = found["text_order_kept"].rstrip(".").split("These are: public.parts (")[1].split("), ")
    assert set(of_table.split(", ")) == set(OBJECTS) - {name.split(".")[-1] for name in WITHOUT_ORDER}
    assert set(views.split(", ")) == {f"public.{view.split()[0]}" for view in COCKROACH_ROWS} - {f"public.{name}" for name in WITHOUT_ORDER}


def test_without_it_a_valid_row_is_refused(icu, tmp_path):
    """The choice ``database``: each object is named before the import, which stops at the first check that a language's order breaks."""
    existing_database(icu)
    export_backup(BackupRequest(locations=(BACKUP,)), tmp_path / "dump", conversion=conversion_policies({"text_order": "database"}))
    plan = plan_import(str(tmp_path / "dump"), icu, ImportOptions())
    assert "text_order_kept" not in {str(finding.code) for finding in plan.findings}
    named = {finding.object for finding in plan.findings if finding.code == "text_order"}
    everything = {f"{DATABASE}.public.{view.split()[0]}" for view in COCKROACH_ROWS} | {f"{DATABASE}.public.parts.{name}" for name in OBJECTS}
    assert named == everything - {f"{DATABASE}.public.{name}" for name in WITHOUT_ORDER}
    with pytest.raises(TargetError, match='check constraint "(ascii|pair|tagged)" of relation "parts" is violated by some row'):
        import_dump(str(tmp_path / "dump"), icu, ImportOptions())


@pytest.fixture(scope="module", name="dump")
def _dump(tmp_path_factory):
    """The backup, exported with the default choices."""
    directory = tmp_path_factory.mktemp("text_order") / "dump"
    export_backup(BackupRequest(locations=(BACKUP,)), directory)
    return str(directory)


@pytest.mark.parametrize("existing", [True, False])
def test_plain_text_where_the_database_sorts_by_bytes(icu, dump, existing):
    """Also in a database that is there already, and in one that the import makes on a server whose other databases have ICU."""
    query(icu, "postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    if existing:
        query(icu, "postgres", f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    result = import_dump(dump, icu, ImportOptions())
    assert not {str(finding.code) for finding in result.findings if finding.code.startswith("text_order")}
    assert query(icu, DATABASE, "SELECT count(*) FROM pg_constraint WHERE pg_get_constraintdef(oid) LIKE '%COLLATE \"C\"%'") == [(0,)]
    assert {view: query(icu, DATABASE, f"SELECT * FROM {view}") for view in COCKROACH_ROWS} == COCKROACH_ROWS
    assert verify_dump(dump, icu, VerifyOptions()).succeeded


def test_a_created_database_sorts_by_bytes_on_a_server_made_with_icu(icu):
    """``initdb --locale-provider=icu`` gives template0 that provider, which a new database takes if it names none."""
    query(icu, "postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    query(icu, "postgres", "UPDATE pg_database SET datlocprovider = 'i', daticulocale = 'en-US' WHERE datname = 'template0'")
    try:
        with contextlib.closing(connect(icu)) as connection:
            create_database(connection, DATABASE)
    finally:
        query(icu, "postgres", "UPDATE pg_database SET datlocprovider = 'c', daticulocale = NULL WHERE datname = 'template0'")
    assert query(icu, DATABASE, "SELECT 'a' < 'B', datlocprovider FROM pg_database WHERE datname = current_database()") == [(False, "c")]


@pytest.mark.parametrize(("provider", "collation", "by_bytes"), [
    ("c", "C", True), ("c", "POSIX", True), ("c", "C.UTF-8", True), ("c", "C.utf8", True), ("c", "en_US.UTF-8", False), ("c", "de_DE@euro", False), ("c", "", False),
    ("i", "C", False), ("i", "C.UTF-8", False), ("b", "en_US.UTF-8", True),
])
def test_what_the_catalog_says_of_a_database(icu, provider, collation, by_bytes):
    """Also of locales that this host does not have: they are written into the catalog, in a transaction that is rolled back."""
    with contextlib.closing(connect(icu)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE pg_database SET datlocprovider = %s, datcollate = %s WHERE datname = 'postgres'", (provider, collation))
        for known in (True, False):
            features = ServerFeatures(15, sorts_by_bytes=known)
            assert with_order_of(connection, "postgres", features) == ServerFeatures(15, sorts_by_bytes=by_bytes)
            assert with_order_of(connection, "not there", features) == ServerFeatures(15)
        connection.rollback()
