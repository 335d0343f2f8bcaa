# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The reason why a connection to PostgreSQL failed, in one line that names what to change."""

from __future__ import annotations

from ..._model.names import quote
from .connection_parameters import ConnectionParameters

_MODE, _AUTHORITIES, _CERTIFICATE, _KEY = (
    "postgres_sslmode (ssl_mode)",
    "postgres_sslrootcert (ca_cert)",
    "postgres_sslcert (client_cert)",
    "postgres_sslkey (client_key)",
)
"""The playbooks' variables, and the modules' options."""

_REASONS = (
    (
        ("password authentication failed", "no password supplied", "empty password"),
        "wrong or missing password: postgres_password (login_password); PostgreSQL says the same when it has no such "
        "role",
    ),
    (
        ("server does not support SSL",),
        f"it speaks no TLS: switch it on there (ssl = on), or let rows and password travel in the clear with {_MODE}: "
        "disable",
    ),
    (
        ("no encryption",),
        f"pg_hba.conf there lets this user in with TLS only, or not from this host: set {_MODE} to require or "
        "verify-full",
    ),
    (("no pg_hba.conf entry", "pg_hba.conf rejects"), "pg_hba.conf there does not let this host in"),
    (
        ("does not match host name", "hostname of the server certificate"),
        "its certificate is for another name: connect to that name with postgres_host (login_host) and, where it does "
        f"not resolve, hostaddr in postgres_connect_params (connect_params); {_MODE}: verify-ca does without the name",
    ),
    (
        ("certificate verify failed",),
        f"its certificate is not signed by an authority of {_AUTHORITIES}, or is out of date: name the file of the "
        "right authority",
    ),
    (
        ("root certificate file",),
        f"{_MODE} asks to verify the certificate: name the file of its authority in {_AUTHORITIES}, or system for "
        "those of the host",
    ),
    (("could not read root certificate",), f"the file of {_AUTHORITIES} cannot be read"),
    (("requires a valid client certificate",), f"it wants a client certificate: set {_CERTIFICATE} and {_KEY}"),
    (("certificate authentication failed",), f"the client certificate in {_CERTIFICATE} is for another role"),
    (
        ("alert unknown ca", "alert bad certificate", "alert certificate"),
        f"it does not take the client certificate in {_CERTIFICATE}: have its own authority sign it",
    ),
    (
        ("private key file", "could not load private key"),
        f"the client key in {_KEY} cannot be used: it has to belong to the certificate, and nobody else may read it "
        "(chmod 600)",
    ),
    (
        ("could not read certificate file", "could not open certificate file"),
        f"the client certificate in {_CERTIFICATE} cannot be read",
    ),
    (("is not permitted to log in",), "the role may not log in: ALTER ROLE … LOGIN"),
    (
        ("too many connections", "too many clients", "remaining connection slots"),
        "it lets no further connection in: lower target_connections or parallelism (an import opens up to four "
        "connections more), or raise max_connections, or the CONNECTION LIMIT of the role or database",
    ),
    (
        (
            "invalid value for parameter",
            "unrecognized configuration parameter",
            "command-line argument",
            "requires a value",
        ),
        "it does not take a setting of the connection: look at options in postgres_connect_params (connect_params), "
        "and at PGOPTIONS, PGTZ, PGDATESTYLE and PGGEQO in the environment of the host that migrates",
    ),
    (
        ("could not access file", "could not load library"),
        "it cannot load a library that it has to load for every session: correct session_preload_libraries or "
        "local_preload_libraries of the role, the database or the server",
    ),
    (
        ("in hot standby mode", "session is read-only", "session is not read-only"),
        "it is not a server of the kind that target_session_attrs asks for: look at postgres_connect_params "
        "(connect_params), and at PGTARGETSESSIONATTRS in the environment of the host that migrates",
    ),
    (
        ("definition of service", "service file"),
        "the service in postgres_connect_params (connect_params) or PGSERVICE cannot be read on the host that migrates",
    ),
    (("weak sslmode",), f"{_AUTHORITIES}: system needs {_MODE}: verify-full"),
    (("invalid sslmode",), f"{_MODE} has to be disable, allow, prefer, require, verify-ca or verify-full"),
)
"""Messages of libpq and the server (fe-connect.c, fe-secure-openssl.c, auth.c, miscinit.c, postinit.c, proc.c) and
their meaning here. The first match counts."""


def explain(message: str, wanted: ConnectionParameters, *, chosen: bool) -> str:
    """Return the line for libpq's message, without secrets. ``chosen``: the user has named the
    database to connect to."""
    reason = "; ".join(line.strip() for line in message.splitlines() if line.strip())
    if f'database "{wanted.database}" does not exist' in message:
        advice = ": name one that is there, such as postgres, in postgres_database (login_db)" if chosen else ""
        return f"PostgreSQL at {wanted.place} has no database {wanted.database}{advice}"
    if "does not have CONNECT privilege" in message:
        grant = f"GRANT CONNECT ON DATABASE {quote(wanted.database)} TO {quote(wanted.user)}"
        return (
            f"PostgreSQL at {wanted.place} does not let user {wanted.user} into the database {wanted.database}: {grant}"
        )
    for signs, meaning in _REASONS:
        if any(sign in message for sign in signs):
            return f"PostgreSQL at {wanted.place} refuses user {wanted.user}: {meaning} ({reason})"
    if "FATAL" in message:
        return f"PostgreSQL at {wanted.place} refuses user {wanted.user}: {reason}"
    return f"PostgreSQL at {wanted.place} cannot be reached: {reason}; check host, port, firewall and whether it runs"
