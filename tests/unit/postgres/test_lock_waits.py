# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Locks that others hold on the target: who holds them is said while a phase waits, and where it gives up."""
from __future__ import annotations

import contextlib
import re
import uuid
from dataclasses import replace

import pytest
import synthetic_dump
from postgres_servers import query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres import preflight
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target import target_watch
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.load_limits import LoadLimits
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.target_watch import (
    LockWaitError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import verify_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_options import (
    VerifyOptions,
)

PASSWORD = "waiting-pass-90aa"
LIMITED = LoadLimits(lock_wait=1)
HELD = (
    r"the session \d+ of this run in the database locked_\w+ has waited \d+ s for a lock \(\w+\) on {what}, held by process {pid} "
    r"\(user postgres, application psql, idle in transaction, in a transaction since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ, last command {kind}\)"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(target_watch, "SECONDS_UNTIL_TOLD", 0.3)
    monkeypatch.setattr(target_watch, "SECONDS_BETWEEN_LINES", 0.5)


@pytest.fixture(name="name")
def _name():
    return f"locked_{uuid.uuid4().hex[:8]}"


@pytest.fixture(name="dump")
def _dump(tmp_path, name):
    return synthetic_dump.write(str(tmp_path / "dump"), name)


@pytest.fixture(name="with_schema")
def _with_schema(postgres17, dump):
    """The target has the dump's tables without rows."""
    import_dump(dump, postgres17, ImportOptions(content="schema"))


@contextlib.contextmanager
def holding(parameters, database: str, command: str):
    """A session of somebody else that has run a command and does not end its transaction; gives its process and what ends it."""
    other = connect(replace(parameters, connect_params={"application_name": "psql"}), database)
    with contextlib.closing(other), other.cursor() as cursor:
        cursor.execute(command)
        yield other.info.backend_pid, other.rollback


def told_until_released(release, work) -> list[str]:
    """Run work, and release the lock when two lines were told; return the lines."""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            release()

    work(tell)
    return lines


SECRET = "SELECT 'a secret of somebody'; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"


@pytest.mark.usefixtures("with_schema")
def test_rows_for_a_table_that_somebody_has_locked(postgres17, dump, name):
    """The preflight names the holder, and so does the import while it waits, and where it gives up; it goes on as soon as the lock is gone."""
    options = ImportOptions(content="data")
    with holding(postgres17, name, SECRET) as (pid, release):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(preflight, "_LOCK_WAIT", 1)
            (problem,) = preflight.check_target(postgres17, preflight.PreflightOptions(dump, content="data")).problems
        expected = HELD.format(what=r"public\.orders", pid=pid, kind="SELECT")
        assert re.search(expected + r", which is longer than lock_wait \(1 s\) allows: end that session, or raise lock_wait", problem)
        lines = told_until_released(release, lambda tell: import_dump(dump, postgres17, options, tell=tell))
    assert all(re.fullmatch(expected, line) for line in lines), lines
    with holding(postgres17, name, SECRET) as (pid, _release), pytest.raises(LockWaitError, match=HELD.format(what=r"public\.orders", pid=pid, kind="SELECT")) as error:
        verify_dump(dump, postgres17, VerifyOptions(content="data", limits=LIMITED))
    assert "secret" not in str(error.value) + "".join(lines)
    with holding(postgres17, name, SECRET) as (_pid, release):
        assert len(told_until_released(release, lambda tell: verify_dump(dump, postgres17, VerifyOptions(content="data"), tell=tell))) >= 2
    assert verify_dump(dump, postgres17, VerifyOptions(content="data")).succeeded


@pytest.mark.usefixtures("with_schema")
def test_an_import_that_gives_up_resumes(postgres17, dump, name):
    options = ImportOptions(content="data", limits=LIMITED)
    with holding(postgres17, name, "LOCK TABLE lines IN SHARE MODE") as (pid, _release), pytest.raises(LockWaitError, match=rf"public\.lines, held by process {pid}"):
        import_dump(dump, postgres17, options)
    assert import_dump(dump, postgres17, options).changed
    assert verify_dump(dump, postgres17, VerifyOptions(content="data")).succeeded


def test_commands_of_the_schema_in_a_database_that_is_there(postgres17, dump, name):
    """Somebody makes the same thing and has not committed; sessions in template1 are in nobody's way."""
    query(postgres17, "", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    with contextlib.closing(connect(postgres17, "template1")), holding(postgres17, name, "CREATE SCHEMA cockroach_migrator") as (pid, release):
        expected = HELD.format(what="transactionid", pid=pid, kind="CREATE")
        with pytest.raises(LockWaitError, match=expected):
            import_dump(dump, postgres17, ImportOptions(limits=LIMITED))
        lines = told_until_released(release, lambda tell: import_dump(dump, postgres17, ImportOptions(), tell=tell))
    assert all(re.fullmatch(expected, line) for line in lines), lines
    assert verify_dump(dump, postgres17, VerifyOptions()).succeeded


@pytest.mark.usefixtures("with_schema")
def test_what_a_role_without_rights_sees_of_the_holder(postgres17, dump, name):
    role = f"role_{name}"
    query(postgres17, "", f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    query(postgres17, name, f"ALTER TABLE orders OWNER TO {role}; GRANT USAGE, CREATE ON SCHEMA public TO {role}")
    login = replace(postgres17, user=role, password=PASSWORD)
    with holding(postgres17, name, SECRET) as (pid, _release), contextlib.closing(connect(login, name)) as waiting, waiting.cursor() as cursor, pytest.raises(
            LockWaitError, match=rf"held by process {pid} \(user postgres, application psql\), which") as error, target_watch.TargetWatch(
            login, [name], LIMITED, lambda line: None):
        cursor.execute("SELECT FROM orders")
    assert "secret" not in str(error.value)
    query(postgres17, name, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}")
    query(postgres17, "", f"DROP ROLE {role}")


@pytest.mark.usefixtures("with_schema")
def test_a_command_that_takes_too_long(postgres17, dump, name):
    query(postgres17, name, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$")
    query(postgres17, name, "CREATE TRIGGER slow BEFORE INSERT ON lines FOR EACH ROW EXECUTE FUNCTION slow()")
    with pytest.raises(TargetError, match=r"public\.lines: canceling statement due to statement timeout"):
        import_dump(dump, postgres17, ImportOptions(content="data", limits=LoadLimits(statement_time_limit=1)))
    query(postgres17, name, "DROP TRIGGER slow ON lines")
    import_dump(dump, postgres17, ImportOptions(content="data", limits=LoadLimits(statement_time_limit=60)))
    assert verify_dump(dump, postgres17, VerifyOptions(content="data", limits=LoadLimits(statement_time_limit=60))).succeeded
