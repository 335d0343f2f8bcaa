# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""GRANT, ALTER … OWNER TO and CREATE ROLE."""

from __future__ import annotations

from typing import Any

from ..._model.catalog import DefaultPrivileges, Function, Grant, Role, Schema
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .cursor import Cursor, StatementError
from .model_builder import Builder
from .parsing import NAME, WORD
from .routines import read_functions

_ALL_IN_SCHEMA = {
    "TABLES": ("tables", "views", "sequences"),
    "SEQUENCES": ("sequences",),
    "TYPES": ("types",),
    "FUNCTIONS": ("functions",),
    "PROCEDURES": ("functions",),
    "ROUTINES": ("functions",),
}
_DEFAULT_KINDS = {
    "TABLES": "TABLES",
    "SEQUENCES": "SEQUENCES",
    "TYPES": "TYPES",
    "SCHEMAS": "SCHEMAS",
    "FUNCTIONS": "FUNCTIONS",
    "ROUTINES": "FUNCTIONS",
}
_FLAGS = (
    "CREATEDB",
    "CREATEROLE",
    "CREATELOGIN",
    "CONTROLJOB",
    "CONTROLCHANGEFEED",
    "VIEWACTIVITY",
    "VIEWACTIVITYREDACTED",
    "CANCELQUERY",
    "MODIFYCLUSTERSETTING",
    "VIEWCLUSTERSETTING",
    "SQLLOGIN",
    "REPLICATION",
    "BYPASSRLS",
)
_USUAL = ("NOSUPERUSER", "INHERIT")
"""What pg_dumpall writes of every role: CockroachDB has no other ones."""


def read_grant(cursor: Cursor, builder: Builder) -> None:
    """Read a grant of privileges or of roles."""
    begin = cursor.index
    if cursor.at("SYSTEM") and cursor.peek(1).keyword != "TO" and not cursor.peek(1).is_symbol(","):
        cursor.take()
        privileges = read_privileges(cursor, "TO")
        cursor.index -= 1
        _report_on_cluster(privileges, "the whole cluster", cursor, builder)
        return
    while not cursor.at_end and not cursor.at("ON") and not cursor.at("TO"):
        cursor.take()
    of_roles = cursor.at("TO")
    cursor.index = begin
    if of_roles:
        _grant_roles(cursor, builder)
    else:
        _grant_privileges(cursor, builder)
    cursor.end()


def _grant_roles(cursor: Cursor, builder: Builder) -> None:
    roles = cursor.name_list()
    cursor.expect("TO")
    members = cursor.name_list()
    admin = cursor.accept("WITH", "ADMIN", "OPTION")
    if cursor.accept("GRANTED", "BY"):
        cursor.name()
    for name in members:
        role = role_named(name, builder)
        role.member_of += roles
        role.admin_of += roles if admin else []


def role_named(name: str, builder: Builder) -> Role:
    """Return the role, made when it is new."""
    found = next((role for role in builder.catalog.roles if role.name == name), None)
    if found is None:
        found = Role(name, login=False)
        builder.catalog.roles.append(found)
    return found


def _grant_privileges(cursor: Cursor, builder: Builder) -> None:
    privileges = read_privileges(cursor)
    if cursor.accept("EXTERNAL", "CONNECTION"):
        _report_on_cluster(privileges, f"external connection {cursor.name()}", cursor, builder)
        return
    items, refused = objects_of_grant(cursor, builder)
    cursor.expect("TO")
    roles = cursor.name_list()
    for role in roles if refused else ():
        builder.find(
            FindingCode.CHANGE_REFUSED,
            FullName("role", name=role),
            f"GRANT at line {cursor.statement.first_line} gives {role} nothing on refused objects: "
            f"{', '.join(map(str, refused))}.",
        )
    grantable = privileges if cursor.accept("WITH", "GRANT", "OPTION") else []
    for item in items:
        if isinstance(item, Function) and not item.grants:
            # Everybody may call a new function; a text of grants only adds to that.
            _add(item, "public", ["EXECUTE"], [])
        for role in roles:
            _add(item, role, privileges, grantable)


def _report_on_cluster(privileges: list[str], what: str, cursor: Cursor, builder: Builder) -> None:
    """Add the finding for privileges on objects that PostgreSQL does not have."""
    cursor.expect("TO")
    for role in cursor.name_list():
        role_named(role, builder)
        builder.find(
            FindingCode.SYSTEM_PRIVILEGES,
            FullName("role", name=role),
            f"The privileges on {what} are omitted: {', '.join(privileges)}.",
        )
    cursor.accept("WITH", "GRANT", "OPTION")


