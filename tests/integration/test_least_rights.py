# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The blocks of SQL in docs/security.md give exactly the rights that a migration needs; without one of them the preflight names it."""
from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace

import pytest
from journey import export
from playbook_runs import CHECKOUT
from postgres_servers import bin_dir, query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import TargetError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.preflight import (
    PreflightOptions,
    check_target,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import verify_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify_options import (
    VerifyOptions,
)

PASSWORD = "rights-pass-20fd"
PAGE = CHECKOUT / "docs" / "security.md"
BLOCKS = dict(re.findall(r"```sql\n-- (.+?)\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
EMPTY_SHOP = "CREATE DATABASE shop TEMPLATE template0 ENCODING 'UTF8'"


@pytest.fixture(scope="module", name="dump")
def _dump(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rights") / "dump"
    export([f"file://{CHECKOUT}/tests/fixtures/backups/shop"], directory)
    return str(directory)


@pytest.fixture(name="strict")
def _strict(module_postgres):
    """A server on which PUBLIC may do nothing, with an administrator who is no superuser, as managed services have one."""
    for command in (
        "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC", f"CREATE ROLE administrator LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'",
        "ALTER DATABASE postgres OWNER TO administrator",
    ):
        query(module_postgres, "", command)
    yield module_postgres
    query(module_postgres, "", "DROP DATABASE IF EXISTS shop WITH (FORCE)")
    query(module_postgres, "", "ALTER DATABASE postgres OWNER TO postgres")
    for role, in query(module_postgres, "", "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres' ORDER BY rolname = 'administrator'"):
        query(module_postgres, "", f'DROP OWNED BY "{role}"')
        query(module_postgres, "", f'DROP ROLE "{role}"')


def paste(server, major: int, text: str, role: str = "migrator"):
    """Run a block in psql, as the user of the server; return the connection parameters of the role, which has got a password."""
    subprocess.run(
        [f"{bin_dir(major)}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.host, "-p", str(server.port), "-U", server.user, "postgres"],
        check=True, input=f"{text}\nALTER ROLE {role} PASSWORD '{PASSWORD}';\n", text=True, env={**os.environ, "PGPASSWORD": server.password},
    )
    return replace(server, user=role, password=PASSWORD)


def close_to_public(server) -> None:
    query(server, "", "REVOKE ALL ON DATABASE shop FROM PUBLIC")
    query(server, "shop", "REVOKE ALL ON SCHEMA public FROM PUBLIC")


def problems_without(server, login, options, taken: dict[str, tuple[str, str, str]]) -> None:
    """Take each right away, see that the preflight names it and that the import is refused before anything is made, and give it back."""
    for named, (database, take, give) in taken.items():
        query(server, database, take)
        problems = check_target(login, options).problems
        assert problems and named in "\n".join(problems), (take, problems)
        with pytest.raises(TargetError):
            import_dump(options.dump_dir, login, ImportOptions(content=options.content))
        query(server, database, give)
    assert not check_target(login, options).problems
    assert not query(server, "", "SELECT 1 FROM pg_database WHERE datname = 'shop'") or not query(
        server, "shop", "SELECT 1 FROM pg_namespace WHERE nspname = 'cockroach_migrator'")


def migrate(login, dump: str, content: str = "all"):
    """Import and verify with these rights; return the import's findings."""
    findings = import_dump(dump, login, ImportOptions(content=content)).findings
    assert verify_dump(dump, login, VerifyOptions(content=content)).succeeded
    assert not import_dump(dump, login, ImportOptions(content=content)).changed
    return findings


CONNECT = {
    'GRANT CONNECT ON DATABASE "postgres" TO "migrator"': (
        "", "REVOKE CONNECT ON DATABASE postgres FROM migrator", "GRANT CONNECT ON DATABASE postgres TO migrator"),
    "ALTER ROLE … LOGIN": ("", "ALTER ROLE migrator NOLOGIN", "ALTER ROLE migrator LOGIN"),
}
CREATEDB = {'ALTER ROLE "migrator" CREATEDB': ("", "ALTER ROLE migrator NOCREATEDB", "ALTER ROLE migrator CREATEDB")}


def on(database: str, privilege: str, thing: str, named: str = "") -> dict[str, tuple[str, str, str]]:
    """One privilege, and what the preflight says without it."""
    return {
        named or f'GRANT {privilege} ON DATABASE "shop" TO "migrator"': (
            database, f"REVOKE {privilege} ON {thing} FROM migrator", f"GRANT {privilege} ON {thing} TO migrator")
    }


OF_THE_DATABASE = {**CONNECT, **on("", "CONNECT", "DATABASE shop"), **on("", "CREATE", "DATABASE shop"), **on("", "TEMPORARY", "DATABASE shop")}


def test_new_databases(strict, major, dump):
    login = paste(strict, major, BLOCKS["New databases"])
    problems_without(strict, login, PreflightOptions(dump), {**CONNECT, **CREATEDB})
    migrate(login, dump)


def test_an_empty_database_of_somebody_else(strict, major, dump):
    query(strict, "", EMPTY_SHOP)
    close_to_public(strict)
    login = paste(strict, major, BLOCKS["An empty database of somebody else"])
    problems_without(strict, login, PreflightOptions(dump), {
        **OF_THE_DATABASE, **on("shop", "USAGE", "SCHEMA public", 'GRANT USAGE ON SCHEMA "public" TO "migrator"'),
        **on("shop", "CREATE", "SCHEMA public", 'GRANT CREATE ON SCHEMA "public" TO "migrator"'),
    })
    migrate(login, dump)


def test_tables_of_somebody_else(strict, major, dump):
    import_dump(dump, strict, ImportOptions(content="schema", grants="skip"))
    query(strict, "shop", "DROP SCHEMA cockroach_migrator CASCADE")
    close_to_public(strict)
    login = paste(strict, major, BLOCKS["Tables of somebody else"])
    tables, sequences = 'ALL TABLES IN SCHEMA public, billing, "Mixed Case"', 'ALL SEQUENCES IN SCHEMA public, billing, "Mixed Case"'
    problems_without(strict, login, PreflightOptions(dump, content="data"), {
        **OF_THE_DATABASE, **on("shop", "USAGE", "SCHEMA billing", 'GRANT USAGE ON SCHEMA "billing" TO "migrator"'),
        **on("shop", "INSERT", tables, 'GRANT SELECT, INSERT ON "Mixed Case"."Order", billing.'), **on("shop", "UPDATE", sequences, "GRANT SELECT, UPDATE ON SEQUENCE "),
        "ALTER ROLE \"migrator\" BYPASSRLS": ("shop", "ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY", "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY"),
    })
    problems_without(strict, login, PreflightOptions(dump, content="data"), on("shop", "SELECT", tables, 'GRANT SELECT, INSERT ON "Mixed Case"."Order", billing.'))
    problems_without(strict, login, PreflightOptions(dump, content="data"), on("shop", "SELECT", sequences, "GRANT SELECT, UPDATE ON SEQUENCE "))
    migrate(login, dump, "data")


def test_a_managed_service_and_a_verification(strict, major, dump):
    """A stand-in: the administrator has CREATEDB and CREATEROLE, and is no superuser."""
    administrator = replace(strict, user="administrator", password=PASSWORD)
    login = paste(administrator, major, BLOCKS["A managed service"])
    problems_without(strict, login, PreflightOptions(dump), {**CONNECT, **CREATEDB})
    migrate(login, dump)
    close_to_public(strict)
    auditor = paste(strict, major, BLOCKS["A verification"], "auditor")
    # The sample grants PUBLIC some of what it has lost here.
    options = VerifyOptions(grants="skip")
    assert verify_dump(dump, auditor, options).succeeded
    for take, give in (
        ("REVOKE TEMPORARY ON DATABASE shop FROM auditor", "GRANT TEMPORARY ON DATABASE shop TO auditor"),
        ("REVOKE CONNECT ON DATABASE shop FROM auditor", "GRANT CONNECT ON DATABASE shop TO auditor"), ("REVOKE pg_read_all_data FROM auditor", ""),
    ):
        query(strict, "", take)
        with pytest.raises(TargetError):
            verify_dump(dump, auditor, options)
        if give:
            query(strict, "", give)
