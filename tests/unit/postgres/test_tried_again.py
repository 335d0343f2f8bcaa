# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What an import has left out for want of a role, a right, an extension or anything else is tried again by the next run, and findings are those of now."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import uuid

import pytest
import synthetic_dump
from postgres_servers import query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Check,
    DefaultPrivileges,
    Grant,
    Index,
    IndexColumn,
    Role,
    SqlType,
    View,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import to_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import (
    ImportOptions,
    plan_import,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import probe_features
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)


@dataclasses.dataclass(frozen=True)
class Names:
    """Names that no other test uses: a database and roles."""

    database: str
    owner: str
    reader: str
    importer: str


@pytest.fixture(name="names")
def _names():
    mark = uuid.uuid4().hex[:8]
    return Names(f"db_{mark}", f"app {mark}", f"reader_{mark}", f"importer_{mark}")


@pytest.fixture(name="importer")
def _importer(any_postgres, names):
    """A role that may create databases and nothing else."""
    query(any_postgres, "", f"CREATE ROLE {names.importer} LOGIN CREATEDB PASSWORD 'poor'")
    return dataclasses.replace(any_postgres, user=names.importer, password="poor")


def owned(names):
    """The schema, its tables and what will be made later belong to a role, and another one may read."""
    def change(made):
        made.owner = made.schemas[0].owner = names.owner
        made.schemas[0].grants = [Grant(names.owner, ["ALL"]), Grant(names.reader, ["USAGE"])]
        for table in made.tables[:2]:
            table.owner = names.owner
            table.grants = [Grant(names.reader, ["SELECT"])]
        made.default_privileges = [DefaultPrivileges(names.owner, "TABLES", [Grant(names.reader, ["SELECT"])])]
    return change


def findings(result, code):
    return [finding for finding in result.findings if finding.code == code]


OWNER_OF_ORDERS = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'orders'"
LOWER = "CREATE FUNCTION lower(bigint) RETURNS bigint LANGUAGE SQL IMMUTABLE AS 'SELECT -$1'"
READER_OF_ORDERS = "SELECT has_table_privilege('{}', 'public.orders', 'SELECT')"


def test_owners_that_the_role_may_not_set_end_no_import(any_postgres, importer, names, tmp_path):
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}')
    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=owned(names))
    first = import_dump(dump, importer, ImportOptions())
    wanting = findings(first, "right_not_set")
    assert [finding.object for finding in wanting] == [names.owner], first.findings
    assert f"{names.database}.public.orders" in wanting[0].message and wanting[0].severity == "warning"
    command, rest = wanting[0].advice.split(";", 1)
    assert command == f'GRANT "{names.owner}" TO "{names.importer}"' and "run again" in rest
    verified = verify_dump(dump, importer, VerifyOptions())
    assert verified.succeeded, verified
    assert query(any_postgres, names.database, READER_OF_ORDERS.format(names.reader)) == [(True,)]

    again = import_dump(dump, importer, ImportOptions())
    assert not again.changed and findings(again, "right_not_set") == wanting and findings(plan_import(dump, importer, ImportOptions()), "right_not_set") == wanting

    query(any_postgres, "", command)
    mended = import_dump(dump, importer, ImportOptions())
    assert mended.changed and not findings(mended, "right_not_set"), mended.findings
    assert query(any_postgres, names.database, OWNER_OF_ORDERS) == [(names.owner,)]
    verified = verify_dump(dump, importer, VerifyOptions())
    assert verified.succeeded, verified
    assert not import_dump(dump, importer, ImportOptions()).changed


def test_a_role_with_the_membership_sets_owners_at_once(any_postgres, importer, names, tmp_path):
    """Who is to own a table has to be allowed to create in its schema: the schema's privileges come first."""
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}; GRANT "{names.owner}" TO {names.importer}')

    def change(made):
        owned(names)(made)
        made.owner = made.schemas[0].owner = ""

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    assert not findings(import_dump(dump, importer, ImportOptions()), "right_not_set")
    assert query(any_postgres, names.database, OWNER_OF_ORDERS) == [(names.owner,)]
    verified = verify_dump(dump, importer, VerifyOptions())
    assert verified.succeeded, verified


def test_a_grant_that_says_nothing_but_a_warning_is_noticed(any_postgres, importer, names, tmp_path):
    """In a database of somebody else GRANT … ON DATABASE does nothing, and is no error."""
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}; ALTER ROLE {names.importer} NOCREATEDB')
    query(any_postgres, "", f"CREATE DATABASE {names.database} TEMPLATE template0 ENCODING 'UTF8'")
    query(any_postgres, "", f"GRANT CREATE ON DATABASE {names.database} TO {names.importer}")
    query(any_postgres, names.database, f"GRANT CREATE, USAGE ON SCHEMA public TO {names.importer}")

    def change(made):
        made.grants = [Grant(names.reader, ["CREATE"])]

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    first = import_dump(dump, importer, ImportOptions())
    assert [finding.object for finding in findings(first, "right_not_set")] == [f"{names.database}.{names.database}"], first.findings
    verified = verify_dump(dump, importer, VerifyOptions())
    assert verified.succeeded, verified
    query(any_postgres, "", f"ALTER DATABASE {names.database} OWNER TO {names.importer}")
    mended = import_dump(dump, importer, ImportOptions())
    assert mended.changed and not findings(mended, "right_not_set"), mended.findings
    assert query(any_postgres, "", f"SELECT has_database_privilege('{names.reader}', '{names.database}', 'CREATE')") == [(True,)]


