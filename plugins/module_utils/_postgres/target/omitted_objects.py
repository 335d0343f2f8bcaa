# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Commands that PostgreSQL rejects and no row depends on: they are omitted, recorded next to the ledger, and each is a
finding.

Every later run tries them again: the role may have got the right, or the missing object may have been created.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..._convert.definitions import DefaultPrivilege, IndexDefinition, Owner
from ..._convert.statements import Statement
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName, Kind
from .target_privileges import RoleRights

Key = tuple[str, str]

CREATE = """
CREATE TABLE IF NOT EXISTS cockroach_migrator.left_out (
    step text NOT NULL, object text NOT NULL, kind text NOT NULL, name text NOT NULL, reason text NOT NULL,
    command text NOT NULL, PRIMARY KEY (step, object)
);
ALTER TABLE cockroach_migrator.left_out ADD COLUMN IF NOT EXISTS sqlstate text NOT NULL DEFAULT '';
ALTER TABLE cockroach_migrator.left_out ADD COLUMN IF NOT EXISTS instead text NOT NULL DEFAULT '';
COMMENT ON COLUMN cockroach_migrator.left_out.instead IS 'The command that was run instead.';
COMMENT ON TABLE cockroach_migrator.left_out IS
'Commands of the import that PostgreSQL refused, to be written anew by hand.'
"""

_KINDS: dict[str, Kind] = {
    "view": "view",
    "materialized_view": "view",
    "function": "function",
    "procedure": "function",
    "trigger": "trigger",
    "constraint_trigger": "trigger",
    "policy": "policy",
    "check": "constraint",
    "domain_check": "constraint",
    "column_default": "column",
    "index": "index",
    "unique_index": "index",
    "primary_key": "constraint",
    "unique_constraint": "constraint",
    "foreign_key": "constraint",
    "sequence_value": "sequence",
    "database_setting": "object",
    "comment": "object",
    "owner": "object",
    "grant": "object",
    "routine_comment": "object",
    "routine_owner": "object",
    "routine_grant": "object",
}
"""What a finding calls the objects of such commands. Rows and types need none of them; what depends on an omitted one
is rejected, too."""
_LIMITS = "54"
"""The class of SQLSTATE for PostgreSQL's limits: a value too long for an index, too many columns or arguments."""
_CLASSES = ("0A", "22", "42", _LIMITS)
"""SQLSTATE: feature not supported, data exception, syntax error or access rule violation, program limit exceeded."""
_TOO_LONG = "54000"
"""The only one of them that PostgreSQL has for an index whose rows have values that are too long."""
_KEYS = frozenset(("primary_key", "unique_constraint", "foreign_key"))
"""Keys are omitted only for PostgreSQL's limits, and foreign keys where the key that they refer to is omitted."""
_NO_KEY_REFERRED_TO = "42830"
_UNSUITABLE = frozenset(("23503", "23505", "42P16"))
"""Rows that violate a key, and a table that has another primary key."""
_INDEXES = frozenset(("index", "unique_index", "unique_constraint", "primary_key"))
_CLASSES_OF_ROWS = ("21", "23", "2F", "38", "39", "55", "P0")
"""Further classes that the query of a materialized view, which runs at once, can end with."""
_RIGHTS = frozenset(
    (
        "owner",
        "grant",
        "comment",
        "routine_owner",
        "routine_grant",
        "routine_comment",
        "default_privilege",
        "database_setting",
    )
)
"""Kinds of commands that the importing role may lack the right for on a database or schema that existed before: the
finding names the command that grants it."""
GRANTS = frozenset(("grant", "routine_grant", "default_privilege"))
NO_PRIVILEGE = "42501"
_TAKEN = frozenset(("42P04", "42P06", "42P07", "42710", "42723"))
_STOPPING = _TAKEN | {NO_PRIVILEGE}
"""Missing privileges and names that are taken end the import: the user has to act."""
_UNIQUE_VIOLATION = "23505"
_NAMES_SHOWN = 10


@dataclass(frozen=True)
class OmittedObject:
    """A rejected command: the object that it creates, PostgreSQL's message, and its text."""

    kind: str
    name: str
    reason: str
    command: str
    sqlstate: str = ""
    instead: str = ""
    """The alternative (see Statement.alternatives) that was run instead; empty if none was."""

    def made_of(self, statement: Statement) -> Optional[Statement]:
        """Return the alternative of the rejected statement that was run instead; None if none was."""
        return next((item for item in statement.alternatives if item.sql == self.instead), None)


