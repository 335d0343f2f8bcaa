# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Further libpq parameters of the user: which of them are refused, and which contain secrets."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

OWN_VARIABLES = {
    "host": "postgres_host",
    "port": "postgres_port",
    "dbname": "postgres_database",
    "user": "postgres_username",
    "password": "postgres_password",
    "sslmode": "postgres_sslmode",
    "sslrootcert": "postgres_sslrootcert",
    "sslcert": "postgres_sslcert",
    "sslkey": "postgres_sslkey",
}
"""Parameters that have their own variable."""

_REFUSED = {
    "client_encoding": "it is always UTF8",
    "replication": "a replication connection cannot import",
    "load_balance_hosts": "all connections of an import have to reach the same server",
}

SECRETS = frozenset(("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"))

_NAMES = (
    *OWN_VARIABLES,
    *_REFUSED,
    *sorted(SECRETS),
    "application_name",
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "require_auth",
    "requirepeer",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslnegotiation",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
)
"""Names from PQconninfoOptions of PostgreSQL 18's src/interfaces/libpq/fe-connect.c, used to suggest the nearest one;
the installed libpq decides whether a parameter exists."""


def connect_params_problems(value: Any) -> list[str]:
    """Return what is wrong with a mapping of further parameters, one line each and without values."""
    if not isinstance(value, Mapping):
        return ["it has to be a mapping of libpq's parameters to values"]
    problems = []
    for name, given in value.items():
        if name in OWN_VARIABLES:
            problems.append(f"{name} has a variable of its own, {OWN_VARIABLES[name]}")
        elif name in _REFUSED:
            problems.append(f"{name} cannot be given: {_REFUSED[name]}")
        elif isinstance(given, bool) or not isinstance(given, (str, int)):
            problems.append(f"the value of {name} has to be a string or a number (1 or 0 for on or off)")
    return problems


def unknown_parameter(name: str) -> str:
    """Return the message about a parameter that the installed libpq does not know."""
    nearest = [] if name in _NAMES else difflib.get_close_matches(name, _NAMES, 1)
    return f"libpq here knows no parameter {name}" + (f", did you mean {nearest[0]}?" if nearest else "")


def secrets_in(value: Any) -> set[str]:
    """Return the secret values of a mapping of further parameters."""
    return (
        {str(given) for name, given in value.items() if name in SECRETS and given}
        if isinstance(value, Mapping)
        else set()
    )
