# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reads the catalog of a running CockroachDB whose system tables are closed: from the text of SHOW CREATE, and owners
and grants from SHOW."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import ALL_DATABASES

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._model.catalog import Catalog
from ..descriptors.cluster_tables import Row
from ..schema_text.catalog_of_text import read_understood_text
from .releases import SHOW_CREATE_ROUTINES_SINCE, release_of
from .row_stream import receive_texts
from .shown_privileges import apply_grants, apply_owners, apply_roles
from .sql_connection import CockroachParameters, connect, server_version

_SYSTEM = "system"
_SCHEMA, _ROUTINES = ("SCHEMAS", "TYPES", "TABLES"), ("ROUTINES", "TRIGGERS")
FROM_TEXT = Finding.of(FindingCode.SCHEMA_FROM_TEXT, ALL_DATABASES)
_NO_ROUTINES = Finding.of(FindingCode.ROUTINES_NOT_KNOWN, ALL_DATABASES)


def read_shown_catalog(connection: Any, parameters: CockroachParameters, as_of: str) -> Catalog:
    """Return what the cluster held at ``as_of``, as far as SHOW shows it to a member of the role admin; what is not
    understood is in ``unreadable``. Raises psycopg2.Error, MigrationError."""
    with _at(connection, as_of):
        databases = [row for row in _rows(connection, sql.SQL("SHOW DATABASES")) if row["database_name"] != _SYSTEM]
        roles = _rows(connection, sql.SQL("SHOW ROLES"))
        members = _rows(connection, sql.SQL("SHOW GRANTS ON ROLE"))
    with_routines = release_of(server_version(connection)) >= SHOW_CREATE_ROUTINES_SINCE
    texts, shown = [], {}
    for row in databases:
        name = row["database_name"] or ""
        with contextlib.closing(connect(parameters, name)) as inside:
            receive_texts(inside)
            with _at(inside, as_of):
                texts.append(_text(inside, name, _SCHEMA + (_ROUTINES if with_routines else ())))
                shown[name] = [
                    _rows(inside, sql.SQL(query))
                    for query in ("SHOW SCHEMAS", "SHOW TABLES", "SHOW TYPES", "SHOW GRANTS")
                ]
                shown[name][-1] += _rows(inside, sql.SQL("SHOW GRANTS ON DATABASE {}").format(sql.Identifier(name)))
    catalog = read_understood_text("\n".join(texts))
    owners = {row["database_name"]: row.get("owner") for row in databases}
    for database in catalog.databases:
        schemas, tables, types, grants = shown[database.name]
        database.owner = owners[database.name] or ""
        apply_owners(database, schemas, tables, types)
        catalog.findings += apply_grants(database, grants)
    apply_roles(catalog, roles, members)
    catalog.findings += [FROM_TEXT, *([] if with_routines else [_NO_ROUTINES])]
    return catalog


@contextlib.contextmanager
def _at(connection: Any, as_of: str) -> Iterator[None]:
    """Let SHOW, which takes no moment itself, describe a moment. The connection is of no use after an error."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("BEGIN AS OF SYSTEM TIME {}").format(sql.Literal(as_of)))
        yield
        cursor.execute("COMMIT")


def _text(connection: Any, database: str, kinds: Iterable[str]) -> str:
    name = sql.Identifier(database)
    # SHOW CREATE ALL TYPES does not print the type of the database's regions; SHOW CREATE DATABASE names them.
    shown = [_rows(connection, sql.SQL("SHOW CREATE DATABASE {}").format(name))]
    shown += [_rows(connection, sql.SQL("SHOW CREATE ALL {}").format(sql.SQL(kind))) for kind in kinds]
    statements = [row["create_statement"] or "" for rows in shown for row in rows]
    statements.insert(1, f"USE {name.as_string(connection)}")
    return "\n".join(statement.rstrip().rstrip(";") + ";" for statement in statements)


def _rows(connection: Any, query: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]
