# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The catalog: what a CockroachDB cluster holds, in CockroachDB's own terms.

Plain data without behaviour that needs a database. Expressions are kept as CockroachDB's SQL
text, exactly as the descriptors store them; ids are descriptor ids. Sources fill it, the
conversion reads it, and ``catalog.json`` in a dump is its JSON form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from .findings import Finding
from .full_name import FullName

USER_TYPE_OID_BASE = 100000
REGION_TYPE = "crdb_internal_region"
"""The name of the enum of a database's regions, in the schema public."""


@dataclass
class SqlType:
    """A column's type.

    ``family`` is one of: bool int float decimal date timestamp timestamptz interval string
    collated bytes oid uuid array inet time json timetz tuple bit geometry geography enum
    box2d void trigger tsquery tsvector pg_lsn refcursor vector jsonpath ltree any (a parameter's only).
    """

    family: str
    oid: int = 0
    width: int = 0
    """Length of strings and bits, bits of integers and floats, dimensions of vectors, scale of decimals."""
    precision: Optional[int] = None
    """Precision of decimals; fractional digits of times, timestamps and intervals. None: not declared."""
    locale: str = ""
    element: Optional[SqlType] = None
    user_type_id: int = 0
    """Descriptor id of an enum or composite type, 0 otherwise."""
    fields: list[SqlType] = field(default_factory=list)
    field_names: list[str] = field(default_factory=list)
    interval_fields: str = ""
    """Such as ``YEAR TO MONTH``; empty when the interval is not restricted."""
    geo_shape: str = ""
    """Such as ``PointZ``; empty when any shape is allowed."""
    srid: int = 0
    domain_id: int = 0
    """Descriptor id of the domain of the column, 0 otherwise. All other fields describe the domain's base type."""


@dataclass
class Grant:
    role: str
    privileges: list[str]
    """CockroachDB's names, such as SELECT or ALL."""
    grantable: list[str] = field(default_factory=list)


@dataclass
class Column:
    id: int
    name: str
    type: SqlType
    nullable: bool = True
    default: str = ""
    computed: str = ""
    virtual: bool = False
    on_update: str = ""
    hidden: bool = False
    inaccessible: bool = False
    """The column was created by CockroachDB for an expression index."""
    identity: str = ""
    """``ALWAYS``, ``BY DEFAULT`` or empty."""
    identity_options: str = ""
    uses_sequence_ids: list[int] = field(default_factory=list)
    owns_sequence_ids: list[int] = field(default_factory=list)
    ordinal: int = 0
    """pg_attribute_num: the number by which comments name the column; 0 means the id."""
    comment: str = ""
    recomputed: bool = False
    """The stored values of a computed column are not read: PostgreSQL computes others."""


@dataclass
class IndexColumn:
    column_id: int
    descending: bool = False


@dataclass
class Index:
    id: int
    name: str
    unique: bool = False
    columns: list[IndexColumn] = field(default_factory=list)
    suffix_column_ids: list[int] = field(default_factory=list)
    stored_column_ids: list[int] = field(default_factory=list)
    kind: str = "forward"
    """``forward``, ``inverted`` or ``vector``."""
    predicate: str = ""
    shard_column: str = ""
    """The hidden column of a hash-sharded index, empty otherwise."""
    shard_buckets: int = 0
    composite_column_ids: list[int] = field(default_factory=list)
    interleave_ancestors: list[tuple[int, int, int]] = field(default_factory=list)
    """(table id, index id, number of key columns shared) of each ancestor (up to v21.1)."""
    not_visible: bool = False
    """Also true if VISIBILITY hides the index from some of the queries only."""
    distance: str = "l2"
    """What a vector index measures: ``l2``, ``ip`` (inner product) or ``cosine``."""
    created_explicitly: bool = False
    partitioned: bool = False
    implicit_columns: int = 0
    """Number of leading columns that CockroachDB added for partitioning, such as the region of REGIONAL BY ROW; they
    were not declared by the user."""
    comment: str = ""


@dataclass
class Family:
    id: int
    name: str
    column_ids: list[int]
    default_column_id: int = 0


