# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What became of values that PostgreSQL cannot hold: an export's results by chunk, its findings, and keys that may
dangle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .._dump.paths import rejects_path
from .._dump.rejected_rows import write_rejects
from .._model.catalog import Database, ForeignKey, Table
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.json_form import from_json, to_json
from .._model.table_source import TableSource, table_sources
from .._values.problem_rows import SAMPLE_KEYS, Change, ProblemRows
from .._values.value_policies import KINDS, REPLACE

Results = dict[int, list[dict]]
"""By table id, what the tasks returned: ``changes`` (Changes), ``rejects`` (a RejectFile) and ``reasons``, all as JSON
values."""


def chunk_problems(dump_dir: str, source: TableSource, chunk: int, problems: ProblemRows) -> dict:
    """Write the rows of a chunk that were put aside; return what the chunk's result tells of rows with problems,
    nothing when there are none."""
    changes, rejects = problems.take()
    result: dict = {}
    if changes:
        result["changes"] = to_json(changes)
    if rejects:
        path = rejects_path(dump_dir, source.database, source.schema, source.table.name, chunk)
        result["rejects"] = to_json(write_rejects(path, rejects))
        result["reasons"] = [
            [column, kind, rows]
            for (column, kind), rows in Counter((row["column"], row["kind"]) for row in rejects).items()
        ]
    return result


def value_findings(source: TableSource, results: Iterable[dict]) -> list[Finding]:
    """Return the findings about a table's values that were changed and rows that were put aside."""
    merged: dict[tuple[str, str, str], Change] = {}
    reasons: Counter[tuple[str, str]] = Counter()
    for result in results:
        for item in result.get("changes", []):
            change = from_json(Change, item)
            total = merged.setdefault(
                (change.column, change.kind, change.policy), Change(change.column, change.kind, change.policy)
            )
            total.rows += change.rows
            total.keys = (total.keys + change.keys)[:SAMPLE_KEYS]
        for column, kind, rows in result.get("reasons", []):
            reasons[column, kind] += rows
    findings = [_changed(source, change) for _key, change in sorted(merged.items())]
    if reasons:
        findings.append(_rejected(source, reasons))
    return findings


def _changed(source: TableSource, change: Change) -> Finding:
    kind = KINDS[change.kind]
    became = f"it was replaced by {kind.replaced_by}" if change.policy == REPLACE else "the value became NULL"
    keys = ", ".join(change.keys) + (", …" if change.rows > len(change.keys) else "")
    return Finding.of(
        FindingCode.VALUES_REPLACED if change.policy == REPLACE else FindingCode.VALUES_SET_NULL,
        f"{source.name}.{change.column}",
        f"{change.rows} rows had {kind.meaning} ({change.kind}); {became}. Keys: {keys}.",
        "Look at these rows; value_policies has the other choices.",
    )


def _rejected(source: TableSource, reasons: Counter[tuple[str, str]]) -> Finding:
    why = "; ".join(
        f"column {column}: {rows} for {kind} ({KINDS[kind].meaning})"
        for (column, kind), rows in sorted(reasons.items())
    )
    return Finding.of(
        FindingCode.ROWS_REJECTED,
        source.name,
        f"{sum(reasons.values())} rows were put aside, they are not in the table. {why}.",
        "They are in the table cockroach_migrator.rejects of the migrated database: repair and insert them by hand.",
    )


def doubt_foreign_keys(database: Database, results: Results) -> list[Finding]:
    """Make the foreign keys NOT VALID that rows put aside or changed values may break; return a finding for each."""
    tables = {table.id: table for table in database.tables}
    incomplete = {number for number, found in results.items() if any(result.get("rejects") for result in found)}
    changed = {
        number: {change["column"] for result in found for change in result.get("changes", [])}
        for number, found in results.items()
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
                        f"{source.name}.{key.name}",
                        f"The foreign key becomes NOT VALID: {referenced.name} lacks rows that were put aside, or "
                        "values of the key were changed.",
                        "Repair the rows, then run ALTER TABLE … VALIDATE CONSTRAINT.",
                    )
                )
    return findings


def _is_changed(table: Table, referenced: Table, key: ForeignKey, changed: dict[int, set[str]]) -> bool:
    own = {column.name for column in table.columns if column.id in key.column_ids}
    other = {column.name for column in referenced.columns if column.id in key.referenced_column_ids}
    return bool(own & changed.get(table.id, set()) or other & changed.get(referenced.id, set()))
