# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From the descriptors of a backup to the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional, TypeVar, Union

from ..._errors import CorruptBackupError, UnsupportedError
from ..._formats import protobuf
from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import (
    Catalog,
    Database,
    EnumMember,
    Function,
    Grant,
    Parameter,
    Role,
    Schema,
    Sequence,
    Table,
    UnfinishedImport,
    UnreadableObject,
    UserType,
    View,
)
from ..._model.catalog_names import full_names
from ..._model.domains import resolve_domains
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName, Kind
from . import descriptor_fields as fields
from .domain_descriptor import read_domain
from .privilege_bits import read_default_privileges, read_privileges
from .schema_changes import unfinished_changes
from .sql_types import read_type
from .table_descriptor import old_foreign_key, read_index_foreign_keys, read_sequence, read_table, read_view

SYSTEM_DATABASE_ID = 1
_PUBLIC_SCHEMA_ID = 29
_TABLE, _DATABASE, _TYPE, _SCHEMA, _FUNCTION = 1, 2, 3, 4, 5
_STATES = {0: "public", 1: "being added", 2: "dropped", 3: "offline"}
_OFFLINE = 3
_BY_EPOCH, _IMPORT_TYPES = 1, (0, 1)
_ALIAS, _MULTI_REGION, _RECORD, _COMPOSITE, _DOMAIN = 1, 2, 3, 4, 5
_VOLATILITIES = {1: "VOLATILE", 2: "IMMUTABLE", 3: "STABLE"}
_PARAMETER_MODES = {0: "IN", 1: "IN", 2: "OUT", 3: "INOUT", 4: "VARIADIC"}
_DEFINER = 1
_LANGUAGES = {1: "SQL", 2: "PLPGSQL"}
_IN_SCHEMA: dict[int, tuple[Kind, int, int, int]] = {
    _TABLE: ("table", 1, 4, 40),
    _TYPE: ("type", 3, 1, 2),
    _FUNCTION: ("function", 1, 3, 4),
}
"""The name of a kind of descriptor, and the numbers of the fields of its name, its database and its schema."""

InSchema = TypeVar("InSchema", bound=Union[Table, View, Sequence, UserType, Function])


def build_catalog(descriptors: dict[int, bytes], before_imports: bool = False) -> Catalog:
    """Return the user databases that these descriptors (id to serialised Descriptor) describe.

    ``before_imports``: the source can read the rows that a table had before an IMPORT INTO that is running; if not,
    such a table is omitted with a finding. Dropped objects are omitted silently, temporary, offline and unfinished ones
    with a finding. Roles are those named by owners and grants; a cluster backup's system tables add the rest. An object
    whose descriptor is not understood is added to ``unreadable``, and refused if it is chosen.
    """
    catalog = Catalog()
    parsed = _opened(descriptors, catalog.findings)
    databases = _databases(parsed, catalog)
    schemas = _schemas(parsed, databases, catalog)
    catalog.databases = list(databases.values())
    for number, (kind, message) in parsed.items():
        try:
            if kind == _TABLE:
                _add_table(message, databases, schemas, catalog, before_imports)
            elif kind == _TYPE:
                _add_type(number, message, databases, schemas, catalog.findings)
            elif kind == _FUNCTION:
                _add_function(number, message, databases, schemas)
        except UnsupportedError as error:
            catalog.unreadable.append(_unreadable(number, kind, message, databases, schemas, error))
    _add_index_foreign_keys(parsed, catalog)
    _require_referenced_columns(catalog)
    for database in catalog.databases:
        resolve_domains(database)
    for database in catalog.databases:
        database.schemas.sort(key=lambda schema: schema.id)
    catalog.roles = [Role(name, login=False) for name in sorted(_named_roles(catalog.databases))]
    return catalog


