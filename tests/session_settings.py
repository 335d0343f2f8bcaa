# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Settings of a role and variables of libpq's environment, each at its worst."""
from __future__ import annotations

import contextlib
import pathlib

from postgres_servers import query

WORST = {
    # How commands are read and values are printed.
    "client_encoding": "'LATIN1'", "standard_conforming_strings": "off", "backslash_quote": "off", "escape_string_warning": "on", "array_nulls": "off",
    "transform_null_equals": "on", "DateStyle": "'SQL, DMY'", "IntervalStyle": "'iso_8601'", "TimeZone": "'Pacific/Chatham'", "extra_float_digits": "-15",
    "bytea_output": "'escape'", "quote_all_identifiers": "on", "xmloption": "document", "lc_numeric": "'C.UTF-8'", "search_path": "worst, pg_catalog",
    "default_text_search_config": "'pg_catalog.german'", "client_min_messages": "debug5",
    # How long anything may take.
    "statement_timeout": "500", "lock_timeout": "1", "idle_session_timeout": "500", "idle_in_transaction_session_timeout": "1", "transaction_timeout": "500",
    # What a transaction is, and what commands make and read.
    "default_transaction_isolation": "serializable", "default_transaction_read_only": "on", "default_transaction_deferrable": "on", "exit_on_error": "on",
    "default_tablespace": "closed", "temp_tablespaces": "closed", "default_table_access_method": "other", "default_toast_compression": "pglz",
    "check_function_bodies": "off", "row_security": "on", "restrict_nonsystem_relation_kind": "'view, foreign-table'", "plpgsql.extra_errors": "'all'",
    "gin_fuzzy_search_limit": "1", "session_preload_libraries": "'auto_explain'",
}
"""Values in SQL by the names of settings, of which a server makes those that it knows."""

ODD = {
    "xmlbinary": "hex", "timezone_abbreviations": "'India'", "lc_messages": "'C'", "lc_monetary": "'C.UTF-8'", "lc_time": "'C.UTF-8'",
    "synchronous_commit": "local", "plpgsql.extra_warnings": "'all'", "plpgsql.variable_conflict": "use_variable", "event_triggers": "off",
    "createrole_self_grant": "'set, inherit'", "synchronize_seqscans": "on", "max_parallel_maintenance_workers": "8", "work_mem": "64", "temp_file_limit": "64",
    "maintenance_work_mem": "1024", "jit": "on", "jit_above_cost": "0", "enable_seqscan": "off", "enable_tidscan": "off", "enable_sort": "off",
    "debug_parallel_query": "regress", "force_parallel_mode": "regress", "max_stack_depth": "'1MB'", "log_statement": "'all'", "log_min_messages": "debug5",
    "log_min_error_statement": "debug5", "log_min_duration_statement": "0", "log_duration": "on", "log_parameter_max_length": "-1", "log_statement_stats": "on",
    "debug_print_plan": "on", "track_activities": "off", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
}
"""Settings that make an import slower or a server's log longer at most."""


@contextlib.contextmanager
def role_settings(server, role, settings):
    """Give a role settings for a while; return those that the server knows."""
    known = {name for name, in query(server, "", "SELECT name FROM pg_settings")}
    made = {name: value for name, value in settings.items() if name in known or "." in name}
    for name, value in made.items():
        query(server, "", f"ALTER ROLE {role} SET {name} = {value}")
    try:
        yield made
    finally:
        query(server, "", f"ALTER ROLE {role} RESET ALL")


def odd_environment(directory: pathlib.Path) -> dict[str, str]:
    """Return libpq's variables for other servers and with other settings than a migration wants; a service of theirs is in ``directory``."""
    services = directory / "services"
    services.write_text("[slow]\noptions=-c lock_timeout=1 -c extra_float_digits=-15\nhost=host.invalid\nport=1\n", encoding="utf-8")
    return {
        "PGCLIENTENCODING": "SQL_ASCII", "PGTZ": "Pacific/Chatham", "PGDATESTYLE": "German", "PGGEQO": "off", "PGOPTIONS": "-c statement_timeout=500 -c search_path=",
        "PGTARGETSESSIONATTRS": "primary", "PGAPPNAME": "other", "PGDATABASE": "missing", "PGUSER": "nobody", "PGHOST": "host.invalid", "PGPORT": "1",
        "PGREQUIRESSL": "0", "PGGSSENCMODE": "disable", "PGCONNECT_TIMEOUT": "1", "PGPASSWORD": "wrong", "PGPASSFILE": str(directory / "missing"),
        "PGSERVICE": "slow", "PGSERVICEFILE": str(services), "PGLOADBALANCEHOSTS": "disable",
    }
