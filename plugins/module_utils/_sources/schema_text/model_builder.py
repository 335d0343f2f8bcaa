# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The catalog that is being read: ids, names and references."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional, Union

from ..._convert.expressions.dialect import parse
from ..._convert.expressions.expressions import column_names
from ..._errors import UnsupportedError
from ..._model.catalog import (
    REGION_TYPE,
    USER_TYPE_OID_BASE,
    Catalog,
    Database,
    Function,
    Schema,
    Sequence,
    Table,
    UnreadableObject,
    UserType,
    View,
)
from ..._model.finding_codes import FindingCode, Severity
from ..._model.findings import Finding
from ..._model.full_name import FullName
from ..._model.unreadable import refusal_of_user
from . import parsing
from .cursor import Cursor, Span, Statement, StatementError
from .omitted_statements import OMITTED_STATEMENTS, OmittedStatements
from .parsing import Word
from .refused_statements import Group, RefusedStatements
from .statement_subject import subject_of
from .types import BUILT_IN, REGION_TEXT

Relation = Union[Table, View, Sequence]
_PUBLIC = "public"
_FIRST_ID = 101
_CASTS = ("CAST", "ANNOTATE_TYPE")
_SEQUENCE_FUNCTIONS = ("NEXTVAL", "CURRVAL", "SETVAL")
_BEFORE_TABLES = ("FROM", "JOIN", "INTO", "UPDATE")


