# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Connecting to a CockroachDB: one way to say where, one way to say why not."""
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

from ..errors import CockroachError, ConfigurationError


class UnreachableError(CockroachError):
    """Nobody answers, or the connection was lost: it may be another time."""


_SESSION = (
    "SET TimeZone = 'UTC'", "SET extra_float_digits = 3", "SET bytea_output = 'hex'", "SET statement_timeout = 0",
)
"""Values print the same everywhere. Settings that only some releases know are made where they are needed."""


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

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


_URL_PARAMETERS = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database", "sslmode": "sslmode",
                   "sslrootcert": "sslrootcert", "sslcert": "sslcert", "sslkey": "sslkey"}
_URL_PARAMETERS_IGNORED = frozenset(("application_name", "connect_timeout"))


def parameters_of_url(url: str) -> CockroachParameters:
    """Read a ``postgresql://`` URL as CockroachDB itself prints it. Raises ConfigurationError, which never shows the URL."""
    try:
        parts = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        raise ConfigurationError("the CockroachDB URL cannot be read: it has to look like postgresql://user@host:26257/defaultdb?sslmode=verify-full") from None
    unknown = sorted(set(parts) - set(_URL_PARAMETERS) - _URL_PARAMETERS_IGNORED)
    if unknown:
        raise ConfigurationError(f"the CockroachDB URL has parameters that are not known here: {', '.join(unknown)}")
    given: dict[str, Any] = {_URL_PARAMETERS[name]: value for name, value in parts.items() if name in _URL_PARAMETERS}
    given.setdefault("sslmode", "verify-full")
    if "port" in given:
        given["port"] = int(given["port"])
    return CockroachParameters(**given)


def files_of_certs_dir(certs_dir: str, user: str) -> dict[str, str]:
    """Return ``sslrootcert``, and where the user has a client certificate ``sslcert`` and ``sslkey``, by CockroachDB's names of files.

    Raises ConfigurationError when ca.crt is missing.
    """
    authority, certificate, key = (os.path.join(certs_dir, name) for name in ("ca.crt", f"client.{user}.crt", f"client.{user}.key"))
    if not os.path.isfile(authority):
        raise ConfigurationError(f"certs_dir {certs_dir} holds no ca.crt: name the directory with CockroachDB's certificates")
    return {"sslrootcert": authority, **({"sslcert": certificate, "sslkey": key} if os.path.isfile(certificate) else {})}


def connect(parameters: CockroachParameters, database: str = "") -> Any:
    """Return a psycopg2 connection in autocommit mode, to ``database`` or to the one in ``parameters``.

    Raises CockroachError that tells apart: cannot be reached, login refused, not CockroachDB.
    """
    files = {name: getattr(parameters, name) for name in ("sslrootcert", "sslcert", "sslkey") if getattr(parameters, name)}
    try:
        connection = psycopg2.connect(
            host=parameters.host, port=parameters.port, user=parameters.user, password=parameters.password,
            dbname=database or parameters.database, sslmode=parameters.sslmode, connect_timeout=parameters.connect_timeout,
            application_name="cockroach_migrator", keepalives_idle=60, **files,
        )
    except (psycopg2.Error, UnicodeDecodeError) as error:
        raise _refusal(str(error), parameters) from None
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            version = cursor.fetchone()[0]
            if not version.startswith("CockroachDB"):
                raise CockroachError(f"the server at {parameters.place} is not CockroachDB but {version.split(' (')[0]}")
            for statement in _SESSION:
                cursor.execute(statement)
    except psycopg2.Error as error:
        connection.close()
        if is_lost(error):
            raise UnreachableError(f"CockroachDB at {parameters.place} ended the connection: {cockroach_message(error)}") from None
        raise CockroachError(f"CockroachDB at {parameters.place} does not take the session's settings: {cockroach_message(error)}") from None
    except CockroachError:
        connection.close()
        raise
    return connection


def server_version(connection: Any) -> str:
    """Return the server's release, such as ``v22.1.0-alpha.1``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        text = cursor.fetchone()[0]
    match = re.search(r"\bv\d+\.\d+\S*", text)
    if match is None:
        raise CockroachError(f"the server's version cannot be read: {text}")
    return match.group()


def is_lost(error: Any) -> bool:
    """Tell whether a psycopg2 error means that the connection is gone."""
    code = error.pgcode or ""
    return code in ("57P01", "57P03") or code.startswith("08") or not code and isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))


def _refusal(message: str, parameters: CockroachParameters) -> CockroachError:
    """Say in one line what is wrong and what to do; ``message`` is libpq's, which never holds the password."""
    reason = "; ".join(line.strip() for line in message.splitlines() if line.strip())
    who = f"CockroachDB at {parameters.place} refuses user {parameters.user}"
    if "password authentication failed" in message or "no password supplied" in message:
        return CockroachError(f"{who}: wrong or missing password ({reason})")
    if "node is running secure mode" in message or "SSL" in message or "certificate" in message:
        return CockroachError(f"{who}: {reason}; check the mode of TLS and the certificates")
    if "FATAL" in message or "ERROR" in message:
        return CockroachError(f"{who}: {reason}")
    return UnreachableError(f"CockroachDB at {parameters.place} cannot be reached: {reason}; check host, port, firewall and whether it runs")


def cockroach_message(error: Any) -> str:
    """Return CockroachDB's message of a psycopg2 error in one line: primary text, detail and hint. It may quote the statement."""
    diagnosis = error.diag
    parts = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint]
    text = "; ".join(part for part in parts if part) or str(error)
    return " ".join(text.split())
