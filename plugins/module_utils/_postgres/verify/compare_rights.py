# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing comments, owners, privileges and default privileges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..._convert.definitions import (
    EVERYBODY,
    Comment,
    DefaultPrivilege,
    Owner,
    Privileges,
    RoutineDefinition,
)
from ..load.statement_runner import describe
from .catalog_rights import DATABASE, Granted, Holder, HolderState
from .comparison import MORE, PUBLIC_SCHEMA, RELATIONS, ROUTINES, Check, expectation

_MADE = ("schema", "type", "domain", *RELATIONS, *ROUTINES)
"""Kinds of statements that create an object with an owner and privileges."""
_DEFAULT_KINDS = {"TABLES": "r", "SEQUENCES": "s", "FUNCTIONS": "f", "TYPES": "T", "SCHEMAS": "n"}
_KINDS_OF_NEW = {letter: kind for kind, letter in _DEFAULT_KINDS.items()}


def comments(check: Check) -> Iterator[str]:
    for statement in check.of("comment", "routine_comment"):
        made = expectation(statement, Comment)
        holder = check.holder(made.kind, statement, made.routine)
        state = check.rights.holders.get(holder) if holder else None
        if state is not None and state.comment != made.text:
            yield f"{describe(statement)}: {'another text' if state.comment else 'missing'}"


def owners(check: Check) -> Iterator[str]:
    """Compare owners. Objects without an owner in the statements belong to the role that created them; a sequence of a
    column has the owner of its table."""
    stated: dict[Holder, str] = {}
    for statement in check.of("owner", "routine_owner"):
        if isinstance(statement.expects, Owner):
            holder = check.holder(statement.expects.kind, statement, statement.expects.routine)
            if holder:
                stated[holder] = statement.expects.role
    owned = {("RELATION", part[0], "", part[2]) for part, facts in check.found["sequences"].items() if facts["owner"]}
    for label, holder, state in _held(check):
        if holder in stated and state.owner != stated[holder]:
            yield f"owner of {label}: is {state.owner}, not {stated[holder]}"
        elif (
            holder not in stated
            and holder not in owned
            and holder != DATABASE
            and not _is_older(holder)
            and state.owner not in check.rights.importers
        ):
            yield f"owner of {label}: is {state.owner}, not {' or '.join(sorted(check.rights.importers))}"


def _is_older(holder: Holder) -> bool:
    """Whether an object exists before an import."""
    return holder in (DATABASE, ("SCHEMA", "", "", PUBLIC_SCHEMA))


def _held(check: Check) -> Iterator[tuple[str, Holder, HolderState]]:
    """Yield the migrated objects that have an owner and privileges: label, object and state."""
    if not check.rights_migrated:
        return
    yield "the database", DATABASE, check.rights.holders[DATABASE]
    words = {
        **{kind: kind.replace("_", " ").upper() for kind in _MADE},
        "function": "FUNCTION",
        "procedure": "PROCEDURE",
    }
    for statement in check.of(*_MADE):
        routine = statement.expects if isinstance(statement.expects, RoutineDefinition) else None
        holder = check.holder(words[statement.kind], statement, routine)
        if holder in check.rights.holders and holder is not None:
            yield describe(statement), holder, check.rights.holders[holder]


def privileges(check: Check) -> Iterator[str]:
    wanted = _wanted_privileges(check)
    for label, holder, state in _held(check):
        found = check.rights.granted.get(holder, {})
        expected = wanted.get(holder, {})
        everything = check.rights.everything[state.kind]
        lacking = sorted(everything - set(found.get(state.owner, {})))
        if lacking:
            yield f"grant on {label}: its owner {state.owner} lacks {', '.join(lacking)}"
        yield from _lacking(label, expected, found, state.owner)
        if not _is_older(holder):
            free = {EVERYBODY: dict.fromkeys(check.rights.of_everybody.get(state.kind, ()), False)}
            yield from _beyond(
                f"grant on {label}", found, expected, _given_to_new_ones(check, holder, state, free), state.owner
            )
            closed = holder[0] == "ROUTINE" and holder[1::2] in check.closed_functions
            if not closed and _KINDS_OF_NEW[state.kind] not in check.rights.changed_defaults:
                yield from _lacking(label, free, found, state.owner)
    ours = (
        {(statement.schema, statement.name) for statement, _table in check.tables()} if check.rights_migrated else set()
    )
    for holder, granted in sorted(check.rights.granted.items()):
        if holder[0] == "COLUMN" and holder[1:3] in ours:
            yield from _beyond(f"grant on column {'.'.join(holder[1:])}", granted, {}, {}, "")