def read_privileges(cursor: Cursor, end: str = "ON") -> list[str]:
    """Read privileges, and the word after them."""
    privileges = []
    while True:
        words = [cursor.take().text.upper()]
        while not cursor.at(",") and not cursor.at(end):
            words.append(cursor.take().text.upper())
        if "(" in words:
            cursor.fail("a privilege on columns is not known in CockroachDB")
        privileges.append("ALL" if words == ["ALL", "PRIVILEGES"] else " ".join(words))
        if not cursor.accept(","):
            break
    cursor.expect(end)
    return privileges


def read_default_privileges(cursor: Cursor, builder: Builder) -> None:
    """Read the part after ALTER DEFAULT PRIVILEGES. Without FOR it is about the role that runs it, which the text does
    not name."""
    owners = []
    if cursor.accept("FOR", "ALL", "ROLES"):
        owners = [""]
    elif cursor.accept("FOR"):
        cursor.accept_one("ROLE", "USER")
        owners = cursor.name_list()
    database = builder.database(cursor.statement.database)
    places: list[Any] = [database]
    if cursor.accept("IN", "SCHEMA"):
        places = [builder.schema(database, name) for name in cursor.name_list()]
    if not owners or not cursor.accept("GRANT"):
        cursor.rest()
        builder.find(
            FindingCode.STATEMENT_LEFT_OUT,
            FullName("database", database.name),
            f"A statement is omitted: {cursor.statement.beginning}",
            ""
            if owners
            else "Add FOR ROLE: without it the statement is about the role that runs it, which the text does not name.",
        )
        return
    privileges = read_privileges(cursor)
    kind = cursor.accept_one(*_DEFAULT_KINDS) or cursor.fail(
        "expected TABLES, SEQUENCES, TYPES, SCHEMAS, FUNCTIONS or ROUTINES"
    )
    cursor.expect("TO")
    roles = cursor.name_list()
    grantable = privileges if cursor.accept("WITH", "GRANT", "OPTION") else []
    cursor.end()
    for place in places:
        for owner in owners:
            given = DefaultPrivileges(owner, _DEFAULT_KINDS[kind])
            for role in roles:
                _add(given, role, privileges, grantable)
            place.default_privileges.append(given)


def _add(item: Any, role: str, privileges: list[str], grantable: list[str]) -> None:
    grant = next((grant for grant in item.grants if grant.role == role), None)
    if grant is None:
        grant = Grant(role, [])
        item.grants.append(grant)
    grant.privileges += [name for name in privileges if name not in grant.privileges]
    grant.grantable += [name for name in grantable if name not in grant.grantable]


def objects_of_grant(cursor: Cursor, builder: Builder) -> tuple[list[Any], list[FullName]]:
    """Read what privileges are on; return that, and the names of what was refused. Raises StatementError if all of it
    was refused."""
    if cursor.accept("ALL"):
        kind = cursor.take().keyword
        cursor.expect("IN", "SCHEMA")
        if kind not in _ALL_IN_SCHEMA:
            cursor.fail(f"ALL {kind} is not known")
        return _all_in_schemas(_ALL_IN_SCHEMA[kind], cursor, builder), []
    kind = cursor.accept_one("DATABASE", "SCHEMA", "TYPE", "FUNCTION", "PROCEDURE", "SEQUENCE", "TABLE") or "TABLE"
    items: list[Any] = []
    refused: list[StatementError] = []
    while True:
        try:
            of_pattern = _tables_of_pattern(cursor, builder) if kind == "TABLE" else []
            items += of_pattern or object_of(kind, cursor, builder)
        except StatementError as error:
            if error.because is None:
                raise
            refused.append(error)
            if cursor.at("("):
                cursor.parenthesis()
        if not cursor.accept(","):
            break
    if refused and not items:
        raise refused[0]
    return items, [error.because for error in refused if error.because]


def _all_in_schemas(lists: tuple[str, ...], cursor: Cursor, builder: Builder) -> list[Any]:
    items = []
    while True:
        items += _all_in_schema(lists, object_of("SCHEMA", cursor, builder)[0], builder)
        if not cursor.accept(","):
            return items


