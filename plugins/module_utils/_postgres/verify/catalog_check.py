# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing PostgreSQL's catalog with what the conversion's statements expect of it: one comparer for each kind of
thing that a person could change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Callable, Optional, TypeVar

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._convert.definitions import (
    EVERYBODY,
    ColumnDefinition,
    Comment,
    DefaultPrivilege,
    ForeignKeyDefinition,
    Owner,
    Privileges,
    RoutineDefinition,
    SequenceOwner,
    SequenceValue,
    Setting,
    TableDefinition,
)
from ..._convert.statements import Need, Statement
from ..._errors import UnsupportedError
from ..._model.catalog import Database, Table
from ..._model.names import clip
from ..load.statement_runner import describe
from .catalog_facts import SOURCES, Facts, Part, read_facts
from .catalog_rights import DATABASE, HOLDER_CLASSES, Granted, Holder, HolderState, Rights, read_rights
from .twins import Twins, make_twins

_ROUTINES = ("function", "procedure")
_TRIGGERS = ("trigger", "constraint_trigger")
_RELATIONS = {"table": "r", "view": "v", "materialized_view": "m", "sequence": "S"}
_MADE = ("schema", "type", "domain", *_RELATIONS, *_ROUTINES)
"""Kinds of statements that make something which has an owner and privileges."""
_PUBLIC_SCHEMA = "public"
_LONGEST = 120
"""Characters of a value that is shown in a difference."""
_MANY = "more than there should be"
_WORDS = {("validated", True): "is validated, which it was not in CockroachDB"}
_DEFAULT_KINDS = {"TABLES": "r", "SEQUENCES": "s", "FUNCTIONS": "f", "TYPES": "T", "SCHEMAS": "n"}
_KINDS_OF_NEW = {letter: kind for kind, letter in _DEFAULT_KINDS.items()}
Expected = TypeVar("Expected")


@dataclass
class Check:
    """What the comparers look at: the statements, what PostgreSQL makes of them, and what it has."""

    cursor: Any
    statements: list[Statement]
    twins: Twins
    found: dict[str, Facts]
    rights: Rights
    extensions: frozenset[str]
    sources: dict[tuple[str, str], Table]
    """The tables of CockroachDB, by schema and name in PostgreSQL."""
    closed_functions: frozenset[tuple[str, str]]
    """Functions that not everybody could call in CockroachDB."""
    rights_are_ours: bool
    """Whether owners and privileges were migrated."""

    def of(self, *kinds: str) -> Iterator[Statement]:
        """Yield the statements of these kinds; not those whose table, function or the like is missing, which is a
        difference of its own.

        A table is looked at all the same: it may have lost a column with the type of it.
        """
        for statement in self.statements:
            needs = [need for need in statement.needs if statement.kind != "table" or need.kind == "schema"]
            if statement.kind in kinds and all(self.has(need) for need in needs):
                yield statement

    def has(self, need: Need) -> bool:
        """Whether something that others depend on is there; roles have been asked for before the statements were
        made."""
        if need.kind == "relation":
            return (need.schema, "", need.name) in self.found["relations"]
        if need.kind == "routine":
            return any(
                (schema, name) == (need.schema, need.name) for schema, _arguments, name in self.found["routines"]
            )
        if need.kind == "type":
            return (need.schema, "", need.name) in self.found["types"]
        if need.kind == "extension":
            return need.name in self.extensions
        return need.kind != "schema" or ("SCHEMA", "", "", need.name) in self.rights.holders

    def tables(self) -> Iterator[tuple[Statement, TableDefinition]]:
        """Yield the tables that are there."""
        for statement in self.of("table"):
            if (
                isinstance(statement.expects, TableDefinition)
                and (statement.schema, "", statement.name) in self.found["relations"]
            ):
                yield statement, statement.expects

    def columns(self) -> Iterator[tuple[str, Part, ColumnDefinition]]:
        """Yield what a column is called, its name and its definition."""
        for statement, table in self.tables():
            for column in table.columns:
                part = (statement.schema, statement.name, column.name)
                yield f"column {'.'.join(part)}", part, column

    def routine(self, schema: str, name: str, made: Optional[RoutineDefinition]) -> Optional[Part]:
        """Return the name of a routine with its argument types; None where PostgreSQL does not take its definition any
        more."""
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