@dataclass
class Check:
    name: str
    expression: str
    column_ids: list[int] = field(default_factory=list)
    validated: bool = True
    id: int = 0
    comment: str = ""


@dataclass
class ForeignKey:
    name: str
    column_ids: list[int]
    referenced_table_id: int
    referenced_column_ids: list[int]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    match: str = "SIMPLE"
    validated: bool = True
    id: int = 0
    comment: str = ""


@dataclass
class UniqueWithoutIndex:
    name: str
    column_ids: list[int]
    predicate: str = ""
    validated: bool = True
    id: int = 0
    comment: str = ""


@dataclass
class Trigger:
    name: str
    action_time: str
    events: list[str]
    for_each_row: bool
    when: str
    function_id: int
    function_arguments: list[str]
    enabled: bool = True
    update_columns: list[str] = field(default_factory=list)
    """Columns of ``UPDATE OF``; empty when any update fires."""
    new_alias: str = ""
    """Name of the new rows of a statement (REFERENCING NEW TABLE)."""
    old_alias: str = ""


@dataclass
class Policy:
    """A row-level security policy."""

    WRITTEN_WHOLE: ClassVar[bool] = True
    """As every release wrote them: the id of a dump depends on it."""
    name: str
    type: str = "PERMISSIVE"
    """Or RESTRICTIVE."""
    command: str = "ALL"
    """Or SELECT, INSERT, UPDATE, DELETE."""
    roles: list[str] = field(default_factory=lambda: ["public"])
    using: str = ""
    with_check: str = ""


@dataclass
class Table:
    """A table or a materialized view's rows."""

    id: int
    name: str
    schema_id: int
    columns: list[Column] = field(default_factory=list)
    """Public columns in the order in which they are printed."""
    primary_index: Index = field(default_factory=lambda: Index(1, "primary"))
    indexes: list[Index] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    unique_without_index: list[UniqueWithoutIndex] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    row_level_security: bool = False
    row_level_security_forced: bool = False
    ttl: dict[str, Any] = field(default_factory=dict)
    """Row-level TTL: duration, expiration, cron, delete_batch_size; empty when there is none."""
    locality: str = ""
    """``GLOBAL``, ``REGIONAL BY TABLE [IN region]`` or ``REGIONAL BY ROW [AS column]``."""
    data_excluded: bool = False
    """``exclude_data_from_backup``: a backup has the table without its rows."""
    format_version: int = 3
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""


@dataclass
class Sequence:
    id: int
    name: str
    schema_id: int
    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    start: int = 1
    cache: int = 1
    virtual: bool = False
    integer_type: str = ""
    owner_table_id: int = 0
    owner_column_id: int = 0
    value: Optional[int] = None
    """The last value handed out as CockroachDB stores it; None when it is not known."""
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""


@dataclass
class View:
    id: int
    name: str
    schema_id: int
    query: str
    columns: list[Column] = field(default_factory=list)
    materialized: bool = False
    indexes: list[Index] = field(default_factory=list)
    depends_on: list[int] = field(default_factory=list)
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""


@dataclass
class EnumMember:
    name: str
    physical: str
    """Hexadecimal text of the bytes that rows hold."""


@dataclass
class UserType:
    """An enum (``members``), a composite type (``fields``) or a domain (``base`` and what follows it)."""

    id: int
    name: str
    schema_id: int
    kind: str = "enum"
    """``enum``, ``multi-region enum``, ``composite`` or ``domain``."""
    members: list[EnumMember] = field(default_factory=list)
    fields: list[SqlType] = field(default_factory=list)
    field_names: list[str] = field(default_factory=list)
    base: Optional[SqlType] = None
    default: str = ""
    not_null: bool = False
    not_null_name: str = ""
    """The name of the NOT NULL constraint; empty if the source does not have it."""
    checks: list[Check] = field(default_factory=list)
    """The checks' expressions refer to the value as ``value``."""
    array_type_id: int = 0
    """Descriptor id of the type of arrays of this one."""
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""


