# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The catalog of everything that a backup holds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._formats.encoding import ordered_int
from ..._model.catalog import Catalog, Table
from ..._model.stored_columns import loaded_columns
from ..._values.copy_text import parse_row
from ..._values.line_block import split_lines
from ..._values.value_policies import STOP_ALL, ValuePolicies
from ..descriptors.catalog_of_descriptors import build_catalog, system_tables
from ..descriptors.cluster_leftovers import ANY_TEXT, LEFTOVER_TABLES, add_leftovers
from ..descriptors.cluster_tables import CLUSTER_TABLES, Row, apply_cluster_tables
from .key_ranges import row_range
from .reader import Backup
from .row_decoder import build_row_decoder

_ZONES, _SETTINGS = "zones", "settings"


def source_catalog(backup: Backup) -> Catalog:
    """Return the catalog, with comments, roles and settings if the backup has the system tables (full-cluster
    backups)."""
    catalog = build_catalog(backup.descriptors, before_imports=True)
    tables = system_tables(backup.descriptors, CLUSTER_TABLES, catalog.findings)
    apply_cluster_tables(catalog, {name: _rows(backup, tables[name], name) for name in tables})
    return catalog


def find_leftovers(backup: Backup, catalog: Catalog) -> None:
    """Add the findings of the backup's cluster that are about objects outside of its databases."""
    tables = system_tables(backup.descriptors, LEFTOVER_TABLES, catalog.findings)
    add_leftovers(catalog, {name: partial(_leftover_rows, backup, tables[name], name) for name in tables})


def _leftover_rows(backup: Backup, table: Table, name: str) -> list[Row]:
    if name == _ZONES:
        return _zones(backup, table)
    if name == _SETTINGS:
        # Their names are the key. Values are not reported, and in a virtual cluster's first row the value is not even
        # of its column's type.
        key = {part.column_id for part in table.primary_index.columns}
        table = replace(table, columns=[column for column in table.columns if column.id in key])
    return _rows(backup, table, name, ANY_TEXT)


def _rows(backup: Backup, table: Table, name: str, policies: ValuePolicies = STOP_ALL) -> list[Row]:
    start, end = row_range(table)
    decoder = build_row_decoder(table, {}, f"system.public.{name}", policies)
    columns = [column.name for column in loaded_columns(table)]
    return [
        dict(zip(columns, parse_row(line.decode())))
        for block in decoder.rows(backup.scan(start, end, {}))
        for line in split_lines(block.text)
    ]


def _zones(backup: Backup, table: Table) -> list[Row]:
    """Return the numbers of what has a zone. Up to v20.2 CockroachDB writes these rows without the family that others
    begin with: the keys say enough."""
    start, end = row_range(table)
    numbers = {ordered_int(key, len(start))[0] for keys, _values in backup.scan(start, end, {}) for key in keys}
    return [{"id": str(number)} for number in sorted(numbers)]
