# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a server and our role on it are like, so that the rehearsal's server can be made like it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .probe_features import existing_roles
from .target_privileges import RoleRights

_SETTINGS = (
    "array_nulls",
    "backslash_quote",
    "check_function_bodies",
    "createrole_self_grant",
    "default_text_search_config",
    "default_transaction_isolation",
    "max_locks_per_transaction",
    "search_path",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
)
"""Those that decide whether a command of an import is taken, and depend on nothing of the server's host."""
_PREDEFINED = "pg_"
_LOCALE_COLUMN = ((170000, "datlocale"), (150000, "daticulocale"))
_PROVIDER_FROM = 150000
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def read(admin: Any, rights: RoleRights, databases: Iterable[str], roles: Iterable[str]) -> dict:
    """Return what the server is like.

    ``version``, ``major``, ``user`` (``name``, ``superuser``, ``createdb``, ``createrole``, ``may_become``: roles),
    ``roles`` (those of ``roles`` that are there), ``settings`` (those that are not the defaults), ``extensions`` (name
    to ``version``, ``trusted``) and ``databases`` (of those that are there: ``collate``, ``ctype``, ``provider``,
    ``locale``, and whether it is ``owned`` by our role; nothing of those that are not).
    """
    return {
        "version": admin.info.parameter_status("server_version"),
        "major": admin.server_version // 10000,
        "user": {
            "name": rights.name,
            "superuser": rights.superuser,
            "createdb": rights.createdb,
            "createrole": rights.createrole,
            "may_become": []
            if rights.superuser
            else sorted(role for role in rights.may_become - {rights.name} if not role.startswith(_PREDEFINED)),
        },
        "roles": sorted(existing_roles(admin) & set(roles)),
        "settings": _settings(admin),
        "extensions": extensions(admin),
        "databases": _databases(admin, list(databases)),
    }


def extensions(connection: Any) -> dict[str, dict]:
    """Return the extensions that the server has, by name with the ``version`` that is made by default and whether it is
    ``trusted``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.name, v.version, v.trusted OR NOT v.superuser FROM pg_catalog.pg_available_extensions e "
            "JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version"
        )
        return {name: {"version": version, "trusted": trusted} for name, version, trusted in cursor.fetchall()}


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


def _databases(connection: Any, names: list[str]) -> dict[str, dict]:
    locale = next((column for version, column in _LOCALE_COLUMN if connection.server_version >= version), "NULL")
    provider = "datlocprovider" if connection.server_version >= _PROVIDER_FROM else "'c'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT datname, datcollate, datctype, {provider}, {locale}, pg_has_role(datdba, 'USAGE') FROM "
            "pg_catalog.pg_database WHERE datname = ANY(%s)",
            (names,),
        )
        there = {
            name: {
                "collate": collate,
                "ctype": ctype,
                "provider": _PROVIDERS.get(provider, provider),
                "locale": locale or "",
                "owned": owned,
            }
            for name, collate, ctype, provider, locale, owned in cursor.fetchall()
        }
    return {name: there.get(name, {}) for name in names}
