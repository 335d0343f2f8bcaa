# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Properties of a server and of our role on it, so that the rehearsal's server can be made similar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Union

from .probe_features import existing_roles
from .target_privileges import RoleRights

_SETTINGS = ("createrole_self_grant", "max_locks_per_transaction")
"""Settings that decide whether a command of an import is accepted, do not depend on the server's host, and are not set
by every connection itself (session.py)."""
_PREDEFINED = "pg_"
_LOCALE_COLUMN = ((170000, "datlocale"), (150000, "daticulocale"))
_PROVIDER_FROM = 150000
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True)
class ServerUser:
    """Our role on a server."""

    name: str
    superuser: bool
    createdb: bool
    createrole: bool
    may_become: list[str]
    """The roles whose rights it may use."""


@dataclass(frozen=True)
class AvailableExtension:
    """An extension that a server has."""

    version: str
    """The one that is made by default."""
    trusted: bool


@dataclass(frozen=True)
class DatabaseFacts:
    """A database that is there."""

    collate: str
    ctype: str
    provider: str
    """``libc``, ``icu`` or ``builtin``."""
    locale: str
    """Empty for libc."""
    owned: bool
    """Whether our role has the rights of its owner."""


@dataclass(frozen=True)
class Unknown:
    """Nothing is known: the server cannot be reached, or the database does not exist."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server and our role on it are like."""

    version: str
    major: int
    user: ServerUser
    roles: list[str]
    """Those that were asked for and are there."""
    settings: dict[str, str]
    """Those that are not the defaults."""
    extensions: dict[str, AvailableExtension]
    databases: dict[str, Union[DatabaseFacts, Unknown]]
    """Those that were asked for."""
    creatable: list[str] = field(default_factory=list)
    """Extensions that a schema needs and our role may create."""


def read(admin: Any, rights: RoleRights, databases: Iterable[str], roles: Iterable[str]) -> ServerFacts:
    """Return what the server is like, with those of ``databases`` and ``roles`` that are there."""
    become = () if rights.superuser else rights.may_become - {rights.name}
    return ServerFacts(
        version=admin.info.parameter_status("server_version"),
        major=admin.server_version // 10000,
        user=ServerUser(
            rights.name,
            rights.superuser,
            rights.createdb,
            rights.createrole,
            sorted(role for role in become if not role.startswith(_PREDEFINED)),
        ),
        roles=sorted(existing_roles(admin) & set(roles)),
        settings=_settings(admin),
        extensions=extensions(admin),
        databases=_databases(admin, list(databases)),
    )


def extensions(connection: Any) -> dict[str, AvailableExtension]:
    """Return the extensions that the server has, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.name, v.version, v.trusted OR NOT v.superuser FROM pg_catalog.pg_available_extensions e "
            "JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version"
        )
        return {name: AvailableExtension(version, trusted) for name, version, trusted in cursor.fetchall()}


def installed_extensions(connection: Any) -> frozenset[str]:
    """Return the extensions of the connected database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_catalog.pg_extension")
        return frozenset(name for (name,) in cursor.fetchall())


def _settings(connection: Any) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_catalog.pg_settings WHERE name = ANY(%s) AND setting IS "
            "DISTINCT FROM boot_val",
            (list(_SETTINGS),),
        )
        return dict(cursor.fetchall())


def _databases(connection: Any, names: list[str]) -> dict[str, Union[DatabaseFacts, Unknown]]:
    locale = next((column for version, column in _LOCALE_COLUMN if connection.server_version >= version), "NULL")
    provider = "datlocprovider" if connection.server_version >= _PROVIDER_FROM else "'c'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT datname, datcollate, datctype, {provider}, {locale}, pg_has_role(datdba, 'USAGE') FROM "
            "pg_catalog.pg_database WHERE datname = ANY(%s)",
            (names,),
        )
        there = {
            name: DatabaseFacts(collate, ctype, _PROVIDERS.get(provider, provider), locale or "", owned)
            for name, collate, ctype, provider, locale, owned in cursor.fetchall()
        }
    return {name: there.get(name, Unknown()) for name in names}