def _expected(statement: Statement, kind: type[Expected]) -> Expected:
    """Return what a statement expects, which is of this kind."""
    if not isinstance(statement.expects, kind):
        raise TypeError(f"{describe(statement)} expects a {type(statement.expects).__name__}, not a {kind.__name__}")
    return statement.expects


Comparer = Callable[[Check], Iterator[str]]


def check_catalog(
    connection: Any, database: Database, statements: Iterable[Statement], rights_are_ours: bool
) -> tuple[int, list[str]]:
    """Look for what the statements have made; return how many things were compared, and a line for each that is
    missing, different or too many.

    ``rights_are_ours`` says that owners and privileges were migrated. Nothing stays changed: the caller rolls the
    transaction back. Raises UnsupportedError for a kind of statement that cannot be checked, TargetError when the user
    may make no temporary objects.
    """
    wanted = list(statements)
    for statement in wanted:
        if statement.kind not in _CHECKED:
            raise UnsupportedError(
                f"verification does not know the kind of object {statement.kind!r} ({describe(statement)})"
            )
    with connection.cursor() as cursor:
        check = _look(cursor, database, wanted, rights_are_ours)
        differences = [line for compare in COMPARERS.values() for line in compare(check)]
    columns = sum(
        len(statement.expects.columns) for statement in wanted if isinstance(statement.expects, TableDefinition)
    )
    return len(wanted) + columns, differences


def _look(cursor: Any, database: Database, statements: list[Statement], rights_are_ours: bool) -> Check:
    twins = make_twins(cursor, statements)
    names = {statement.schema for statement in statements if statement.schema} | {
        statement.name for statement in statements if statement.kind == "schema"
    }
    routines = sorted({statement.name for statement in statements if statement.kind in _ROUTINES})
    cursor.execute("SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY(%s)", (sorted(names),))
    schemas = dict(cursor.fetchall())
    found = {source: read_facts(cursor, source, schemas, routines) for source in SOURCES}
    rights = read_rights(cursor, sorted(names), routines)
    cursor.execute("SELECT extname FROM pg_extension")
    extensions = frozenset(name for (name,) in cursor.fetchall())
    places = {schema.id: clip(schema.name) for schema in database.schemas}
    closed = frozenset(
        (places[function.schema_id], clip(function.name))
        for function in database.functions
        if function.grants and all(grant.role != _PUBLIC_SCHEMA for grant in function.grants)
    )
    sources = {(places[table.schema_id], clip(table.name)): table for table in database.tables}
    return Check(cursor, statements, twins, found, rights, extensions, sources, closed, rights_are_ours)


# --- what is the same for many kinds ---


def _compare(
    label: str, found: Optional[dict], wanted: Optional[dict], names: Iterable[str], failure: str = ""
) -> Iterator[str]:
    """Compare the facts of one object; ``failure`` is why PostgreSQL does not make it again."""
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


def _by_twin(source: str, kinds: tuple[str, ...], *names: str, existence: bool = True) -> Comparer:
    """Compare facts of one source with those of the twins."""

    def compare(check: Check) -> Iterator[str]:
        for statement in check.of(*kinds):
            part = (statement.schema, statement.table, statement.name)
            found, twin = check.found[source].get(part), check.twins.facts[source].get(part)
            if existence or found is not None and twin is not None:
                yield from _compare(describe(statement), found, twin, names, check.twins.failed.get(part, ""))

    return compare


def _of_columns(*names: str) -> Comparer:
    """Compare facts of the columns that are there."""

    def compare(check: Check) -> Iterator[str]:
        for label, part, _column in check.columns():
            found, twin = check.found["columns"].get(part), check.twins.facts["columns"].get(part)
            if found is not None and twin is not None and part not in check.twins.failed:
                yield from _compare(label, found, twin, names)

    return compare


