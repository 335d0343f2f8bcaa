# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The statements that are refused, and the names of what they would have made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional

from ..._errors import UnsupportedError
from ..._model.catalog import UnreadableObject
from .cursor import Statement, StatementError
from .statement_subject import Subject

Group = Literal["relation", "type", "function"]
"""Objects of one group share their names."""
_GROUPS: dict[str, Group] = {
    "table": "relation",
    "view": "relation",
    "sequence": "relation",
    "type": "type",
    "domain": "type",
    "function": "function",
}

Names = tuple[str, str, str]
"""Database, schema and name."""


@dataclass
class RefusedStatements:
    """The refused statements by their numbers."""

    by_number: dict[int, UnreadableObject] = field(default_factory=dict)
    _by_name: dict[tuple[Group, Names], UnreadableObject] = field(default_factory=dict)

    def copy(self) -> RefusedStatements:
        """Return the same statements; more can be added to it."""
        return RefusedStatements(dict(self.by_number), dict(self._by_name))

    def add(self, statement: Statement, subject: Subject, error: UnsupportedError, object_id: int) -> None:
        """Refuse a statement."""
        reason, because = f"{error}, at line {statement.first_line}", None
        if isinstance(error, StatementError):
            reason, because = error.reason, error.because
        item = UnreadableObject(
            object_id,
            subject.name,
            reason,
            statement.first_line,
            subject.command,
            statement.beginning,
            because,
        )
        self.by_number[statement.number] = item
        group = _GROUPS.get(subject.name.kind)
        if group:
            names = (subject.name.database, subject.name.schema, subject.name.table or subject.name.name)
            if subject.command.startswith("CREATE "):
                self._by_name[group, names] = item
            elif (group, names) in self._by_name:
                self._by_name[group, _new_names(statement, names)] = self._by_name[group, names]

    def named(self, group: Group, names: Names) -> Optional[UnreadableObject]:
        """Return the object of this name if it was refused."""
        return self._by_name.get((group, names))


def _new_names(statement: Statement, names: Names) -> Names:
    """Return the names that an object has after a statement, which may rename it."""
    database, schema, name = names
    before = [word.keyword for word in statement.words[-3:-1]]
    new = statement.words[-1].identifier
    if before == ["RENAME", "TO"]:
        name = new
    elif before == ["SET", "SCHEMA"]:
        schema = new
    return database, schema, name
