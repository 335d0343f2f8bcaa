# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The hidden column that holds when a row expires, which CockroachDB adds to tables with ``ttl_expire_after``."""

from __future__ import annotations

from typing import Optional

from ..._model.catalog import Column
from . import parsing
from .columns import read_column
from .cursor import Cursor, Statement
from .table_place import TablePlace

EXPIRATION_COLUMN = "crdb_internal_expiration"


def set_expiration_column(duration: str, place: TablePlace) -> None:
    """Add the column where a text by hand does not show it, or change when its rows expire.

    ``duration`` is a constant as the text has it.
    """
    typed = f"{duration}:::INTERVAL" if duration.endswith("'") and duration.startswith("'") else duration
    value = f"current_timestamp():::TIMESTAMPTZ + {typed}"
    column = expiration_column(place)
    if column is not None:
        column.default = column.on_update = value
        return
    text = f"{EXPIRATION_COLUMN} TIMESTAMPTZ NOT VISIBLE NOT NULL DEFAULT {value} ON UPDATE {value}"
    statement = Statement(parsing.words(text, EXPIRATION_COLUMN), text, place.statement.line, place.statement.database)
    read_column(Cursor(statement), place)
    if place.own_table.families:
        place.own_table.families[0].column_ids.append(place.table.columns[-1].id)


def expiration_column(place: TablePlace) -> Optional[Column]:
    """Return the column; None if the table has none."""
    return next((column for column in place.table.columns if column.name == EXPIRATION_COLUMN), None)
