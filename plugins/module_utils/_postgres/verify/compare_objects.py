# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing views, routines and sequences, and the database's settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._convert.definitions import (
    RoutineDefinition,
    SequenceOwner,
    SequenceValue,
    Setting,
)
from ..load.statement_runner import describe
from .catalog_facts import Part
from .comparison import (
    RELATIONS,
    ROUTINES,
    Check,
    Comparer,
    compare_facts,
    comparer_of_relations,
    comparer_with_twin,
    expectation,
)

_DATABASE_SETTINGS = """
SELECT lower(split_part(setting, '=', 1)), substr(setting, strpos(setting, '=') + 1)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS setting
WHERE setrole = 0 AND datname = current_database()
"""
_BOTH_VALUES = """
SELECT before, set_config(%(name)s, %(found)s, true), current_setting(%(name)s),
       set_config(%(name)s, %(wanted)s, true), current_setting(%(name)s), set_config(%(name)s, before, true)
FROM current_setting(%(name)s) AS before
"""


def comparer_of_views(kind: str) -> Comparer:
    def compare(check: Check) -> Iterator[str]:
        yield from comparer_of_relations(kind)(check)
        for statement in check.of(kind):
            part = (statement.schema, "", statement.name)
            found, twin = check.found["views"].get(part), check.twins.facts["views"].get(part)
            if found is not None and check.found["relations"][part]["kind"] == RELATIONS[kind]:
                wanted = {**twin, "populated": True} if twin else None
                yield from compare_facts(
                    describe(statement),
                    found,
                    wanted,
                    ("query", "options", "populated"),
                    check.twins.failed.get(part, ""),
                )

    return compare


def routines(check: Check) -> Iterator[str]:
    names = (
        "kind",
        "arguments",
        "result",
        "language",
        "body",
        "volatility",
        "strict",
        "SECURITY DEFINER",
        "leakproof",
        "parallel",
        "settings",
    )
    for statement in check.of(*ROUTINES):
        part = check.routine(statement.schema, statement.name, expectation(statement, RoutineDefinition))
        if part is None:
            failure = check.twins.failed.get((statement.schema, "", statement.name), "")
            yield from compare_facts(describe(statement), {}, None, names, failure)
        else:
            yield from compare_facts(
                describe(statement), check.found["routines"].get(part), check.twins.facts["routines"].get(part), names
            )


def sequences(check: Check) -> Iterator[str]:
    yield from comparer_with_twin(
        "sequences", ("sequence",), "type", "start", "increment", "minimum", "maximum", "cache", "cycling"
    )(check)
    for statement in check.of("sequence"):
        found = check.found["relations"].get((statement.schema, "", statement.name))
        if found is not None and not found["logged"]:
            yield f"{describe(statement)}: is UNLOGGED"


def sequence_values(check: Check) -> Iterator[str]:
    wanted = [
        (statement, statement.expects)
        for statement in check.of("sequence_value")
        if isinstance(statement.expects, SequenceValue)
    ]
    states = _states_of_sequences(check, [(statement.schema, "", statement.name) for statement, _value in wanted])
    highest = _highest_values(check, [value.after for _statement, value in wanted if value.after])
    for statement, value in wanted:
        state = states.get((statement.schema, "", statement.name))
        if state is None:
            yield f"{describe(statement)}: the sequence is missing"
        elif value.after is None:
            if state != (value.last_value, value.is_called):
                words = (
                    f"is {state[0]}, {str(state[1]).lower()}, not {value.last_value}, {str(value.is_called).lower()}"
                )
                yield f"{describe(statement)}: its value (last_value, is_called) {words}"
        elif value.after in highest and highest[value.after] >= 1 and (not state[1] or state[0] < highest[value.after]):
            column = ".".join(value.after)
            yield (
                f"{describe(statement)}: its next value collides with {column}, which goes up to {highest[value.after]}"
            )


def _states_of_sequences(check: Check, parts: list[Part]) -> dict[Part, tuple[int, bool]]:
    """Return last_value and is_called of the sequences that are there."""
    there = [part for part in parts if part in check.found["relations"]]
    query = sql.SQL("SELECT last_value, is_called FROM {}")
    queries = [query.format(sql.Identifier(schema, name)) for schema, _table, name in there]
    return dict(zip(there, _union(check.cursor, queries)))


def _highest_values(check: Check, parts: list[Part]) -> dict[Part, int]:
    """Return the highest value, at least 0, of the columns that are there."""
    there = [part for part in parts if part in check.found["columns"]]
    query = sql.SQL("SELECT coalesce(max({})::bigint, 0), true FROM {}")
    queries = [query.format(sql.Identifier(column), sql.Identifier(schema, table)) for schema, table, column in there]
    return {part: row[0] for part, row in zip(there, _union(check.cursor, queries))}


def _union(cursor: Any, queries: list[Any], most: int = 200) -> list[tuple]:
    """Return the single row of each query."""
    rows: list[tuple] = []
    for start in range(0, len(queries), most):
        part = [
            sql.SQL("(SELECT {}, one.* FROM ({}) AS one)").format(sql.Literal(number), query)
            for number, query in enumerate(queries[start : start + most])
        ]
        cursor.execute(sql.SQL(" UNION ALL ").join(part) + sql.SQL(" ORDER BY 1"))
        rows += [row[1:] for row in cursor.fetchall()]
    return rows


def sequence_owners(check: Check) -> Iterator[str]:
    owners = {
        (statement.schema, "", statement.name): statement.expects.column
        for statement in check.statements
        if isinstance(statement.expects, SequenceOwner)
    }
    for statement in check.of("sequence"):
        part = (statement.schema, "", statement.name)
        found = check.found["sequences"].get(part)
        wanted = ".".join(owners[part]) if part in owners else None
        if found is not None and found["owner"] != wanted:
            yield f"{describe(statement)}: is owned by {found['owner'] or 'no column'}, not by {wanted or 'any column'}"


def settings(check: Check) -> Iterator[str]:
    """Compare database settings by setting both values in a session, which shows whether they mean the same."""
    check.cursor.execute(_DATABASE_SETTINGS)
    found = dict(check.cursor.fetchall())
    for statement in check.of("database_setting"):
        name, value = statement.name, expectation(statement, Setting).value
        if name not in found:
            yield f"{describe(statement)}: missing"
            continue
        check.cursor.execute(_BOTH_VALUES, {"name": name, "found": found[name], "wanted": value})
        _before, _set, taken, _set_too, wanted, _back = check.cursor.fetchone()
        if taken != wanted:
            yield f"{describe(statement)}: is {taken}, not {wanted}"
