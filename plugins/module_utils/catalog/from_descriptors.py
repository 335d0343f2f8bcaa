# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""From the descriptors of a backup to the catalog."""
from __future__ import annotations

from dataclasses import asdict
from typing import Any, Optional, TypeVar, Union

from ..backup import protobuf
from ..errors import CorruptBackupError, UnsupportedError
from . import descriptor_fields as fields
from .domains import base_problem, resolve_domains
from .model import Catalog, Check, Database, EnumMember, Finding, Function, Grant, Role, Schema, Sequence, Table, UserType, View
from .privileges import read_default_privileges, read_privileges
from .schema_changes import unfinished_changes
from .sql_types import read_type
from .table_descriptor import old_foreign_key, read_index_foreign_keys, read_sequence, read_table, read_view

SYSTEM_DATABASE_ID = 1
BUILT_IN_ROLES = frozenset(("root", "admin", "node", "public"))
_PUBLIC_SCHEMA_ID = 29
_TABLE, _DATABASE, _TYPE, _SCHEMA, _FUNCTION = 1, 2, 3, 4, 5
_STATES = {0: "public", 1: "being added", 2: "dropped", 3: "offline"}
_ALIAS, _MULTI_REGION, _RECORD, _COMPOSITE, _DOMAIN = 1, 2, 3, 4, 5
_VALIDATED, _DROPPING = 0, 3
_VALIDITIES = frozenset((_VALIDATED, 1, 2, _DROPPING))
"""Of a domain's check: validated, not validated, being validated, being dropped."""
_NOT_NULL_FIELDS = fields.DOMAIN - {1, 2, 3, 4}
_VOLATILITIES = {1: "VOLATILE", 2: "IMMUTABLE", 3: "STABLE"}
_PARAMETER_MODES = {0: "IN", 1: "IN", 2: "OUT", 3: "INOUT", 4: "VARIADIC"}
_DEFINER = 1
_LANGUAGES = {1: "SQL", 2: "PLPGSQL"}

InSchema = TypeVar("InSchema", bound=Union[Table, View, Sequence, UserType, Function])


def build_catalog(descriptors: dict[int, bytes]) -> Catalog:
    """Return the user databases that these descriptors (id to serialised Descriptor) describe.

    Dropped objects are left out silently, temporary, offline and unfinished ones with a finding. Roles are those
    that owners and grants name; a cluster backup's system tables say more about them. Raises UnsupportedError for
    a descriptor field that is not known.
    """
    catalog = Catalog()
    parsed = {number: _open(number, data) for number, data in descriptors.items()}
    databases = _databases(parsed, catalog.findings)
    schemas = _schemas(parsed, databases)
    catalog.databases = list(databases.values())
    for number, (kind, message) in parsed.items():
        if kind == _TABLE:
            _add_table(message, databases, schemas, catalog.findings)
        elif kind == _TYPE:
            _add_type(number, message, databases, schemas)
        elif kind == _FUNCTION:
            _add_function(number, message, databases, schemas)
    _add_index_foreign_keys(parsed, catalog.databases)
    for database in catalog.databases:
        resolve_domains(database)
    for database in catalog.databases:
        database.schemas.sort(key=lambda schema: schema.id)
    catalog.roles = [Role(name, login=False) for name in sorted(_named_roles(catalog.databases))]
    return catalog


def system_tables(descriptors: dict[int, bytes]) -> dict[str, Table]:
    """Return the tables of the system database by name; empty unless the backup is of the whole cluster."""
    tables = {}
    for number, data in descriptors.items():
        kind, message = _open(number, data)
        in_system = kind == _TABLE and protobuf.integer(message, 4) == SYSTEM_DATABASE_ID and not _is_left_out(message, 19)
        if in_system and 28 not in message and not protobuf.text(message, 24):
            table = read_table(message, "system")
            tables[table.name] = table
    return tables


