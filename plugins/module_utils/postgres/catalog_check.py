# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Looking up everything the conversion made in PostgreSQL's catalog."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Optional

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..catalog.model import Database
from ..convert.computed import fit_to_server
from ..convert.context import Context
from ..convert.definitions import SequenceValue
from ..convert.features import ConvertOptions, ServerFeatures
from ..convert.names import clip, literal, quote
from ..convert.sequence_bounds import fit_sequences
from ..convert.sequences import next_value
from ..convert.statements import Statement
from ..convert.tables import kept_columns
from ..convert.types import type_name
from ..errors import UnsupportedError
from .catalog_state import CatalogState, read_state
from .statement_runner import describe

_CONSTRAINT_KINDS = {"primary_key": "p", "unique_constraint": "u", "check": "c", "foreign_key": "f"}
_NOT_VALID = " NOT VALID"
_GRANT_OPTION = " WITH GRANT OPTION"
_ALL_PRIVILEGES = {
    "DATABASE": {"CREATE", "TEMPORARY", "CONNECT"}, "SCHEMA": {"CREATE", "USAGE"}, "TYPE": {"USAGE"}, "SEQUENCE": {"SELECT", "UPDATE", "USAGE"},
    "TABLE": {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"},
}


def check_columns(connection: Any, database: Database, features: ServerFeatures, options: ConvertOptions) -> tuple[int, list[str]]:
    """Compare every column's type, nullability and computedness; return how many there are and what differs.

    PostgreSQL itself spells the wanted types (in a temporary table of a transaction that the caller rolls back).
    """
    database, _findings = fit_to_server(database, features, options)
    context = Context(database, features, options)
    wanted = {}
    for table in database.tables:
        primary = {part.column_id for part in table.primary_index.columns}
        for column in kept_columns(table):
            name = (context.schema(table), clip(table.name), clip(column.name))
            wanted[name] = (type_name(column.type, context, ".".join(name)), not column.nullable or column.id in primary, bool(column.computed))
    spelled = _spell(connection, {text for text, _not_null, _generated in wanted.values()})
    state = read_state(connection)
    problems = []
    for name, (text, not_null, generated) in wanted.items():
        found = state.columns.get(name)
        if found is None:
            problems.append(f"column {'.'.join(name)}: missing")
            continue
        for what, want, got in (("type", spelled[text], found.type), ("NOT NULL", not_null, found.not_null), ("computed", generated, found.generated)):
            if want != got:
                problems.append(f"column {'.'.join(name)}: {what} is {got}, not {want}")
    return len(wanted), problems


def _spell(connection: Any, types: set[str]) -> dict[str, str]:
    """Return PostgreSQL's own name (format_type) of each type."""
    result: dict[str, str] = {}
    ordered = sorted(types)
    with connection.cursor() as cursor:
        for start in range(0, len(ordered), 1000):
            part = ordered[start:start + 1000]
            fields = ", ".join(f"c{number} {text}" for number, text in enumerate(part))
            cursor.execute(f"CREATE TEMPORARY TABLE cockroach_migrator_types ({fields})")
            cursor.execute(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'pg_temp.cockroach_migrator_types'::regclass AND attnum > 0 ORDER BY attnum",
            )
            result.update(zip(part, (text for (text,) in cursor.fetchall())))
            cursor.execute("DROP TABLE pg_temp.cockroach_migrator_types")
    return result


def check_statements(connection: Any, database: Database, statements: Iterable[Statement]) -> tuple[int, list[str]]:
    """Look up what each statement made; return how many there are and a line for each that is missing or different."""
    state = read_state(connection)
    sequences = _sequence_states(connection, state)
    checker = _Checker(connection, database, state, sequences)
    problems = []
    count = 0
    for statement in statements:
        count += 1
        problem = checker.problem(statement)
        if problem:
            problems.append(f"{describe(statement)}: {problem}")
    return count, problems


def _sequence_states(connection: Any, state: CatalogState) -> dict[tuple[str, str], tuple[int, bool]]:
    """Return last_value and is_called of every sequence."""
    names = [name for name, relation in state.relations.items() if relation.kind == "S"]
    result = {}
    with connection.cursor() as cursor:
        for schema, name in names:
            cursor.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name)))
            result[schema, name] = cursor.fetchone()
    return result