def system_tables(descriptors: dict[int, bytes], wanted: tuple[str, ...], findings: list[Finding]) -> dict[str, Table]:
    """Return the ``wanted`` tables of the system database by name; empty unless the backup is of the whole cluster. A
    table that is not understood is a finding."""
    tables = {}
    for kind, message in _opened(descriptors, []).values():
        in_system = (
            kind == _TABLE and protobuf.integer(message, 4) == SYSTEM_DATABASE_ID and not _is_omitted(message, 19)
        )
        name = protobuf.text(message, 1) if in_system else ""
        if name in wanted and 28 not in message and not protobuf.text(message, 24):
            try:
                tables[name] = read_table(message, FullName("table", "system", table=name))
            except UnsupportedError as error:
                findings.append(
                    Finding.of(
                        FindingCode.SYSTEM_TABLE_UNKNOWN,
                        FullName("table", "system", table=name),
                        f"What the cluster's table says is omitted: {error}.",
                        f"Read system.{name} in CockroachDB before it is switched off.",
                    )
                )
    return tables


def _opened(descriptors: dict[int, bytes], findings: list[Finding]) -> dict[int, tuple[int, protobuf.Message]]:
    """Return kind and content by id. A descriptor of an unknown kind has no name that could be read and is a finding
    with severity error."""
    parsed = {}
    for number, data in descriptors.items():
        wrapper = protobuf.parse(data)
        kind = next(iter(wrapper), 0)
        if len(wrapper) == 1 and kind in fields.DESCRIPTOR_KINDS:
            content = protobuf.parse(protobuf.blob(wrapper, kind))
            if protobuf.integer(content, fields.ID_FIELDS[kind]) != number:
                raise CorruptBackupError(
                    f"the descriptor {number} says that its id is {protobuf.integer(content, fields.ID_FIELDS[kind])}"
                )
            parsed[number] = kind, content
        else:
            findings.append(
                Finding.of(
                    FindingCode.UNKNOWN_DESCRIPTOR,
                    FullName("object", name=f"descriptor {number}" if number > 0 else "a descriptor"),
                    f"An object of an unknown kind (field {', '.join(map(str, sorted(wrapper)))} of its descriptor) is "
                    "omitted.",
                )
            )
    return parsed


def _unreadable(
    number: int,
    kind: int,
    message: protobuf.Message,
    databases: dict[int, Database],
    schemas: dict[int, Schema],
    error: UnsupportedError,
) -> UnreadableObject:
    database = databases[protobuf.integer(message, _IN_SCHEMA[kind][2])]
    return UnreadableObject(number, _full_name(kind, message, database, schemas), str(error))


def _full_name(kind: int, message: protobuf.Message, database: Database, schemas: dict[int, Schema]) -> FullName:
    """Return the full name that a descriptor gives; views and sequences are called tables."""
    what, name, _database, schema = _IN_SCHEMA[kind]
    in_schema = schemas.get(protobuf.integer(message, schema))
    place = FullName(what, database.name, in_schema.name if in_schema else "public")
    bare = protobuf.text(message, name)
    return replace(place, table=bare) if kind == _TABLE else replace(place, name=bare)


def _is_omitted(message: protobuf.Message, state_field: int) -> bool:
    return protobuf.integer(message, state_field) != 0


def _databases(parsed: dict[int, tuple[int, protobuf.Message]], catalog: Catalog) -> dict[int, Database]:
    databases = {}
    for number, (kind, message) in sorted(parsed.items()):
        if kind != _DATABASE or number == SYSTEM_DATABASE_ID:
            continue
        name = protobuf.text(message, 1)
        try:
            fields.refuse_unknown(message, fields.DATABASE, f"database {name}")
            if _is_omitted(message, 8):
                _report_state(FullName("database", name), protobuf.integer(message, 8), catalog.findings)
                continue
            owner, grants = read_privileges(protobuf.blob(message, 3), name)
            databases[number] = Database(
                number,
                name,
                primary_region=protobuf.text(protobuf.parse(protobuf.blob(message, 10)), 3),
                owner=owner,
                grants=grants,
                default_privileges=read_default_privileges(protobuf.blob(message, 11), name),
            )
        except UnsupportedError as error:
            databases[number] = Database(number, name)
            catalog.unreadable.append(UnreadableObject(number, FullName("database", name), str(error)))
    return databases