def _too_many(
    check: Check, found: Iterable[Part], what: str, known: Callable[[Table], Iterable[str]], wanted: Iterable[Part]
) -> Iterator[str]:
    """Name what our tables have and neither the statements nor CockroachDB; what was left out may have been made by
    hand."""
    ours = {(statement.schema, statement.name) for statement, _table in check.tables()}
    expected = set(wanted)
    for part in sorted(found):
        place = part[:2]
        if (
            place in ours
            and part not in expected
            and part[2] not in {clip(name) for name in known(check.sources[place])}
        ):
            yield f"{what} {part[0]}.{part[2]} of table {part[1]}: {_MANY}"


def _too_many_on_views(check: Check, found: Iterable[Part], what: str) -> Iterator[str]:
    """Name what our views have and the statements do not: it decides what a write through the view does. CockroachDB's
    views take no writes."""
    ours = {(statement.schema, statement.name) for statement in check.of("view")}
    expected = set(_parts(check, *_TRIGGERS))
    return (
        f"{what} {part[0]}.{part[2]} of view {part[1]}: {_MANY}"
        for part in sorted(found)
        if part[:2] in ours and part not in expected
    )


def _parts(check: Check, *kinds: str) -> Iterator[Part]:
    return (
        (statement.schema, statement.table, statement.name) for statement in check.statements if statement.kind in kinds
    )


# --- tables and what is on them ---


def _relations(kind: str) -> Comparer:
    def compare(check: Check) -> Iterator[str]:
        for statement in check.of(kind):
            found = check.found["relations"].get((statement.schema, "", statement.name))
            if found is None or found["kind"] != _RELATIONS[kind]:
                yield f"{describe(statement)}: missing"
            elif not found["logged"]:
                yield f"{describe(statement)}: is UNLOGGED"

    return compare


def _columns(check: Check) -> Iterator[str]:
    for label, part, _column in check.columns():
        found, twin = check.found["columns"].get(part), check.twins.facts["columns"].get(part)
        if part in check.twins.failed:
            twin = None
        yield from _compare(label, found, twin, ("type", "collation"), check.twins.failed.get(part, ""))
    wanted = [part for _label, part, _column in check.columns()]
    yield from _too_many(check, check.found["columns"], "column", _names_of_columns, wanted)


def _names_of_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _identities(check: Check) -> Iterator[str]:
    yield from _of_columns("identity", "options")(check)
    for label, part, column in check.columns():
        found = check.found["columns"].get(part)
        if found and column.identity and found["sequence"] not in (None, ".".join(column.sequence)):
            yield f"{label}: its sequence is {found['sequence']}, not {'.'.join(column.sequence)}"


