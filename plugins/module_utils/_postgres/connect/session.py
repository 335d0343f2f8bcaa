# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What is set at the start of every connection, whatever the role, the database, the server or libpq's environment
says: every command means the same everywhere, every value is printed the same, and nothing ends long work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

try:
    import psycopg2
    import psycopg2.errors
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import TargetError
from ..._model.names import quote

_FIRST = """
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0;
SET idle_in_transaction_session_timeout = 0; SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off; SET default_transaction_deferrable = off; SET search_path = public
"""
"""None of these commands takes a snapshot, for which a deferrable transaction may wait. Queries after them are not
ended, and the names in them mean PostgreSQL's own catalog."""

_THEN: Mapping[str, str] = {
    "transaction_timeout": "0",
    # How commands are read.
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "xmlbinary": "base64",
    "xmloption": "content",
    "timezone_abbreviations": "Default",
    "default_text_search_config": "pg_catalog.english",
    # What they do.
    "check_function_bodies": "on",
    "plpgsql.extra_errors": "none",
    "plpgsql.extra_warnings": "none",
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "exit_on_error": "off",
    "restrict_nonsystem_relation_kind": "",
    "row_security": "off",
    "gin_fuzzy_search_limit": "0",
    # How values and definitions are printed.
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    # A GRANT of what one may not give away is only a warning, and it has to be the only one.
    "client_min_messages": "warning",
    "escape_string_warning": "off",
    # Queries of the catalog would take longer to compile, or to hand to other processes, than to run, and with little
    # memory they fill temporary files.
    "jit": "off",
    "debug_parallel_query": "off",
    "force_parallel_mode": "off",
    "work_mem": "16MB",
}
"""Those of them that the server knows: some came with a later release, or with a correction of an older one.
CockroachDB's functions of text search use english."""

_SEARCH_PATH = """
SELECT pg_catalog.set_config('search_path', string_agg(DISTINCT quote_ident(nspname), ', '), false)
FROM pg_namespace WHERE nspname = 'public' OR oid IN (SELECT extnamespace FROM pg_extension) AND nspname <> 'pg_catalog'
"""
"""Types and functions of an extension are found wherever it is installed, and nothing of anybody else."""

_ORIGIN = "origin"

_HIDING: Mapping[str, str] = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "pg_stat_statements.track_utility": "off",
    "pgaudit.log": "none",
}
"""Settings with which a server keeps no text of commands."""

_SET = """
SELECT pg_catalog.set_config(wanted.name, wanted.value, false)
FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (name, value)
WHERE wanted.name LIKE 'plpgsql.%%' OR pg_catalog.current_setting(wanted.name, true) IS NOT NULL
"""


def prepare_session(connection: Any, place: str) -> None:
    """Make all settings of a connection in autocommit mode. Raises psycopg2's errors, and TargetError for a setting
    that would break an import and that the role may not change."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST)
        cursor.execute(_SET, (list(_THEN), list(_THEN.values())))
        cursor.execute(_SEARCH_PATH)
        cursor.execute("SELECT current_setting('session_replication_role'), current_user, session_user")
        role, user, login = cursor.fetchone()
        if role != _ORIGIN:
            _set_origin(cursor, f"PostgreSQL at {place}: session_replication_role of user {user} is {role}", login)


def _set_origin(cursor: Any, what: str, login: str) -> None:
    """Have triggers and foreign keys of tables that are there heeded, which only a superuser may, or a role that was
    granted it."""
    try:
        cursor.execute("SET session_replication_role = origin")
    except psycopg2.errors.InsufficientPrivilege:
        raise TargetError(
            f"{what}, which switches foreign keys and triggers off, and it may not change that: have a superuser run "
            f"ALTER ROLE {quote(login)} SET session_replication_role = origin"
        ) from None


def hide_commands(cursor: Any) -> None:
    """Have the server keep no text of the commands of this transaction in its log, as far as the role may say so: a
    preflight names the others."""
    for name, value in _HIDING.items():
        cursor.execute("SAVEPOINT hiding")
        try:
            cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
        except psycopg2.errors.InsufficientPrivilege:
            cursor.execute("ROLLBACK TO SAVEPOINT hiding")
        cursor.execute("RELEASE SAVEPOINT hiding")