def may_be_omitted(statement: Statement, sqlstate: str) -> bool:
    """Whether an import continues without a command that PostgreSQL rejects with this SQLSTATE. Rows of a materialized
    view, which is computed again, may violate its unique indexes; those of a table may not."""
    if sqlstate == NO_PRIVILEGE:
        return statement.kind in _RIGHTS
    if statement.kind in _KEYS:
        return sqlstate[:2] == _LIMITS or (statement.kind == "foreign_key" and sqlstate == _NO_KEY_REFERRED_TO)
    if sqlstate == _UNIQUE_VIOLATION:
        return statement.kind == "unique_index" and statement.step == "view"
    classes = _CLASSES + _CLASSES_OF_ROWS if statement.kind == "materialized_view" else _CLASSES
    return statement.kind in _KINDS and sqlstate[:2] in classes and sqlstate not in _STOPPING


def may_stay_omitted(statement: Statement, sqlstate: str) -> bool:
    """Whether a later run continues without a command that is already omitted: the right may have been revoked, the
    object may have been created by hand, or a key may not suit what has come since."""
    if statement.kind in _INDEXES | _KEYS and sqlstate in _UNSUITABLE:
        return True
    return sqlstate in _STOPPING or may_be_omitted(statement, sqlstate)


@dataclass(frozen=True)
class Rejection:
    """Why PostgreSQL rejected a command: its message and SQLSTATE."""

    reason: str
    sqlstate: str

    @property
    def is_of_limits(self) -> bool:
        """Whether one of PostgreSQL's limits is the reason, which an alternative may keep to."""
        return self.sqlstate[:2] == _LIMITS


def note(cursor: Any, key: Key, statement: Statement, rejection: Rejection, instead: str = "") -> None:
    """Record a rejected command in the transaction of ``cursor``, and the command that was run instead; if it is
    recorded already, PostgreSQL's latest message replaces the earlier one."""
    name = str(statement.full_name)
    cursor.execute(
        "INSERT INTO cockroach_migrator.left_out (step, object, kind, name, reason, command, sqlstate, instead) VALUES "
        "(%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (step, object) DO UPDATE SET reason = excluded.reason, "
        "sqlstate = excluded.sqlstate, instead = excluded.instead",
        (*key, statement.kind, name, rejection.reason, statement.sql, rejection.sqlstate, instead),
    )


def forget(cursor: Any, key: Key) -> None:
    """Remove the record of a command that was accepted, in the transaction of ``cursor``."""
    cursor.execute("DELETE FROM cockroach_migrator.left_out WHERE (step, object) = (%s, %s)", key)