def _keys(kind: str, *words: str) -> Comparer:
    by_twin = _by_twin(
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
        yield from _too_many(
            check, found, kind.replace("_", " "), _names_of_indexes, _parts(check, "primary_key", "unique_constraint")
        )

    return compare


def _names_of_indexes(table: Table) -> list[str]:
    return [
        table.primary_index.name,
        *(index.name for index in table.indexes),
        *(item.name for item in table.unique_without_index),
    ]


def _checks(check: Check) -> Iterator[str]:
    yield from _by_twin("checks", ("check",), "expression", "validated", "enforced")(check)
    yield from _too_many(
        check,
        check.found["checks"],
        "check",
        lambda table: [item.name for item in table.checks],
        _parts(check, "check"),
    )


def _foreign_keys(check: Check) -> Iterator[str]:
    for statement in check.of("foreign_key"):
        made = _expected(statement, ForeignKeyDefinition)
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
        yield from _compare(
            describe(statement),
            check.found["foreign keys"].get((statement.schema, statement.table, statement.name)),
            wanted,
            wanted,
        )
    known = check.found["foreign keys"]
    yield from _too_many(
        check,
        known,
        "foreign key",
        lambda table: [key.name for key in table.foreign_keys],
        _parts(check, "foreign_key"),
    )


def _indexes(check: Check) -> Iterator[str]:
    names = ("method", "unique", "columns", "included columns", "predicate", "NULLS NOT DISTINCT", "valid")
    yield from _by_twin("indexes", ("index", "unique_index"), *names)(check)
    unique = [part for part, facts in check.found["indexes"].items() if facts["unique"]]
    yield from _too_many(check, unique, "unique index", _names_of_indexes, _parts(check, "index", "unique_index"))


def _triggers(check: Check) -> Iterator[str]:
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
    yield from _by_twin("triggers", _TRIGGERS, *names)(check)
    yield from _too_many(
        check,
        check.found["triggers"],
        "trigger",
        lambda table: [item.name for item in table.triggers],
        _parts(check, *_TRIGGERS),
    )
    yield from _too_many_on_views(check, check.found["triggers"], "trigger")


def _policies(check: Check) -> Iterator[str]:
    yield from _by_twin("policies", ("policy",), "type", "command", "roles", "USING", "WITH CHECK")(check)
    yield from _too_many(
        check,
        check.found["policies"],
        "policy",
        lambda table: [item["name"] for item in table.policies],
        _parts(check, "policy"),
    )


def _row_security(check: Check) -> Iterator[str]:
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


def _rules(check: Check) -> Iterator[str]:
    yield from _too_many(check, check.found["rules"], "rule", lambda table: [], [])
    yield from _too_many_on_views(check, check.found["rules"], "rule")


# --- views, routines, types, sequences ---


def _views(kind: str) -> Comparer:
    def compare(check: Check) -> Iterator[str]:
        yield from _relations(kind)(check)
        for statement in check.of(kind):
            part = (statement.schema, "", statement.name)
            found, twin = check.found["views"].get(part), check.twins.facts["views"].get(part)
            if found is not None and check.found["relations"][part]["kind"] == _RELATIONS[kind]:
                wanted = {**twin, "populated": True} if twin else None
                yield from _compare(
                    describe(statement),
                    found,
                    wanted,
                    ("query", "options", "populated"),
                    check.twins.failed.get(part, ""),
                )

    return compare


def _routines(check: Check) -> Iterator[str]:
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
    for statement in check.of(*_ROUTINES):
        part = check.routine(statement.schema, statement.name, _expected(statement, RoutineDefinition))
        if part is None:
            failure = check.twins.failed.get((statement.schema, "", statement.name), "")
            yield from _compare(describe(statement), {}, None, names, failure)
        else:
            yield from _compare(
                describe(statement), check.found["routines"].get(part), check.twins.facts["routines"].get(part), names
            )


def _sequences(check: Check) -> Iterator[str]:
    yield from _by_twin(
        "sequences", ("sequence",), "type", "start", "increment", "minimum", "maximum", "cache", "cycling"
    )(check)
    for statement in check.of("sequence"):
        found = check.found["relations"].get((statement.schema, "", statement.name))
        if found is not None and not found["logged"]:
            yield f"{describe(statement)}: is UNLOGGED"


def _sequence_values(check: Check) -> Iterator[str]:
    wanted = [
        (statement, statement.expects)
        for statement in check.of("sequence_value")
        if isinstance(statement.expects, SequenceValue)
    ]
    there = [
        (statement.schema, statement.name)
        for statement, _value in wanted
        if (statement.schema, "", statement.name) in check.found["relations"]
    ]
    states = _each(check.cursor, "SELECT last_value, is_called FROM {}", [sql.Identifier(*place) for place in there])
    found = dict(zip(there, states))
    after = [
        (statement, value.after) for statement, value in wanted if value.after and value.after in check.found["columns"]
    ]
    highest_of = sql.SQL("SELECT coalesce(max({})::bigint, 0), true FROM {}")
    queries = [
        highest_of.format(sql.Identifier(column), sql.Identifier(schema, table))
        for _statement, (schema, table, column) in after
    ]
    highest = {place: row[0] for (_statement, place), row in zip(after, _union(check.cursor, queries))}
    for statement, value in wanted:
        state = found.get((statement.schema, statement.name))
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


def _each(cursor: Any, query: str, names: list[Any]) -> list[tuple]:
    return _union(cursor, [sql.SQL(query).format(name) for name in names])


def _union(cursor: Any, queries: list[Any], most: int = 200) -> list[tuple]:
    """Return the one row of each query."""
    rows: list[tuple] = []
    for start in range(0, len(queries), most):
        part = [
            sql.SQL("(SELECT {}, one.* FROM ({}) AS one)").format(sql.Literal(number), query)
            for number, query in enumerate(queries[start : start + most])
        ]
        cursor.execute(sql.SQL(" UNION ALL ").join(part) + sql.SQL(" ORDER BY 1"))
        rows += [row[1:] for row in cursor.fetchall()]
    return rows


def _sequence_owners(check: Check) -> Iterator[str]:
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


def _there(kind: str, found: Callable[[Check, str], bool]) -> Comparer:
    """Compare what has nothing but a name."""

    def compare(check: Check) -> Iterator[str]:
        return (f"{describe(statement)}: missing" for statement in check.of(kind) if not found(check, statement.name))

    return compare


# --- comments, owners, privileges, settings ---


def _comments(check: Check) -> Iterator[str]:
    for statement in check.of("comment", "routine_comment"):
        made = _expected(statement, Comment)
        holder = check.holder(made.kind, statement, made.routine)
        state = check.rights.holders.get(holder) if holder else None
        if state is not None and state.comment != made.text:
            yield f"{describe(statement)}: {'another text' if state.comment else 'missing'}"


def _owners(check: Check) -> Iterator[str]:
    """What has no owner in the statements belongs to whoever made it; a sequence of a column has the owner of its
    table."""
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
    """Whether an object is there before an import."""
    return holder in (DATABASE, ("SCHEMA", "", "", _PUBLIC_SCHEMA))


def _held(check: Check) -> Iterator[tuple[str, Holder, HolderState]]:
    """Yield what has an owner and privileges of ours: what it is called, the object and its state."""
    if not check.rights_are_ours:
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


def _privileges(check: Check) -> Iterator[str]:
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
        {(statement.schema, statement.name) for statement, _table in check.tables()} if check.rights_are_ours else set()
    )
    for holder, granted in sorted(check.rights.granted.items()):
        if holder[0] == "COLUMN" and holder[1:3] in ours:
            yield from _beyond(f"grant on column {'.'.join(holder[1:])}", granted, {}, {}, "")