def _open(number: int, data: bytes) -> tuple[int, protobuf.Message]:
    wrapper = protobuf.parse(data)
    if len(wrapper) != 1 or next(iter(wrapper)) not in fields.DESCRIPTOR_KINDS:
        raise UnsupportedError(f"descriptor {number} is of an unknown kind (field {sorted(wrapper)})")
    kind = next(iter(wrapper))
    return kind, protobuf.parse(protobuf.blob(wrapper, kind))


def _is_left_out(message: protobuf.Message, state_field: int) -> bool:
    return protobuf.integer(message, state_field) != 0


def _databases(parsed: dict[int, tuple[int, protobuf.Message]], findings: list[Finding]) -> dict[int, Database]:
    databases = {}
    for number, (kind, message) in sorted(parsed.items()):
        if kind != _DATABASE or number == SYSTEM_DATABASE_ID:
            continue
        name = protobuf.text(message, 1)
        fields.refuse_unknown(message, fields.DATABASE, f"database {name}")
        if _is_left_out(message, 8):
            _report_state(name, "database", protobuf.integer(message, 8), findings)
            continue
        owner, grants = read_privileges(protobuf.blob(message, 3), name)
        databases[number] = Database(
            number, name, primary_region=protobuf.text(protobuf.parse(protobuf.blob(message, 10)), 3), owner=owner, grants=grants,
            default_privileges=read_default_privileges(protobuf.blob(message, 11), name),
        )
    return databases


def _schemas(parsed: dict[int, tuple[int, protobuf.Message]], databases: dict[int, Database]) -> dict[int, Schema]:
    schemas = {}
    for number, (kind, message) in sorted(parsed.items()):
        if kind != _SCHEMA:
            continue
        name = protobuf.text(message, 2)
        fields.refuse_unknown(message, fields.SCHEMA, f"schema {name}")
        database = databases.get(protobuf.integer(message, 1))
        if database is None or _is_left_out(message, 8):
            continue
        owner, grants = read_privileges(protobuf.blob(message, 4), f"{database.name}.{name}")
        schema = Schema(number, name, owner, grants, default_privileges=read_default_privileges(protobuf.blob(message, 10), f"{database.name}.{name}"))
        schemas[number] = schema
        database.schemas.append(schema)
    return schemas


def _place(item: InSchema, database: Database, schemas: dict[int, Schema]) -> InSchema:
    """Give objects of old releases, whose public schema has no descriptor, a schema of their database."""
    if item.schema_id in (0, _PUBLIC_SCHEMA_ID):
        item.schema_id = _PUBLIC_SCHEMA_ID
        if not any(schema.id == _PUBLIC_SCHEMA_ID for schema in database.schemas):
            # There everybody may use it; later releases say so in a descriptor.
            database.schemas.append(Schema(_PUBLIC_SCHEMA_ID, "public", grants=[Grant("public", ["CREATE", "USAGE"])]))
    elif item.schema_id not in schemas:
        raise CorruptBackupError(f"{database.name}.{item.name} is in the schema {item.schema_id}, which the backup does not describe")
    return item


def _report_state(name: str, kind: str, state: int, findings: list[Finding]) -> None:
    if state not in _STATES:
        raise UnsupportedError(f"{kind} {name} is in the unknown state {state}")
    if _STATES[state] != "dropped":
        findings.append(Finding(
            "not_public", "error", name, f"The {kind} is left out: it was {_STATES[state]} when the backup was taken.",
            "Take the backup again after the import, restore or schema change is done.",
        ))


