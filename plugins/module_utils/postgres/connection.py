# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Connecting to PostgreSQL: one way to say where, one way to say why not."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..errors import TargetError

MINIMUM_VERSION = 140000

_SESSION = """
SET client_encoding = 'UTF8'; SET client_min_messages = warning; SET standard_conforming_strings = on;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex';
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET default_transaction_read_only = off; SET row_security = off
"""
"""Values print the same everywhere, and nothing that the server or the role sets breaks off long work."""


@dataclass(frozen=True)
class ConnectionParameters:
    """Where PostgreSQL is. ``database`` is the one to connect to before the migrated databases exist."""

    host: str = "127.0.0.1"
    port: int = 5432
    user: str = "postgres"
    password: str = field(default="", repr=False)
    database: str = "postgres"
    sslmode: str = "prefer"
    sslrootcert: str = ""
    connect_timeout: int = 10

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def connect(parameters: ConnectionParameters, database: str = "") -> Any:
    """Return a psycopg2 connection, to ``database`` or to the one in ``parameters``.

    Raises TargetError that tells apart: cannot be reached, password refused, database missing, too old, not PostgreSQL.
    """
    wanted = replace(parameters, database=database or parameters.database)
    arguments = {"sslrootcert": wanted.sslrootcert} if wanted.sslrootcert else {}
    try:
        connection = psycopg2.connect(
            host=wanted.host, port=wanted.port, user=wanted.user, password=wanted.password, dbname=wanted.database, sslmode=wanted.sslmode,
            connect_timeout=wanted.connect_timeout, application_name="cockroach_migrator", keepalives_idle=60, **arguments,
        )
    except (psycopg2.Error, UnicodeDecodeError) as error:
        raise TargetError(_refusal(str(error), wanted)) from None
    try:
        _require_postgresql(connection, wanted)
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
        connection.commit()
    except TargetError:
        connection.close()
        raise
    except psycopg2.Error as error:
        connection.close()
        raise TargetError(f"PostgreSQL at {wanted.place} does not take the session's settings: {postgres_message(error)}") from None
    return connection


def _refusal(message: str, wanted: ConnectionParameters) -> str:
    """Say in one line what is wrong and what to do; ``message`` is libpq's, which never holds the password."""
    reason = "; ".join(line.strip() for line in message.splitlines() if line.strip())
    who = f"PostgreSQL at {wanted.place} refuses user {wanted.user}"
    if "password authentication failed" in message or "no password supplied" in message or "empty password" in message:
        return f"{who}: wrong or missing password ({reason})"
    if "no pg_hba.conf entry" in message:
        return f"{who}: pg_hba.conf there does not let this host in ({reason})"
    if f'database "{wanted.database}" does not exist' in message:
        return f"PostgreSQL at {wanted.place} has no database {wanted.database}"
    if "FATAL" in message:
        return f"{who}: {reason}"
    return f"PostgreSQL at {wanted.place} cannot be reached: {reason}; check host, port, firewall and whether it runs"


def _require_postgresql(connection: Any, wanted: ConnectionParameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchone()[0]
    if not version.startswith("PostgreSQL"):
        raise TargetError(f"the server at {wanted.place} is not PostgreSQL but {version.split(' (')[0]}")
    if connection.server_version < MINIMUM_VERSION:
        raise TargetError(f"the server at {wanted.place} is {' '.join(version.split()[:2])}; PostgreSQL {MINIMUM_VERSION // 10000} or later is needed")


def postgres_message(error: Any) -> str:
    """Return PostgreSQL's message of a psycopg2 error in one line: primary text, detail and hint."""
    diagnosis = error.diag
    parts = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    text = "; ".join(part for part in parts if part) or str(error)
    return " ".join(text.split())