def _given_to_new_ones(check: Check, holder: Holder, state: HolderState, free: Granted) -> Granted:
    """Return what anybody may hold of a new object of the importers: what PostgreSQL gives everybody, and what their
    own default privileges give."""
    result = {role: dict(privileges) for role, privileges in free.items()}
    for (creator, schema, kind, role), privileges in check.rights.default_privileges.items():
        if creator in check.rights.importers and kind == _KINDS_OF_NEW[state.kind] and schema in ("", holder[1]):
            for name, grantable in privileges.items():
                _add(result.setdefault(role, {}), [name], grantable)
    return result


def _wanted_privileges(check: Check) -> dict[Holder, Granted]:
    result: dict[Holder, Granted] = {}
    for statement in check.of("grant", "routine_grant"):
        made = _expected(statement, Privileges)
        holder = check.holder(made.kind, statement, made.routine)
        if holder in check.rights.holders and holder is not None:
            names = check.rights.everything[check.rights.holders[holder].kind] if made.names == ("ALL",) else made.names
            _add(result.setdefault(holder, {}).setdefault(made.role, {}), names, made.grantable)
    return result


def _add(privileges: dict[str, bool], names: Iterable[str], grantable: bool) -> None:
    for name in names:
        privileges[name] = privileges.get(name, False) or grantable


def _lacking(label: str, wanted: Granted, found: Granted, owner: str) -> Iterator[str]:
    """The owner has everything."""
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
            yield f"{label}: {role} has {', '.join(more)}, {_MANY}"