def _schemas(
    parsed: dict[int, tuple[int, protobuf.Message]], databases: dict[int, Database], catalog: Catalog
) -> dict[int, Schema]:
    schemas = {}
    for number, (kind, message) in sorted(parsed.items()):
        if kind != _SCHEMA:
            continue
        name = protobuf.text(message, 2)
        database = databases.get(protobuf.integer(message, 1))
        if database is None or _is_omitted(message, 8):
            continue
        schema, where = Schema(number, name), FullName("schema", database.name, name)
        try:
            fields.refuse_unknown(message, fields.SCHEMA, f"schema {name}")
            schema.owner, schema.grants = read_privileges(protobuf.blob(message, 4), str(where))
            schema.default_privileges = read_default_privileges(protobuf.blob(message, 10), str(where))
        except UnsupportedError as error:
            catalog.unreadable.append(UnreadableObject(number, where, str(error)))
        schemas[number] = schema
        database.schemas.append(schema)
    return schemas


def _place(item: InSchema, database: Database, schemas: dict[int, Schema]) -> InSchema:
    """Assign a schema of their database to objects of old releases, whose public schema has no descriptor."""
    if item.schema_id in (0, _PUBLIC_SCHEMA_ID):
        item.schema_id = _PUBLIC_SCHEMA_ID
        if not any(schema.id == _PUBLIC_SCHEMA_ID for schema in database.schemas):
            # There everybody may use it; later releases say so in a descriptor.
            database.schemas.append(Schema(_PUBLIC_SCHEMA_ID, "public", grants=[Grant("public", ["CREATE", "USAGE"])]))
    elif item.schema_id not in schemas:
        name = FullName("object", database.name, name=item.name)
        raise CorruptBackupError(f"{name} is in the schema {item.schema_id}, which the backup does not describe")
    return item


def _report_state(name: FullName, state: int, findings: list[Finding]) -> None:
    if state not in _STATES:
        raise UnsupportedError(f"{name.kind} {name} is in the unknown state {state}")
    if _STATES[state] != "dropped":
        findings.append(
            Finding.of(
                FindingCode.NOT_PUBLIC,
                name,
                f"The {name.kind} is omitted: it was {_STATES[state]} when the backup was taken.",
            )
        )


def _add_table(
    message: protobuf.Message,
    databases: dict[int, Database],
    schemas: dict[int, Schema],
    catalog: Catalog,
    before_imports: bool,
) -> None:
    findings = catalog.findings
    name, database = protobuf.text(message, 1), databases.get(protobuf.integer(message, 4))
    if database is None:
        return
    fields.refuse_unknown(message, fields.TABLE, f"table {name}")
    where = _full_name(_TABLE, message, database, schemas)
    unfinished = _unfinished_import(message, where) if before_imports else None
    if _is_omitted(message, 19) and not unfinished:
        _report_state(where, protobuf.integer(message, 19), findings)
    elif protobuf.integer(message, 39):
        findings.append(
            Finding.of(FindingCode.TEMPORARY_TABLE, where, "The temporary table is omitted: it belongs to a session.")
        )
    elif 61 in message:
        raise UnsupportedError(f"{where} is an external table: its rows are in another cluster, not in this backup")
    elif 28 in message:
        database.sequences.append(_place(read_sequence(message, where), database, schemas))
    elif protobuf.text(message, 24):
        if 64 in message:
            findings.append(Finding.of(FindingCode.TRIGGER_LEFT_OUT, where, "The triggers of the view are omitted."))
        database.views.append(_place(read_view(message, where), database, schemas))
    else:
        table = _place(read_table(message, where), database, schemas)
        database.tables.append(table)
        findings += unfinished_changes(message, where)
        if unfinished:
            catalog.unfinished_imports[table.id] = unfinished
            findings.append(Finding.of(FindingCode.IMPORT_UNDER_WAY, where))


