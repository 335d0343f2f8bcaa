# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The statements of RESTORE and SHOW BACKUP in the grammar of each release."""
from __future__ import annotations

import pytest
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.backup_contents import (
    CLUSTER,
    DATABASES,
    TABLES,
    Plan,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore_statement import (
    BackupAddress,
    Unlocking,
    require_grammar,
    restore_statements,
    show_backup,
    show_schemas,
)

COLLECTION = BackupAddress(("s3://b/c?AUTH=implicit",), "/2024/02/29-123456.78")
CHAIN = BackupAddress(("nodelocal://1/0", "nodelocal://1/1"))
SINGLE = BackupAddress(("nodelocal://1/0",))
PLAIN = Unlocking()


def text(part):
    """Return a statement's text, without the connection that psycopg2 wants for its own quoting."""
    if isinstance(part, sql.Composed):
        return "".join(map(text, part.seq))
    if isinstance(part, sql.Identifier):
        return ".".join('"' + name.replace('"', '""') + '"' for name in part.strings)
    return "'" + part.wrapped.replace("'", "''") + "'" if isinstance(part, sql.Literal) else part.string


def restored(plan, address, server, unlocking=PLAIN, skips=(), as_of=""):
    return [text(statement) for _name, statement in restore_statements(plan, address, unlocking, skips, as_of, server)]


def test_whole_cluster_databases_and_tables():
    place = "FROM '/2024/02/29-123456.78' IN 's3://b/c?AUTH=implicit'"
    assert restored(Plan(CLUSTER, ("shop",)), COLLECTION, (24, 3)) == [f"RESTORE {place} WITH detached"]
    assert restored(Plan(DATABASES, ("shop", 'O"dd')), COLLECTION, (21, 1)) == [f'RESTORE DATABASE "shop", "O""dd" {place} WITH detached']
    both = Plan(TABLES, ("shop",), (("d", "public", "t"), ("d", "s", "u.v")))
    assert restored(both, COLLECTION, (22, 1)) == [
        f'RESTORE DATABASE "shop" {place} WITH detached', f'RESTORE TABLE "d"."public"."t", "d"."s"."u.v" {place} WITH detached',
    ]
    assert (both.created, both.names) == (("d",), ("shop", "d"))


def test_options_stand_in_a_fixed_order():
    (statement,) = restored(
        Plan(DATABASES, ("d",)), COLLECTION, (24, 1), Unlocking("it's secret"), ("skip_missing_views", "skip_missing_foreign_keys"), "1617804688787413000.0000000000")
    assert statement.endswith(
        " AS OF SYSTEM TIME '1617804688787413000.0000000000' WITH encryption_passphrase = 'it''s secret', skip_missing_foreign_keys, skip_missing_views, detached")
    (statement,) = restored(Plan(DATABASES, ("d",)), COLLECTION, (24, 1), Unlocking(kms_uris=("aws:///a", "aws:///b")))
    assert statement.endswith(" WITH kms = ('aws:///a', 'aws:///b'), detached")
    elsewhere = BackupAddress(("s3://b/c", "s3://east/c"), "/x", ("s3://b/inc",))
    (statement,) = restored(Plan(DATABASES, ("d",)), elsewhere, (22, 1))
    assert statement == "RESTORE DATABASE \"d\" FROM '/x' IN ('s3://b/c', 's3://east/c') WITH incremental_location = 's3://b/inc', detached"


def test_bare_directories():
    plan = Plan(DATABASES, ("d",))
    assert restored(plan, CHAIN, (24, 2)) == ["RESTORE DATABASE \"d\" FROM 'nodelocal://1/0', 'nodelocal://1/1' WITH detached"]
    assert restored(plan, SINGLE, (24, 3)) == ["RESTORE DATABASE \"d\" FROM '/' IN 'nodelocal://1/0' WITH detached"]
    assert text(show_backup(CHAIN, PLAIN, (23, 1))) == "SHOW BACKUP 'nodelocal://1/1'"
    assert text(show_backup(SINGLE, PLAIN, (24, 3))) == "SHOW BACKUP FROM '/' IN 'nodelocal://1/0'"
    assert text(show_backup(CHAIN, Unlocking("word"), (22, 1))) == (
        "SHOW BACKUP 'nodelocal://1/1' WITH encryption_passphrase = 'word', encryption_info_dir = 'nodelocal://1/0'")


def test_looking_into_a_collection():
    place = "'/2024/02/29-123456.78' IN 's3://b/c?AUTH=implicit'"
    assert text(show_backup(COLLECTION, PLAIN, (22, 1))) == f"SHOW BACKUP {place}"
    assert text(show_backup(COLLECTION, PLAIN, (22, 2))) == f"SHOW BACKUP FROM {place}"
    assert text(show_schemas(COLLECTION, PLAIN, (25, 2))) == f"SHOW BACKUP SCHEMAS FROM {place}"
    assert text(show_schemas(COLLECTION, PLAIN, (22, 1))) == "SHOW BACKUP SCHEMAS 's3://b/c/2024/02/29-123456.78?AUTH=implicit'"


@pytest.mark.parametrize(("address", "server", "problem"), [
    (CHAIN, (24, 3), "removed in v24.3"), (COLLECTION, (20, 1), "no detached RESTORE"),
    (BackupAddress(("s3://b/c",), "/x", ("s3://b/i",)), (21, 2), "no incremental_location"),
])
def test_what_a_release_cannot_do_is_said(address, server, problem):
    with pytest.raises(ConfigurationError, match=problem):
        require_grammar(address, server)


def test_addresses_and_keys_stay_out_of_tracebacks():
    assert "AUTH" not in repr(COLLECTION)
    assert "secret" not in repr(Unlocking("secret", ("aws:///secret",)))
