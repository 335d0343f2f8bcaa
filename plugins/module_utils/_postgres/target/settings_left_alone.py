# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Settings and event triggers of a target that an import does not follow, or has to live with."""

from __future__ import annotations

from typing import Any

from .target_privileges import RoleRights

_UNLIMITED = "-1"
_PARAMETER_PRIVILEGES_FROM = 150000
"""Since PostgreSQL 15 a role may be granted to set what else only a superuser may."""

_EVENT_TRIGGERS = """
SELECT format('%I (%s, function %s)', evtname, evtevent, evtfoid::regproc) FROM pg_event_trigger
WHERE evtenabled IN ('O', 'A') ORDER BY evtname
"""


def setting_notes(connection: Any, rights: RoleRights, creates_roles: bool) -> list[str]:
    """Return what there is to know about the settings of the role, the server and the environment: one line each."""
    with connection.cursor() as cursor:
        # What a session has before it sets anything itself.
        cursor.execute("SELECT name, reset_val FROM pg_settings")
        settings = dict(cursor.fetchall())
    notes = []
    if settings["default_tablespace"]:
        notes.append(
            f"The setting default_tablespace ({settings['default_tablespace']}) is not followed: tables and indexes go "
            "into the tablespace of their database. Make the database with the wanted TABLESPACE before the import."
        )
    if settings["default_table_access_method"] != "heap":
        notes.append(
            f"The setting default_table_access_method ({settings['default_table_access_method']}) is not followed: "
            "tables are made with heap."
        )
    if settings["temp_file_limit"] != _UNLIMITED:
        notes.append(
            f"The setting temp_file_limit ({settings['temp_file_limit']} kB) may end the making of an index of a "
            "larger table: have a superuser lift it for the import."
        )
    kept = [name for name in ("log_statement", "log_min_duration_statement") if settings[name] not in ("none", "-1")]
    if creates_roles and kept and not _may_set(connection, rights, kept[0]):
        notes.append(
            f"The server writes commands into its log ({kept[0]} = {settings[kept[0]]}), and the user {rights.name} "
            "may not change that: the SCRAM-SHA-256 verifiers of the roles that grants: create makes get there. "
            "Have a superuser switch it off for this role."
        )
    return notes


def event_triggers(connection: Any) -> list[str]:
    """Return the enabled event triggers of the connected database, with their events and functions."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENT_TRIGGERS)
        return [text for (text,) in cursor.fetchall()]


def _may_set(connection: Any, rights: RoleRights, name: str) -> bool:
    if rights.superuser or connection.server_version < _PARAMETER_PRIVILEGES_FROM:
        return rights.superuser
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_parameter_privilege(%s, 'SET')", (name,))
        return bool(cursor.fetchone()[0])