def _all_in_schema(lists: tuple[str, ...], schema: Schema, builder: Builder) -> list[Any]:
    return [
        item
        for database in builder.catalog.databases
        for name in lists
        for item in getattr(database, name)
        if item.schema_id == schema.id
    ]


def _tables_of_pattern(cursor: Cursor, builder: Builder) -> list[Any]:
    """Read ``*``, ``schema.*`` or ``database.schema.*`` and return the tables, views and sequences there; nothing if
    another name is there."""
    begin, path = cursor.index, []
    while cursor.peek().kind in (WORD, NAME):
        path.append(cursor.take())
        cursor.accept(".")
    if not cursor.at("*"):
        cursor.index = begin
        return []
    database, schema, _name = builder.split([*path, cursor.take()], cursor.statement)
    place = builder.schema(builder.database(database), schema)
    return _all_in_schema(_ALL_IN_SCHEMA["TABLES"], place, builder) or cursor.fail("no table matches")


def object_of(kind: str, cursor: Cursor, builder: Builder) -> list[Any]:
    """Read the name of an object of this kind and return it, as a list: a name may stand for several functions."""
    if kind in ("FUNCTION", "PROCEDURE"):
        return list(read_functions(cursor, builder))
    path, statement = cursor.path(), cursor.statement
    name = ".".join(word.text for word in path)
    if kind == "DATABASE":
        return [builder.database(path[0].identifier)]
    if kind == "SCHEMA":
        database = builder.database(path[0].identifier if len(path) > 1 else statement.database)
        return [builder.schema(database, path[-1].identifier)]
    if kind == "TYPE":
        return [builder.user_type(path, statement) or cursor.fail(f"the type {name} is not there")]
    return [builder.relation(path, statement) or cursor.fail(f"{name} is not there")]


def is_there(kind: str, cursor: Cursor, builder: Builder) -> bool:
    """Read the name of an object of this kind, and tell whether there is one."""
    path, statement = cursor.path(), cursor.statement
    if kind == "SCHEMA":
        database = builder.known_database(path[0].identifier if len(path) > 1 else statement.database)
        return database is not None and builder.find_schema(database, path[-1].identifier) is not None
    if kind in ("FUNCTION", "PROCEDURE"):
        return bool(builder.functions(path, statement))
    if kind in ("TYPE", "DOMAIN"):
        return builder.user_type(path, statement) is not None
    return builder.relation(path, statement) is not None


def alter_role(cursor: Cursor, builder: Builder) -> None:
    """Read a role's changed options, or its session settings, from its name on."""
    every = cursor.accept("ALL")
    name = "all roles" if every else cursor.name()
    in_database = cursor.accept("IN", "DATABASE")
    if in_database:
        builder.database(cursor.name())
    if not (every or in_database or cursor.at("SET") or cursor.at("RESET")):
        cursor.index -= 1
        create_role(cursor, builder, role_named(name, builder).login)
    elif cursor.accept_one("SET", "RESET"):
        builder.find(
            FindingCode.ROLE_SETTINGS,
            FullName("role", name=name),
            f"Session settings are omitted: {cursor.statement.text(cursor.rest())}.",
        )
    else:
        cursor.fail("expected SET or RESET")


def create_role(cursor: Cursor, builder: Builder, login: bool) -> None:
    """Read a role from its name on; a password stays out of the catalog."""
    cursor.accept("IF", "NOT", "EXISTS")
    role = role_named(cursor.name(), builder)
    role.login = login
    cursor.accept("WITH")
    while not cursor.at_end:
        if cursor.accept("PASSWORD"):
            cursor.take()
            builder.find(FindingCode.PASSWORD_LEFT_OUT, FullName("role", name=role.name))
        elif cursor.accept("VALID", "UNTIL"):
            role.valid_until = "" if cursor.accept("NULL") else cursor.string()
        elif cursor.accept("LOGIN"):
            role.login = True
        elif cursor.accept("NOLOGIN"):
            role.login = False
        elif cursor.accept_one(*_USUAL):
            pass
        else:
            _read_flag(cursor, role)


def _read_flag(cursor: Cursor, role: Role) -> None:
    option = cursor.take().keyword
    if option in _FLAGS or option[:2] == "NO" and option[2:] in _FLAGS:
        role.options += [option] if option in _FLAGS else []
    else:
        cursor.index -= 1
        cursor.fail("the role's option is not known")
