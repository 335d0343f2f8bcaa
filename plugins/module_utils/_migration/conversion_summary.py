# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What became of a schema's text: of its objects by kind, and of its statements in their order.

An object is *refused* if it is not understood or needs one that is refused, *omitted* if a finding says so, *changed*
if a finding about it or its columns says that PostgreSQL's definition or its meaning differs, or an ALTER statement for
it is refused, and else *converted*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Union

from .._model.catalog import Database, Table, UnreadableObject, View
from .._model.catalog_names import full_names
from .._model.finding_codes import Action, FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._sources.schema_text.catalog_of_text import ReadStatement
from .._sources.schema_text.omitted_statements import OMITTED_STATEMENTS

CONVERTED, CHANGED, OMITTED, REFUSED, SUPERSEDED = "converted", "changed", "omitted", "refused", "superseded"
_KINDS = {
    "schema": "schemas",
    "type": "types",
    "domain": "types",
    "sequence": "sequences",
    "table": "tables",
    "view": "views",
    "function": "functions",
    "index": "indexes",
    "constraint": "constraints",
    "trigger": "triggers",
    "policy": "policies",
}
_PARTS = ("index", "constraint", "trigger", "policy")
_OF_DEFINITIONS = (Action.CREATE, Action.REPEAT, Action.CHECK, Action.NOTHING)
"""What findings about a definition ask for; the others are about rows, privileges and values."""
_OF_MISSING = (Action.CREATE, Action.REPEAT)
_OMITTING = (FindingCode.INDEX_LEFT_OUT,)
"""Codes of omitted objects whose severity is not always error."""

Key = tuple[str, str, str, str, str]
"""``function`` or empty, database, schema, object, and the part of the object: findings about one object may call its
kind differently."""


