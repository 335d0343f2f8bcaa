# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A source in memory, which is neither a backup nor a cluster."""
from __future__ import annotations

from dataclasses import dataclass, field

import synthetic_dump

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Catalog
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.object_numbers import ObjectNumbers
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.stored_columns import (
    computed_columns,
    loaded_columns,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import (
    OutputColumn,
    OutputColumns,
    Plan,
    Source,
    TaskReading,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import block_of_lines

ORDERS = 600


class PassingError(Exception):
    """What a second attempt does not meet."""


@dataclass(frozen=True)
class Lines:
    """Some lines of a table."""

    table_id: int
    chunk: int
    weight: int = 0

    @property
    def key(self) -> str:
        return f"{self.table_id}:{self.chunk}"


@dataclass
class Memory(Source[Lines]):
    """Rows in memory; ``as_of`` is its present. The other fields make it fail, or lose and change rows."""

    counts_to_plan = False
    as_of: str = "1"
    fails: dict[str, Exception] = field(default_factory=dict)
    lost: int = 0
    problems: dict[str, TaskReading] = field(default_factory=dict)
    columns_more: int = 0
    asked: list[str] = field(default_factory=list)
    open: bool = False

    def __enter__(self):
        self.open = True
        return self

    def __exit__(self, *error):
        self.open = False

    def identity(self):
        return {"memory": "of an elephant"}

    def choose_moment(self, begun):
        self.asked.append(begun)
        return begun or self.as_of

    def catalog(self):
        assert self.open
        database = synthetic_dump.database("shop")
        empty = next(table for table in database.tables if table.name == "empty")
        empty.columns += [synthetic_dump.column(number, f"c{number}", synthetic_dump.TEXT) for number in range(2, 2 + self.columns_more)]
        return Catalog([database])

    def read_chosen(self, chosen, parallelism):
        assert self.open

    def object_numbers(self, chosen):
        return ObjectNumbers(), []

    def plan(self, request):
        assert not self.open
        self.tables, self.rows, self.size = request.tables, synthetic_dump.rows(ORDERS), request.chunk_rows
        return Plan([Lines(number, start // self.size + 1) for number in self.tables for start in range(0, len(self.rows[number][0]), self.size)])

    def columns(self, table_id):
        table = self.tables[table_id].table
        loaded, computed = (tuple(OutputColumn(column.name, column.type.family == "string") for column in columns(table)) for columns in (loaded_columns, computed_columns))
        return OutputColumns(loaded, computed)

    def retrying(self, task, action):
        try:
            return action()
        except PassingError:
            return action()

    def read(self, task, write):
        part = slice((task.chunk - 1) * self.size, task.chunk * self.size)
        lines, computed = self.rows[task.table_id]
        write(block_of_lines(lines[part], computed and computed[part]))
        if task.key in self.fails:
            raise self.fails.pop(task.key)
        return self.problems.get(task.key, TaskReading())

    def prove(self, finished):
        rows = sum(task.rows for task in finished)
        if rows != sum(len(lines) for lines, _computed in self.rows.values()) + self.lost:
            raise MigrationError(f"only {rows} rows")
        return []

    def findings(self):
        return []

    def describe(self):
        return {"kind": "memory", "end_time": f"at {self.as_of}"}
