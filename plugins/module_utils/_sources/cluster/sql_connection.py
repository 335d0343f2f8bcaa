# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Connecting to a CockroachDB: its parameters, and one error for each reason why it fails."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import CockroachError, ConfigurationError
from ..._system.masking import forms_of, mask
from ..._system.time_limit import TimeLimitError, within
from .answering_cursor import answering_cursor
from .releases import ROW_LEVEL_SECURITY_SINCE, UNSAFE_INTERNALS_SINCE, release_of


class UnreachableError(CockroachError):
    """The server does not answer, or the connection was lost: another attempt may succeed."""


_SESSION = (
    "SET TimeZone = 'UTC'",
    "SET extra_float_digits = 3",
    "SET bytea_output = 'hex'",
    "SET statement_timeout = 0",
)
"""They make values print the same everywhere."""
_LATER_SESSION = (
    # An error where a policy would hide rows, instead of fewer rows.
    (ROW_LEVEL_SECURITY_SINCE, "SET row_security = off"),
    # The schema is read from system.descriptor. CockroachDB audits what is read so.
    (UNSAFE_INTERNALS_SINCE, "SET allow_unsafe_internals = on"),
)
"""Settings by the release that they came with."""
_UNKNOWN_VARIABLE, _NOT_ALLOWED = "42704", "42501"

CLOSED_INTERNALS = "Access to crdb_internal and system is restricted"
"""What CockroachDB says (with the code 42501) where allow_unsafe_internals is off:
pkg/sql/unsafesql/unsafesql_test.go."""
_ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6, "tcp_user_timeout": 120_000}
"""libpq's parameters, with which a connection that was dropped without a word is noticed after two minutes, instead of
never while an answer is waited for."""
_LONGEST_BEGINNING = 60
"""Seconds from the connection to a session that can be used."""
_NO_TLS = "server does not support SSL"
"""libpq's words."""


@dataclass(frozen=True)
class CockroachParameters:
    """Where CockroachDB is. ``sslcert`` and ``sslkey`` are files of a client certificate."""

    host: str = "127.0.0.1"
    port: int = 26257
    user: str = "root"
    password: str = field(default="", repr=False)
    database: str = "defaultdb"
    sslmode: str = "disable"
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""
    connect_timeout: int = 10
    answer_timeout: float = 3600.0
    """Seconds that a statement waits for an answer, or for more of it."""

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


_URL_PARAMETERS = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "dbname": "database",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
}
_URL_PARAMETERS_IGNORED = frozenset(("application_name", "connect_timeout"))


def parameters_of_url(url: str) -> CockroachParameters:
    """Read a ``postgresql://`` URL as CockroachDB itself prints it. Raises ConfigurationError, which never shows the
    URL."""
    try:
        parts = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise ConfigurationError(
            "the CockroachDB URL cannot be read: it has to look like "
            "postgresql://user@host:26257/defaultdb?sslmode=verify-full"
        ) from None
    unknown = sorted(set(parts) - set(_URL_PARAMETERS) - _URL_PARAMETERS_IGNORED)
    if unknown:
        raise ConfigurationError(f"the CockroachDB URL has parameters that are not known here: {', '.join(unknown)}")
    given: dict[str, Any] = {_URL_PARAMETERS[name]: value for name, value in parts.items() if name in _URL_PARAMETERS}
    given.setdefault("sslmode", "verify-full")
    if "port" in given:
        given["port"] = int(given["port"])
    return CockroachParameters(**given)


def files_of_certs_dir(certs_dir: str, user: str) -> dict[str, str]:
    """Return ``sslrootcert``, and where the user has a client certificate ``sslcert`` and ``sslkey``, by CockroachDB's
    names of files.

    Raises ConfigurationError when ca.crt is missing.
    """
    authority, certificate, key = (
        os.path.join(certs_dir, name) for name in ("ca.crt", f"client.{user}.crt", f"client.{user}.key")
    )
    if not os.path.isfile(authority):
        raise ConfigurationError(
            f"certs_dir {certs_dir} holds no ca.crt: name the directory with CockroachDB's certificates"
        )
    return {
        "sslrootcert": authority,
        **({"sslcert": certificate, "sslkey": key} if os.path.isfile(certificate) else {}),
    }


def connect(parameters: CockroachParameters, database: str = "") -> Any:
    """Return a psycopg2 connection in autocommit mode, to ``database`` or to the one in ``parameters``.

    Raises CockroachError that tells apart: cannot be reached, does not answer, login refused, not CockroachDB.
    """
    try:
        return within(parameters.connect_timeout + _LONGEST_BEGINNING, lambda: _connect(parameters, database))
    except TimeLimitError:
        raise UnreachableError(
            f"CockroachDB at {parameters.place} takes connections and does not answer: look into its log, and whether "
            "a majority of its nodes runs"
        ) from None


