# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The comparers' common parts: the state that they look at, and how facts are compared and reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, Optional, TypeVar

from ..._convert.definitions import (
    ColumnDefinition,
    RoutineDefinition,
    TableDefinition,
)
from ..._convert.statements import Need, Statement
from ..._model.catalog import Table
from ..._model.names import clip
from ..load.statement_runner import describe
from .catalog_facts import Facts, Part
from .catalog_rights import DATABASE, HOLDER_CLASSES, Holder, Rights
from .twins import Twins

ROUTINES = ("function", "procedure")
TRIGGERS = ("trigger", "constraint_trigger")
RELATIONS = {"table": "r", "view": "v", "materialized_view": "m", "sequence": "S"}
PUBLIC_SCHEMA = "public"
_LONGEST = 120
"""Maximum number of characters of a value that is shown in a difference."""
MORE = "more than there should be"
_WORDS = {("validated", True): "is validated, which it was not in CockroachDB"}
Expected = TypeVar("Expected")


@dataclass
class Check:
    """The state that comparers look at: the statements, the twins that PostgreSQL creates from them, and the
    catalog."""

    cursor: Any
    statements: list[Statement]
    twins: Twins
    found: dict[str, Facts]
    rights: Rights
    extensions: frozenset[str]
    sources: dict[tuple[str, str], Table]
    """The tables of CockroachDB, by schema and name in PostgreSQL."""
    closed_functions: frozenset[tuple[str, str]]
    """Functions that PUBLIC could not call in CockroachDB."""
    rights_migrated: bool
    """Whether owners and privileges were migrated."""

    def of(self, *kinds: str) -> Iterator[Statement]:
        """Yield the statements of these kinds, except those whose table, function or the like is missing, which is a
        difference of its own.

        Tables are included in any case: one may lack a column together with the column's type.
        """
        for statement in self.statements:
            needs = [need for need in statement.needs if statement.kind != "table" or need.kind == "schema"]
            if statement.kind in kinds and all(self.has(need) for need in needs):
                yield statement

    def has(self, need: Need) -> bool:
        """Whether an object that others depend on exists; roles were checked before the statements were created."""
        if need.kind == "relation":
            return (need.schema, "", need.name) in self.found["relations"]
        if need.kind == "routine":
            return (need.schema, need.name) in self._routines
        if need.kind == "type":
            return (need.schema, "", need.name) in self.found["types"]
        if need.kind == "extension":
            return need.name in self.extensions
        return need.kind != "schema" or ("SCHEMA", "", "", need.name) in self.rights.holders

    @cached_property
    def _routines(self) -> set[tuple[str, str]]:
        return {(schema, name) for schema, _arguments, name in self.found["routines"]}

    def tables(self) -> Iterator[tuple[Statement, TableDefinition]]:
        """Yield the tables that exist."""
        for statement in self.of("table"):
            if (
                isinstance(statement.expects, TableDefinition)
                and (statement.schema, "", statement.name) in self.found["relations"]
            ):
                yield statement, statement.expects

    def columns(self) -> Iterator[tuple[str, Part, ColumnDefinition]]:
        """Yield the label of each column, its name and its definition."""
        for statement, table in self.tables():
            for column in table.columns:
                part = (statement.schema, statement.name, column.name)
                yield f"column {'.'.join(part)}", part, column

    def routine(self, schema: str, name: str, made: Optional[RoutineDefinition]) -> Optional[Part]:
        """Return the name of a routine with its argument types; None if PostgreSQL rejects its definition now."""
        return self.twins.routines.get((schema, name, made)) if made else None

    def holder(self, kind: str, statement: Statement, routine: Optional[RoutineDefinition]) -> Optional[Holder]:
        """Return the object that a comment, owner or grant is of."""
        held = HOLDER_CLASSES[kind]
        if held == "DATABASE":
            return DATABASE
        if held == "ROUTINE":
            part = self.routine(statement.schema, statement.name, routine)
            return (held, *part) if part else None
        return held, statement.schema, statement.table if held in ("COLUMN", "CONSTRAINT") else "", statement.name


def expectation(statement: Statement, kind: type[Expected]) -> Expected:
    """Return the statement's expected definition, which is of this kind."""
    if not isinstance(statement.expects, kind):
        raise TypeError(f"{describe(statement)} expects a {type(statement.expects).__name__}, not a {kind.__name__}")
    return statement.expects


