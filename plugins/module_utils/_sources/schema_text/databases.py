# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE DATABASE, ALTER DATABASE and CREATE SCHEMA."""

from __future__ import annotations

from ..._model.catalog import Database
from .cursor import Cursor
from .model_builder import Builder
from .parsing import STRING


def create_database(cursor: Cursor, builder: Builder) -> None:
    """Read a database from its name on."""
    cursor.accept("IF", "NOT", "EXISTS")
    database = builder.database(cursor.name())
    cursor.accept("WITH")
    while not cursor.at_end:
        if cursor.accept_one("ENCODING", "TEMPLATE", "LC_COLLATE", "LC_CTYPE", "LOCALE_PROVIDER", "LOCALE"):
            cursor.accept("=")
            cursor.take()
        elif cursor.accept("CONNECTION", "LIMIT"):
            cursor.accept("=")
            cursor.integer()
        elif cursor.accept("OWNER"):
            cursor.accept("=")
            database.owner = cursor.name()
        else:
            _read_regions(cursor, database)


def _read_regions(cursor: Cursor, database: Database) -> None:
    primary = cursor.accept("PRIMARY", "REGION")
    if primary or cursor.accept("SECONDARY", "REGION") or cursor.accept_one("REGIONS"):
        cursor.accept("=")
        while True:
            region = _add_region(cursor, database)
            if primary:
                database.primary_region = region
            if not cursor.accept(","):
                return
    elif cursor.accept("SURVIVE"):
        cursor.accept("=")
        cursor.take()
        cursor.expect("FAILURE")
    elif cursor.accept("PLACEMENT"):
        cursor.accept("=")
        cursor.take()
    else:
        cursor.fail(f"{cursor.peek().text!r} is not known in a database")


def _add_region(cursor: Cursor, database: Database) -> str:
    region = _region(cursor)
    if region not in database.regions:
        database.regions.append(region)
    return region


def _drop_region(cursor: Cursor, database: Database) -> None:
    cursor.accept("IF", "EXISTS")
    region = _region(cursor)
    database.regions = [item for item in database.regions if item != region]
    if region == database.primary_region:
        # CockroachDB drops the primary region as the last one.
        database.primary_region = ""


def _region(cursor: Cursor) -> str:
    """Read the name of a region, which people also write as a string."""
    return cursor.string() if cursor.peek().kind == STRING else cursor.name()


def alter_database(cursor: Cursor, database: Database) -> None:
    """Read SET name = value and the regions."""
    if cursor.accept("SET", "PRIMARY", "REGION"):
        cursor.accept("=")
        database.primary_region = _add_region(cursor, database)
    elif cursor.accept("SET", "SECONDARY", "REGION"):
        cursor.accept("=")
        _add_region(cursor, database)
    elif cursor.accept("ADD", "REGION"):
        cursor.accept("IF", "NOT", "EXISTS")
        _add_region(cursor, database)
    elif cursor.accept("DROP", "REGION"):
        _drop_region(cursor, database)
    elif cursor.accept("DROP", "SECONDARY", "REGION") or any(
        cursor.accept(verb, "SUPER", "REGION") for verb in ("ADD", "ALTER", "DROP")
    ):
        # Where leases and replicas are; the database has the same regions before and after.
        cursor.rest()
    elif cursor.accept("RESET"):
        every = cursor.accept("ALL")
        name = "" if every else ".".join(word.text for word in cursor.path())
        database.settings = [
            item for item in database.settings if not every and item.partition("=")[0].lower() != name.lower()
        ]
    elif cursor.accept("SET"):
        name = cursor.take().text
        while cursor.accept("."):
            name += "." + cursor.take().text
        if not cursor.accept("="):
            cursor.expect("TO")
        first = cursor.peek()
        value = cursor.statement.text(cursor.rest())
        database.settings.append(f"{name}={first.text if first.kind == 'string' else value}")
    else:
        _read_regions(cursor, database)
    cursor.end()


def create_schema(cursor: Cursor, builder: Builder) -> None:
    """Read a schema from its name on."""
    cursor.accept("IF", "NOT", "EXISTS")
    if cursor.accept("AUTHORIZATION"):
        owner = cursor.name()
        builder.schema(builder.database(cursor.statement.database), owner).owner = owner
        cursor.end()
        return
    path = cursor.path()
    database = builder.database(path[0].identifier if len(path) > 1 else cursor.statement.database)
    schema = builder.schema(database, path[-1].identifier)
    if cursor.accept("AUTHORIZATION"):
        schema.owner = cursor.name()
    cursor.end()