class _Checker:
    """One method for each kind of statement; each returns what is wrong, "" when nothing is."""

    def __init__(
        self, connection: Any, database: Database, state: CatalogState, sequences: dict[tuple[str, str], tuple[int, bool]],
    ) -> None:
        self._connection = connection
        self._database = database
        self._state = state
        self._sequences = sequences
        schemas = {schema.id: clip(schema.name) for schema in database.schemas}
        self._enums = {
            (schemas[item.schema_id], clip(item.name)): [member.name for member in item.members] for item in database.types if item.kind != "composite"
        }
        fitted, _findings = fit_sequences(database)
        self._values = {
            (schemas[item.schema_id], clip(item.name)): _shown(next_value(item)) for item in fitted.sequences if item.value is not None and not item.virtual
        }
        self._kinds: dict[str, Callable[[Statement], str]] = {
            "extension": lambda statement: _there(statement.name in state.extensions),
            "schema": lambda statement: _there(statement.name in state.schemas),
            "type": self._type,
            "collation": lambda statement: _there((statement.schema, statement.name) in state.collations),
            "function": self._routine(lambda found, text: True), "procedure": self._routine(lambda found, text: found.kind == "p"),
            "sequence": self._relation("S"), "table": self._relation("r"), "view": self._relation("v"), "materialized_view": self._relation("m"),
            "primary_key": self._constraint, "unique_constraint": self._constraint, "check": self._constraint, "foreign_key": self._constraint,
            "index": self._index, "unique_index": self._index,
            "sequence_value": self._sequence_value, "sequence_owned_by": self._sequence_owner,
            "column_default": lambda statement: _there((statement.schema, statement.table, statement.name) in state.defaults),
            "trigger": self._trigger, "constraint_trigger": self._constraint_trigger,
            "comment": self._comment, "owner": self._owner, "grant": self._grant,
            "policy": lambda statement: _there((statement.schema, statement.table, statement.name) in state.policies),
            "row_level_security": lambda statement: _there((statement.schema, statement.name) in state.secured),
            "default_privilege": lambda statement: _there((statement.name, statement.schema) in state.default_privileges),
            "database_setting": lambda statement: _there(statement.name in state.settings),
            "routine_comment": self._routine(lambda found, text: text.endswith(" IS " + literal(found.comment or ""))),
            "routine_owner": self._routine(lambda found, text: text.endswith(" OWNER TO " + quote(found.owner))),
            "routine_grant": self._routine(
                lambda found, text: any(text.endswith((" TO " + quote(role), " TO " + quote(role) + _GRANT_OPTION)) for role in found.granted_to),
            ),
        }

    def problem(self, statement: Statement) -> str:
        """Return what is wrong with the object of a statement. Raises UnsupportedError for a kind it cannot check."""
        if statement.kind not in self._kinds:
            raise UnsupportedError(f"verification does not know the kind of object {statement.kind!r} ({describe(statement)})")
        return self._kinds[statement.kind](statement)

    def _routine(self, agrees: Callable[[Any, str], bool]) -> Callable[[Statement], str]:
        """Look for one among the routines of a name that agrees with the command."""
        def check(statement: Statement) -> str:
            routines = self._state.functions.get((statement.schema, statement.name), [])
            return _there(any(agrees(found, statement.sql) for found in routines))
        return check

    def _type(self, statement: Statement) -> str:
        name = (statement.schema, statement.name)
        if name not in self._state.types:
            return "missing"
        if name in self._enums and self._enums[name] != self._state.enum_labels[name]:
            return f"its labels are {self._state.enum_labels[name]}, not {self._enums[name]}"
        return ""

    def _relation(self, kind: str) -> Callable[[Statement], str]:
        def check(statement: Statement) -> str:
            found = self._state.relations.get((statement.schema, statement.name))
            if found is None or found.kind != kind:
                return "missing"
            return "" if found.populated else "not populated"
        return check

    def _constraint(self, statement: Statement) -> str:
        found = self._state.constraints.get((statement.schema, statement.table, statement.name))
        if found is None or found.kind != _CONSTRAINT_KINDS[statement.kind]:
            return "missing"
        if found.validated == statement.sql.endswith(_NOT_VALID):
            return "validated, which it was not in CockroachDB" if found.validated else "not validated"
        return self._index(statement) if found.kind in "pu" else ""

    def _trigger(self, statement: Statement) -> str:
        return _there((statement.schema, statement.table, statement.name) in self._state.triggers)

    def _constraint_trigger(self, statement: Statement) -> str:
        """A constraint trigger is a constraint, too."""
        found = self._state.constraints.get((statement.schema, statement.table, statement.name))
        return self._trigger(statement) if found is not None and found.kind == "t" else "missing"

    def _index(self, statement: Statement) -> str:
        found = self._state.indexes.get((statement.schema, statement.table, statement.name))
        if found is None:
            return "missing"
        if not found.valid:
            return "not valid"
        return "" if found.unique == (statement.kind != "index") else "unique" if found.unique else "not unique"

    def _sequence_value(self, statement: Statement) -> str:
        name = (statement.schema, statement.name)
        if name not in self._sequences:
            return "the sequence is missing"
        last, called = self._sequences[name]
        if name in self._values:
            got = f"{last}, {str(called).lower()}"
            return "" if got == self._values[name] else f"its value (last_value, is_called) is {got}, not {self._values[name]}"
        return self._continues_after_data(name, last, called)

    def _continues_after_data(self, name: tuple[str, str], last: int, called: bool) -> str:
        columns = self._state.sequence_columns.get(name)
        if not columns:
            return "no column uses it"
        schema, table, column, _owned = columns[0]
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT coalesce(max({}), 0) FROM {}").format(sql.Identifier(column), sql.Identifier(schema, table)))
            highest = cursor.fetchone()[0]
        if highest >= 1 and (not called or last < highest):
            return f"its next value collides with {schema}.{table}.{column}, which goes up to {highest}"
        return ""

    def _sequence_owner(self, statement: Statement) -> str:
        columns = self._state.sequence_columns.get((statement.schema, statement.name), [])
        return _there(any(owned and table == statement.table for _schema, table, _column, owned in columns))

    def _comment(self, statement: Statement) -> str:
        found = self._found_comment(statement)
        if found is None:
            return "missing"
        if _on_database(statement):
            return "" if found == self._database.comment else "another text"
        return "" if statement.sql.endswith(" IS " + literal(found)) else "another text"

    def _found_comment(self, statement: Statement) -> Optional[str]:
        state = self._state
        part = (statement.schema, statement.table, statement.name)
        holder: Any
        if _on_database(statement):
            holder = state.database
        elif statement.sql.startswith("COMMENT ON SCHEMA "):
            holder = state.schemas.get(statement.name)
        elif statement.sql.startswith("COMMENT ON TYPE "):
            holder = state.types.get(part[::2])
        elif statement.sql.startswith("COMMENT ON COLUMN "):
            holder = state.columns.get(part)
        elif statement.sql.startswith("COMMENT ON CONSTRAINT "):
            holder = state.constraints.get(part)
        else:
            holder = state.relations.get(part[::2])
        return holder.comment if holder else None

    def _owner(self, statement: Statement) -> str:
        state = self._state
        holder: Any
        if _on_database(statement):
            return "" if state.database.owner == self._database.owner else f"the owner is {state.database.owner}"
        if statement.sql.startswith("ALTER SCHEMA "):
            holder = state.schemas.get(statement.name)
        elif statement.sql.startswith("ALTER TYPE "):
            holder = state.types.get((statement.schema, statement.name))
        else:
            holder = state.relations.get((statement.schema, statement.name))
        if holder is None:
            return "the object is missing"
        return "" if statement.sql.endswith(" OWNER TO " + quote(holder.owner)) else f"the owner is {holder.owner}"

    def _grant(self, statement: Statement) -> str:
        """The command's text holds the privileges before the first ON, and must name kind, object, role and option as we spell them."""
        kind = "DATABASE" if _on_database(statement) else statement.sql.split(" ON ", 1)[1].split(" ", 1)[0]
        command = statement.sql.split("GRANT ", 1)[1]
        for (held_kind, schema, name), roles in self._state.privileges.items():
            if held_kind != kind or kind != "DATABASE" and (schema, name) != (statement.schema, statement.name):
                continue
            target = "%I" if kind == "DATABASE" else quote(schema, name) if schema else quote(name)
            for role, found in roles.items():
                for option in ("", _GRANT_OPTION):
                    if self._is_end(statement, f" ON {kind} {target} TO {quote(role) if role is not None else 'PUBLIC'}{option}"):
                        return _lacking(kind, command.split(" ON ", 1)[0].split(", "), found, bool(option))
        return "missing"

    def _is_end(self, statement: Statement, end: str) -> bool:
        if not _on_database(statement):
            return statement.sql.endswith(end)
        return (literal(end.replace("%", "%%").replace("%%I", "%I", 1))[1:] + ", current_database())") in statement.sql


def _shown(value: SequenceValue) -> str:
    return f"{value.last_value}, {str(value.is_called).lower()}"


def _there(found: bool) -> str:
    return "" if found else "missing"


def _on_database(statement: Statement) -> bool:
    return statement.sql.startswith("DO ")


def _lacking(kind: str, privileges: list[str], found: dict[str, bool], option: bool) -> str:
    wanted = _ALL_PRIVILEGES[kind] if privileges == ["ALL"] else set(privileges)
    lacking = sorted(name for name in wanted if name not in found or option and not found[name])
    return f"lacks {', '.join(lacking)}" if lacking else ""
