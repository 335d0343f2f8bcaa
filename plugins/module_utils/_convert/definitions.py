# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Definitions of objects: the facts that PostgreSQL's catalog must show, and the command that creates the object under
any name.

The import creates an object under its own name; the verification creates it again under a temporary name and compares
the catalog's facts of both. Fields hold SQL as it is written; names are bare unless they are called quoted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Union

from .._model.names import literal, quote

NO_ACTION = "NO ACTION"
EVERYBODY = "PUBLIC"


@dataclass(frozen=True)
class ColumnDefinition:
    """A column of a table. Of ``default``, ``generated`` and ``identity`` at most one is given."""

    name: str
    type: str
    """With its collation."""
    not_null: bool = False
    default: str = ""
    generated: str = ""
    storage: str = ""
    """STORED or VIRTUAL, of a generated column."""
    identity: str = ""
    """ALWAYS or BY DEFAULT."""
    sequence: tuple[str, str] = ("", "")
    """Schema and name of the identity's sequence."""
    sequence_options: str = ""

    def sql(self) -> str:
        """Return the column's part of CREATE TABLE."""
        parts = [quote(self.name), self.type]
        if self.generated:
            parts.append(f"GENERATED ALWAYS AS ({self.generated}) {self.storage}")
        elif self.identity:
            options = f" {self.sequence_options}" if self.sequence_options else ""
            parts.append(f"GENERATED {self.identity} AS IDENTITY (SEQUENCE NAME {quote(*self.sequence)}{options})")
        elif self.default:
            parts.append(f"DEFAULT ({self.default})")
        if self.not_null:
            parts.append("NOT NULL")
        return " ".join(parts)


@dataclass(frozen=True)
class TableDefinition:
    columns: tuple[ColumnDefinition, ...]

    def create(self, name: str) -> str:
        """Return CREATE TABLE for a quoted name."""
        return f"CREATE TABLE {name} (\n    " + ",\n    ".join(column.sql() for column in self.columns) + "\n)"


@dataclass(frozen=True)
class DefaultDefinition:
    """A default that is set after the table was created."""

    expression: str

    def create(self, name: str, table: str) -> str:
        """Return the command for a quoted column of a quoted table."""
        return f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT ({self.expression})"


@dataclass(frozen=True)
class KeyDefinition:
    """A primary key or unique constraint; ``kind`` is PRIMARY KEY or UNIQUE."""

    kind: str
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    """SQL of index keys that are as unique as the columns, but short; empty if no column can be long."""

    def within_limits(self) -> list[Union[KeyDefinition, IndexDefinition]]:
        """Return what can stand in where the values are too long for the key, the nearest one first."""
        found: list[Union[KeyDefinition, IndexDefinition]] = [replace(self, include=())] if self.include else []
        return found + ([IndexDefinition(self.hashes, unique=True)] if self.hashes else [])

    def create(self, name: str, table: str) -> str:
        """Return ADD CONSTRAINT for a quoted name and table."""
        return f"ALTER TABLE {table} ADD CONSTRAINT {name} {self.kind} ({_names(self.columns)}){_include(self.include)}"


@dataclass(frozen=True)
class CheckDefinition:
    expression: str
    validated: bool = True

    def create(self, name: str, table: str) -> str:
        """Return ADD CONSTRAINT for a quoted name and table."""
        state = "" if self.validated else " NOT VALID"
        return f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({self.expression}){state}"


@dataclass(frozen=True)
class ForeignKeyDefinition:
    columns: tuple[str, ...]
    referenced: tuple[str, str]
    """Schema and table."""
    referenced_columns: tuple[str, ...]
    match: str = "SIMPLE"
    on_delete: str = NO_ACTION
    on_update: str = NO_ACTION
    validated: bool = True

    def create(self, name: str, table: str) -> str:
        """Return ADD CONSTRAINT for a quoted name and table."""
        return (
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({_names(self.columns)}) REFERENCES "
            f"{quote(*self.referenced)} "
            f"({_names(self.referenced_columns)}){' MATCH FULL' if self.match == 'FULL' else ''}"
            f"{'' if self.on_delete == NO_ACTION else f' ON DELETE {self.on_delete}'}"
            f"{'' if self.on_update == NO_ACTION else f' ON UPDATE {self.on_update}'}"
            f"{'' if self.validated else ' NOT VALID'}"
        )