def read(connection: Any) -> dict[Key, OmittedObject]:
    """Return the omitted commands by their keys in the ledger; empty if there is no such table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.left_out') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return {}
        # The table of an earlier release has no columns sqlstate and instead.
        cursor.execute(
            "SELECT step, object, kind, name, reason, command, coalesce(to_jsonb(l)->>'sqlstate', ''), "
            "coalesce(to_jsonb(l)->>'instead', '') FROM cockroach_migrator.left_out l ORDER BY 1, 2",
        )
        return {(step, name): OmittedObject(*rest) for step, name, *rest in cursor.fetchall()}


def findings(
    database: str, items: Mapping[Key, OmittedObject], statements: Mapping[Key, Statement], rights: RoleRights
) -> list[Finding]:
    """Return a finding for each omitted command, but one for each role for ownership; ``rights`` are those of the
    importing role."""
    found = []
    wanted: dict[str, list[str]] = {}
    for key, item in items.items():
        about = _full_name(database, item, statements.get(key))
        role = _role_to_become(statements.get(key), rights) if item.sqlstate == NO_PRIVILEGE else ""
        if role:
            wanted.setdefault(role, []).append(str(about))
        else:
            found.append(_finding(about, item, statements.get(key), rights))
    return found + [_ownership(role, objects, rights) for role, objects in sorted(wanted.items())]


def _role_to_become(statement: Optional[Statement], rights: RoleRights) -> str:
    """Return the role that the importing role must be a member of for a statement; empty if that is not the reason."""
    expects = statement.expects if statement else None
    role = (
        expects.role if isinstance(expects, Owner) else expects.creator if isinstance(expects, DefaultPrivilege) else ""
    )
    return role if role and rights.grant_to_own(role) else ""


def _finding(about: FullName, item: OmittedObject, statement: Optional[Statement], rights: RoleRights) -> Finding:
    if item.sqlstate in _TAKEN:
        return _by_hand(about, item)
    if item.sqlstate == NO_PRIVILEGE:
        return _right(about, item, rights)
    if item.sqlstate == _TOO_LONG and item.kind in _INDEXES:
        return _too_long(about, item, statement)
    if item.sqlstate == _NO_KEY_REFERRED_TO:
        return _foreign_key(about, item)
    return _refused(about, item)


def _full_name(database: str, item: OmittedObject, statement: Optional[Statement]) -> FullName:
    """Return the name of what a command is about; without the command the parts of the name are not known."""
    if statement is None:
        return FullName("object", database, name=item.name)
    kind = _KINDS.get(statement.kind, "object")
    if kind == "view":
        return FullName(kind, database, statement.schema, table=statement.name)
    if kind == "column":
        return FullName(kind, database, statement.schema, statement.table, statement.name)
    return FullName(kind, database, statement.schema, statement.table, name=statement.name)


def _by_hand(about: FullName, item: OmittedObject) -> Finding:
    return Finding.of(
        FindingCode.WRITTEN_BY_HAND,
        about,
        f"The {item.kind.replace('_', ' ')} was omitted by the import and is there now: it was written by hand, and is "
        "not compared.",
    )


def _too_long(about: FullName, item: OmittedObject, statement: Optional[Statement]) -> Finding:
    kind, reason = item.kind.replace("_", " "), item.reason.rstrip(".")
    if item.instead:
        return Finding.of(
            FindingCode.KEY_REPLACED,
            about,
            f"The {kind} is made in another form, because its rows have values that are longer than PostgreSQL's "
            f"indexes take: {item.instead} ({reason}).",
            severity="error" if _is_no_key(item, statement) else "warning",
        )
    return Finding.of(
        FindingCode.KEY_TOO_LONG,
        about,
        f"The {kind} is omitted, because its rows have values that are longer than PostgreSQL's indexes take: "
        f"{reason}.",
        f"Create an index on a hash of the long columns, such as md5(column), or on a part of them, instead of: "
        f"{item.command}",
    )


def _is_no_key(item: OmittedObject, statement: Optional[Statement]) -> bool:
    """Whether an index on hashes stands in for a key, which ON CONFLICT and foreign keys do not know."""
    made = item.made_of(statement) if statement else None
    if statement is None or made is None or not isinstance(made.expects, IndexDefinition):
        return False
    keeps_columns = isinstance(statement.expects, IndexDefinition) and statement.expects.keys == made.expects.keys
    return made.expects.unique and not keeps_columns


def _foreign_key(about: FullName, item: OmittedObject) -> Finding:
    return Finding.of(
        FindingCode.FOREIGN_KEY_LEFT_OUT,
        about,
        f"The foreign key is omitted, because PostgreSQL has no key on the columns that it refers to: "
        f"{item.reason.rstrip('.')}.",
        f"Make such a key, then run again, which tries the command once more: {item.command}",
    )


def _refused(about: FullName, item: OmittedObject) -> Finding:
    return Finding.of(
        FindingCode.REFUSED_BY_POSTGRESQL,
        about,
        f"The {item.kind.replace('_', ' ')} is omitted, because PostgreSQL rejected its command: "
        f"{item.reason.rstrip('.')}.",
        f"Write it by hand, or remove the cause and run again, which tries the command once more: {item.command}",
    )


def _right(about: FullName, item: OmittedObject, rights: RoleRights) -> Finding:
    return Finding.of(
        FindingCode.RIGHT_NOT_SET,
        about,
        f"The {item.kind.replace('_', ' ')} is omitted, because {rights.name} is not allowed to set it: "
        f"{item.reason.rstrip('.')}.",
        f"Have a role run it that is allowed to, or give {rights.name} the right and run again, which tries the "
        f"command once more: {item.command}",
    )


def _ownership(role: str, objects: list[str], rights: RoleRights) -> Finding:
    shown = ", ".join(sorted(objects)[:_NAMES_SHOWN]) + (" …" if len(objects) > _NAMES_SHOWN else "")
    return Finding.of(
        FindingCode.RIGHT_NOT_SET,
        FullName("role", name=role),
        f"{rights.name} is not allowed to make {role} the owner of its objects, nor to set its default privileges: "
        f"{shown}.",
        f"{rights.grant_to_own(role)}; then run again, which sets them.",
    )
