# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""State shared by the conversion of one database: names by id, extensions, collations, findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Optional, TypeVar, Union

from .._errors import UnsupportedError
from .._model.catalog import (
    USER_TYPE_OID_BASE,
    Column,
    Database,
    Function,
    Sequence,
    Table,
    UnreadableObject,
    UserType,
    View,
)
from .._model.catalog_names import SchemaObject, full_name
from .._model.finding_codes import FindingCode, Severity
from .._model.full_name import FullName
from .._model.names import MAX_BYTES, Scope, clip, literal, quote
from .definitions import CollationDefinition, Existence
from .server_features import ConvertOptions, ServerFeatures
from .statements import Conversion, Subject

Relation = Union[Table, View, Sequence]

DEFAULT_LOCALE = "default"
_LOCALES_BY_BYTES = ("C", "POSIX")
"""Locales that CockroachDB treats as the default: text sorts by its bytes (pkg/util/collatedstring/collation.go,
IsDefaultEquivalentCollation)."""
_T = TypeVar("_T", Table, View, Sequence, UserType, Function)


@dataclass
class Context:
    """The state of the conversion of one database; ``conversion`` collects the result."""

    database: Database
    features: ServerFeatures
    options: ConvertOptions
    conversion: Conversion = field(default_factory=Conversion)
    scope: Scope = field(default_factory=Scope)
    available_roles: frozenset[str] = frozenset()
    identity_sequence_ids: set[int] = field(default_factory=set)
    """Sequences that become part of an identity column."""
    owned_sequence_ids: set[int] = field(default_factory=set)
    """Sequences that belong to a column by OWNED BY."""
    row_id_sequences: list[tuple[Table, Column, str]] = field(default_factory=list)
    """Sequences made for unique_rowid(): table, column, bare name."""
    called_row_ids: set[tuple[int, str]] = field(default_factory=set)
    """The sequences of row_id_sequences that a default or a trigger calls by name (table id, bare name): roles that
    write rows need privileges on them."""
    row_id_functions: dict[str, str] = field(default_factory=dict)
    """The functions that stand for unique_rowid() and unordered_unique_rowid(): CockroachDB's name to the quoted
    one."""
    row_id_sequence: str = ""
    """The quoted name of the sequence that these functions share, once it is made."""
    added_functions: dict[str, str] = field(default_factory=dict)
    """CockroachDB's functions that are created: their names to the bare ones in PostgreSQL."""
    added_forms: set[tuple[str, str]] = field(default_factory=set)
    """(CockroachDB's name, parameters in SQL) of each of them."""
    index_names: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)
    """(table id, index id) to (kind, name in PostgreSQL) of every index that was made."""
    unique_keys: set[tuple[int, frozenset[int]]] = field(default_factory=set)
    """(table id, column ids) of every key or index that a foreign key can refer to."""
    indexes_with_nulls: list[FullName] = field(default_factory=list)
    """The indexes whose keys can be NULL."""
    text_indexes: list[FullName] = field(default_factory=list)
    """The keys and indexes that the database's collation sorts."""
    depends_on_text_order: dict[FullName, bool] = field(default_factory=dict)
    """The objects whose meaning depends on the order of text, and whether a part of it is not known to be text."""
    missing_views: set[int] = field(default_factory=set)
    missing_functions: set[int] = field(default_factory=set)
    """Ids of the omitted user-defined functions."""
    late_functions: set[int] = field(default_factory=set)
    """Ids of the user-defined functions that are created after the tables and views that they need."""
    row_types: dict[int, str] = field(default_factory=dict)
    """The composite types that were made for the rows of tables with hidden columns: table id to quoted name."""
    refused: dict[int, UnreadableObject] = field(default_factory=dict)
    """The objects that cannot be converted although rows or other objects need them, by id."""
    _extensions: set[str] = field(default_factory=set)
    _collations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schemas = {schema.id: clip(schema.name) for schema in self.database.schemas}
        self.tables = {table.id: table for table in self.database.tables}
        self.sequences = {sequence.id: sequence for sequence in self.database.sequences}
        self.types = {item.id: item for item in self.database.types}
        self.functions = {function.id: function for function in self.database.functions}
        self.relations: dict[int, Relation] = {
            **self.tables,
            **self.sequences,
            **{view.id: view for view in self.database.views},
        }
        self.relation_names = {(self.schema(item), clip(item.name)) for item in self.relations.values()}

    def find(
        self,
        code: FindingCode,
        about: FullName,
        message: str = "",
        advice: str = "",
        severity: Optional[Severity] = None,
    ) -> None:
        """Report something about the object with this full name (see Finding.of)."""
        self.conversion.find(code, about, message, advice, severity)

    def for_each(self, items: Iterable[_T], *steps: Callable[[_T, Context], None]) -> None:
        """Do the steps for each of the objects; one that cannot be converted is noted as refused, and has no further
        steps."""
        for item in items:
            for step in steps:
                if item.id not in self.refused:
                    self._attempt(item, step)

    def _attempt(self, item: _T, step: Callable[[_T, Context], None]) -> None:
        try:
            step(item, self)
        except UnsupportedError as error:
            self.refused[item.id] = UnreadableObject(item.id, self.full_name(item), str(error))

    def report_cut(self, name: str, where: FullName) -> None:
        """Add a finding if a name is shortened or changed; ``where`` is the full name."""
        if clip(name) != name:
            reason = (
                "shortened to 63 bytes"
                if len(name.encode("utf-8")) > MAX_BYTES
                else "changed, for PostgreSQL's tables have a column of this name"
            )
            self.find(FindingCode.NAME_CUT, where, f"The name is {reason}: {clip(name)}.")

    def schema(self, item: Union[Relation, UserType]) -> str:
        """Return the bare name of the schema of an object."""
        return self.schemas[item.schema_id]

    def full_name(self, item: SchemaObject) -> FullName:
        """Return the full name by which findings and errors call an object."""
        return full_name(item, self.database.name, self.schemas[item.schema_id])

    def qualified(self, item: Union[Relation, UserType]) -> str:
        """Return ``"schema"."object"``."""
        return quote(self.schema(item), clip(item.name))

    def user_type(self, type_id: int, where: FullName) -> str:
        """Return the quoted name of an enum, composite type or domain; raises UnsupportedError when it is not there."""
        if type_id not in self.types:
            raise UnsupportedError(f"{where}: the type with the id {type_id} is not in the backup")
        return self.qualified(self.types[type_id])

    def user_type_of_oid(self, oid: int, where: FullName) -> UserType:
        """Return the type that an expression names by ``@oid``."""
        number = oid - USER_TYPE_OID_BASE
        if number not in self.types:
            raise UnsupportedError(f"{where}: the type with the oid {oid} is not in the backup")
        return self.types[number]

    def function_of_oid(self, oid: int, where: FullName) -> Function:
        """Return the user-defined function that a text names by [FUNCTION oid]."""
        number = oid - USER_TYPE_OID_BASE
        if number not in self.functions:
            raise UnsupportedError(f"{where}: the function with the oid {oid} is not in the backup")
        return self.functions[number]

    def relation_named(self, schema: str, name: str) -> Optional[Union[Table, View]]:
        """Return the table or view of this name, for a name without a schema the first one in any schema; None when
        there is none."""
        relations: list[Union[Table, View]] = [*self.database.tables, *self.database.views]
        for relation in relations:
            if relation.name == name and (not schema or self.schema(relation) == clip(schema)):
                return relation
        return None

    def named(self, relations: Iterable[Relation], schema: str, name: str) -> Optional[Relation]:
        """Return the item of this name: for a name without a schema the one in public, else the only one; None if there
        is none."""
        found = [item for item in relations if item.name == name and (not schema or self.schema(item) == clip(schema))]
        found = [item for item in found if self.schema(item) == "public"] or found
        return found[0] if len(found) == 1 else None

    def use_extension(self, name: str) -> bool:
        """Add the command that creates the extension, if the server has it; return whether it has."""
        if name not in self.features.extensions:
            return False
        if name not in self._extensions:
            self._extensions.add(name)
            self.conversion.add(
                "extension",
                Subject("extension", name),
                f"CREATE EXTENSION IF NOT EXISTS {quote(name)}",
                expects=Existence(),
            )
        return True

    def collation(self, locale: str, where: FullName) -> str:
        """Return the quoted name of the collation for CockroachDB's locale: an ICU collation, or C. Return '' for the
        default, and when the server has no ICU."""
        if locale == DEFAULT_LOCALE:
            return ""
        if locale in _LOCALES_BY_BYTES:
            return quote("pg_catalog", "C")
        if not self.features.icu:
            self.find(
                FindingCode.COLLATION_LEFT_OFF,
                where,
                f"The collation {locale} is omitted, because the server was built without ICU: the database's "
                "collation sorts the column.",
            )
            return ""
        if locale not in self._collations:
            name = clip(locale)
            self._collations[locale] = quote("public", name)
            tag = locale.replace("_", "-")
            loose = ", deterministic = false" if "-u-" in tag and "ks-level" in tag else ""
            made = CollationDefinition(f"provider = icu, locale = {literal(tag)}{loose}")
            self.conversion.add(
                "type", Subject("collation", name, "public"), made.create(quote("public", name)), expects=made
            )
        return self._collations[locale]

    def columns(self, table: Union[Table, View]) -> dict[int, Column]:
        """Return the columns of a table by id."""
        return {column.id: column for column in table.columns}