@dataclass
class Parameter:
    """A parameter of a function or procedure."""

    WRITTEN_WHOLE: ClassVar[bool] = True
    """See Policy."""
    mode: str
    """IN, OUT, INOUT or VARIADIC."""
    name: str
    """Empty when it has none."""
    type: SqlType
    default: str = ""


@dataclass
class Function:
    id: int
    name: str
    schema_id: int
    parameters: list[Parameter] = field(default_factory=list)
    return_type: Optional[SqlType] = None
    returns_set: bool = False
    language: str = "SQL"
    body: str = ""
    volatility: str = "VOLATILE"
    leakproof: bool = False
    strict: bool = False
    procedure: bool = False
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""
    security_definer: bool = False
    depends_on: list[int] = field(default_factory=list)
    """Ids of the relations and functions that the body needs."""


@dataclass
class DefaultPrivileges:
    """ALTER DEFAULT PRIVILEGES of one role for one kind of objects."""

    role: str
    """The role whose new objects get the privileges; empty means FOR ALL ROLES."""
    kind: str
    """TABLES, SEQUENCES, TYPES, SCHEMAS or FUNCTIONS."""
    grants: list[Grant] = field(default_factory=list)


@dataclass
class Schema:
    id: int
    name: str
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""
    default_privileges: list[DefaultPrivileges] = field(default_factory=list)


@dataclass
class Database:
    id: int
    name: str
    schemas: list[Schema] = field(default_factory=list)
    types: list[UserType] = field(default_factory=list)
    sequences: list[Sequence] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    """``name=value`` of ALTER DATABASE … SET."""
    regions: list[str] = field(default_factory=list)
    primary_region: str = ""
    owner: str = ""
    grants: list[Grant] = field(default_factory=list)
    comment: str = ""
    default_privileges: list[DefaultPrivileges] = field(default_factory=list)


@dataclass
class Role:
    name: str
    login: bool = True
    options: list[str] = field(default_factory=list)
    """Options by CockroachDB's names, such as CREATEDB, CREATEROLE and ``VALID UNTIL`` …, without NOLOGIN."""
    valid_until: str = ""
    password_hash: str = field(default="", repr=False)
    """A SCRAM-SHA-256 verifier that PostgreSQL accepts, or empty; never written to catalog.json."""
    password_kind: str = ""
    """``scram``, ``bcrypt`` or empty when there is no password."""
    member_of: list[str] = field(default_factory=list)
    admin_of: list[str] = field(default_factory=list)
    """The roles of member_of that were granted WITH ADMIN OPTION."""


@dataclass(frozen=True)
class UnfinishedImport:
    """An IMPORT INTO that was running when the backup was made. The rows that it wrote are ignored: the table is read
    as it was before.

    The import started at the time ``start`` (nanoseconds since 1970). If ``epoch`` is not 0, the headers of the values
    that it wrote hold that number.
    """

    table: str
    """The full name, for messages."""
    start: int
    epoch: int = 0


@dataclass
class UnreadableObject:
    """An object that is not understood: its descriptor has a field or value that is not known, or its text words that
    are not; ``reason`` names them."""

    id: int
    name: FullName
    """A view or sequence of a backup is called a table."""
    reason: str
    line: int = 0
    """The line where its statement begins; 0 unless the schema was read from text. So it is for what follows."""
    command: str = ""
    """Such as CREATE TABLE or GRANT."""
    statement: str = ""
    """The statement's beginning, without secrets."""
    because: Optional[FullName] = None
    """The object that is not understood itself, where this one only depends on it."""

    @property
    def kind(self) -> str:
        return self.name.kind

    @property
    def full_name(self) -> str:
        return str(self.name)

    @property
    def message(self) -> str:
        """What is wrong with a statement of schema text, in one line."""
        return f"the schema text is not understood: {self.reason}, in the statement: {self.statement}"


@dataclass
class Catalog:
    databases: list[Database] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """Findings of the source itself."""
    unreadable: list[UnreadableObject] = field(default_factory=list)
    """Objects that could not be read and are therefore in no database; for an unreadable database or schema, only its
    name is known."""
    unfinished_imports: dict[int, UnfinishedImport] = field(default_factory=dict)
    """Unfinished imports by table id."""
