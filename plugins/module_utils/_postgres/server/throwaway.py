# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Ensuring the state of a temporary PostgreSQL server, its superuser and database."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._errors import ConfigurationError
from ..._model.json_form import from_json
from ..connect.connection import ConnectionParameters, connect
from ..connect.libpq_environment import without_libpq_environment
from ..target.server_facts import ServerFacts
from .likeness import likeness_of, make_like
from .postgres_server import (
    SUPERUSER,
    ServerOptions,
    major_version,
    remove_server,
    running_port,
    start_server,
    stop_server,
)


@dataclass(frozen=True)
class ThrowAwayServer:
    """A server that runs, or in check mode would run."""

    changed: bool
    port: int
    data_dir: str
    user: str
    """The role to log in as: with the rights that it has on the targets, if the server is made like them."""


@dataclass(frozen=True)
class StoppedServer:
    """A server that does not run, or in check mode would be stopped."""

    changed: bool


@dataclass(frozen=True)
class WantedServer:
    """The arguments of the module postgres_server.

    ``like`` are the targets (see server_facts) that a new server is made like; the user who is returned is then the
    role with the rights that it has there.
    """

    directory: str
    state: str = "started"
    bin_dir: Optional[str] = None
    port: int = 0
    user: str = SUPERUSER
    password: Optional[str] = field(default=None, repr=False)
    database: str = "postgres"
    durable: bool = False
    os_user: str = ""
    like: Sequence[Mapping[str, Any]] = ()


def ensure_server(wanted: WantedServer, *, check: bool) -> Union[ThrowAwayServer, StoppedServer]:
    """Start, stop or remove the server in ``wanted.directory``.

    With ``check`` nothing is done. Raises MigrationError.
    """
    directory = os.path.abspath(wanted.directory)
    running = running_port(directory)
    if wanted.state == "absent":
        return StoppedServer(remove_server(directory, wanted.bin_dir or "", check=check))
    if wanted.state == "stopped":
        return StoppedServer(bool(running) if check else stop_server(directory, wanted.bin_dir or ""))
    data_dir = os.path.join(directory, "data")
    if check:
        return ThrowAwayServer(not running, running or wanted.port, data_dir, wanted.user)
    with without_libpq_environment():
        return start_wanted(wanted)


def start_wanted(wanted: WantedServer) -> ThrowAwayServer:
    """Create the server if it is missing, and start it. Raises MigrationError."""
    directory = os.path.abspath(wanted.directory)
    likeness = likeness_of(_servers(wanted.like)) if wanted.like else None
    options = ServerOptions(
        directory=directory,
        bin_dir=wanted.bin_dir or "",
        port=wanted.port,
        os_user=wanted.os_user,
        password=wanted.password or "",
        durable=wanted.durable,
        settings=likeness.settings_for(major_version(wanted.bin_dir or "")) if likeness else (),
    )
    started = start_server(options)
    user = likeness.login if likeness else wanted.user
    if likeness and started.created:
        make_like(started.parameters, likeness, wanted.password or "")
    made = _ensure_login(started.parameters, user, wanted.database)
    return ThrowAwayServer(started.changed or made, started.port, os.path.join(directory, "data"), user)


def _servers(like: Sequence[Mapping[str, Any]]) -> list[ServerFacts]:
    try:
        return from_json(list[ServerFacts], list(like))
    except ValueError as error:
        raise ConfigurationError(f"like is not what postgres_preflight returns: {error}") from error


def _ensure_login(parameters: ConnectionParameters, user: str, database: str) -> bool:
    """Create a superuser and a database with these names; return whether one was missing."""
    connection = connect(parameters)
    connection.autocommit = True
    changed = False
    try:
        with connection.cursor() as cursor:
            if user != SUPERUSER and not _exists(cursor, "SELECT 1 FROM pg_roles WHERE rolname = %s", user):
                cursor.execute(
                    sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD %s").format(sql.Identifier(user)),
                    (parameters.password,),
                )
                changed = True
            if not _exists(cursor, "SELECT 1 FROM pg_database WHERE datname = %s", database):
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
                changed = True
    finally:
        connection.close()
    return changed


def _exists(cursor: Any, query: str, name: str) -> bool:
    cursor.execute(query, (name,))
    return cursor.fetchone() is not None