def test_grants_that_are_skipped_are_a_finding_whose_advice_works(any_postgres, names, tmp_path):
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}')
    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=owned(names))
    skipped = findings(import_dump(dump, any_postgres, ImportOptions(grants="skip")), "grants_skipped")
    assert [(finding.object, finding.severity) for finding in skipped] == [(names.database, "warning")]
    assert "Set grants to existing or create and run again" in skipped[0].advice
    assert query(any_postgres, names.database, OWNER_OF_ORDERS) == [(any_postgres.user,)]
    assert verify_dump(dump, any_postgres, VerifyOptions(grants="skip")).succeeded
    set_now = import_dump(dump, any_postgres, ImportOptions())
    assert set_now.changed and not findings(set_now, "grants_skipped")
    assert query(any_postgres, names.database, OWNER_OF_ORDERS) == [(names.owner,)]
    assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_roles_that_are_made_later(any_postgres, names, tmp_path):
    """Also after grants: skip, which is a finding."""
    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=owned(names))
    skipped = import_dump(dump, any_postgres, ImportOptions(grants="skip"))
    assert len(findings(skipped, "grants_skipped")) == 1 and not findings(skipped, "role_missing")
    first = import_dump(dump, any_postgres, ImportOptions())
    assert {finding.object for finding in findings(first, "role_missing")} == {names.owner, names.reader} and not findings(first, "grants_skipped")
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}')
    mended = import_dump(dump, any_postgres, ImportOptions())
    assert mended.changed and not findings(mended, "role_missing")
    assert query(any_postgres, names.database, OWNER_OF_ORDERS) == [(names.owner,)]
    assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_what_a_role_lacks_is_said_as_long_as_it_lacks_it(any_postgres, names, tmp_path):
    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database)
    role = Role(names.reader, login=True, options=["VIEWACTIVITY"], member_of=["admin"], password_kind="bcrypt")
    pathlib.Path(dump, "roles.json").write_text(json.dumps(to_json([role])), encoding="utf-8")

    def said() -> list[str]:
        result = import_dump(dump, any_postgres, ImportOptions(grants="create"))
        return sorted(finding.code for finding in result.findings if finding.object == names.reader)

    assert said() == said() == ["admin_membership", "role_option", "role_without_login"]
    query(any_postgres, "", f"ALTER ROLE {names.reader} LOGIN PASSWORD 'given by hand'")
    assert said() == ["admin_membership", "role_option"]


def test_a_command_whose_cause_is_gone(any_postgres, names, tmp_path):
    def change(made):
        columns = [synthetic_dump.column(1, "id", synthetic_dump.INT)]
        made.views = [
            View(301, "refused", 1, "SELECT lower(id) AS id FROM orders", columns, comment="with a comment"),
            View(303, "on_refused", 1, "SELECT id FROM refused", columns, depends_on=[301]),
        ]

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    first = import_dump(dump, any_postgres, ImportOptions())
    assert len(findings(first, "refused_by_postgresql")) == 3
    finished = query(any_postgres, names.database, "SELECT max(finished_at) FROM cockroach_migrator.ledger")
    again = import_dump(dump, any_postgres, ImportOptions())
    assert not again.changed and findings(again, "refused_by_postgresql") == findings(first, "refused_by_postgresql")
    assert query(any_postgres, names.database, "SELECT max(finished_at) FROM cockroach_migrator.ledger") == finished
    query(any_postgres, names.database, LOWER)
    mended = import_dump(dump, any_postgres, ImportOptions())
    assert mended.changed and mended.databases[names.database].statements == 3 and not findings(mended, "refused_by_postgresql")
    assert query(any_postgres, names.database, "SELECT count(*) FROM on_refused") == [(600,)]
    assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded
    query(any_postgres, names.database, "DROP VIEW on_refused")
    assert not verify_dump(dump, any_postgres, VerifyOptions()).succeeded