Comparer = Callable[[Check], Iterator[str]]


def compare_facts(
    label: str, found: Optional[dict], wanted: Optional[dict], names: Iterable[str], failure: str = ""
) -> Iterator[str]:
    """Yield the differences of the facts of one object; ``failure`` is why PostgreSQL rejects its definition now."""
    if found is None:
        yield f"{label}: missing"
    elif wanted is None:
        yield f"{label}: cannot be compared, for PostgreSQL does not make it again: {failure}"
    else:
        for name in names:
            if found[name] != wanted[name]:
                yield f"{label}: {_difference(name, found[name], wanted[name])}"


def _difference(name: str, found: Any, wanted: Any) -> str:
    if isinstance(wanted, bool):
        return _WORDS.get((name, found)) or f"is {'' if found else 'not '}{name}"
    texts = [_shown(value) for value in (found, wanted)]
    if any(len(text) > _LONGEST or "\n" in text for text in texts):
        return f"has another {name}"
    return f"{name} {'are' if name.endswith('s') else 'is'} {texts[0]}, not {texts[1]}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value) if value not in (None, "") else "none"


def comparer_with_twin(source: str, kinds: tuple[str, ...], *names: str, existence: bool = True) -> Comparer:
    """Return the comparer of facts of one source with those of the twins."""

    def compare(check: Check) -> Iterator[str]:
        for statement in check.of(*kinds):
            part = (statement.schema, statement.table, statement.name)
            found, twin = check.found[source].get(part), check.twins.facts[source].get(part)
            if existence or found is not None and twin is not None:
                yield from compare_facts(describe(statement), found, twin, names, check.twins.failed.get(part, ""))

    return compare


def comparer_of_columns(*names: str) -> Comparer:
    """Return the comparer of facts of the columns that exist."""

    def compare(check: Check) -> Iterator[str]:
        for label, part, _column in check.columns():
            found, twin = check.found["columns"].get(part), check.twins.facts["columns"].get(part)
            if found is not None and twin is not None and part not in check.twins.failed:
                yield from compare_facts(label, found, twin, names)

    return compare


def more_than_wanted(
    check: Check, found: Iterable[Part], what: str, known: Callable[[Table], Iterable[str]], wanted: Iterable[Part]
) -> Iterator[str]:
    """Yield what migrated tables have, but neither the statements nor CockroachDB; omitted objects may have been
    created by hand."""
    ours = {(statement.schema, statement.name) for statement, _table in check.tables()}
    expected = set(wanted)
    for part in sorted(found):
        place = part[:2]
        if (
            place in ours
            and part not in expected
            and part[2] not in {clip(name) for name in known(check.sources[place])}
        ):
            yield f"{what} {part[0]}.{part[2]} of table {part[1]}: {MORE}"


def more_than_wanted_on_views(check: Check, found: Iterable[Part], what: str) -> Iterator[str]:
    """Yield what migrated views have, but not the statements: it decides what a write through the view does.
    CockroachDB's views take no writes."""
    ours = {(statement.schema, statement.name) for statement in check.of("view")}
    expected = set(parts_of(check, *TRIGGERS))
    return (
        f"{what} {part[0]}.{part[2]} of view {part[1]}: {MORE}"
        for part in sorted(found)
        if part[:2] in ours and part not in expected
    )


def parts_of(check: Check, *kinds: str) -> Iterator[Part]:
    """Yield the names of the objects that the statements of these kinds create."""
    return (
        (statement.schema, statement.table, statement.name) for statement in check.statements if statement.kind in kinds
    )


def comparer_of_relations(kind: str) -> Comparer:
    def compare(check: Check) -> Iterator[str]:
        for statement in check.of(kind):
            found = check.found["relations"].get((statement.schema, "", statement.name))
            if found is None or found["kind"] != RELATIONS[kind]:
                yield f"{describe(statement)}: missing"
            elif not found["logged"]:
                yield f"{describe(statement)}: is UNLOGGED"

    return compare


def comparer_of_existence(kind: str, found: Callable[[Check, str], bool]) -> Comparer:
    """Return the comparer of objects that are compared by name only."""

    def compare(check: Check) -> Iterator[str]:
        return (f"{describe(statement)}: missing" for statement in check.of(kind) if not found(check, statement.name))

    return compare
