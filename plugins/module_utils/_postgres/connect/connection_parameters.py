# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The address of PostgreSQL and the protection of the connection."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from .connect_params import secrets_in

_LOCAL, _ELSEWHERE = "prefer", "require"
_VERIFYING = ("verify-ca", "verify-full")
SYSTEM_AUTHORITIES = "system"


@dataclass(frozen=True)
class ConnectionParameters:
    """``database`` is the one to connect to before the migrated databases exist. Empty TLS parameters leave the choice
    to libpq's environment."""

    host: str = "127.0.0.1"
    port: int = 5432
    user: str = "postgres"
    password: str = field(default="", repr=False)
    database: str = "postgres"
    sslmode: str = ""
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""
    connect_params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further parameters of libpq."""
    connect_timeout: int = 10

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def secrets(self) -> set[str]:
        """What a server is told and nobody else, also from libpq's environment."""
        given = {self.password, os.environ.get("PGPASSWORD", "")} | secrets_in(self.connect_params)
        return {secret for secret in given if secret}

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this host: a Unix socket or loopback."""
        return all(_is_local(host.strip()) for host in self.host.split(","))

    def arguments(self) -> dict[str, Any]:
        """Return the parameters for libpq. Empty ones are left to its environment: PGSSLMODE and the like, a service
        file, .pgpass."""
        own = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": self._sslmode(),
            "sslrootcert": self.sslrootcert,
            "sslcert": self.sslcert,
            "sslkey": self.sslkey,
        }
        defaults = {
            "connect_timeout": self.connect_timeout,
            "application_name": "cockroach_migrator",
            "keepalives_idle": 60,
            # Whatever the role, the database or PGCLIENTENCODING says.
            "client_encoding": "UTF8",
        }
        return {**defaults, **self.connect_params, **{name: value for name, value in own.items() if value != ""}}

    def _sslmode(self) -> str:
        """Return the given sslmode, or a default unless libpq finds one itself; with the host's own authorities that is
        verify-full."""
        if (
            self.sslmode
            or os.environ.get("PGSSLMODE")
            or os.environ.get("PGREQUIRESSL", "0")[:1] == "1"
            or self.names_service
            or SYSTEM_AUTHORITIES in (self.sslrootcert, os.environ.get("PGSSLROOTCERT"))
        ):
            return self.sslmode
        return _LOCAL if self.is_local else _ELSEWHERE

    @property
    def names_service(self) -> bool:
        """Whether a service file is used."""
        return bool(os.environ.get("PGSERVICE") or self.connect_params.get("service"))


def _is_local(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def protection_finding(parameters: ConnectionParameters, sslmode: str, encrypted: bool) -> Optional[Finding]:
    """Return the finding about a connection with this mode; None if the certificate was verified or the connection is
    local."""
    if parameters.is_local or sslmode in _VERIFYING:
        return None
    if not encrypted:
        return Finding.of(
            FindingCode.CONNECTION_NOT_ENCRYPTED,
            FullName("server", name=parameters.place),
            f"The rows travel to the target without encryption (sslmode {sslmode}).",
        )
    return Finding.of(
        FindingCode.CERTIFICATE_NOT_VERIFIED,
        FullName("server", name=parameters.place),
        f"The connection to the target is encrypted, but the server's certificate is not verified (sslmode {sslmode}).",
    )
