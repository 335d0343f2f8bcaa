# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The table (or materialized view) that is being read, and the state that its parts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Union

from ..._model import catalog_names
from ..._model.catalog import Column, Database, Index, Schema, Table, View
from ..._model.full_name import FullName
from .cursor import Cursor, Statement
from .model_builder import Builder

_OLD_KEY = "primary"


@dataclass
class TablePlace:
    """The context of one table's parts."""

    builder: Builder
    statement: Statement
    database: Database
    schema: Schema
    table: Union[Table, View]
    _after_columns: list[Callable[[], None]] = field(default_factory=list)
    _steps: list[Callable[[], None]] = field(default_factory=list)

    @property
    def full_name(self) -> FullName:
        """For findings and errors."""
        return catalog_names.full_name(self.table, self.database.name, self.schema.name)

    @property
    def own_table(self) -> Table:
        """The table; raises UnsupportedError for a view."""
        if isinstance(self.table, View):
            return Cursor(self.statement).fail(f"{self.full_name} is a view")
        return self.table

    def then(self, step: Callable[[], None]) -> None:
        """Do something when all columns have been read, before the constraints and indexes that follow them."""
        self._after_columns.append(step)

    def at_last(self, step: Callable[[], None]) -> None:
        """Do something after those: CockroachDB puts the checks and foreign keys of columns behind those of the table
        (HoistConstraints in pkg/sql/sem/tree/create.go)."""
        self._steps.append(step)

    def finish_columns(self) -> None:
        """Do what waited for the columns to be read."""
        for step in self._after_columns:
            step()
        self._after_columns.clear()

    def finish(self) -> None:
        """Do all that waited."""
        self.finish_columns()
        for step in self._steps:
            step()
        self._steps.clear()

    def next_column_id(self) -> int:
        """Return the id of the next column."""
        return max((column.id for column in self.table.columns), default=0) + 1

    def next_index_id(self) -> int:
        """Return the id of the next secondary index; 1 is the primary one's."""
        return max((index.id for index in self.table.indexes), default=1) + 1

    def column(self, name: str, cursor: Cursor) -> Column:
        """Return a column by its name. Raises UnsupportedError when the table has none."""
        for column in self.table.columns:
            if column.name == name:
                return column
        return cursor.fail(f"{self.full_name} has no column {name!r}")

    def has_column(self, name: str) -> bool:
        """Tell whether there is a column with this name."""
        return any(column.name == name for column in self.table.columns)

    def has_constraint(self, name: str) -> bool:
        """Tell whether there is an index or constraint with this name."""
        return any(item.name == name for item in [*self.indexes(), *self._constraints()])

    def known_name(self, name: str) -> str:
        """Return the name that an index or constraint has, which a statement may call as releases before v22.1 did:
        the primary key ``primary``, and a foreign key without a name ``fk_column_ref_table``."""
        if isinstance(self.table, View) or self.has_constraint(name):
            return name
        if name == _OLD_KEY:
            return self.table.primary_index.name
        columns = {column.id: column.name for column in self.table.columns}
        tables = {table.id: table.name for table in self.builder.tables()}
        old_names = {
            f"fk_{columns[key.column_ids[0]]}_ref_{tables.get(key.referenced_table_id, '')}": key.name
            for key in self.table.foreign_keys
            if key.column_ids
        }
        return old_names.get(name, name)

    def free_column_name(self, wanted: str) -> str:
        """Return the name, with a number appended if it is taken."""
        return _free(wanted, {column.name for column in self.table.columns})

    def free_index_name(self, wanted: str) -> str:
        """Return the name of an index or check, with a number appended if it is taken."""
        return _free(wanted, {item.name for item in [*self.indexes(), *self._constraints()]}, "")

    def free_constraint_name(self, wanted: str) -> str:
        """Return the name of a foreign key or UNIQUE WITHOUT INDEX, with a number appended if it is taken."""
        return _free(wanted, {item.name for item in [*self.indexes(), *self._constraints()]})

    def require_free(self, name: str, cursor: Cursor) -> None:
        """Raise UnsupportedError if another check, foreign key or UNIQUE WITHOUT INDEX has the name; '' is free."""
        if name and any(item.name == name for item in self._constraints()):
            cursor.fail(f"{self.full_name} has another constraint {name!r}")

    def _constraints(self) -> list[Any]:
        if isinstance(self.table, View):
            return []
        return [*self.table.checks, *self.table.foreign_keys, *self.table.unique_without_index]

    def indexes(self) -> list[Index]:
        """Return all indexes, the primary one first."""
        return [*([self.table.primary_index] if isinstance(self.table, Table) else []), *self.table.indexes]


def _free(wanted: str, taken: set[str], separator: str = "_") -> str:
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}{separator}{number}", number + 1
    return name