def _add_table(
    message: protobuf.Message, databases: dict[int, Database], schemas: dict[int, Schema], findings: list[Finding],
) -> None:
    name, database = protobuf.text(message, 1), databases.get(protobuf.integer(message, 4))
    fields.refuse_unknown(message, fields.TABLE, f"table {name}")
    if database is None:
        return
    full_name = f"{database.name}.{name}"
    if _is_left_out(message, 19):
        _report_state(full_name, "table", protobuf.integer(message, 19), findings)
    elif protobuf.integer(message, 39):
        findings.append(Finding("temporary_table", "info", full_name, "The temporary table is left out: it belongs to a session."))
    elif 61 in message:
        raise UnsupportedError(f"{full_name} is an external table: its rows are in another cluster, not in this backup")
    elif 28 in message:
        database.sequences.append(_place(read_sequence(message, database.name), database, schemas))
    elif protobuf.text(message, 24):
        if 64 in message:
            findings.append(Finding("trigger_left_out", "error", full_name, "The triggers of the view are left out.", "Write them again with CREATE TRIGGER."))
        database.views.append(_place(read_view(message, database.name), database, schemas))
    else:
        database.tables.append(_place(read_table(message, database.name), database, schemas))
        findings += unfinished_changes(message, full_name)


def _add_index_foreign_keys(parsed: dict[int, tuple[int, protobuf.Message]], databases: list[Database]) -> None:
    """Add the foreign keys that releases up to v19.1 keep in the referring index."""
    tables = {table.id: table for database in databases for table in database.tables}
    for table in tables.values():
        for column_ids, reference in read_index_foreign_keys(parsed[table.id][1]):
            referenced = tables.get(protobuf.integer(reference, 1))
            if referenced is None:
                raise CorruptBackupError(f"{table.name} has a foreign key to the table {protobuf.integer(reference, 1)}, which the backup does not describe")
            key = old_foreign_key(column_ids, reference, referenced)
            if key.name not in {other.name for other in table.foreign_keys}:
                table.foreign_keys.append(key)


def _add_type(number: int, message: protobuf.Message, databases: dict[int, Database], schemas: dict[int, Schema]) -> None:
    name, database = protobuf.text(message, 3), databases.get(protobuf.integer(message, 1))
    fields.refuse_unknown(message, fields.TYPE, f"type {name}")
    kind = protobuf.integer(message, 5)
    if database is None or _is_left_out(message, 13) or kind in (_ALIAS, _RECORD):
        return
    if kind not in (0, _MULTI_REGION, _COMPOSITE, _DOMAIN):
        raise UnsupportedError(f"type {database.name}.{name} is of the unknown kind {kind}")
    owner, grants = read_privileges(protobuf.blob(message, 14), f"{database.name}.{name}")
    item = UserType(number, name, protobuf.integer(message, 2), array_type_id=protobuf.integer(message, 8), owner=owner, grants=grants)
    if kind == _COMPOSITE:
        item.kind = "composite"
        for element in protobuf.blobs(protobuf.parse(protobuf.blob(message, 18)), 1):
            part = protobuf.parse(element)
            item.fields.append(read_type(protobuf.blob(part, 1), f"{database.name}.{name}"))
            item.field_names.append(protobuf.text(part, 2))
    elif kind == _DOMAIN:
        _read_domain(protobuf.parse(protobuf.blob(message, 21)), item, f"{database.name}.{name}")
    else:
        item.kind = "multi-region enum" if kind == _MULTI_REGION else "enum"
        for data in protobuf.blobs(message, 6):
            member = protobuf.parse(data)
            fields.refuse_unknown(member, fields.ENUM_MEMBER, f"type {name}")
            item.members.append(EnumMember(protobuf.text(member, 2), protobuf.blob(member, 1).hex()))
        if kind == _MULTI_REGION:
            database.regions = [member.name for member in item.members]
    database.types.append(_place(item, database, schemas))