@dataclass
class Builder:
    """The state of reading. Ids count up from 101 in the order of reading."""

    refused: RefusedStatements = field(default_factory=RefusedStatements)
    catalog: Catalog = field(default_factory=Catalog)
    _definitions: dict[str, Statement] = field(default_factory=dict)
    """The first statement that makes an object, by its full name."""
    omitted: OmittedStatements = field(default_factory=OmittedStatements)
    _deferred: list[tuple[Statement, Callable[[], None]]] = field(default_factory=list)
    _last_steps: list[tuple[Statement, Callable[[], None]]] = field(default_factory=list)
    _current: Statement = field(init=False)
    """The statement that is being read."""
    _last_id: int = _FIRST_ID - 1
    _databases: dict[str, Database] = field(default_factory=dict)
    _relations: dict[tuple[str, str, str], Relation] = field(default_factory=dict)
    _types: dict[tuple[str, str, str], UserType] = field(default_factory=dict)
    _functions: dict[tuple[str, str, str], list[Function]] = field(default_factory=dict)

    def new_id(self) -> int:
        """Return the next number."""
        self._last_id += 1
        return self._last_id

    def attempt(self, statement: Statement, step: Callable[[], None]) -> None:
        """Do a part of the reading of a statement. If that is not understood, the statement is refused, and what it has
        left in the catalog is of no use."""
        if statement.number in self.refused.by_number:
            return
        self._current, before = statement, len(self.catalog.findings)
        try:
            step()
            if any(finding.code in OMITTED_STATEMENTS for finding in self.catalog.findings[before:]):
                self.omitted.numbers.add(statement.number)
        except UnsupportedError as error:
            self.refused.add(statement, subject_of(statement, self.split), error, self.new_id())

    def defer(self, step: Callable[[], None]) -> None:
        """Do something for the current statement when every table and view has been read."""
        self._deferred.append((self._current, step))

    def defer_to_end(self, step: Callable[[], None]) -> None:
        """Do something for the current statement when the whole text has been read."""
        self._last_steps.append((self._current, step))

    def do_deferred(self, at_end: bool = False) -> None:
        """Do what waited; ``at_end``, also what waited for that."""
        steps = [*self._deferred, *(self._last_steps if at_end else [])]
        self._deferred.clear()
        for statement, step in steps:
            self.attempt(statement, step)

    def refused_relation(self, path: list[Word], statement: Statement) -> Optional[UnreadableObject]:
        """Return the table, view or sequence of this name if its statement was refused and no other one makes it."""
        names = self.split(path, statement)
        return None if names in self._relations else self.refused.named("relation", names)

    def _require(self, group: Group, path: list[Word], statement: Statement) -> None:
        """Raise StatementError if an object of this name was refused."""
        refused = self.refused.named(group, self.split(path, statement))
        if refused:
            reason, root = refusal_of_user(refused)
            raise StatementError(reason, statement, root)

    def find(
        self,
        code: FindingCode,
        about: FullName,
        message: str = "",
        advice: str = "",
        severity: Optional[Severity] = None,
    ) -> None:
        """Report something about the object with this full name (see Finding.of)."""
        self.catalog.findings.append(Finding.of(code, about, message, advice, severity))

    def exists(self, cursor: Cursor, about: FullName, is_there: bool, optional: bool) -> bool:
        """Tell whether an object that a statement makes IF NOT EXISTS (``optional``) is there; then read the rest of
        the statement, and report a definition that differs from the first. Without that clause return False."""
        first = self._definitions.setdefault(str(about), cursor.statement)
        if not (is_there and optional):
            self._definitions[str(about)] = cursor.statement
            return False
        if first.definition != cursor.statement.definition:
            self.find(
                FindingCode.STATEMENT_LEFT_OUT,
                about,
                f"The definition at line {cursor.statement.first_line} is omitted, which differs from the one at line "
                f"{first.first_line}: IF NOT EXISTS keeps the first.",
            )
        cursor.rest()
        return True

    def database(self, name: str) -> Database:
        """Return the database, made when it is new."""
        if name not in self._databases:
            self._databases[name] = Database(self.new_id(), name)
            self.catalog.databases.append(self._databases[name])
            self.schema(self._databases[name], _PUBLIC)
        return self._databases[name]

    def known_database(self, name: str) -> Optional[Database]:
        """Return the database, None when there is none."""
        return self._databases.get(name)

    def tables(self) -> list[Table]:
        """Return the tables of all databases."""
        return [table for database in self.catalog.databases for table in database.tables]

    def home(self, item: Any) -> Database:
        """Return the database of an object that is in a schema."""
        return next(
            database
            for database in self.catalog.databases
            if any(schema.id == item.schema_id for schema in database.schemas)
        )

    def refresh_names(self) -> None:
        """Find objects by the names that the catalog has now, after some were dropped or renamed."""
        self._databases = {database.name: database for database in self.catalog.databases}
        self._relations, self._types, self._functions = {}, {}, {}
        for database in self.catalog.databases:
            schemas = {schema.id: schema.name for schema in database.schemas}
            relations: list[Relation] = [*database.tables, *database.views, *database.sequences]
            for item in relations:
                self._relations[database.name, schemas[item.schema_id], item.name] = item
            for kind in database.types:
                self._types[database.name, schemas[kind.schema_id], kind.name] = kind
            for function in database.functions:
                key = (database.name, schemas[function.schema_id], function.name)
                self._functions.setdefault(key, []).append(function)

    def find_schema(self, database: Database, name: str) -> Optional[Schema]:
        """Return the schema, None when there is none."""
        return next((schema for schema in database.schemas if schema.name == name), None)

    def schema(self, database: Database, name: str) -> Schema:
        """Return the schema, made when it is new."""
        found = self.find_schema(database, name)
        if found is None:
            found = Schema(self.new_id(), name)
            database.schemas.append(found)
        return found

    def split(self, path: list[Word], statement: Statement) -> tuple[str, str, str]:
        """Return (database, schema, name) of a name. ``a.b`` is the table b of the schema a, or of the database a in
        old releases' text."""
        return self._split([word.identifier for word in path], statement)

    def _split(self, names: list[str], statement: Statement) -> tuple[str, str, str]:
        if len(names) == 1:
            schemas = [name for name in statement.schemas if self._has((statement.database, name, names[0]))]
            return statement.database, [*schemas, statement.schemas[0]][0], names[0]
        if len(names) == 2:
            current = self._databases.get(statement.database)
            if names[0] in self._databases and (current is None or self.find_schema(current, names[0]) is None):
                return names[0], _PUBLIC, names[1]
            return statement.database, names[0], names[1]
        return names[-3], names[-2], names[-1]

    def _has(self, key: tuple[str, str, str]) -> bool:
        return key in self._relations or key in self._types or key in self._functions

    def place(self, cursor: Cursor) -> tuple[Database, Schema, str]:
        """Read the name of a new object; return its database, schema and name."""
        path = cursor.path()
        if len(path) > 3:
            cursor.fail("a name has at most three parts")
        database_name, schema_name, name = self.split(path, cursor.statement)
        if len(path) == 1:
            schema_name = cursor.statement.schemas[0]
        database = self.database(database_name)
        return database, self.schema(database, schema_name), name

    def add_relation(self, database: Database, schema: Schema, item: Relation, cursor: Cursor) -> None:
        """Register a table, view or sequence. Raises UnsupportedError when the name is taken."""
        self.require_free(database, schema, item.name, cursor)
        self._relations[database.name, schema.name, item.name] = item
        lists: dict[type, list[Any]] = {Table: database.tables, View: database.views, Sequence: database.sequences}
        lists[type(item)].append(item)

    def require_free(self, database: Database, schema: Schema, name: str, cursor: Cursor) -> None:
        """Raise UnsupportedError if a table, view or sequence has this name."""
        if self.taken(database.name, schema.name, name):
            cursor.fail(f"{database.name}.{schema.name}.{name} is there twice")

    def relation(self, path: list[Word], statement: Statement) -> Optional[Relation]:
        """Return the relation of this name; None if there is none. Raises StatementError if it was refused."""
        found = self.known_relation(path, statement)
        if found is None:
            self._require("relation", path, statement)
        return found

    def known_relation(self, path: list[Word], statement: Statement) -> Optional[Relation]:
        """Return the relation of this name; None if there is none, also if it was refused."""
        return self._relations.get(self.split(path, statement))

    def relation_of(self, names: list[str], statement: Statement) -> Optional[Relation]:
        """Return the relation of this qualified name; None if there is none."""
        return self._relations.get(self._split(names, statement))

    def taken(self, database: str, schema: str, name: str) -> bool:
        """Tell whether a table, view or sequence has this name."""
        return (database, schema, name) in self._relations

    def has_type(self, database: Database, schema: Schema, name: str) -> bool:
        """Tell whether an enum, composite type or domain has this name."""
        return (database.name, schema.name, name) in self._types

    def add_type(self, database: Database, schema: Schema, item: UserType) -> bool:
        """Register an enum, composite type or domain; False when the name is taken."""
        key = (database.name, schema.name, item.name)
        if key in self._types:
            return False
        self._types[key] = item
        database.types.append(item)
        return True

    def user_type(self, path: list[Word], statement: Statement) -> Optional[UserType]:
        """Return the user's type that a name means, None when there is none. Some releases print such names without
        their quotes. Raises StatementError if it was refused."""
        found = self._types.get(self.split(path, statement)) or self._types.get(
            self._split([word.text for word in path], statement)
        )
        if found is None:
            self._require("type", path, statement)
        return found

    def _only_type_named(self, path: list[Word], statement: Statement) -> Optional[UserType]:
        """Return the only type with this name in any schema of the database: in casts pg_catalog has no schemas
        (CockroachDB's pull request 167334)."""
        if len(path) > 1:
            return None
        found = [
            item
            for (database, _schema, name), item in self._types.items()
            if (database, name) == (statement.database, path[0].identifier)
        ]
        return found[0] if len(found) == 1 else None

    def user_type_by_id(self, number: int) -> Optional[UserType]:
        """Return the user's type with this id, None when there is none."""
        return next((item for item in self._types.values() if item.id == number), None)

    def add_function(self, database: Database, schema: Schema, item: Function) -> None:
        """Register a function; several functions may have one name."""
        self._functions.setdefault((database.name, schema.name, item.name), []).append(item)
        database.functions.append(item)

    def functions(self, path: list[Word], statement: Statement) -> list[Function]:
        """Return the functions with this name. Raises StatementError if there is none because it was refused."""
        found = self._known_functions(path, statement)
        if not found:
            self._require("function", path, statement)
        return found

    def _known_functions(self, path: list[Word], statement: Statement) -> list[Function]:
        return self._functions.get(self.split(path, statement), [])

    def expression(self, statement: Statement, span: Span) -> str:
        """Return an expression's text; names of user types become ``@oid``, as in descriptors.

        Raises UnsupportedError for a type that is not known.
        """
        words, result, copied = statement.words, [], statement.words[span[0]].start
        position = span[0]
        for first, last, name in self._type_names(statement, span):
            if first < position:
                continue
            result.append(statement.source[copied : words[first].start] + name)
            copied, position = words[last - 1].end, last
        return "".join(result) + statement.source[copied : words[span[1] - 1].end]

    def _type_names(self, statement: Statement, span: Span) -> list[tuple[int, int, str]]:
        """Return (first word, word after the last, ``@oid``) of each user type that the span casts to."""
        words, casts, found = statement.words, [], []
        for position in range(*span):
            word = words[position]
            if word.is_symbol("("):
                casts.append(words[position - 1].keyword in _CASTS)
            elif word.is_symbol(")") and casts:
                casts.pop()
            after_dot = position > 0 and words[position - 1].is_symbol(".")
            named = word.is_symbol("::", ":::") or (
                word.keyword == "AS" and not after_dot and bool(casts) and casts[-1]
            )
            if not named and not (word.is_symbol(",") and casts and casts[-1]):
                continue
            cursor = Cursor(statement, (position + 1, span[1]))
            name = self._type_name(cursor)
            if name:
                found.append((position + 1, cursor.index, name))
        return found

    def _type_name(self, cursor: Cursor) -> str:
        first = cursor.peek()
        built_in = first.keyword in BUILT_IN or first.text == "char" or first.is_symbol("@")
        if cursor.at("PG_CATALOG", ".") or (built_in and not cursor.peek(1).is_symbol(".")):
            return ""
        path = cursor.path()
        found = self.user_type(path, cursor.statement) or self._only_type_named(path, cursor.statement)
        rows = self.relation(path, cursor.statement) if found is None else None
        if isinstance(rows, (Table, View)):
            return f"@{USER_TYPE_OID_BASE + rows.id}"
        if found is None and path[-1].identifier == REGION_TYPE:
            return REGION_TEXT
        if found is None:
            cursor.index -= 1
            cursor.fail(f"the type {first.text} is not known; give the output of SHOW CREATE ALL TYPES, too")
        is_array = cursor.accept("[", "]")
        return f"@{USER_TYPE_OID_BASE + (found.array_type_id if is_array else found.id)}"

    def sequences_used(self, text: str, statement: Statement) -> list[int]:
        """Return the ids of the sequences that an expression draws from."""
        words, found = parsing.words(text, statement.beginning), []
        for position in range(len(words) - 2):
            if words[position].keyword in _SEQUENCE_FUNCTIONS and words[position + 2].kind == parsing.STRING:
                path = [
                    word
                    for word in parsing.words(words[position + 2].text, statement.beginning)
                    if not word.is_symbol(".")
                ]
                item = self.relation(path, statement) if path else None
                if isinstance(item, Sequence) and item.id not in found:
                    found.append(item.id)
        return found

    def text(self, text: str, statement: Statement) -> str:
        """Return a text of its own, such as a function's body, with the names of user types as ``@oid``."""
        inner = replace(statement, words=parsing.words(text, statement.beginning), source=text)
        return (
            text
            if not inner.words
            else (
                text[: inner.words[0].start]
                + self.expression(inner, (0, len(inner.words)))
                + text[inner.words[-1].end :]
            )
        )

    def used_by(self, function: Function, statement: Statement) -> list[int]:
        """Return the ids of the tables, views, sequences and functions that the body of a function names. Raises
        StatementError if PostgreSQL would look for one that was refused, which it does in functions in SQL only."""
        words, found = (
            parsing.words(function.body, statement.beginning),
            [] if not function.body else self.sequences_used(function.body, statement),
        )
        inner = Statement(words, function.body, statement.line, statement.database)
        cursor = Cursor(inner)
        before = ""
        while not cursor.at_end:
            if cursor.peek().kind not in (parsing.WORD, parsing.NAME):
                before = cursor.take().keyword
                continue
            checked, reads = function.language == "SQL", before in _BEFORE_TABLES
            before = cursor.peek().keyword
            path = cursor.path_here()
            if cursor.at("("):
                items: list[Any] = [*(self.functions if checked else self._known_functions)(path, statement)]
            else:
                items = [(self.relation if checked and reads else self.known_relation)(path, statement)]
            found += [item.id for item in items if item is not None and item.id not in (function.id, *found)]
        return found

    def column_names(self, text: str, where: object) -> set[str]:
        """Return the names of the columns in an expression; none when the dialect does not know it: the conversion will
        say so."""
        try:
            return column_names(text, where)
        except UnsupportedError:
            return set()

    def tree(self, text: str, where: str) -> Any:
        """Return the tree of an expression or query, None when the dialect does not know it: the conversion will say
        so."""
        try:
            return parse(text, where)
        except UnsupportedError:
            return None
