# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Twins: objects that PostgreSQL creates again from our definitions, as temporary objects whose facts are read before
they are rolled back.

A twin has the name of its original where that name can be printed (in policies and views), and refers to the real
types, functions, tables and sequences. The right to create temporary objects is needed; no lock blocks other sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Optional

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.definitions import (
    CheckDefinition,
    CollationDefinition,
    CompositeDefinition,
    DefaultDefinition,
    DomainCheckDefinition,
    DomainDefinition,
    EnumDefinition,
    IndexDefinition,
    KeyDefinition,
    PolicyDefinition,
    RoutineDefinition,
    SequenceDefinition,
    TableDefinition,
    TriggerDefinition,
    ViewDefinition,
)
from ..._convert.statements import Statement
from ..._errors import TargetError
from ..._model.names import quote
from ..connect.connection import postgres_message
from ..target.lock_room import most_objects_in_a_transaction
from .catalog_facts import SOURCES, Facts, Part, read_facts

_TEMPORARY = "pg_temp"
_ALIAS = "cockroach_migrator_{}"
_BATCH = 100
"""The most tables and other objects that are created before they are rolled back together."""
_PART_OF_THE_LOCKS = 4
"""What twins may take of the locks that the server has room for; others read rows meanwhile."""
_ON_TABLE = (DefaultDefinition, KeyDefinition, CheckDefinition, IndexDefinition, TriggerDefinition, PolicyDefinition)
_BY_NAME = (EnumDefinition, CompositeDefinition, DomainDefinition, CollationDefinition, SequenceDefinition)
_SOURCES = [source for source in SOURCES if source not in ("relations", "foreign keys", "rules")]
"""The sources of facts that are read from twins."""


@dataclass(frozen=True)
class _Command:
    """A command, the object that cannot be compared without it, and the command that is tried instead of it."""

    sql: str
    part: Part
    instead: tuple[_Command, ...] = ()


@dataclass
class _Group:
    """A table with everything on it, or another object, and the original names of their aliases."""

    schema: str
    commands: list[_Command]
    aliases: dict[str, Part] = field(default_factory=dict)
    routine: Optional[RoutineDefinition] = None
    table: Optional[TableDefinition] = None
    on_table: list[Any] = field(default_factory=list)
    """The definitions of what is on the table."""

    def without_storage(self) -> list[str]:
        """Return the commands with a partitioned table instead of a plain one, where it has the same facts: neither
        it nor its indexes have files, whose creation takes most of the time."""
        first, *others = [command.sql for command in self.commands]
        key = _partition_key(self.table, self.on_table) if self.table else ""
        return [f"{first} PARTITION BY RANGE ({key})" if key else first, *others]


@dataclass
class Twins:
    """Facts of the twins by source, under the names of their originals."""

    facts: dict[str, Facts] = field(default_factory=lambda: {source: {} for source in _SOURCES})
    failed: dict[Part, str] = field(default_factory=dict)
    """Why PostgreSQL rejects a definition now."""
    routines: dict[tuple[str, str, RoutineDefinition], Part] = field(default_factory=dict)
    """The name of a routine with its argument types."""