def _read_domain(message: protobuf.Message, item: UserType, full_name: str) -> None:
    """Read what a domain has beside its name; a constraint that is being dropped does not count, one that is being added is not validated yet."""
    fields.refuse_unknown(message, fields.DOMAIN, f"domain {full_name}")
    item.kind, item.base = "domain", read_type(protobuf.blob(message, 1), full_name)
    if base_problem(item.base):
        raise UnsupportedError(f"domain {full_name}: {base_problem(item.base)}")
    names = [value for number in sorted(set(message) & _NOT_NULL_FIELDS) for value in message[number] if isinstance(value, bytes)]
    item.not_null_name = names[0].decode("utf-8") if names else ""
    item.not_null = bool(protobuf.integer(message, 2) or item.not_null_name)
    item.default = protobuf.text(message, 3)
    for data in protobuf.blobs(message, 4):
        check = protobuf.parse(data)
        name = protobuf.text(check, 1)
        fields.refuse_unknown(check, fields.DOMAIN_CHECK, f"check {full_name}.{name}")
        validity = protobuf.integer(check, 4)
        if 3 in check and not protobuf.integer(check, 3) or validity not in _VALIDITIES:
            raise UnsupportedError(f"check {full_name}.{name}: the descriptor's fields 3 and 4 are not the id and the validity that they are taken for")
        if validity != _DROPPING:
            item.checks.append(Check(name, protobuf.text(check, 2), validated=validity == _VALIDATED, id=protobuf.integer(check, 3)))


def _add_function(number: int, message: protobuf.Message, databases: dict[int, Database], schemas: dict[int, Schema]) -> None:
    name, database = protobuf.text(message, 1), databases.get(protobuf.integer(message, 3))
    fields.refuse_unknown(message, fields.FUNCTION, f"function {name}")
    if database is None or _is_left_out(message, 16):
        return
    full_name = f"{database.name}.{name}"
    owner, grants = read_privileges(protobuf.blob(message, 12), full_name)
    returned = protobuf.parse(protobuf.blob(message, 6))
    language = protobuf.integer(message, 7)
    if language not in _LANGUAGES:
        raise UnsupportedError(f"function {full_name} is written in the unknown language {language}")
    if protobuf.integer(message, 23) not in (0, _DEFINER):
        raise UnsupportedError(f"function {full_name}: the security mode {protobuf.integer(message, 23)} is not known")
    item = Function(
        number, name, protobuf.integer(message, 4),
        parameters=[_parameter(protobuf.parse(data), full_name) for data in protobuf.blobs(message, 5)],
        return_type=read_type(protobuf.blob(returned, 1), full_name) if 1 in returned else None,
        returns_set=bool(protobuf.integer(returned, 2)), language=_LANGUAGES[language], body=protobuf.text(message, 8),
        volatility=_VOLATILITIES.get(protobuf.integer(message, 9), "VOLATILE"), leakproof=bool(protobuf.integer(message, 10)),
        strict=protobuf.integer(message, 11) in (2, 3), procedure=bool(protobuf.integer(message, 21)), owner=owner, grants=grants,
        security_definer=protobuf.integer(message, 23) == _DEFINER, depends_on=[*protobuf.integers(message, 13), *protobuf.integers(message, 22)],
    )
    database.functions.append(_place(item, database, schemas))


def _parameter(message: protobuf.Message, name: str) -> dict[str, object]:
    return {
        "mode": _PARAMETER_MODES[protobuf.integer(message, 1)], "name": protobuf.text(message, 2),
        "type": asdict(read_type(protobuf.blob(message, 3), name)), "default": protobuf.text(message, 4),
    }


def _named_roles(databases: list[Database]) -> set[str]:
    names: set[str] = set()
    for database in databases:
        items: list[Any] = [database, *database.schemas, *database.types, *database.sequences, *database.tables, *database.views, *database.functions]
        for item in items:
            grants: list[Grant] = item.grants
            owner: Optional[str] = item.owner
            names |= {grant.role for grant in grants} | ({owner} if owner else set())
        names |= {role for table in database.tables for policy in table.policies for role in policy["roles"]}
        for given in [*database.default_privileges, *(given for schema in database.schemas for given in schema.default_privileges)]:
            names |= {grant.role for grant in given.grants} | ({given.role} if given.role else set())
    return names - BUILT_IN_ROLES