@dataclass(frozen=True)
class IndexDefinition:
    """``keys`` are SQL: quoted columns or expressions, each with operator class and order where they are given."""

    keys: tuple[str, ...]
    unique: bool = False
    method: str = ""
    """Empty: btree."""
    include: tuple[str, ...] = ()
    predicate: str = ""
    hashes: tuple[str, ...] = ()
    """Of a btree: SQL of keys that are as unique, but short, or the key of a hash index if the index is not unique;
    empty if there are none."""

    def within_limits(self) -> list[IndexDefinition]:
        """Return what can stand in where the values are too long for the index, the nearest one first."""
        found = [replace(self, include=())] if self.include else []
        method = "" if self.unique else "hash"
        made = replace(self, keys=self.hashes, method=method, include=(), hashes=())
        return found + ([made] if self.hashes else [])

    def create(self, name: str, table: str) -> str:
        """Return CREATE INDEX for a quoted name and table."""
        return (
            f"CREATE {'UNIQUE ' if self.unique else ''}INDEX {name} ON "
            f"{table}{f' USING {self.method}' if self.method else ''} "
            f"({', '.join(self.keys)}){_include(self.include)}{f' WHERE {self.predicate}' if self.predicate else ''}"
        )


@dataclass(frozen=True)
class ViewDefinition:
    columns: tuple[str, ...]
    query: str
    materialized: bool = False

    def create(self, name: str) -> str:
        """Return CREATE VIEW for a quoted name."""
        kind = "MATERIALIZED VIEW" if self.materialized else "VIEW"
        return f"CREATE {kind} {name} ({_names(self.columns)}) AS {self.query}"


@dataclass(frozen=True)
class RoutineDefinition:
    """A function or procedure; ``kind`` is FUNCTION or PROCEDURE."""

    kind: str
    parameters: str
    characteristics: str
    """Everything between the parameters and the body: result type, language, volatility and so on."""
    body: str
    """``AS`` and the quoted body, or ``RETURN`` and an expression."""

    def create(self, name: str) -> str:
        """Return CREATE FUNCTION for a quoted name."""
        return f"CREATE {self.kind} {name}({self.parameters}) {self.characteristics} {self.body}"


@dataclass(frozen=True)
class SequenceDefinition:
    options: str

    def create(self, name: str) -> str:
        """Return CREATE SEQUENCE for a quoted name."""
        return f"CREATE SEQUENCE {name}{f' {self.options}' if self.options else ''}"


@dataclass(frozen=True)
class EnumDefinition:
    labels: tuple[str, ...]

    def create(self, name: str) -> str:
        """Return CREATE TYPE for a quoted name."""
        return f"CREATE TYPE {name} AS ENUM ({', '.join(literal(label) for label in self.labels)})"


@dataclass(frozen=True)
class CompositeDefinition:
    attributes: tuple[tuple[str, str], ...]
    """Name and type of each."""

    def create(self, name: str) -> str:
        """Return CREATE TYPE for a quoted name."""
        return (
            f"CREATE TYPE {name} AS ({', '.join(f'{quote(attribute)} {kind}' for attribute, kind in self.attributes)})"
        )


@dataclass(frozen=True)
class DomainDefinition:
    """A domain without its checks, which are separate objects."""

    type: str
    """With its collation."""
    default: str = ""
    not_null: bool = False
    not_null_name: str = ""
    """The bare name of the NOT NULL constraint, which servers before version 17 do not store."""

    def create(self, name: str) -> str:
        """Return CREATE DOMAIN for a quoted name."""
        default = f" DEFAULT ({self.default})" if self.default else ""
        named = f" CONSTRAINT {quote(self.not_null_name)}" if self.not_null and self.not_null_name else ""
        return f"CREATE DOMAIN {name} AS {self.type}{default}{named}{' NOT NULL' if self.not_null else ''}"


