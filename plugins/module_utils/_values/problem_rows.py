# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Rows with values that PostgreSQL cannot hold: under the user's policies a value is replaced or set to NULL, or the
row is rejected.

Rows without such values never come here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable, Optional, TypeVar

from .._formats.encoding import ValueProblem, replacing
from .._model.catalog import Column, Table
from .._model.stored_columns import computed_columns
from .copy_text import unescape
from .value_policies import REJECT, REPLACE, STOP, ValuePolicies

Result = TypeVar("Result")

Originals = dict[str, Any]
"""The columns of a row by name: PostgreSQL's text, None, or an object for a value with a problem: ``bytes`` (the bytes
of a text, hexadecimal), ``stored`` (the form in the backup, hexadecimal) or ``text`` (what CockroachDB sent)."""
SAMPLE_KEYS = 3
"""Number of changed rows whose keys a finding lists."""


@dataclass
class Change:
    """Number of changed values of a column, and the keys of the first rows."""

    column: str
    kind: str
    policy: str
    rows: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RejectedRow:
    """A row that PostgreSQL cannot hold, and the first value for which it was rejected."""

    key: str
    """For people."""
    column: str
    """Of the value."""
    kind: str
    reason: str
    row: Originals


class ProblemRows:
    """The changed and rejected rows of a table since the last call of ``take``."""

    def __init__(self, table: Table, policies: ValuePolicies, columns_read: Callable[[Column], set[str]]) -> None:
        """``columns_read`` says which columns a computed one reads."""
        self.policies = policies
        self._columns_read = columns_read
        primary = {part.column_id for part in table.primary_index.columns}
        self.never_null = {column.id for column in table.columns if not column.nullable} | primary
        self._table = table
        self._changes: dict[tuple[str, str, str], Change] = {}
        self._rejects: list[RejectedRow] = []

    @cached_property
    def proved_by(self) -> dict[int, str]:
        """The stored computed column whose value proves a column's, by the column's id; empty where none does."""
        made = computed_columns(self._table)
        # A computed one proves itself.
        named = {computed.id: self._columns_read(computed) for computed in made}
        return {
            column.id: next((item.name for item in made if item.id == column.id or column.name in named[item.id]), "")
            for column in self._table.columns
        }

    def handles(self, error: Exception) -> bool:
        """Return whether a policy other than ``stop`` applies to an error."""
        return isinstance(error, ValueProblem) and self.policies.of(error.kind) != STOP

    def finish(self, row: RowRepair, key: str, originals: Callable[[], Originals]) -> bool:
        """Record how a row was repaired; ``originals`` returns the original values of its columns. Return whether the
        row is loaded: False if it is rejected."""
        if row.rejection is not None:
            column, kind, reason = row.rejection
            self._rejects.append(RejectedRow(key, column, kind, reason, originals()))
            return False
        for changed in row.changes:
            change = self._changes.setdefault(changed, Change(*changed))
            change.rows += 1
            if len(change.keys) < SAMPLE_KEYS:
                change.keys.append(key)
        return True

    def take(self) -> tuple[list[Change], list[RejectedRow]]:
        """Return the changes and the rejected rows, and forget them."""
        changes, rejects = list(self._changes.values()), self._rejects
        self._changes, self._rejects = {}, []
        return changes, rejects


class RowRepair:
    """One row that is converted under the policies."""

    def __init__(self, problems: ProblemRows) -> None:
        self._problems = problems
        self.changes: dict[tuple[str, str, str], None] = {}
        """(column, kind, policy), in order."""
        self.rejection: Optional[tuple[str, str, str]] = None
        """(column, kind, reason) of the first value for which the row has to be rejected."""
        self.columns: set[int] = set()
        """The ids of the columns with problems."""

    def convert(self, column: Column, write: Callable[[], Result]) -> Optional[Result]:
        """Return the result of ``write``, with values replaced if that is the policy. None: the column becomes NULL, or
        ``rejection`` is set. Raises ValueProblem for a value that stops the export."""
        policies = self._problems.policies
        kinds: dict[str, None] = {}

        def accepts(kind: str) -> bool:
            if policies.of(kind) != REPLACE:
                return False
            kinds[kind] = None
            return True

        try:
            with replacing(accepts):
                result = write()
        except ValueProblem as problem:
            if not self._problems.handles(problem) or policies.of(problem.kind) == REPLACE:
                raise
            self.columns.add(column.id)
            if policies.of(problem.kind) == REJECT:
                self.rejection = self.rejection or (column.name, problem.kind, str(problem))
                return None
            if column.id in self._problems.never_null:
                raise ValueProblem(
                    f"{problem}; it cannot become NULL, for the column is NOT NULL: choose another policy for "
                    f"{problem.kind}"
                ) from None
            kinds, result = {problem.kind: None}, None  # type: ignore[assignment]
        if kinds:
            self.columns.add(column.id)
        for kind in kinds:
            self._change(column, kind)
        return result

    def _change(self, column: Column, kind: str) -> None:
        policy = self._problems.policies.of(kind)
        dependent = self._problems.proved_by[column.id]
        if dependent:
            raise ValueProblem(
                f"a value of the kind {kind} cannot be changed, for the computed column {dependent} is made from it: "
                f"choose reject for {kind}",
            )
        self.changes[column.name, kind, policy] = None


def require_distinct_names(copy_text: str) -> None:
    """Raise ValueProblem if replacing characters has made two keys of a JSON object equal: jsonb would drop one of the
    values."""
    json.loads(unescape(copy_text), object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _value in pairs}) != len(pairs):
        raise ValueProblem(
            "two names of a JSON object become the same when U+0000 is replaced: choose another policy for "
            "zero_character"
        )
