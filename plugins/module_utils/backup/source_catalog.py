# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The catalog of everything that a backup holds."""
from __future__ import annotations

from ..catalog.cluster_leftovers import ANY_TEXT, LEFTOVER_TABLES, leftover_findings
from ..catalog.cluster_tables import CLUSTER_TABLES, apply_cluster_tables
from ..catalog.from_descriptors import build_catalog, system_tables
from ..catalog.model import Catalog
from ..catalog.stored_columns import loaded_columns
from ..dump.copy_text import parse_row
from .key_ranges import row_range
from .reader import Backup
from .row_decoder import build_row_decoder


def source_catalog(backup: Backup) -> Catalog:
    """Return the catalog; comments, roles, settings and findings of what is left behind are in it where the backup has the system tables."""
    catalog = build_catalog(backup.descriptors)
    tables = system_tables(backup.descriptors)
    rows = {}
    for name in (*CLUSTER_TABLES, *LEFTOVER_TABLES):
        if name in tables:
            start, end = row_range(tables[name])
            decoder = build_row_decoder(tables[name], {}, f"system.public.{name}", ANY_TEXT)
            columns = [column.name for column in loaded_columns(tables[name])]
            rows[name] = [
                dict(zip(columns, parse_row(line)))
                for lines, _computed in decoder.rows(backup.scan(start, end, {})) for line in lines
            ]
    apply_cluster_tables(catalog, rows)
    catalog.findings += leftover_findings(catalog, rows)
    return catalog
