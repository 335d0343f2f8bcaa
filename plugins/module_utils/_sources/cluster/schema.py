# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reads the catalog of a running CockroachDB from the same descriptors that a backup holds."""

from __future__ import annotations

from functools import partial
from typing import Any, Optional

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = sql = None

from ..._errors import CockroachError
from ..._model.catalog import Catalog, Database, Sequence, Table
from ..._model.table_source import TableSource
from ..._values.copy_text import parse_row
from ..._values.line_block import split_lines
from ..._values.value_policies import STOP_ALL, ValuePolicies
from ..descriptors.catalog_of_descriptors import build_catalog, system_tables
from ..descriptors.cluster_leftovers import ANY_TEXT, LEFTOVER_TABLES, add_leftovers
from ..descriptors.cluster_tables import CLUSTER_TABLES, apply_cluster_tables
from .row_security import is_admin
from .row_stream import TableReader
from .row_texts import Row, RowTexts
from .sql_connection import are_internals_closed, cockroach_message
from .temporary_settings import TEMPORARY_SETTINGS


class ClosedSystemTablesError(CockroachError):
    """The system tables are closed even to a member of the role admin, who sees everything by SHOW."""


def read_catalog(connection: Any, as_of: str, whole_cluster: bool, restored: bool) -> Catalog:
    """Return everything that the cluster held at ``as_of``; the connection returns texts.

    ``restored``: the cluster is a temporary one that a backup was restored into. ``whole_cluster``: what it has besides
    its databases is the source's. Raises ClosedSystemTablesError, CockroachError, UnsupportedError.
    """
    descriptors = _descriptors(connection, as_of)
    catalog = build_catalog(descriptors)
    tables = system_tables(descriptors, CLUSTER_TABLES + LEFTOVER_TABLES, catalog.findings)
    apply_cluster_tables(
        catalog, {name: _rows(connection, tables[name], name, as_of) for name in CLUSTER_TABLES if name in tables}
    )
    if whole_cluster:
        read = {
            name: partial(_rows, connection, tables[name], name, as_of, ANY_TEXT)
            for name in LEFTOVER_TABLES
            if name in tables
        }
        add_leftovers(catalog, read, TEMPORARY_SETTINGS if restored else frozenset())
    return catalog


def _rows(
    connection: Any, table: Table, name: str, as_of: str, policies: ValuePolicies = STOP_ALL
) -> list[dict[str, Optional[str]]]:
    source = TableSource("system", "public", table, {})
    texts = RowTexts(source, policies)
    columns = texts.names()
    found: list[Row] = []
    TableReader(source, columns, as_of).pages(connection, None, None, found.extend)
    return [dict(zip(columns, parse_row(line.decode()))) for line in split_lines(texts.block(found).text)]


def _descriptors(connection: Any, as_of: str) -> dict[int, bytes]:
    query = sql.SQL("SELECT id, descriptor FROM system.public.descriptor AS OF SYSTEM TIME {}").format(
        sql.Literal(as_of)
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return {int(number): bytes.fromhex(data[2:]) for number, data in cursor.fetchall()}
    except psycopg2.errors.InsufficientPrivilege as error:
        if is_admin(connection):
            raise ClosedSystemTablesError(f"system.descriptor is closed: {cockroach_message(error)}") from None
        user = connection.info.user
        name = sql.Identifier(user).as_string(connection)
        if are_internals_closed(error):
            raise CockroachError(
                "the system tables are closed, although allow_unsafe_internals was asked for "
                f"({cockroach_message(error)}), and the user {user} is no member of the role admin, so that SHOW "
                f"CREATE need not show it every table: GRANT admin TO {name}"
            ) from None
        raise CockroachError(
            f"the user {user} may not read system.descriptor ({cockroach_message(error)}): GRANT admin TO {name}, or "
            "log in as a member of admin"
        ) from None


def read_sequence_values(connection: Any, database: Database, as_of: str) -> None:
    """Fill in the values of a database's sequences, as CockroachDB stores them: the last one handed out, or one step
    before the first."""
    schemas = {schema.id: schema.name for schema in database.schemas}
    for sequence in database.sequences:
        sequence.value = _sequence_value(connection, database.name, schemas[sequence.schema_id], sequence, as_of)


def _sequence_value(connection: Any, database: str, schema: str, sequence: Sequence, as_of: str) -> int:
    query = sql.SQL("SELECT last_value, is_called FROM {} AS OF SYSTEM TIME {}").format(
        sql.Identifier(database, schema, sequence.name), sql.Literal(as_of)
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        value, called = cursor.fetchone()
    # Later releases print the first value of an unused sequence, as PostgreSQL does.
    return int(value) if called in ("t", "true") else int(value) - sequence.increment
