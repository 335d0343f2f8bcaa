# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Connecting to PostgreSQL, with one error for each reason why it fails."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ..._model.findings import Finding

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import ConfigurationError, TargetError
from ..._system.masking import forms_of, mask
from .connect_params import connect_params_problems, unknown_parameter
from .connection_parameters import SYSTEM_AUTHORITIES, ConnectionParameters, protection_finding
from .libpq_environment import misleading_variables
from .refusals import explain
from .session import prepare_session

MINIMUM_VERSION = 140000


def connect(parameters: ConnectionParameters, database: str = "") -> Any:
    """Return a psycopg2 connection, to ``database`` or to the one in ``parameters``.

    Raises ConfigurationError for a parameter that libpq does not know, and TargetError that tells apart: cannot be
    reached, password or TLS refused, database missing, too old, not PostgreSQL.
    """
    wanted = replace(parameters, database=database or parameters.database)
    _require_usable(wanted)
    try:
        connection = _log_in(wanted.arguments())
    except (psycopg2.Error, UnicodeDecodeError) as error:
        # A server may repeat what it was told.
        message = mask(str(error), forms_of(wanted.secrets))
        raise TargetError(explain(message, wanted, chosen=not database)) from None
    try:
        _require_encryption(connection, wanted)
        _require_no_cockroach(connection, wanted)
        connection.autocommit = True
        prepare_session(connection, wanted.place)
        _require_postgresql(connection, wanted)
        connection.autocommit = False
    except TargetError:
        connection.close()
        raise
    except psycopg2.Error as error:
        connection.close()
        raise TargetError(
            f"PostgreSQL at {wanted.place} does not take the session's settings: {postgres_message(error)}"
        ) from None
    return connection


def _log_in(arguments: dict[str, Any]) -> Any:
    """Return a connection whose texts may have backslashes: psycopg2 looks only while it connects how they are quoted,
    so that a SET would come too late."""
    connection = psycopg2.connect(**arguments)
    if connection.info.parameter_status("standard_conforming_strings") != "off":
        return connection
    options = f"{connection.info.options} -c standard_conforming_strings=on"
    connection.close()
    return psycopg2.connect(**{**arguments, "options": options})


def connection_findings(connection: Any, parameters: ConnectionParameters) -> list[Finding]:
    """Return the findings about how this connection is protected."""
    finding = protection_finding(
        parameters, connection.info.dsn_parameters.get("sslmode", ""), connection.info.ssl_in_use
    )
    return [finding] if finding else []


def _require_usable(wanted: ConnectionParameters) -> None:
    """Raise ConfigurationError for unknown parameters and missing files: libpq connects without a client certificate
    that it does not find."""
    problems = connect_params_problems(wanted.connect_params)
    for name in wanted.connect_params:
        try:
            psycopg2.extensions.parse_dsn(psycopg2.extensions.make_dsn(**{name: "0"}))
        except psycopg2.ProgrammingError:
            problems.append(unknown_parameter(name))
    if problems:
        raise ConfigurationError(f"postgres_connect_params (connect_params): {'; '.join(problems)}")
    if misleading := misleading_variables(wanted.connect_params):
        raise ConfigurationError("; ".join(misleading))
    for name, path in (
        ("postgres_sslrootcert (ca_cert)", wanted.sslrootcert),
        ("postgres_sslcert (client_cert)", wanted.sslcert),
    ):
        if path not in ("", SYSTEM_AUTHORITIES) and not os.path.isfile(path):
            raise ConfigurationError(f"{name}: there is no file {path} on this host")


def _require_encryption(connection: Any, wanted: ConnectionParameters) -> None:
    """Raise TargetError for a connection without TLS that a service file without sslmode has led to, where the default
    is to require TLS."""
    mode = connection.info.dsn_parameters.get("sslmode", "")
    if (
        wanted.names_service
        and not wanted.sslmode
        and mode in ("allow", "prefer")
        and not (connection.info.ssl_in_use or wanted.is_local)
    ):
        raise TargetError(
            f"PostgreSQL at {wanted.place} speaks no TLS, and the service says no sslmode: set it there or in "
            "postgres_sslmode (ssl_mode); disable lets rows and password travel in the clear"
        )


def _require_no_cockroach(connection: Any, wanted: ConnectionParameters) -> None:
    if connection.info.parameter_status("crdb_version"):
        raise TargetError(f"the server at {wanted.place} is not PostgreSQL but CockroachDB")


def _require_postgresql(connection: Any, wanted: ConnectionParameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchone()[0]
    if not version.startswith("PostgreSQL"):
        raise TargetError(f"the server at {wanted.place} is not PostgreSQL but {version.split(' (')[0]}")
    if connection.server_version < MINIMUM_VERSION:
        raise TargetError(
            f"the server at {wanted.place} is {' '.join(version.split()[:2])}; PostgreSQL {MINIMUM_VERSION // 10000} "
            "or later is needed"
        )


def postgres_message(error: Any) -> str:
    """Return PostgreSQL's message of a psycopg2 error in one line: primary text, detail and hint."""
    diagnosis = error.diag
    parts = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    text = "; ".join(part for part in parts if part) or str(error)
    return " ".join(text.split())