def _unfinished_import(message: protobuf.Message, where: FullName) -> Optional[UnfinishedImport]:
    """Return the IMPORT INTO because of which a table is offline (54 import_start_wall_time, 59 import_epoch, 60
    import_type of TableDescriptor)."""
    start = protobuf.integer(message, 54)
    if protobuf.integer(message, 19) != _OFFLINE or not start:
        return None
    kind = protobuf.integer(message, 60)
    if kind not in _IMPORT_TYPES:
        raise UnsupportedError(f"table {where}: the import type {kind} is not known")
    return UnfinishedImport(str(where), start, protobuf.integer(message, 59) if kind == _BY_EPOCH else 0)


def _add_index_foreign_keys(parsed: dict[int, tuple[int, protobuf.Message]], catalog: Catalog) -> None:
    """Add the foreign keys that releases up to v19.1 keep in the referring index."""
    tables = {table.id: table for database in catalog.databases for table in database.tables}
    unreadable = {item.id: item.full_name for item in catalog.unreadable}
    names = {number: name for database in catalog.databases for number, name in full_names(database).items()}
    for table in tables.values():
        for column_ids, reference in read_index_foreign_keys(parsed[table.id][1]):
            referenced = tables.get(protobuf.integer(reference, 1))
            if protobuf.integer(reference, 1) in unreadable:
                catalog.findings.append(
                    Finding.of(
                        FindingCode.FOREIGN_KEY_WITHOUT_TARGET,
                        names[table.id].part("constraint", protobuf.text(reference, 3)),
                        f"The foreign key is omitted, because {unreadable[protobuf.integer(reference, 1)]}, to which "
                        "it refers, cannot be migrated.",
                        "Add it by hand when that table is in PostgreSQL.",
                    )
                )
                continue
            if referenced is None:
                raise CorruptBackupError(
                    f"{table.name} has a foreign key to the table {protobuf.integer(reference, 1)}, which the backup "
                    "does not describe"
                )
            key = old_foreign_key(column_ids, reference, referenced)
            if key.name not in {other.name for other in table.foreign_keys}:
                table.foreign_keys.append(key)


def _require_referenced_columns(catalog: Catalog) -> None:
    columns = {
        table.id: {column.id for column in table.columns} for database in catalog.databases for table in database.tables
    }
    for database in catalog.databases:
        for table in database.tables:
            for key in table.foreign_keys:
                missing = set(key.referenced_column_ids) - columns.get(
                    key.referenced_table_id, set(key.referenced_column_ids)
                )
                if missing or len(key.referenced_column_ids) != len(key.column_ids):
                    raise CorruptBackupError(
                        f"the foreign key {key.name} of {table.name} refers to columns that are not there"
                    )


def _add_type(
    number: int,
    message: protobuf.Message,
    databases: dict[int, Database],
    schemas: dict[int, Schema],
    findings: list[Finding],
) -> None:
    name, database = protobuf.text(message, 3), databases.get(protobuf.integer(message, 1))
    kind = protobuf.integer(message, 5)
    if database is None or _is_omitted(message, 13) or kind in (_ALIAS, _RECORD):
        return
    fields.refuse_unknown(message, fields.TYPE, f"type {name}")
    where = _full_name(_TYPE, message, database, schemas)
    if kind not in (0, _MULTI_REGION, _COMPOSITE, _DOMAIN):
        raise UnsupportedError(f"type {where} is of the unknown kind {kind}")
    owner, grants = read_privileges(protobuf.blob(message, 14), str(where))
    item = UserType(
        number,
        name,
        protobuf.integer(message, 2),
        array_type_id=protobuf.integer(message, 8),
        owner=owner,
        grants=grants,
    )
    if kind == _COMPOSITE:
        item.kind = "composite"
        for element in protobuf.blobs(protobuf.parse(protobuf.blob(message, 18)), 1):
            part = protobuf.parse(element)
            item.fields.append(read_type(protobuf.blob(part, 1), str(where)))
            item.field_names.append(protobuf.text(part, 2))
    elif kind == _DOMAIN:
        domain = protobuf.parse(protobuf.blob(message, 21))
        findings += read_domain(domain, item, replace(where, kind="domain"))
    else:
        item.kind = "multi-region enum" if kind == _MULTI_REGION else "enum"
        for data in protobuf.blobs(message, 6):
            member = protobuf.parse(data)
            fields.refuse_unknown(member, fields.ENUM_MEMBER, f"type {name}")
            item.members.append(EnumMember(protobuf.text(member, 2), protobuf.blob(member, 1).hex()))
        if kind == _MULTI_REGION:
            database.regions = [member.name for member in item.members]
    database.types.append(_place(item, database, schemas))


