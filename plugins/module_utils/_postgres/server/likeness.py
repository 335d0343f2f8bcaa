# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Making the rehearsal's server similar to the targets, so that it rejects what they will reject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import TargetError
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..target.server_facts import DatabaseFacts, ServerFacts, Unknown, extensions
from ..target.target_database import create_database
from .postgres_server import SUPERUSER

_OTHER_USER = "rehearsal"
_CREATEROLE_SELF_GRANT = "createrole_self_grant"
_SELF_GRANT_FROM = 16
_BAD_LOCALE = ("22023", "42809", "42704")


@dataclass(frozen=True)
class Likeness:
    """The common properties of all targets: what one target does not allow the role, the rehearsal's server does not
    allow either."""

    user: str
    superuser: bool
    createdb: bool
    createrole: bool
    may_become: tuple[str, ...]
    roles: tuple[str, ...]
    creatable: tuple[tuple[str, str], ...]
    """Extensions that the role may create there, with their versions."""
    settings: tuple[tuple[str, str], ...]
    databases: Mapping[str, Union[DatabaseFacts, Unknown]]
    """Those that are expected, by name."""

    @property
    def login(self) -> str:
        """The role's name. The superuser of the rehearsal's server cannot be a role with fewer rights."""
        return self.user if self.superuser or self.user != SUPERUSER else _OTHER_USER

    def settings_for(self, major: int) -> tuple[tuple[str, str], ...]:
        """Return the settings that a server of this major version knows."""
        return tuple(
            (name, value)
            for name, value in self.settings
            if name != _CREATEROLE_SELF_GRANT or major >= _SELF_GRANT_FROM
        )


def likeness_of(servers: Sequence[ServerFacts]) -> Likeness:
    """Return the common properties of the targets; ``servers`` are as server_facts.read returns them, with
    ``creatable``. All other properties are those of the first one."""
    first = servers[0]
    users = [server.user for server in servers]
    weak = [set(user.may_become) for user in users if not user.superuser]
    creatable = _in_all(server.creatable for server in servers)
    return Likeness(
        first.user.name,
        not weak,
        all(user.createdb for user in users),
        all(user.createrole for user in users),
        tuple(_in_all(weak)),
        tuple(_in_all(server.roles for server in servers)),
        tuple((name, first.extensions[name].version if name in first.extensions else "") for name in creatable),
        tuple(first.settings.items()),
        first.databases,
    )


def _in_all(collections: Iterable[Iterable[str]]) -> list[str]:
    found = [set(collection) for collection in collections]
    return sorted(set.intersection(*found)) if found else []


def make_like(parameters: ConnectionParameters, likeness: Likeness, password: str) -> None:
    """Create the role, the roles that it needs and the databases that exist on the targets."""
    user = likeness.login
    admin = connect(parameters)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            _make_roles(cursor, user, likeness, password)
        for name, like in likeness.databases.items():
            if isinstance(like, DatabaseFacts) or _needs_superuser(admin, likeness):
                _make_database(admin, parameters, user, name, likeness)
    except psycopg2.Error as error:
        raise TargetError(
            f"the throw-away PostgreSQL cannot be made like the target: {postgres_message(error)}"
        ) from error
    finally:
        admin.close()


def _make_roles(cursor: Any, user: str, likeness: Likeness, password: str) -> None:
    if user != SUPERUSER:
        options = [
            sql.SQL(word if has else f"NO{word}")
            for word, has in (
                ("SUPERUSER", likeness.superuser),
                ("CREATEDB", likeness.createdb),
                ("CREATEROLE", likeness.createrole),
            )
        ]
        cursor.execute(
            sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                sql.Identifier(user), sql.SQL(" ").join(options), sql.Literal(password)
            )
        )
    for role in sorted({*likeness.roles, *likeness.may_become} - {user, SUPERUSER}):
        cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        if role in likeness.may_become:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(user)))


def _needs_superuser(admin: Any, likeness: Likeness) -> bool:
    """Whether extensions require a superuser here although the target lets the role create them, as managed services
    do: then the databases are created with them."""
    known = extensions(admin)
    return not likeness.superuser and any(
        name in known and not known[name].trusted for name, _version in likeness.creatable
    )


def _make_database(admin: Any, parameters: ConnectionParameters, user: str, name: str, likeness: Likeness) -> None:
    """Create an empty database with the target's locale, if this server has it, and with the extensions that the role
    may create there."""
    found = likeness.databases[name]
    like = found if isinstance(found, DatabaseFacts) else None
    if not like or not _created_with_locale(admin, name, like):
        create_database(admin, name)
        admin.autocommit = True
    with admin.cursor() as cursor:
        if likeness.superuser or not like or like.owned:
            cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(user)))
        else:
            cursor.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(user))
            )
    connection = connect(parameters, name)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(user)))
            for extension, version in likeness.creatable:
                _create_extension(cursor, extension, version)
    finally:
        connection.close()


def _created_with_locale(admin: Any, name: str, like: DatabaseFacts) -> bool:
    parts = [sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(sql.Literal(like.collate), sql.Literal(like.ctype))]
    if like.provider == "icu":
        parts.append(sql.SQL("LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(like.locale)))
    elif like.provider == "builtin":
        parts.append(sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(sql.Literal(like.locale)))
    elif admin.server_version >= 150000:
        parts.append(sql.SQL("LOCALE_PROVIDER libc"))
    try:
        with admin.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' {}").format(
                    sql.Identifier(name), sql.SQL(" ").join(parts)
                )
            )
    except psycopg2.Error as error:
        # The host lacks the locale: the import's own is the nearest.
        if error.pgcode in _BAD_LOCALE or isinstance(error, psycopg2.NotSupportedError):
            return False
        raise
    return True


def _create_extension(cursor: Any, name: str, version: str) -> None:
    """Create an extension where this server has it, in the target's version where it can be had."""
    cursor.execute("SELECT version FROM pg_catalog.pg_available_extension_versions WHERE name = %s", (name,))
    versions = {found for (found,) in cursor.fetchall()}
    if versions:
        chosen = sql.SQL(" VERSION {}").format(sql.Literal(version)) if version in versions else sql.SQL("")
        cursor.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}{} CASCADE").format(sql.Identifier(name), chosen))