def _connect(parameters: CockroachParameters, database: str) -> Any:
    files = {
        name: getattr(parameters, name) for name in ("sslrootcert", "sslcert", "sslkey") if getattr(parameters, name)
    }
    try:
        connection = psycopg2.connect(
            host=parameters.host,
            port=parameters.port,
            user=parameters.user,
            password=parameters.password,
            dbname=database or parameters.database,
            sslmode=parameters.sslmode,
            connect_timeout=parameters.connect_timeout,
            application_name="cockroach_migrator",
            # libpq's environment may be meant for another server.
            hostaddr="",
            options="",
            target_session_attrs="any",
            client_encoding="UTF8",
            cursor_factory=answering_cursor(parameters.place, parameters.answer_timeout),
            **_ALIVE,
            **files,
        )
    except (psycopg2.Error, UnicodeDecodeError) as error:
        # A server may repeat what it was told.
        raise _refusal(mask(str(error), forms_of([parameters.password])), parameters) from None
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            version = cursor.fetchone()[0]
            if not version.startswith("CockroachDB"):
                raise CockroachError(
                    f"the server at {parameters.place} is not CockroachDB but {version.split(' (')[0]}"
                )
            for statement in _SESSION:
                cursor.execute(statement)
            _set_later(cursor, version)
    except psycopg2.Error as error:
        connection.close()
        if is_lost(error):
            raise UnreachableError(
                f"CockroachDB at {parameters.place} ended the connection: {cockroach_message(error)}"
            ) from None
        raise CockroachError(
            f"CockroachDB at {parameters.place} does not take the session's settings: {cockroach_message(error)}"
        ) from None
    except CockroachError:
        connection.close()
        raise
    return connection


def _set_later(cursor: Any, version: str) -> None:
    """Make the settings that the release knows. One that a build of it does not know, or does not leave to this user,
    keeps the server's value."""
    release = release_of(_release_text(version))
    for since, statement in _LATER_SESSION:
        if release >= since:
            try:
                cursor.execute(statement)
            except psycopg2.Error as error:
                if error.pgcode not in (_UNKNOWN_VARIABLE, _NOT_ALLOWED):
                    raise


def server_version(connection: Any) -> str:
    """Return the server's release, such as ``v22.1.0-alpha.1``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        return _release_text(cursor.fetchone()[0])


def _release_text(text: str) -> str:
    match = re.search(r"\bv\d+\.\d+\S*", text)
    if match is None:
        raise CockroachError(f"the server's version cannot be read: {text}")
    return match.group()


def is_lost(error: Any) -> bool:
    """Tell whether a psycopg2 error means that the connection is gone."""
    code = error.pgcode or ""
    return (
        code in ("57P01", "57P03")
        or code.startswith("08")
        or not code
        and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    )


def are_internals_closed(error: Any) -> bool:
    """Tell whether a psycopg2 error says that the system tables are closed for every user, whatever the user may do
    else."""
    return error.pgcode == _NOT_ALLOWED and CLOSED_INTERNALS in (error.diag.message_primary or "")


def _refusal(message: str, parameters: CockroachParameters) -> CockroachError:
    """Say in one line what is wrong and what to do; ``message`` is libpq's, without the password."""
    reason = "; ".join(line.strip() for line in message.splitlines() if line.strip())
    who = f"CockroachDB at {parameters.place} refuses user {parameters.user}"
    if "password authentication failed" in message or "no password supplied" in message:
        return CockroachError(f"{who}: wrong or missing password ({reason})")
    if _NO_TLS in message:
        return CockroachError(
            f"CockroachDB at {parameters.place} speaks no TLS, but sslmode {parameters.sslmode} asks for it: start its "
            "nodes with certificates. Where passwords and rows may go over this network for everybody to read and to "
            "change, set cockroach_sslmode: disable (of the module: ssl_mode)"
        )
    if "node is running secure mode" in message or "SSL" in message or "certificate" in message:
        return CockroachError(f"{who}: {reason}; check the mode of TLS and the certificates")
    if "FATAL" in message or "ERROR" in message:
        return CockroachError(f"{who}: {reason}")
    return UnreachableError(
        f"CockroachDB at {parameters.place} cannot be reached: {reason}; check host, port, firewall and whether it runs"
    )


def cockroach_message(error: Any) -> str:
    """Return CockroachDB's message of a psycopg2 error in one line: primary text, detail and hint. It may quote the
    statement."""
    diagnosis = error.diag
    # Internal errors come with a stack trace and a hint to report them.
    more = (
        []
        if (diagnosis.message_detail or "").startswith("stack trace")
        else [diagnosis.message_detail, diagnosis.message_hint]
    )
    parts = [diagnosis.message_primary, *more]
    text = "; ".join(part for part in parts if part) or str(error)
    return " ".join(text.split())