def _add_function(
    number: int, message: protobuf.Message, databases: dict[int, Database], schemas: dict[int, Schema]
) -> None:
    name, database = protobuf.text(message, 1), databases.get(protobuf.integer(message, 3))
    if database is None or _is_omitted(message, 16):
        return
    fields.refuse_unknown(message, fields.FUNCTION, f"function {name}")
    full_name = str(_full_name(_FUNCTION, message, database, schemas))
    owner, grants = read_privileges(protobuf.blob(message, 12), full_name)
    returned = protobuf.parse(protobuf.blob(message, 6))
    language = protobuf.integer(message, 7)
    if language not in _LANGUAGES:
        raise UnsupportedError(f"function {full_name} is written in the unknown language {language}")
    if protobuf.integer(message, 23) not in (0, _DEFINER):
        raise UnsupportedError(f"function {full_name}: the security mode {protobuf.integer(message, 23)} is not known")
    item = Function(
        number,
        name,
        protobuf.integer(message, 4),
        parameters=[_parameter(protobuf.parse(data), full_name) for data in protobuf.blobs(message, 5)],
        return_type=read_type(protobuf.blob(returned, 1), full_name) if 1 in returned else None,
        returns_set=bool(protobuf.integer(returned, 2)),
        language=_LANGUAGES[language],
        body=protobuf.text(message, 8),
        volatility=_VOLATILITIES.get(protobuf.integer(message, 9), "VOLATILE"),
        leakproof=bool(protobuf.integer(message, 10)),
        strict=protobuf.integer(message, 11) in (2, 3),
        procedure=bool(protobuf.integer(message, 21)),
        owner=owner,
        grants=grants,
        security_definer=protobuf.integer(message, 23) == _DEFINER,
        depends_on=[*protobuf.integers(message, 13), *protobuf.integers(message, 22)],
    )
    database.functions.append(_place(item, database, schemas))


def _parameter(message: protobuf.Message, name: str) -> Parameter:
    mode = _PARAMETER_MODES.get(protobuf.integer(message, 1))
    if mode is None:
        raise UnsupportedError(f"function {name}: the parameter mode {protobuf.integer(message, 1)} is not known")
    return Parameter(
        mode=mode,
        name=protobuf.text(message, 2),
        type=read_type(protobuf.blob(message, 3), name),
        default=protobuf.text(message, 4),
    )


def _named_roles(databases: list[Database]) -> set[str]:
    names: set[str] = set()
    for database in databases:
        items: list[Any] = [
            database,
            *database.schemas,
            *database.types,
            *database.sequences,
            *database.tables,
            *database.views,
            *database.functions,
        ]
        for item in items:
            grants: list[Grant] = item.grants
            owner: Optional[str] = item.owner
            names |= {grant.role for grant in grants} | ({owner} if owner else set())
        names |= {role for table in database.tables for policy in table.policies for role in policy.roles}
        for given in [
            *database.default_privileges,
            *(given for schema in database.schemas for given in schema.default_privileges),
        ]:
            names |= {grant.role for grant in given.grants} | ({given.role} if given.role else set())
    return names - BUILT_IN_ROLES
