# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Checking a target before anything is read, exported or created: everything that would prevent an import, and the
properties of its server and of our role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from .._convert.server_features import ICU
from .._dump.manifest import (
    DatabaseEntry,
    Manifest,
    chosen_databases,
    is_complete,
    read_catalog,
    read_manifest,
    read_roles,
)
from .._errors import MigrationError, TargetError
from .._model.expected_database import ExpectedDatabase, expected_of
from .._model.names import clip, quote
from .connect.connection import ConnectionParameters, connect, connection_findings, postgres_message
from .target import content as contents
from .target import existing_tables, server_facts
from .target.load_limits import LoadLimits
from .target.omitted_objects import NO_PRIVILEGE
from .target.probe_features import existing_roles, probe
from .target.server_facts import ServerFacts, Unknown
from .target.settings_left_alone import setting_notes
from .target.standby_lag import require_standby
from .target.target_database import TargetState, state_and_problems
from .target.target_privileges import RoleRights, role_rights
from .target.target_watch import LockWaitError, TargetWatch

_CREATE = "create"
_SKIP = "skip"
_LOCK_WAIT = 30
"""Seconds that a preflight waits for a lock where the user has set no limit: it only looks."""


@dataclass(frozen=True)
class PreflightOptions:
    """``dump_dir``: of a dump that may not exist yet. ``expected``: the objects known without one. The other options
    are those of the import."""

    dump_dir: str = ""
    databases: tuple[str, ...] = ()
    expected: tuple[ExpectedDatabase, ...] = ()
    grants: str = "existing"
    content: str = contents.ALL
    limits: LoadLimits = field(default_factory=LoadLimits)


@dataclass
class _Target:
    """A target that accepts our connection, and what was found there."""

    admin: Any
    parameters: ConnectionParameters
    options: PreflightOptions
    rights: RoleRights
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    creatable: set[str] = field(default_factory=set)
    """Extensions that the schema needs and the role may create."""


@dataclass(frozen=True)
class PreflightResult:
    """What was seen at a target."""

    problems: list[str]
    """What an import would be refused for or would end: lines that name the object and what to do."""
    notes: list[str]
    """What the import would omit or do differently."""
    server: Union[ServerFacts, Unknown]


def check_target(parameters: ConnectionParameters, options: PreflightOptions) -> PreflightResult:
    """Contact the target and change nothing. Raises MigrationError for a dump that cannot be read."""
    manifest = read_manifest(options.dump_dir) if options.dump_dir and is_complete(options.dump_dir) else None
    try:
        admin = connect(parameters)
    except MigrationError as error:
        return PreflightResult([str(error)], [], Unknown())
    limits = replace(options.limits, lock_wait=options.limits.lock_wait or _LOCK_WAIT, standby_name="")
    try:
        with TargetWatch(parameters, _names(manifest, options), limits, lambda line: None):
            return _check(admin, parameters, options, manifest)
    except LockWaitError as error:
        return PreflightResult([str(error)], [], Unknown())
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    finally:
        admin.close()


def _names(manifest: Optional[Manifest], options: PreflightOptions) -> list[str]:
    """Return the databases that are looked at."""
    if manifest:
        return [clip(entry.name) for entry in chosen_databases(manifest, options.databases)]
    return [expected.name for expected in options.expected]


def _check(
    admin: Any, parameters: ConnectionParameters, options: PreflightOptions, manifest: Optional[Manifest]
) -> PreflightResult:
    target = _Target(admin, parameters, options, role_rights(admin))
    target.notes += [f"{finding.message} {finding.advice}" for finding in connection_findings(admin, parameters)]
    _check_standby(target)
    target.notes += setting_notes(admin, target.rights, options.grants == _CREATE)
    expected = _check_dump(target, manifest) if manifest else _check_expected(target)
    roles = {role for item in expected for role in (*item.owners, *item.grantees)}
    server = replace(
        server_facts.read(admin, target.rights, [item.name for item in expected], roles),
        creatable=sorted(target.creatable),
    )
    return PreflightResult(list(dict.fromkeys(target.problems)), list(dict.fromkeys(target.notes)), server)


def _check_standby(target: _Target) -> None:
    """Add that the standby for which the import is to pause is not there."""
    name = target.options.limits.standby_name
    if name:
        try:
            with target.admin.cursor() as cursor:
                require_standby(cursor, name)
        except TargetError as error:
            target.problems.append(str(error))


def _check_expected(target: _Target) -> list[ExpectedDatabase]:
    """Check the expected objects before there is a dump, and return them."""
    for expected in target.options.expected:
        state = _check_database(target, expected, "")
        if target.options.content == contents.DATA and state and not state.exists:
            target.problems.append(
                f"content: data needs tables that are there, but the target has no database {expected.name}: make it "
                "with its tables first"
            )
    _check_roles(target, target.options.expected, None)
    if not target.options.expected and not target.rights.createdb:
        target.notes.append(
            f"The user {target.rights.name} may not create databases: ALTER ROLE {quote(target.rights.name)} CREATEDB, "
            "or have each database that is migrated made empty for it."
        )
    return list(target.options.expected)


