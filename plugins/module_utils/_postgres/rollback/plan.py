# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a rollback does in one database: found out without changing anything."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from ..._system.progress import ReportProgress
from ..connect.connection import ConnectionParameters, connect
from ..target.object_states import DATABASE, DEFAULT_PRIVILEGES, RELATION, SCHEMA, Address
from .commands import word
from .dependencies import Dependencies, describe, read_dependencies
from .judgement import difference, in_order_of_removal, kept_objects, removable, was_changed
from .recorded import RecordedDatabase, RecordedObject, read_recorded
from .row_proof import Moment, other_rows, present_moment, tables_in_use
from .setting_back import SettingBack, changes_to_set_back

_OTHERS_SHOWN = 5
_DEFAULTS = Address(DEFAULT_PRIVILEGES, 0)
_FOREIGN_KEYS = """
SELECT confrelid::bigint, conrelid::bigint FROM pg_constraint WHERE contype = 'f' AND confrelid <> conrelid
"""


@dataclass(frozen=True)
class DatabasePlan:
    """What is to be done in a database. What is ``kept`` has its reason."""

    recorded: RecordedDatabase
    groups: list[list[RecordedObject]]
    """What is removed, in this order."""
    emptied: dict[int, TableEntry]
    """Tables of the user's, by their oids, out of which the loaded rows are taken."""
    set_back: list[SettingBack]
    kept: dict[str, str]
    drops_database: bool
    since: Optional[Moment] = None
    """The moment before the rows were compared; None if they were not."""
    rows: Mapping[int, TableEntry] = field(default_factory=dict)

    @property
    def removed(self) -> list[str]:
        """What is removed and set back, one line each."""
        name = self.recorded.name
        whole = [f"database {name}"] if self.drops_database else []
        objects = [self._line(item) for group in self.groups for item in group]
        rows = [f"{table.rows:,} rows of the table {table.full_name}" for table in self.emptied.values()]
        return [*whole, *objects, *rows, *(item.what for item in self.set_back)]

    def _line(self, item: RecordedObject) -> str:
        rows = self.rows.get(item.address.oid) if item.address.kind == RELATION else None
        return f"{word(item).lower()} {item.name}" + (f" with {rows.rows:,} rows" if rows and rows.rows else "")


def plan_database(
    name: str, parameters: ConnectionParameters, parallelism: int, *, compares_rows: bool, progress: ReportProgress
) -> DatabasePlan:
    """Find out what is to be done in a database that holds an import. Nothing is changed. Raises MigrationError."""
    with contextlib.closing(connect(parameters, name)) as connection, connection.cursor() as cursor:
        since = present_moment(cursor)
        connection.commit()
        recorded = read_recorded(connection, name)
        for holds, why in ((recorded.is_copy, _COPY), (not recorded.is_known, _UNKNOWN)):
            if holds:
                return DatabasePlan(recorded, [], {}, [], {f"database {name}": why}, False)
        connection.commit()
        changed = _changed(recorded)
        proved = _proved_tables(recorded, changed)
        in_use = tables_in_use(cursor, proved)
        connection.commit()
        differing = other_rows(name, proved, parameters, parallelism, progress) if compares_rows else {}
        plan = _Planning(cursor, recorded, read_dependencies(cursor)).plan(changed, {**differing, **in_use})
        connection.rollback()
    return replace(plan, since=since, rows=proved)


_UNKNOWN = (
    "a release before 1.7.0 has imported into it, which recorded too little for a rollback: drop it, or what was "
    "imported, by hand"
)
_COPY = "it is a copy of another database, which an import has made or changed"


def why_new_database_is_kept(name: str, parameters: ConnectionParameters) -> str:
    """Return why a database that an import has created, and recorded nothing in yet, cannot be dropped; empty if it
    can."""
    with contextlib.closing(connect(parameters, name)) as connection, connection.cursor() as cursor:
        return _holding(cursor, read_dependencies(cursor).everything)


def require_nothing_new(cursor: Any, plan: DatabasePlan) -> None:
    """Raise TargetError if a database that is to be dropped holds an object that the import has not made."""
    others = read_dependencies(cursor).everything - set(plan.recorded.objects) - {_DEFAULTS}
    if others:
        raise TargetError(f"the database {plan.recorded.name} is kept: {_holding(cursor, others)}")


def _holding(cursor: Any, others: Collection[Address]) -> str:
    """Return what of others a database holds; empty without any."""
    if not others:
        return ""
    names = ", ".join(describe(cursor, address) for address in sorted(others)[:_OTHERS_SHOWN])
    more = f" and {len(others) - _OTHERS_SHOWN} more" if len(others) > _OTHERS_SHOWN else ""
    return f"it holds what the migration has not made: {names}{more}"


