# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Setting back what an import has changed of objects that were there before: owners, privileges, comments, settings and
the values of sequences. What somebody has changed since stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..target.created_objects import SEQUENCE_VALUE
from ..target.object_states import DATABASE, DEFAULT_PRIVILEGES, SCHEMA
from .recorded import RecordedDatabase, RecordedObject, State

_CHANGED = "it was changed after the import"
_OBJECT_TYPES = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}
"""The words of ALTER DEFAULT PRIVILEGES by pg_default_acl.defaclobjtype."""


class SettingBack(NamedTuple):
    """A command and what it does, for people."""

    what: str
    command: Any
    """A psycopg2.sql.Composable."""


@dataclass(frozen=True)
class Changes:
    """What is set back, and what somebody has changed since, which stays."""

    commands: list[SettingBack]
    kept: dict[str, str]
    """What is not set back by the reason."""


def changes_to_set_back(database: RecordedDatabase) -> Changes:
    """Return what is to be set back in a database."""
    commands: list[SettingBack] = []
    kept: dict[str, str] = {}
    for address, item in database.objects.items():
        if item.before is None or item.now is None or item.before == item.state:
            continue
        if address.kind in (DATABASE, SCHEMA):
            commands += _owner_and_comment(item, kept)
            commands += _privileges(item, kept)
            commands += _settings(item, kept)
        elif address.kind == DEFAULT_PRIVILEGES:
            commands += _default_privileges(item, kept)
        elif address.kind == SEQUENCE_VALUE:
            commands += _value(item, kept)
    return Changes(commands, kept)


def _target(item: RecordedObject) -> Any:
    """Return the words of a command that name a database or schema, as PostgreSQL has just quoted it."""
    return sql.SQL("{} {}").format(sql.SQL(item.address.kind.upper()), sql.SQL(_now(item)["name"]))


def _now(item: RecordedObject) -> State:
    return item.now or {}


def _is_set_back(item: RecordedObject, part: str, kept: dict[str, str]) -> bool:
    """Whether the import has changed a part, and nobody has since; notes the part if somebody has."""
    old, left, now = (state.get(part) for state in (item.before or {}, item.state, _now(item)))
    if old == left or now == old:
        return False
    if now != left:
        kept[f"{part} of the {item.address.kind} {_now(item)['name']}"] = _CHANGED
    return now == left


def _owner_and_comment(item: RecordedObject, kept: dict[str, str]) -> Iterator[SettingBack]:
    name, before = f"{item.address.kind} {_now(item)['name']}", item.before or {}
    if _is_set_back(item, "owner", kept):
        command = sql.SQL("ALTER {} OWNER TO {}").format(_target(item), sql.Identifier(before["owner"]))
        yield SettingBack(f"owner of the {name}: {before['owner']} instead of {item.state['owner']}", command)
    if _is_set_back(item, "comment", kept):
        comment = before.get("comment")
        command = sql.SQL("COMMENT ON {} IS {}").format(_target(item), sql.Literal(comment))
        yield SettingBack(f"comment of the {name}", command)


def _privileges(item: RecordedObject, kept: dict[str, str]) -> Iterator[SettingBack]:
    name = f"{item.address.kind} {_now(item)['name']}"
    before, left, now = (_granted(state) for state in (item.before or {}, item.state, _now(item)))
    owners = {(item.before or {}).get("owner"), item.state["owner"]}
    for revoke in _revocations(before, left, now, owners):
        if revoke.right is None:
            kept[f"privilege {revoke.shown} on the {name}"] = _CHANGED
        else:
            command = sql.SQL("REVOKE {} ON {} FROM {}").format(revoke.right, _target(item), revoke.role)
            yield SettingBack(f"privilege {revoke.shown} on the {name}", command)


_Granted = dict[tuple[str, str], bool]
"""Whether with the grant option, by role (empty for PUBLIC) and privilege."""


def _granted(state: State, part: str = "privileges") -> _Granted:
    return {(role, privilege): option for role, privilege, option in state.get(part, ())}


class _Revocation(NamedTuple):
    right: Any
    """None if somebody has changed it since."""
    role: Any
    shown: str


def _revocations(
    before: _Granted, left: _Granted, now: _Granted, owners: Collection[Optional[str]]
) -> Iterator[_Revocation]:
    """Yield what the import has granted, and is there still. What owners have they have by being owners."""
    for (role, privilege), option in sorted(left.items()):
        if role in owners or before.get((role, privilege)) in (option, True) or (role, privilege) not in now:
            continue
        only_option = (role, privilege) in before
        right = sql.SQL("GRANT OPTION FOR {}" if only_option else "{}").format(sql.SQL(privilege))
        yield _Revocation(
            right if now[role, privilege] == option else None,
            sql.Identifier(role) if role else sql.SQL("PUBLIC"),
            f"{privilege} of {role or 'PUBLIC'}",
        )


def _settings(item: RecordedObject, kept: dict[str, str]) -> Iterator[SettingBack]:
    before, left, now = (state.get("settings") or {} for state in (item.before or {}, item.state, _now(item)))
    for name in sorted(left):
        if left[name] == before.get(name) or now.get(name) == before.get(name):
            continue
        if now.get(name) != left[name]:
            kept[f"setting {name} of the database"] = _CHANGED
        elif name in before:
            yield SettingBack(f"setting {name} of the database", _set(item, name, before[name]))
        else:
            command = sql.SQL("ALTER {} RESET {}").format(_target(item), sql.Identifier(name))
            yield SettingBack(f"setting {name} of the database", command)


def _set(item: RecordedObject, name: str, value: str) -> Any:
    """By way of the session's own setting: PostgreSQL itself takes a list such as search_path apart."""
    return sql.SQL("SELECT set_config({}, {}, true); ALTER {} SET {} FROM CURRENT").format(
        sql.Literal(name), sql.Literal(value), _target(item), sql.Identifier(name)
    )


def _default_privileges(item: RecordedObject, kept: dict[str, str]) -> Iterator[SettingBack]:
    for key, left in sorted(item.state.items()):
        before, now = (item.before or {}).get(key), _now(item).get(key)
        if left == before or not now:
            continue
        role, schema, objects = left["role"], left["schema"], _OBJECT_TYPES[left["type"]]
        inside = sql.SQL(" IN SCHEMA {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
        was = _granted(before) if before else _granted(left, "by default")
        for revoke in _revocations(was, _granted(left), _granted(now), {role}):
            what = f"default privilege {revoke.shown} on {objects.lower()} of {role}"
            if revoke.right is None:
                kept[what] = _CHANGED
            else:
                command = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}{} REVOKE {} ON {} FROM {}").format(
                    sql.Identifier(role), inside, revoke.right, sql.SQL(objects), revoke.role
                )
                yield SettingBack(what, command)


def _value(item: RecordedObject, kept: dict[str, str]) -> Iterator[SettingBack]:
    before = item.before or {}
    if _now(item) != item.state:
        kept[f"value of the sequence {item.name}"] = _CHANGED
        return
    # By its oid: a sequence keeps that when it is renamed.
    command = sql.SQL("SELECT pg_catalog.setval({}::oid::regclass, {}, {})").format(
        sql.Literal(item.address.oid), sql.Literal(before["last_value"]), sql.Literal(before["is_called"])
    )
    yield SettingBack(f"value of the sequence {item.name}", command)
