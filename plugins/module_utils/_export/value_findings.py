# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The findings about values that PostgreSQL cannot hold: changed values, rejected rows, and foreign keys that these may
break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .._dump.task_result import TaskResult
from .._model.catalog import Database, ForeignKey, Table
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.table_source import TableSource, table_sources
from .._values.problem_rows import SAMPLE_KEYS, Change
from .._values.value_policies import KINDS, REPLACE

Results = dict[int, list[TaskResult]]
"""The tasks' results by table id."""


def value_findings(source: TableSource, results: Iterable[TaskResult], *, with_keys: bool) -> list[Finding]:
    """Return the findings about a table's changed values and rejected rows; ``with_keys`` also tells the keys of some
    rows, which are values of theirs."""
    merged: dict[tuple[str, str, str], Change] = {}
    reasons: Counter[tuple[str, str]] = Counter()
    for result in results:
        for change in result.changes:
            total = merged.setdefault(
                (change.column, change.kind, change.policy), Change(change.column, change.kind, change.policy)
            )
            total.rows += change.rows
            total.keys = (total.keys + change.keys)[:SAMPLE_KEYS]
        for column, kind, rows in result.reasons:
            reasons[column, kind] += rows
    findings = [_changed(source, change, with_keys=with_keys) for _key, change in sorted(merged.items())]
    if reasons:
        findings.append(_rejected(source, reasons))
    return findings


def _changed(source: TableSource, change: Change, *, with_keys: bool) -> Finding:
    kind = KINDS[change.kind]
    became = f"it was replaced by {kind.replaced_by}" if change.policy == REPLACE else "the value was set to NULL"
    listed = ", ".join(change.keys) + (", …" if change.rows > len(change.keys) else "")
    keys = f"Keys: {listed}" if with_keys else "Their keys are not told, since the dump is encrypted"
    return Finding.of(
        FindingCode.VALUES_REPLACED if change.policy == REPLACE else FindingCode.VALUES_SET_NULL,
        source.full_name.column_named(change.column),
        f"{change.rows} rows had {kind.meaning} ({change.kind}); {became}. {keys}.",
    )


def _rejected(source: TableSource, reasons: Counter[tuple[str, str]]) -> Finding:
    why = "; ".join(
        f"column {column}: {rows} for {kind} ({KINDS[kind].meaning})"
        for (column, kind), rows in sorted(reasons.items())
    )
    return Finding.of(
        FindingCode.ROWS_REJECTED,
        source.full_name,
        f"{sum(reasons.values())} rows were rejected; they are not in the table. {why}.",
    )


def mark_foreign_keys_not_valid(database: Database, results: Results) -> list[Finding]:
    """Make the foreign keys NOT VALID that rejected rows or changed values may break; return a finding for each."""
    tables = {table.id: table for table in database.tables}
    incomplete = {number for number, found in results.items() if any(result.rejects for result in found)}
    changed = {
        number: {change.column for result in found for change in result.changes} for number, found in results.items()
    }
    findings = []
    for source in table_sources(database):
        for key in source.table.foreign_keys:
            referenced = tables.get(key.referenced_table_id)
            if (
                key.validated
                and referenced
                and (referenced.id in incomplete or _is_changed(source.table, referenced, key, changed))
            ):
                key.validated = False
                findings.append(
                    Finding.of(
                        FindingCode.FOREIGN_KEY_NOT_VALIDATED,
                        source.full_name.part("constraint", key.name),
                        f"The foreign key is created NOT VALID, because rows of {referenced.name} were rejected or "
                        "values of the key were changed.",
                    )
                )
    return findings


def _is_changed(table: Table, referenced: Table, key: ForeignKey, changed: dict[int, set[str]]) -> bool:
    own = {column.name for column in table.columns if column.id in key.column_ids}
    other = {column.name for column in referenced.columns if column.id in key.referenced_column_ids}
    return bool(own & changed.get(table.id, set()) or other & changed.get(referenced.id, set()))