def _check_dump(target: _Target, manifest: Manifest) -> list[ExpectedDatabase]:
    """Check everything that the import of the dump will meet; return the dump's databases."""
    dump_dir, content = target.options.dump_dir, target.options.content
    found, missing = [], []
    for entry in chosen_databases(manifest, target.options.databases):
        database = read_catalog(dump_dir, entry)
        expected = expected_of(database)
        found.append(expected)
        state = _check_database(target, expected, manifest.dump_id)
        if state is None or contents.complete_key(content) in state.done:
            continue
        missing.append(expected)
        if content == contents.DATA:
            _check_tables(target, entry, state)
        elif manifest.schema_needs is None:
            target.notes.append(
                f"{dump_dir} was made by an earlier release, which did not record the extensions that its schema "
                "needs: whether the target has them is checked by the rehearsal and by the import only."
            )
        else:
            _check_extensions(target, state, manifest.schema_needs[entry.name])
    _check_roles(target, missing, {role.name for role in read_roles(dump_dir)})
    return found


def _check_database(target: _Target, expected: ExpectedDatabase, dump_id: str) -> Optional[TargetState]:
    """Add the problems of a database; return its state, None if it refuses the connection."""
    try:
        state, problems = state_and_problems(target.admin, target.parameters, expected, dump_id, target.options.content)
    except TargetError as error:
        target.problems.append(str(error))
        return None
    target.problems += problems
    if state.event_triggers and target.options.content != contents.DATA:
        target.notes.append(
            f"The database {state.name} has event triggers, which run for the commands of the import and may refuse "
            f"them: {', '.join(state.event_triggers)}. Disable those that are not meant for it."
        )
    return state


def _check_tables(target: _Target, entry: DatabaseEntry, state: TargetState) -> None:
    """Check that with content: data the rows fit into the existing tables."""
    if not state.exists:
        target.problems.append(
            f"content: data needs tables that are there, but the target has no database {state.name}: make it with "
            "its tables first"
        )
        return
    connection = connect(target.parameters, state.name)
    try:
        existing_tables.check_tables(connection, entry, empty=not set(contents.mark(contents.DATA)) <= set(state.done))
    except TargetError as error:
        target.problems.append(str(error))
    finally:
        connection.close()


def _check_extensions(target: _Target, state: TargetState, needs: Iterable[str]) -> None:
    """Add the extensions that the server lacks, and those that the role may not create."""
    available = server_facts.extensions(target.admin)
    connection = connect(target.parameters, state.name if state.exists else "")
    try:
        installed = server_facts.installed_extensions(connection) if state.exists else set()
        for name in needs:
            if name == ICU:
                if not probe(target.admin).icu:
                    target.notes.append("The server has no ICU: collations are omitted.")
            elif name not in available:
                target.notes.append(
                    f"The server has no extension {name}: what needs it becomes something else, with a finding. "
                    "Install it there first."
                )
            else:
                allowed = name in installed or target.rights.superuser
                refusal = "" if allowed else _refusal_of_extension(connection, name, available[name].trusted)
                if not refusal:
                    target.creatable.add(name)
                else:
                    owner = quote(target.rights.name)
                    database = (
                        "" if state.exists else f"make that database for it (CREATE DATABASE … OWNER {owner}) and "
                    )
                    target.problems.append(
                        f"the user {target.rights.name} may not create the extension {name} in the database "
                        f"{state.name} ({refusal}): have a superuser {database}run there CREATE EXTENSION {quote(name)}"
                    )
    finally:
        connection.close()


def _refusal_of_extension(connection: Any, name: str, trusted: bool) -> str:
    """Return why the role may not create an extension, empty if it may. The server is asked, as managed services allow
    it to roles that are not superusers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE')")
        if not cursor.fetchone()[0]:
            return "" if trusted else "it is not trusted"
        try:
            cursor.execute(sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(name)))
        except psycopg2.Error as error:
            return postgres_message(error) if error.pgcode == NO_PRIVILEGE else ""
        finally:
            connection.rollback()
    return ""


def _check_roles(target: _Target, databases: Iterable[ExpectedDatabase], made: Optional[set[str]]) -> None:
    """Add missing roles, and owners that the role may not set; ``made`` are the roles that grants: create creates, None
    if they are not known yet."""
    grants, rights = target.options.grants, target.rights
    if grants == _SKIP or target.options.content == contents.DATA:
        return
    owners = {owner for expected in databases for owner in expected.owners}
    there = existing_roles(target.admin)
    missing = sorted(
        (
            owners
            | {role for expected in databases for role in expected.grantees}
            | (made or set() if grants == _CREATE else set())
        )
        - there
    )
    if missing and grants == _CREATE and not rights.createrole:
        target.problems.append(
            f"the user {rights.name} may not make the roles {', '.join(missing)}: ALTER ROLE {quote(rights.name)} "
            "CREATEROLE, have them made, or set grants to existing"
        )
    elif missing and grants != _CREATE:
        target.notes.append(
            f"The target has no role {', '.join(missing)}: their ownership and privileges are omitted. "
            "Create them first, or set grants to create."
        )
    # A role that CREATEROLE makes is not one that its maker may hand objects to.
    commands = [
        command
        for command in map(rights.grant_to_own, sorted(owners if grants == _CREATE else owners & there))
        if command
    ]
    if commands:
        target.notes.append(
            f"The user {rights.name} may not make everything belong to its owner: {'; '.join(commands)}."
        )
