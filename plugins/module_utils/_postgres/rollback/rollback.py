# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Undoing the import of a dump on a server: what it has made is removed, and what it has changed is set back. What was
there before stays, and what somebody has changed since is kept and named."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import ConfigurationError, TargetError
from ..._model.results import DatabaseRollback, RollbackResult
from ..._system.progress import ReportProgress
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..target import ledger
from ..target.created_objects import NEW_DATABASE_LIMIT
from ..target.created_roles import created_roles
from .plan import DatabasePlan, plan_database, why_new_database_is_kept
from .removal import attempt, drop_database, drop_empty_database, remove_objects, require_no_sessions

_DATABASES = """
SELECT datname, datconnlimit = %s FROM pg_database WHERE datallowconn AND NOT datistemplate
AND (datname = ANY(%s) OR NOT %s) ORDER BY 1
"""


@dataclass(frozen=True)
class RollbackOptions:
    """``dump_id``: the import of which dump is undone; if empty, the only one that the server holds. ``databases``:
    where to look for it; if empty, in all that the role may connect to."""

    dump_id: str = ""
    databases: tuple[str, ...] = ()
    parallelism: int = 2
    compares_rows: bool = True
    """False: rows are not looked at, for a quick list of what was made. Only with ``check``."""
    check: bool = False
    """Whether nothing is changed."""


@dataclass(frozen=True)
class _Found:
    """Databases with an import."""

    dump_ids: dict[str, list[str]]
    """By database; empty for one that an import has created, and recorded nothing in yet."""
    of_roles: frozenset[str]
    """The dumps for which roles were created."""
    not_examined: list[str]


def roll_back(parameters: ConnectionParameters, options: RollbackOptions, progress: ReportProgress) -> RollbackResult:
    """Undo the import of a dump, or with ``check`` find out what that would do.

    A second run changes nothing; one after a run that was killed goes on. Raises MigrationError: the server holds the
    imports of several dumps and none is named, a database that is to be dropped is in use, or something was changed
    while the rollback ran.
    """
    started = time.monotonic()
    try:
        with contextlib.closing(connect(parameters)) as admin:
            found = _find(admin, parameters, options.databases)
            dump_id = _the_dump(found, options.dump_id)
            results = _databases(admin, parameters, options, [*_of_dump(found, dump_id)], progress)
            for name in (name for name, ids in found.dump_ids.items() if not ids):
                results[name] = _of_new_database(admin, parameters, name, check=options.check)
            roles = _remove_roles(admin, dump_id, check=options.check)
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    changed = any(part.changed for part in (*results.values(), roles))
    return RollbackResult(changed, dump_id, results, roles, found.not_examined, round(time.monotonic() - started, 3))


def _of_new_database(admin: Any, parameters: ConnectionParameters, name: str, *, check: bool) -> DatabaseRollback:
    """Drop a database that an import has created, and recorded nothing in yet, unless somebody else has used it."""
    if why := why_new_database_is_kept(name, parameters):
        return DatabaseRollback(False, [], {f"database {name}": why})
    if not check:
        drop_empty_database(admin, name)
    return DatabaseRollback(True, [f"database {name}"], {})


def _find(admin: Any, parameters: ConnectionParameters, names: Collection[str]) -> _Found:
    """Return the databases of the server with an import; those without a name given that refuse the connection are not
    examined."""
    with admin.cursor() as cursor:
        cursor.execute(_DATABASES, (NEW_DATABASE_LIMIT, list(names), bool(names)))
        databases = cursor.fetchall()
        of_roles = frozenset(role.dump_id for role in created_roles(cursor))
    admin.rollback()
    dump_ids: dict[str, list[str]] = {}
    not_examined = []
    for name, is_new in databases:
        try:
            with contextlib.closing(connect(parameters, name)) as connection:
                ids = ledger.dump_ids(connection)
        except TargetError:
            if names:
                raise
            not_examined.append(name)
            continue
        if ids or is_new:
            dump_ids[name] = ids
    return _Found(dump_ids, of_roles, not_examined)


def _the_dump(found: _Found, wanted: str) -> str:
    """Return the id of the dump whose import is undone; empty if there is none. Raises ConfigurationError."""
    of_databases = {dump_id for known in found.dump_ids.values() for dump_id in known}
    ids = sorted(of_databases or found.of_roles)
    held = ", ".join(f"{dump_id} ({', '.join(_of_dump(found, dump_id))})" for dump_id in ids)
    if wanted and of_databases and wanted not in of_databases | found.of_roles:
        raise ConfigurationError(
            f"the target holds no import of the dump {wanted}, but of {held}: to undo that one, name it by its id "
            "(rollback_dump_id)"
        )
    if wanted or len(ids) < 2:
        return wanted or "".join(ids)
    raise ConfigurationError(
        f"the server holds the imports of several dumps: {held}; name the one to undo by its id, or its databases"
    )


def _of_dump(found: _Found, dump_id: str) -> list[str]:
    return [name for name, ids in found.dump_ids.items() if dump_id in ids]


def _databases(
    admin: Any,
    parameters: ConnectionParameters,
    options: RollbackOptions,
    names: Sequence[str],
    progress: ReportProgress,
) -> dict[str, DatabaseRollback]:
    plans = [
        plan_database(name, parameters, options.parallelism, compares_rows=options.compares_rows, progress=progress)
        for name in names
    ]
    if not options.check:
        for plan in plans:
            if plan.drops_database:
                require_no_sessions(admin, plan.recorded.name)
    return {plan.recorded.name: _carry_out(admin, parameters, plan, check=options.check) for plan in plans}


def _carry_out(admin: Any, parameters: ConnectionParameters, plan: DatabasePlan, *, check: bool) -> DatabaseRollback:
    """Do what a plan says, if it is not only shown."""
    refused: dict[str, str] = {}
    is_known = plan.recorded.is_known and not plan.recorded.is_copy
    if not check and is_known:
        if plan.drops_database:
            drop_database(plan, parameters, admin)
        else:
            refused = remove_objects(plan, parameters)
    removed = [line for line in plan.removed if line not in refused]
    changed = bool(removed) or is_known and not plan.kept and not refused
    return DatabaseRollback(changed, removed, {**plan.kept, **refused})


def _remove_roles(admin: Any, dump_id: str, *, check: bool) -> DatabaseRollback:
    """Drop the roles that the import has created, unless they were changed or are still used."""
    removed: list[str] = []
    kept: dict[str, str] = {}
    with admin.cursor() as cursor:
        for role in created_roles(cursor) if dump_id else []:
            if role.dump_id != dump_id:
                continue
            if role.changed:
                kept[f"role {role.name}"] = "its options, settings or memberships were changed after the import"
            elif check:
                removed.append(f"role {role.name}")
            else:
                what = f"role {role.name}"
                refused = attempt(cursor, sql.SQL("DROP ROLE {}").format(sql.Identifier(role.name)), what)
                kept.update(refused)
                if not refused:
                    removed.append(what)
    admin.commit()
    return DatabaseRollback(bool(removed), removed, kept)
