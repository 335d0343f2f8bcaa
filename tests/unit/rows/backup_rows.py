# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Decoding real backups, and the tables that stand for their rows in a real PostgreSQL."""
from __future__ import annotations

import io
import pathlib
from collections.abc import Iterator
from typing import Optional

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Database,
    SqlType,
    Table,
    UnfinishedImport,
    UserType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.stored_columns import (
    computed_columns,
    loaded_columns,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.key_ranges import row_range
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import (
    Backup,
    BackupRequest,
    open_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.row_decoder import (
    RowDecoder,
    build_row_decoder,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import split_lines

_TYPES = {
    16: "bool", 17: "bytea", 18: '"char"', 19: "text", 20: "int8", 21: "int2", 23: "int4", 25: "text", 26: "oid", 700: "float4", 701: "float8", 869: "inet",
    1042: "char", 1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1186: "interval", 1266: "timetz",
    1560: "bit", 1562: "varbit", 1700: "numeric", 2950: "uuid", 3802: "jsonb", 24: "oid", 2205: "oid", 2206: "oid", 4089: "oid", 4096: "oid",
}
_SIZED = ("char", "varchar", "bit", "varbit")


def postgres_type(kind: SqlType) -> str:
    """The type that prints a column's values as the decoder must; PostGIS is not at hand, its text form is fixed."""
    if kind.family == "array" and kind.element:
        return postgres_type(kind.element) + "[]"
    if kind.family in ("enum", "geometry", "geography", "box2d"):
        return "text"
    name = _TYPES[kind.oid]
    if name in _SIZED and kind.width:
        return f"{name}({kind.width})"
    if name == "numeric" and kind.precision:
        return f"numeric({kind.precision},{kind.width})"
    if kind.family in ("time", "timestamp", "timestamptz", "timetz") and kind.precision is not None:
        return f"{name}({kind.precision})"
    return name


def open_tables(location: pathlib.Path) -> Iterator[tuple[Table, dict[int, UserType], Iterator[tuple[list[bytes], list[bytes]]]]]:
    """Yield each table of a backup with the user types of its database and its keys and values."""
    backup = open_backup(BackupRequest((location.as_uri(),), "LATEST"))
    for database in build_catalog(backup.descriptors, before_imports=True).databases:
        for table in database.tables:
            yield table, {item.id: item for item in database.types}, backup.scan(*row_range(table), {})


class DecodedTable:
    """A table of a backup with its decoder and rows."""

    def __init__(self, backup: Backup, database: Database, table: Table, unfinished: Optional[UnfinishedImport] = None) -> None:
        schema = next((schema.name for schema in database.schemas if schema.id == table.schema_id), "public")
        self.table, self.name = table, f"{schema}.{table.name}"
        self.types = [postgres_type(column.type) for column in [*loaded_columns(table), *computed_columns(table)]]
        self.decoder: RowDecoder = build_row_decoder(table, {item.id: item for item in database.types}, f"{database.name}.{self.name}")
        self.column_names = [column.name for column in [*self.decoder.columns, *self.decoder.computed]]
        self.lines: list[str] = []
        for block in self.decoder.rows(backup.scan(*row_range(table), {}, unfinished)):
            lines = split_lines(block.text)
            self.lines += [row.decode() for row in (lines if block.computed is None else map(b"%b\t%b".__mod__, zip(lines, split_lines(block.computed))))]


def decoded_tables(
    *locations: pathlib.Path, subdirectory: str = "LATEST", passphrase: str = "", only: Optional[set[str]] = None,
) -> Iterator[DecodedTable]:
    """Decode every table of a backup, or those of the names ``only``."""
    backup = open_backup(BackupRequest(tuple(location.as_uri() for location in locations), subdirectory, passphrase=passphrase))
    catalog = build_catalog(backup.descriptors, before_imports=True)
    for database in catalog.databases:
        for table in database.tables:
            if only is None or table.name in only:
                yield DecodedTable(backup, database, table, catalog.unfinished_imports.get(table.id))


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def copy_in(cursor, name: str, columns: list[str], types: list[str], lines: list[str]) -> None:
    """Make a temporary table and copy lines into it as they are."""
    quoted = ", ".join(f"{quote(column)} {kind}" for column, kind in zip(columns, types))
    cursor.execute(f"DROP TABLE IF EXISTS {name}; CREATE TEMP TABLE {name} ({quoted})")
    cursor.copy_expert(f"COPY {name} FROM STDIN", io.BytesIO("".join(line + "\n" for line in lines).encode()))


def unescape(text: str) -> Optional[str]:
    """A column of a COPY line as its value."""
    if text == "\\N":
        return None
    plain = text.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r")
    return plain.replace("\0", "\\")