def test_what_was_written_by_hand_ends_no_later_run(any_postgres, names, tmp_path):
    def change(made):
        columns = [synthetic_dump.column(1, "id", synthetic_dump.INT)]
        made.views = [View(301, "refused", 1, "SELECT lower(id) AS id FROM orders", columns), View(302, "still_refused", 1, "SELECT upper(id) AS id FROM orders", columns)]

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    assert len(findings(import_dump(dump, any_postgres, ImportOptions()), "refused_by_postgresql")) == 2
    query(any_postgres, names.database, f"{LOWER}; CREATE VIEW refused AS SELECT lower(id::text) AS id FROM orders")
    for _run in range(2):
        again = import_dump(dump, any_postgres, ImportOptions())
        assert not again.changed
        assert [finding.object for finding in findings(again, "refused_by_postgresql")] == [f"{names.database}.public.still_refused"]
        assert [(finding.object, finding.severity) for finding in findings(again, "written_by_hand")] == [(f"{names.database}.public.refused", "info")]
        assert verify_dump(dump, any_postgres, VerifyOptions()).succeeded
    query(any_postgres, names.database, "DROP VIEW refused")
    mended = import_dump(dump, any_postgres, ImportOptions())
    assert mended.changed and not findings(mended, "written_by_hand")


def test_what_only_an_owner_may_say_of_a_database_ends_no_import(any_postgres, importer, names, tmp_path):
    """The database and its schema public are there and others', and the role may create in both."""
    query(any_postgres, "", f"CREATE DATABASE {names.database} TEMPLATE template0 ENCODING 'UTF8'")
    query(any_postgres, names.database, f"GRANT CREATE ON DATABASE {names.database} TO {names.importer}; GRANT CREATE ON SCHEMA public TO {names.importer}")

    def change(made):
        made.comment, made.schemas[0].comment, made.settings = "all of it", "what everybody sees", ["timezone=UTC"]

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    first = import_dump(dump, importer, ImportOptions())
    wanting = findings(first, "right_not_set")
    assert {finding.object for finding in wanting} == {f"{names.database}.{name}" for name in (names.database, "public", "timezone")}, first.findings
    assert all("must be owner of" in finding.message and "run again" in finding.advice for finding in wanting)
    assert verify_dump(dump, importer, VerifyOptions()).succeeded
    query(any_postgres, "", f"ALTER DATABASE {names.database} OWNER TO {names.importer}")
    mended = import_dump(dump, importer, ImportOptions())
    assert mended.changed and not findings(mended, "right_not_set"), mended.findings
    assert verify_dump(dump, importer, VerifyOptions()).succeeded


def test_what_the_role_may_not_make_any_more_stays_left_out(any_postgres, importer, names, tmp_path):
    """The table belongs to another role by now."""
    query(any_postgres, "", f'CREATE ROLE "{names.owner}"; CREATE ROLE {names.reader}; GRANT "{names.owner}" TO {names.importer}')

    def change(made):
        owned(names)(made)
        made.owner = made.schemas[0].owner = ""
        made.tables[0].checks.append(Check("refused", "lower(id) = 1", [1]))

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    assert len(findings(import_dump(dump, importer, ImportOptions()), "refused_by_postgresql")) == 1
    query(any_postgres, "", f'REVOKE "{names.owner}" FROM {names.importer}')
    again = import_dump(dump, importer, ImportOptions())
    assert not again.changed and len(findings(again, "right_not_set")) == 1, again.findings


def without(monkeypatch, *extensions):
    """Have a server as if its extensions were not installed on its host yet."""
    probe = probe_features.probe
    monkeypatch.setattr(probe_features, "probe", lambda connection: _without(probe(connection), extensions))


def _without(found, extensions):
    return dataclasses.replace(found, extensions=found.extensions - set(extensions))


def test_extensions_that_come_later(postgres17, names, tmp_path, monkeypatch):
    """An index that was left out for want of one is made. A table that was made without one stays, and the verification knows it."""
    def change(made):
        made.tables[6].indexes = [Index(2, "by_trigrams", kind="inverted", columns=[IndexColumn(2)], created_explicitly=True)]
        made.tables[3].columns.append(synthetic_dump.column(2, "label", SqlType("ltree", 90000)))

    dump = synthetic_dump.write(str(tmp_path / "dump"), names.database, change=change)
    with monkeypatch.context() as context:
        without(context, "pg_trgm", "ltree")
        first = import_dump(dump, postgres17, ImportOptions())
        assert verify_dump(dump, postgres17, VerifyOptions()).succeeded
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_trigrams'"
    assert query(postgres17, names.database, indexes) == [(0,)], first.findings
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded, "the verification asks for what the import could not make"
    later = import_dump(dump, postgres17, ImportOptions())
    assert later.changed and query(postgres17, names.database, indexes) == [(1,)], later.findings
    assert [finding.message for finding in findings(later, "feature_came_late")] == [
        "The server has the extension ltree now, but what was created without it stays as it is."]
    verified = verify_dump(dump, postgres17, VerifyOptions())
    assert verified.succeeded, verified
    assert not import_dump(dump, postgres17, ImportOptions()).changed
    query(postgres17, names.database, "DROP INDEX by_trigrams")
    assert not verify_dump(dump, postgres17, VerifyOptions()).succeeded