def _default_privileges(check: Check) -> Iterator[str]:
    wanted: dict[tuple[str, str, str, str], dict[str, bool]] = {}
    for statement in check.of("default_privilege"):
        made = _expected(statement, DefaultPrivilege)
        names = check.rights.everything[_DEFAULT_KINDS[made.kind]] if made.names == ("ALL",) else made.names
        _add(wanted.setdefault((made.creator, made.schema, made.kind, made.role), {}), names, made.grantable)
    if not check.rights_are_ours:
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


def _settings(check: Check) -> Iterator[str]:
    """A session is given both values, and says how it takes them."""
    check.cursor.execute(
        "SELECT lower(split_part(setting, '=', 1)), substr(setting, strpos(setting, '=') + 1) FROM pg_db_role_setting "
        "s "
        "JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS setting WHERE setrole = 0 AND datname = "
        "current_database()"
    )
    found = dict(check.cursor.fetchall())
    for statement in check.of("database_setting"):
        name, value = statement.name, _expected(statement, Setting).value
        if name not in found:
            yield f"{describe(statement)}: missing"
            continue
        check.cursor.execute(
            "SELECT before, set_config(%(name)s, %(found)s, true), current_setting(%(name)s), set_config(%(name)s, "
            "%(wanted)s, true), "
            "current_setting(%(name)s), set_config(%(name)s, before, true) FROM current_setting(%(name)s) AS before",
            {"name": name, "found": found[name], "wanted": value},
        )
        _before, _set, taken, _set_too, wanted, _back = check.cursor.fetchone()
        if taken != wanted:
            yield f"{describe(statement)}: is {taken}, not {wanted}"


COMPARERS: dict[str, Comparer] = {
    "extension": _there("extension", lambda check, name: name in check.extensions),
    "schema": _there("schema", lambda check, name: ("SCHEMA", "", "", name) in check.rights.holders),
    "collation": _by_twin("collations", ("collation",), "provider", "locale", "deterministic"),
    "type": _by_twin("types", ("type", "domain"), "kind"),
    "enum label": _by_twin("types", ("type",), "labels", existence=False),
    "composite attribute": _by_twin("types", ("type",), "attributes", existence=False),
    "domain rule": _by_twin("types", ("type", "domain"), "base type", "default", "NOT NULL", "checks", existence=False),
    "sequence": _sequences,
    "sequence value": _sequence_values,
    "sequence owner": _sequence_owners,
    "routine": _routines,
    "table": _relations("table"),
    "column": _columns,
    "NOT NULL": _of_columns("NOT NULL"),
    "default": _of_columns("default"),
    "identity": _identities,
    "generated expression": _of_columns("generated expression", "storage"),
    "primary key": _keys("primary_key", "PRIMARY KEY"),
    "unique constraint": _keys("unique_constraint", "UNIQUE", "EXCLUDE"),
    "check": _checks,
    "foreign key": _foreign_keys,
    "index": _indexes,
    "view": _views("view"),
    "materialized view": _views("materialized_view"),
    "trigger": _triggers,
    "policy": _policies,
    "row security": _row_security,
    "rule": _rules,
    "comment": _comments,
    "owner": _owners,
    "privilege": _privileges,
    "default privilege": _default_privileges,
    "database setting": _settings,
}
"""What is compared, each by one comparer, in the order in which differences are told. The tests switch off one after
the other."""

_CHECKED = frozenset(
    (
        "extension",
        "schema",
        "collation",
        "type",
        "domain",
        "domain_check",
        "sequence",
        "sequence_value",
        "sequence_owned_by",
        "function",
        "procedure",
        "table",
        "column_default",
        "primary_key",
        "unique_constraint",
        "check",
        "foreign_key",
        "index",
        "unique_index",
        "view",
        "materialized_view",
        "trigger",
        "constraint_trigger",
        "policy",
        "row_level_security",
        "comment",
        "routine_comment",
        "owner",
        "routine_owner",
        "grant",
        "routine_grant",
        "default_privilege",
        "database_setting",
    )
)
"""The kinds of statements that the comparers know."""