def _changed(recorded: RecordedDatabase) -> dict[Address, str]:
    """Return what somebody has changed of what the import has made."""
    found = {}
    for address, item in recorded.objects.items():
        text = difference(item, values_known=recorded.complete) if removable(item) else ""
        if text:
            found[address] = f"it was changed after the import: {text}"
    return found


def _proved_tables(recorded: RecordedDatabase, changed: Collection[Address]) -> dict[int, TableEntry]:
    """Return the tables whose rows decide what becomes of them: those that may be removed, and the user's into which
    rows were loaded."""
    return {
        oid: table
        for oid, table in recorded.tables.items()
        if (table.rows if oid in recorded.tables_before else Address(RELATION, oid) not in changed)
    }


@dataclass(frozen=True)
class _Planning:
    cursor: Any
    recorded: RecordedDatabase
    dependencies: Dependencies

    def plan(self, changed: Mapping[Address, str], differing: Mapping[int, str]) -> DatabasePlan:
        """Return the plan without what the caller knows; ``differing`` are tables that hold other rows."""
        candidates = {address for address, item in self.recorded.objects.items() if removable(item)}
        reasons = {**{Address(RELATION, oid): text for oid, text in differing.items()}, **changed}
        with_defaults = candidates if self._defaults_were_changed() else candidates | {_DEFAULTS}
        kept = kept_objects(reasons, with_defaults, self.dependencies.needed_by, self._describe)
        emptied, kept_rows = self._rows_to_remove(differing)
        removed = candidates - set(kept)
        groups = in_order_of_removal(removed, self.dependencies.needed_by)
        set_back = changes_to_set_back(self.recorded)
        lines = {self._name(address): kept[address] for address in sorted(kept)}
        lines.update(kept_rows)
        if self.recorded.was_made:
            why = self._why_database_is_kept(kept, candidates)
            if not why:
                return DatabasePlan(self.recorded, self._items(groups), {}, [], {}, True)
            lines[f"database {self.recorded.name}"] = why
        lines.update(set_back.kept)
        return DatabasePlan(self.recorded, self._items(groups), emptied, set_back.commands, lines, False)

    def _items(self, groups: Collection[Collection[Address]]) -> list[list[RecordedObject]]:
        return [[self.recorded.objects[address] for address in sorted(group)] for group in groups]

    def _describe(self, address: Address) -> str:
        return "a default privilege" if address == _DEFAULTS else describe(self.cursor, address)

    def _name(self, address: Address) -> str:
        item = self.recorded.objects[address]
        return f"{word(item).lower()} {item.name}"

    def _defaults_were_changed(self) -> bool:
        item = self.recorded.objects.get(_DEFAULTS)
        return item is not None and was_changed(item)

    def _rows_to_remove(self, differing: Mapping[int, str]) -> tuple[dict[int, TableEntry], dict[str, str]]:
        """Return the user's tables whose rows are those of the import, and the others with the reasons."""
        loaded = {oid: self.recorded.tables[oid] for oid in self.recorded.tables_before}
        loaded = {oid: table for oid, table in loaded.items() if table.rows}
        self.cursor.execute(_FOREIGN_KEYS)
        needed_by: dict[Address, set[Address]] = {}
        for referenced, referring in self.cursor.fetchall():
            needed_by.setdefault(Address(RELATION, referenced), set()).add(Address(RELATION, referring))
        reasons = {Address(RELATION, oid): differing[oid] for oid in loaded if oid in differing}
        candidates = {Address(RELATION, oid) for oid in loaded}
        kept = kept_objects(reasons, candidates, needed_by, self._describe)
        return (
            {oid: table for oid, table in loaded.items() if Address(RELATION, oid) not in kept},
            {f"rows of the table {loaded[address.oid].full_name}": reason for address, reason in sorted(kept.items())},
        )

    def _why_database_is_kept(self, kept: Collection[Address], made: Collection[Address]) -> str:
        """Return why a database that the import has made cannot be dropped; empty if it can."""
        if kept:
            return "it holds what is kept"
        others = self.dependencies.everything - set(made) - {_DEFAULTS} - set(self.recorded.objects)
        if others:
            return _holding(self.cursor, others)
        for address, item in self.recorded.objects.items():
            if address.kind in (DATABASE, DEFAULT_PRIVILEGES, SCHEMA) and was_changed(item):
                return f"the {item.address.kind} {item.name} was changed after the import: {self._what(item)}"
        return ""

    @staticmethod
    def _what(item: RecordedObject) -> str:
        return difference(item, values_known=True) if item.now is not None else "it is not there any more"