@dataclass(frozen=True)
class DomainCheckDefinition:
    expression: str
    validated: bool = True

    def create(self, name: str, domain: str) -> str:
        """Return ADD CONSTRAINT for a quoted name and domain."""
        state = "" if self.validated else " NOT VALID"
        return f"ALTER DOMAIN {domain} ADD CONSTRAINT {name} CHECK ({self.expression}){state}"


@dataclass(frozen=True)
class CollationDefinition:
    options: str

    def create(self, name: str) -> str:
        """Return CREATE COLLATION for a quoted name."""
        return f"CREATE COLLATION IF NOT EXISTS {name} ({self.options})"


@dataclass(frozen=True)
class TriggerDefinition:
    events: str
    """Time and events, such as BEFORE UPDATE OF …"""
    action: str
    """Everything after the table: ``FOR EACH ROW … EXECUTE FUNCTION …``."""
    constraint: bool = False

    def create(self, name: str, table: str) -> str:
        """Return CREATE TRIGGER for a quoted name and table."""
        return f"CREATE {'CONSTRAINT ' if self.constraint else ''}TRIGGER {name} {self.events} ON {table} {self.action}"


@dataclass(frozen=True)
class PolicyDefinition:
    rule: str
    """Everything after the table: AS, FOR, TO, USING, WITH CHECK."""

    def create(self, name: str, table: str) -> str:
        """Return CREATE POLICY for a quoted name and table."""
        return f"CREATE POLICY {name} ON {table} {self.rule}"


@dataclass(frozen=True)
class SequenceValue:
    """The next value of a sequence: ``last_value`` and ``is_called``, or the value that follows the highest one of a
    column."""

    last_value: int = 0
    is_called: bool = False
    after: Optional[tuple[str, str, str]] = None
    """Schema, table and column."""


@dataclass(frozen=True)
class SequenceOwner:
    """OWNED BY: schema, table and column."""

    column: tuple[str, str, str]


@dataclass(frozen=True)
class Comment:
    """``kind`` is the word of COMMENT ON."""

    kind: str
    text: str
    routine: Optional[RoutineDefinition] = None
    """The routine, for comments on functions and procedures."""


@dataclass(frozen=True)
class Owner:
    """``kind`` is the word of ALTER … OWNER TO."""

    kind: str
    role: str
    routine: Optional[RoutineDefinition] = None


@dataclass(frozen=True)
class Privileges:
    """``kind`` is the word of GRANT … ON; ``role`` may be EVERYBODY."""

    kind: str
    role: str
    names: tuple[str, ...]
    """PostgreSQL's names; ALL for every privilege on the kind of object."""
    grantable: bool = False
    routine: Optional[RoutineDefinition] = None


@dataclass(frozen=True)
class DefaultPrivilege:
    """Privileges on objects of a kind (TABLES, SEQUENCES …) that a role creates later, in one schema or, if ``schema``
    is empty, in all."""

    creator: str
    schema: str
    kind: str
    role: str
    names: tuple[str, ...]
    grantable: bool = False


@dataclass(frozen=True)
class Setting:
    """A session default; the value as set_config() takes it."""

    value: str


@dataclass(frozen=True)
class Existence:
    """Only the existence is checked: of an extension, of a schema, of row-level security being enabled."""


OnTable = Union[
    DefaultDefinition,
    KeyDefinition,
    CheckDefinition,
    ForeignKeyDefinition,
    IndexDefinition,
    TriggerDefinition,
    PolicyDefinition,
]
Standalone = Union[
    TableDefinition,
    ViewDefinition,
    RoutineDefinition,
    SequenceDefinition,
    EnumDefinition,
    CompositeDefinition,
    DomainDefinition,
    CollationDefinition,
]
Definition = Union[
    OnTable,
    Standalone,
    DomainCheckDefinition,
    SequenceValue,
    SequenceOwner,
    Comment,
    Owner,
    Privileges,
    DefaultPrivilege,
    Setting,
    Existence,
]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(quote(name) for name in names)


def _include(names: tuple[str, ...]) -> str:
    return f" INCLUDE ({_names(names)})" if names else ""