def _given_to_new_ones(check: Check, holder: Holder, state: HolderState, free: Granted) -> Granted:
    """Return the privileges that roles may have on a new object of the importing roles: those that PostgreSQL grants to
    PUBLIC, and those of their own default privileges."""
    result = {role: dict(privileges) for role, privileges in free.items()}
    for (creator, schema, kind, role), privileges in check.rights.default_privileges.items():
        if creator in check.rights.importers and kind == _KINDS_OF_NEW[state.kind] and schema in ("", holder[1]):
            for name, grantable in privileges.items():
                _add(result.setdefault(role, {}), [name], grantable)
    return result


def _wanted_privileges(check: Check) -> dict[Holder, Granted]:
    result: dict[Holder, Granted] = {}
    for statement in check.of("grant", "routine_grant"):
        made = expectation(statement, Privileges)
        holder = check.holder(made.kind, statement, made.routine)
        if holder in check.rights.holders and holder is not None:
            names = check.rights.everything[check.rights.holders[holder].kind] if made.names == ("ALL",) else made.names
            _add(result.setdefault(holder, {}).setdefault(made.role, {}), names, made.grantable)
    return result


def _add(privileges: dict[str, bool], names: Iterable[str], grantable: bool) -> None:
    for name in names:
        privileges[name] = privileges.get(name, False) or grantable


def _lacking(label: str, wanted: Granted, found: Granted, owner: str) -> Iterator[str]:
    """Yield the expected privileges that are missing; the owner's are not listed in the statements."""
    for role, privileges in sorted(wanted.items()):
        held = found.get(role, {})
        if role == owner:
            continue
        lacking = sorted(name for name in privileges if name not in held)
        if lacking:
            yield f"grant on {label}: {role} lacks {', '.join(lacking)}"
        bound = sorted(name for name, grantable in privileges.items() if grantable and name in held and not held[name])
        if bound:
            yield f"grant on {label}: {role} lacks the grant option for {', '.join(bound)}"


def _beyond(label: str, found: Granted, wanted: Granted, free: Granted, owner: str) -> Iterator[str]:
    for role, privileges in sorted(found.items()):
        expected = {**free.get(role, {}), **wanted.get(role, {})}
        more = sorted(name for name in privileges if name not in expected)
        more += sorted(
            f"the grant option for {name}"
            for name, grantable in privileges.items()
            if grantable and name in expected and not expected[name]
        )
        if more and role != owner:
            yield f"{label}: {role} has {', '.join(more)}, {MORE}"


def default_privileges(check: Check) -> Iterator[str]:
    wanted: dict[tuple[str, str, str, str], dict[str, bool]] = {}
    for statement in check.of("default_privilege"):
        made = expectation(statement, DefaultPrivilege)
        names = check.rights.everything[_DEFAULT_KINDS[made.kind]] if made.names == ("ALL",) else made.names
        _add(wanted.setdefault((made.creator, made.schema, made.kind, made.role), {}), names, made.grantable)
    if not check.rights_migrated:
        return
    # Those of the importers are the target's own.
    found_places = {place for place in check.rights.default_privileges if place[0] not in check.rights.importers}
    for place in sorted({*wanted, *found_places}):
        creator, schema, kind, role = place
        label = f"default privilege of {creator} on {kind.lower()}{f' in schema {schema}' if schema else ''}"
        expected, found = {role: wanted.get(place, {})}, {role: check.rights.default_privileges.get(place, {})}
        free = (
            {EVERYBODY: dict.fromkeys(check.rights.of_everybody.get(_DEFAULT_KINDS.get(kind, ""), ()), False)}
            if not schema
            else {}
        )
        yield from (line.removeprefix("grant on ") for line in _lacking(label, expected, found, ""))
        yield from _beyond(label, found, expected, free, "")