def make_twins(cursor: Any, statements: Iterable[Statement]) -> Twins:
    """Create twins of the statements' objects in batches, and return their facts. The caller rolls the transaction
    back. Raises TargetError if the user, or every user, may not create temporary objects."""
    twins = Twins()
    _require_temporary(cursor)
    # Names without a schema are looked up as they were at the import, and never among the twins.
    cursor.execute(
        "SET LOCAL check_function_bodies = off; "
        "SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true)"
    )
    size = min(_BATCH, max(1, most_objects_in_a_transaction(cursor) // _PART_OF_THE_LOCKS))
    for batch in _batches(_groups(list(statements)), size):
        cursor.execute("SAVEPOINT twins")
        if not _run_without_storage(cursor, batch):
            _run(cursor, [command for group in batch for command in group.commands], twins)
        _read(cursor, batch, twins)
        cursor.execute("ROLLBACK TO SAVEPOINT twins; RELEASE SAVEPOINT twins")
    return twins


def _require_temporary(cursor: Any) -> None:
    cursor.execute(
        "SELECT has_database_privilege(current_database(), 'TEMPORARY'), current_database(), current_user, "
        "current_setting('transaction_read_only')::boolean"
    )
    allowed, database, user, read_only = cursor.fetchone()
    if read_only:
        raise TargetError(
            f"the server is read-only, like a standby: it makes no temporary objects in the database {database}, which "
            "the verification compares with; verify on the primary"
        )
    if not allowed:
        raise TargetError(
            f"the user {user} may not make temporary objects in the database {database}, which the verification "
            f"compares with: GRANT TEMPORARY ON DATABASE {quote(database)} TO {quote(user)}"
        )


def _batches(groups: list[_Group], size: int) -> Iterator[list[_Group]]:
    """Yield batches of objects of one schema, whose names are unique."""
    batch: list[_Group] = []
    for group in sorted(groups, key=lambda item: item.schema):
        if batch and (batch[0].schema != group.schema or len(batch) == size):
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def _groups(statements: list[Statement]) -> list[_Group]:
    tables: dict[tuple[str, str], _Group] = {}
    domains: dict[tuple[str, str], _Group] = {}
    groups: list[_Group] = []
    for number, statement in enumerate(statements):
        made, part = statement.expects, (statement.schema, "", statement.name)
        if isinstance(made, TableDefinition):
            tables[statement.schema, statement.name] = _table(statement.schema, statement.name, made)
        elif isinstance(made, ViewDefinition):
            groups.append(_view(statement.schema, statement.name, made))
            if made.materialized:
                tables[statement.schema, statement.name] = _rows_of_view(groups[-1], _ALIAS.format(number), part)
        elif isinstance(made, RoutineDefinition):
            alias = _ALIAS.format(number)
            groups.append(_Group(statement.schema, [_Command(made.create(_scratch(alias)), part)], {alias: part}, made))
        elif isinstance(made, _BY_NAME):
            groups.append(_Group(statement.schema, [_Command(made.create(_scratch(statement.name)), part)]))
            if isinstance(made, DomainDefinition):
                domains[statement.schema, statement.name] = groups[-1]
    for statement in statements:
        domain = domains.get((statement.schema, statement.table))
        if domain is not None and isinstance(statement.expects, DomainCheckDefinition):
            command = statement.expects.create(quote(statement.name), _scratch(statement.table))
            domain.commands.append(_Command(command, (statement.schema, statement.table, statement.name)))
        group = tables.get((statement.schema, statement.table))
        if group is not None and isinstance(statement.expects, _ON_TABLE):
            holder = next(iter(group.aliases), statement.table)
            command = statement.expects.create(quote(statement.name), _scratch(holder))
            group.commands.append(_Command(command, (statement.schema, statement.table, statement.name)))
            group.on_table.append(statement.expects)
    of_views = {id(group) for group in groups}
    return groups + [group for group in tables.values() if id(group) not in of_views]


def _scratch(name: str) -> str:
    return quote(_TEMPORARY, name)


def _table(schema: str, name: str, made: TableDefinition) -> _Group:
    """Return the commands for a table; if one of its columns cannot be created, the table is created without it."""
    columns = [
        (column.name, replace(column, sequence=(_TEMPORARY, column.sequence[1])).sql()) for column in made.columns
    ]
    one_by_one = [_Command(f"CREATE TABLE {_scratch(name)} ()", (schema, "", name))]
    one_by_one += [
        _Command(f"ALTER TABLE {_scratch(name)} ADD COLUMN {text}", (schema, name, column)) for column, text in columns
    ]
    whole = f"CREATE TABLE {_scratch(name)} ({', '.join(text for _column, text in columns)})"
    return _Group(schema, [_Command(whole, (schema, "", name), tuple(one_by_one))], table=made)


def _partition_key(table: TableDefinition, on_table: list[Any]) -> str:
    """Return the column by which a table with all that is on it can be partitioned: one that every unique key and index
    has. Empty if there is none, or where partitioned tables may lack something."""
    if any(column.identity for column in table.columns) or any(
        isinstance(made, (TriggerDefinition, PolicyDefinition)) for made in on_table
    ):
        return ""
    keys = [made for made in on_table if isinstance(made, KeyDefinition)]
    unique = [made for made in on_table if isinstance(made, IndexDefinition) and made.unique]
    primary = next((key.columns for key in keys if key.kind == "PRIMARY KEY"), ())
    computed = {column.name for column in table.columns if column.generated}
    found = (
        quote(name)
        for name in primary
        if name not in computed
        and all(name in key.columns for key in keys)
        and all(quote(name) in index.keys for index in unique)
    )
    return next(found, "")


def _view(schema: str, name: str, made: ViewDefinition) -> _Group:
    """Return the command for a view; a materialized view becomes a plain one with the same query, as there are no
    temporary materialized views."""
    return _Group(schema, [_Command(replace(made, materialized=False).create(_scratch(name)), (schema, "", name))])


def _rows_of_view(view: _Group, alias: str, part: Part) -> _Group:
    """Add an empty table to the twin of a materialized view, for its indexes."""
    view.commands.append(_Command(f"CREATE TABLE {_scratch(alias)} AS TABLE {_scratch(part[2])} WITH NO DATA", part))
    view.aliases[alias] = part
    return view


def _run_without_storage(cursor: Any, batch: list[_Group]) -> bool:
    """Create all at once; return False if PostgreSQL rejects a command, and create nothing then."""
    cursor.execute("SAVEPOINT command")
    try:
        cursor.execute(";\n".join(sql for group in batch for sql in group.without_storage()))
    except psycopg2.Error:
        if cursor.connection.closed:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT command; RELEASE SAVEPOINT command")
        return False
    cursor.execute("RELEASE SAVEPOINT command")
    return True


def _run(cursor: Any, commands: list[_Command], twins: Twins) -> None:
    """Run all commands at once, or one by one if one of them is rejected."""
    cursor.execute("SAVEPOINT command")
    try:
        cursor.execute(";\n".join(command.sql for command in commands))
    except psycopg2.Error as error:
        if cursor.connection.closed:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT command")
        if len(commands) > 1:
            for command in commands:
                _run(cursor, [command], twins)
        elif commands[0].instead:
            _run(cursor, list(commands[0].instead), twins)
        else:
            twins.failed[commands[0].part] = postgres_message(error)
    cursor.execute("RELEASE SAVEPOINT command")


def _read(cursor: Any, batch: list[_Group], twins: Twins) -> None:
    cursor.execute("SELECT pg_my_temp_schema()")
    schemas = {cursor.fetchone()[0]: batch[0].schema}
    aliases = {alias: part for group in batch for alias, part in group.aliases.items()}
    routines = {alias: group.routine for group in batch if group.routine for alias in group.aliases}
    for source in _SOURCES:
        for (schema, holder, name), facts in read_facts(cursor, source, schemas, aliases).items():
            if source == "routines":
                part = (schema, holder, aliases[name][2])
                twins.routines[schema, part[2], routines[name]] = part
            else:
                part = (schema, aliases[holder][2] if holder in aliases else holder, name)
            twins.facts[source][part] = facts
