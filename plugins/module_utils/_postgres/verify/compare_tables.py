# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing tables with what is on them: columns, keys, checks, indexes, triggers, policies and rules."""

from __future__ import annotations

from collections.abc import Iterator

from ..._convert.definitions import (
    ForeignKeyDefinition,
)
from ..._model.catalog import Table
from ..load.statement_runner import describe
from .comparison import (
    TRIGGERS,
    Check,
    Comparer,
    compare_facts,
    comparer_of_columns,
    comparer_with_twin,
    expectation,
    more_than_wanted,
    more_than_wanted_on_views,
    parts_of,
)


def columns(check: Check) -> Iterator[str]:
    for label, part, _column in check.columns():
        found, twin = check.found["columns"].get(part), check.twins.facts["columns"].get(part)
        if part in check.twins.failed:
            twin = None
        yield from compare_facts(label, found, twin, ("type", "collation"), check.twins.failed.get(part, ""))
    wanted = [part for _label, part, _column in check.columns()]
    yield from more_than_wanted(check, check.found["columns"], "column", _names_of_columns, wanted)


def _names_of_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def identities(check: Check) -> Iterator[str]:
    yield from comparer_of_columns("identity", "options")(check)
    for label, part, column in check.columns():
        found = check.found["columns"].get(part)
        if found and column.identity and found["sequence"] not in (None, ".".join(column.sequence)):
            yield f"{label}: its sequence is {found['sequence']}, not {'.'.join(column.sequence)}"


def comparer_of_keys(kind: str, *words: str) -> Comparer:
    by_twin = comparer_with_twin(
        "keys",
        (kind,),
        "kind",
        "columns",
        "included columns",
        "NULLS NOT DISTINCT",
        "deferrable",
        "initially deferred",
        "valid",
    )

    def compare(check: Check) -> Iterator[str]:
        yield from by_twin(check)
        found = [part for part, facts in check.found["keys"].items() if facts["kind"] in words]
        yield from more_than_wanted(
            check, found, kind.replace("_", " "), _names_of_indexes, parts_of(check, "primary_key", "unique_constraint")
        )

    return compare


def _names_of_indexes(table: Table) -> list[str]:
    return [
        table.primary_index.name,
        *(index.name for index in table.indexes),
        *(item.name for item in table.unique_without_index),
    ]


def checks(check: Check) -> Iterator[str]:
    yield from comparer_with_twin("checks", ("check",), "expression", "validated", "enforced")(check)
    yield from more_than_wanted(
        check,
        check.found["checks"],
        "check",
        lambda table: [item.name for item in table.checks],
        parts_of(check, "check"),
    )


def foreign_keys(check: Check) -> Iterator[str]:
    for statement in check.of("foreign_key"):
        made = expectation(statement, ForeignKeyDefinition)
        wanted = {
            "columns": list(made.columns),
            "referenced table": ".".join(made.referenced),
            "referenced columns": list(made.referenced_columns),
            "match": made.match,
            "ON DELETE": made.on_delete,
            "columns that ON DELETE sets": [],
            "ON UPDATE": made.on_update,
            "validated": made.validated,
            "deferrable": False,
            "initially deferred": False,
            "enforced": True,
        }
        yield from compare_facts(
            describe(statement),
            check.found["foreign keys"].get((statement.schema, statement.table, statement.name)),
            wanted,
            wanted,
        )
    known = check.found["foreign keys"]
    yield from more_than_wanted(
        check,
        known,
        "foreign key",
        lambda table: [key.name for key in table.foreign_keys],
        parts_of(check, "foreign_key"),
    )


def indexes(check: Check) -> Iterator[str]:
    names = ("method", "unique", "columns", "included columns", "predicate", "NULLS NOT DISTINCT", "valid")
    yield from comparer_with_twin("indexes", ("index", "unique_index"), *names)(check)
    unique = [part for part, facts in check.found["indexes"].items() if facts["unique"]]
    yield from more_than_wanted(
        check, unique, "unique index", _names_of_indexes, parts_of(check, "index", "unique_index")
    )


def triggers(check: Check) -> Iterator[str]:
    names = (
        "events",
        "columns",
        "level",
        "condition",
        "function",
        "arguments",
        "transition tables",
        "of a constraint",
        "deferrable",
        "initially deferred",
        "state",
    )
    yield from comparer_with_twin("triggers", TRIGGERS, *names)(check)
    yield from more_than_wanted(
        check,
        check.found["triggers"],
        "trigger",
        lambda table: [item.name for item in table.triggers],
        parts_of(check, *TRIGGERS),
    )
    yield from more_than_wanted_on_views(check, check.found["triggers"], "trigger")


def policies(check: Check) -> Iterator[str]:
    yield from comparer_with_twin("policies", ("policy",), "type", "command", "roles", "USING", "WITH CHECK")(check)
    yield from more_than_wanted(
        check,
        check.found["policies"],
        "policy",
        lambda table: [item.name for item in table.policies],
        parts_of(check, "policy"),
    )


def row_security(check: Check) -> Iterator[str]:
    wanted = {
        (statement.schema, statement.name) for statement in check.statements if statement.kind == "row_level_security"
    }
    for statement, _table in check.tables():
        place = (statement.schema, statement.name)
        found, source = check.found["relations"][(statement.schema, "", statement.name)], check.sources[place]
        if found["secured"] != (place in wanted):
            yield f"row level security of table {'.'.join(place)}: is {'' if found['secured'] else 'not '}enabled"
        if found["forced"] and not source.row_level_security_forced:
            yield f"row level security of table {'.'.join(place)}: is forced"


def rules(check: Check) -> Iterator[str]:
    yield from more_than_wanted(check, check.found["rules"], "rule", lambda table: [], [])
    yield from more_than_wanted_on_views(check, check.found["rules"], "rule")