@dataclass(frozen=True)
class RefusedStatement:
    """A statement that was not converted."""

    kind: str
    """The kind of object that it is about, such as table."""
    name: str
    line: int
    """0 if another statement than the one that makes the object has given it this name."""
    command: str
    """Such as CREATE TABLE or GRANT; empty if the statement begins with no word."""
    statement: str
    """Its beginning."""
    reason: str
    because: str
    """The name of the refused object that it needs; empty if it is not understood itself."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{_label(self.command, self.kind, self.name)}: {self.reason}"


def _label(command: str, kind: str, name: str) -> str:
    """Return a statement in a few words; where it names nothing, its name is that of the current database."""
    names_nothing = kind == "database" and not command.endswith("DATABASE")
    return (command or "a statement") + ("" if names_nothing else f" {name}")


@dataclass(frozen=True)
class StatementOutcome:
    """What became of a statement."""

    line: int
    command: str
    kind: str
    name: str
    outcome: str
    """converted, changed, omitted, refused, or superseded by a later statement that drops or renames the object."""


@dataclass(frozen=True)
class KindCounts:
    """How many objects of a kind had each outcome."""

    converted: int
    changed: int
    omitted: int
    refused: int


@dataclass(frozen=True)
class ConversionSummary:
    """What became of the text."""

    objects: dict[str, KindCounts]
    """By the kind in the plural; kinds that the text has not are not there."""
    statements: list[StatementOutcome]
    """In the order of the text."""


@dataclass(frozen=True)
class _Outcomes:
    """The objects that are omitted and changed."""

    omitted: set[Key]
    changed: set[Key]

    def of(self, key: Key) -> str:
        return OMITTED if key in self.omitted else CHANGED if key in self.changed else CONVERTED


def refused_statement(item: UnreadableObject) -> RefusedStatement:
    """Return how a module reports a refused object."""
    because = str(item.because) if item.because else ""
    return RefusedStatement(item.kind, item.full_name, item.line, item.command, item.statement, item.reason, because)


def summarize(
    statements: list[ReadStatement],
    databases: Iterable[Database],
    findings: list[Finding],
    refused: list[UnreadableObject],
) -> ConversionSummary:
    """Return the summary. ``databases`` have no refused object any more."""
    omissions = [finding for finding in findings if _omits(finding)]
    outcomes = _Outcomes(
        {key_of(finding.full_name) for finding in omissions},
        {_owner(finding.full_name) for finding in findings if _changes(finding)}
        | {key_of(item.name) for item in refused if item.command.startswith("ALTER ")},
    )
    objects: list[tuple[Key, str]] = [(key_of(name), name.kind) for database in databases for name in _names(database)]
    there = {key for key, _kind in objects}
    # What is omitted while the text is read is in no database.
    gone = {key_of(finding.full_name): finding.kind for finding in omissions}
    objects += [(key, kind) for key, kind in gone.items() if key not in there]
    counted = Counter((_KINDS[kind], outcomes.of(key)) for key, kind in objects if kind in _KINDS)
    counted.update((_KINDS[item.kind], REFUSED) for item in refused if _creates(item) and item.kind in _KINDS)
    by_kind = {
        kinds: KindCounts(*(counted[kinds, outcome] for outcome in (CONVERTED, CHANGED, OMITTED, REFUSED)))
        for kinds in dict.fromkeys(_KINDS.values())
        if any(kind == kinds for kind, _outcome in counted)
    }
    after_reading = {(item.line, item.name) for item in refused if _creates(item)}
    made = {key_of(item.name) for item in statements if item.creates}
    known = there | set(gone)
    return ConversionSummary(
        by_kind,
        [
            StatementOutcome(
                item.line,
                item.command,
                item.name.kind,
                str(item.name),
                REFUSED if (item.line, item.name) in after_reading else _outcome(item, known, made, outcomes),
            )
            for item in statements
        ],
    )


def without_findings_about_refused(
    findings: list[Finding], databases: Iterable[Database], refused: list[UnreadableObject]
) -> list[Finding]:
    """Return the findings without those about refused objects and their parts, which say how they are in PostgreSQL.
    ``databases`` have no refused object any more."""
    there = {key_of(name)[:4] for database in databases for name in _names(database)}
    gone = {key_of(item.name) for item in refused if _creates(item)}
    gone = {key for key in gone if not key[4] and key[:4] not in there}
    return [item for item in findings if (*_owner(item.full_name)[:4], "") not in gone]


def _creates(item: UnreadableObject) -> bool:
    return item.command.startswith("CREATE ")


def _outcome(item: ReadStatement, known: set[Key], made: set[Key], outcomes: _Outcomes) -> str:
    if item.refused or item.omitted:
        return REFUSED if item.refused else OMITTED
    named = item.name.name or item.name.kind not in _PARTS
    key = key_of(item.name)
    if not item.creates or item.name.kind not in _KINDS or not named:
        return OMITTED if key in outcomes.omitted else CONVERTED
    if key not in known:
        return SUPERSEDED
    differing = outcomes.omitted | outcomes.changed
    if (
        not key[4]
        and outcomes.of(key) == CONVERTED
        and any(part[:4] == key[:4] and part not in made for part in differing)
    ):
        return CHANGED
    return outcomes.of(key)


def _changes(finding: Finding) -> bool:
    """Tell whether a finding is about the definition of what it names, and not about a statement of its own."""
    return finding.code.action in _OF_DEFINITIONS and finding.code not in OMITTED_STATEMENTS


def _omits(finding: Finding) -> bool:
    """Tell whether a finding says that the object that it names is not there."""
    if finding.code in _OMITTING:
        return True
    return (
        finding.severity == "error"
        and finding.code.action in _OF_MISSING
        and finding.kind in _KINDS
        and finding.code is not FindingCode.DEFAULT_LEFT_OUT
    )


def key_of(name: FullName) -> Key:
    """Return what is the same for all names of one object."""
    group = "function" if name.kind in ("function", "parameter") else ""
    return (group, name.database, name.schema, name.table or name.name, name.name if name.table else "")


def _owner(name: FullName) -> Key:
    """Return the key of the object itself, for one of its columns or parameters."""
    key = key_of(name)
    return key if name.kind != "parameter" else (*key[:4], "")


def _names(database: Database) -> Iterator[FullName]:
    """Yield the full names of a database's objects and of their parts."""
    for schema in database.schemas:
        yield FullName("schema", database.name, schema.name)
    names = full_names(database)
    yield from names.values()
    with_indexes: list[Union[Table, View]] = [*database.tables, *database.views]
    for relation in with_indexes:
        yield from (names[relation.id].part("index", index.name) for index in relation.indexes)
    for domain in database.types:
        yield from (names[domain.id].part("constraint", check.name) for check in domain.checks)
    for table in database.tables:
        where = names[table.id]
        constraints: list[Any] = [*table.checks, *table.foreign_keys, *table.unique_without_index]
        yield from (where.part("constraint", item.name) for item in constraints)
        yield from (where.part("trigger", trigger.name) for trigger in table.triggers)
        yield from (where.part("policy", policy.name) for policy in table.policies)


def summary_text(summary: ConversionSummary, refused: list[RefusedStatement]) -> str:
    """Return the text of the file for people: the counts, the refused statements, and all statements."""
    outcomes = (CONVERTED, CHANGED, OMITTED, REFUSED)
    lines = [f"{'':<12}" + "".join(f"{outcome:>11}" for outcome in outcomes)]
    for kind, counts in summary.objects.items():
        lines.append(f"{kind:<12}" + "".join(f"{getattr(counts, outcome):>11}" for outcome in outcomes))
    if refused:
        lines += ["", f"Refused statements ({len(refused)}):", *map(str, refused)]
    lines += ["", "All statements, in the order of the text:"]
    lines += [
        f"line {item.line:<6} {item.outcome:<11} {_label(item.command, item.kind, item.name)}"
        for item in summary.statements
    ]
    return "\n".join(lines) + "\n"
