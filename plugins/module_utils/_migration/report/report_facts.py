# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a report says, from the dump's manifest and the results of the phases."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from ..._dump.manifest import DatabaseEntry, Manifest, TableEntry
from ..._model.finding_codes import SEVERITIES
from ..._model.findings import Finding
from ..._model.names import clip
from ..._model.results import DatabaseVerification, ImportResult, TableImport, ValidateResult, VerifyResult
from ..result_file import PhaseRecord
from ..state import is_proved
from .differences import differences, different_message
from .report import PhaseTime, Report, ReportedDatabase, ReportedTable, ReportedVerification

_VERIFICATIONS = {"rehearsal": "rehearsal_verify", "target": "target_verify"}


def build_report(
    manifest: Optional[Manifest], records: dict[str, PhaseRecord], target: str, failure: str, run: str
) -> Report:
    """Return the report.

    ``records`` are those of the phases (see state.current_records); ``manifest`` is None when there is no complete
    dump. ``run`` names the run that the report is of.
    """
    databases = [_database(entry, records) for entry in manifest.databases] if manifest else []
    tables = [table for database in databases for table in database.tables]
    report = Report(
        verdict="",
        verified=is_proved(records) and not failure,
        rehearsed="rehearsal_verify" in records and records["rehearsal_verify"].succeeded,
        failure=failure,
        source=manifest.description if manifest else {},
        dump_id=manifest.dump_id if manifest else "",
        encrypted=bool(manifest and manifest.encryption),
        target=target,
        content=_content(records),
        tables=len(tables),
        rows=sum(table.rows for table in tables),
        rejected=sum(table.rejected for table in tables),
        databases=databases,
        verifications={
            where: _verification(records[phase], run) for where, phase in _VERIFICATIONS.items() if phase in records
        },
        phases=_phases(manifest.export_seconds if manifest else None, records),
        findings=_findings(manifest, records),
    )
    return replace(report, verdict=_verdict(report, records))


def _phases(export_seconds: Optional[float], records: dict[str, PhaseRecord]) -> dict[str, PhaseTime]:
    """Return how long the phases took; that of the export is None for a dump of an earlier release."""
    export = {} if export_seconds is None else {"export": PhaseTime(export_seconds)}
    return {
        **export,
        **{phase: PhaseTime(record.result.seconds) for phase, record in records.items() if record.result},
    }


def _verified(records: dict[str, PhaseRecord], phase: str) -> Optional[VerifyResult]:
    result = records[phase].result if phase in records else None
    return result if isinstance(result, VerifyResult) else None


def _content(records: dict[str, PhaseRecord]) -> str:
    verified = _verified(records, "target_verify")
    return verified.content if verified else "all"


def _verification(record: PhaseRecord, run: str) -> ReportedVerification:
    result = record.result
    return ReportedVerification(
        ok=record.succeeded,
        failure=record.failure,
        differences=differences(result) if isinstance(result, VerifyResult) else [],
        this_run=bool(run) and record.run == run,
        finished_at=record.finished_at,
        run=record.run,
    )


def _verdict(report: Report, records: dict[str, PhaseRecord]) -> str:
    """Say in one line where the migration stands."""
    rehearsed, verified = _verified(records, "rehearsal_verify"), _verified(records, "target_verify")
    content = f"{report.tables} tables with {report.rows:,} rows"
    attention = sum(finding.severity == "error" for finding in report.findings)
    rejected = f"; {report.rejected:,} rows were rejected and are not in it" if report.rejected else ""
    omitted = f"{rejected}; {attention} findings say that something is missing: read them" if attention else ""
    if verified and not verified.succeeded and (not report.failure or _is_of_this_run(report, "target")):
        return f"{different_message(report.target, differences(verified))}{_by_another_run(report, 'target')}"
    failed_rehearsal = rehearsed is not None and not rehearsed.succeeded and not report.verified
    if rehearsed and failed_rehearsal and (not report.failure or _is_of_this_run(report, "rehearsal")):
        untouched = "" if "target_import" in records else f"; the target {report.target} was not touched"
        different = different_message("the throw-away PostgreSQL of the rehearsal", differences(rehearsed))
        return f"{different}{_by_another_run(report, 'rehearsal')}{untouched}"
    if report.failure:
        return f"FAILED: {report.failure}"
    if report.verified:
        by = _by_another_run(report, "target")
        return f"VERIFIED{by}: {report.target} holds {_proved(report, content)}{omitted}"
    if report.rehearsed:
        by = _by_another_run(report, "rehearsal")
        return (
            f"REHEARSED{by}: a throw-away PostgreSQL held all of {content}; the target {report.target} has not been "
            f"loaded{omitted}"
        )
    if report.dump_id:
        return f"EXPORTED: the dump holds {content}; nothing has been imported or proved{omitted}"
    return "NOTHING DONE: there is no dump"


def _proved(report: Report, content: str) -> str:
    """Return what the target was proved to hold; ``content`` are the dump's tables and rows in words."""
    if report.content == "schema":
        return f"the schema of {report.tables} tables, every object was looked up; no rows were loaded"
    if report.content == "data":
        return f"the rows of {content}, proved by row checksums; the schema is its own"
    return f"all of {content}, proved by row checksums and objects"


def _is_of_this_run(report: Report, where: str) -> bool:
    return where in report.verifications and report.verifications[where].this_run


def _by_another_run(report: Report, where: str) -> str:
    """Say when and by which run a server was verified, nothing when it was in the run of the report."""
    if _is_of_this_run(report, where):
        return ""
    found = report.verifications[where]
    run = f"the run {found.run}" if found.run else "a run without a name"
    return f" (at {found.finished_at}, by {run}, not by this one)"


def _database(entry: DatabaseEntry, records: dict[str, PhaseRecord]) -> ReportedDatabase:
    parts = {where: _part(records, phase, entry) for where, phase in _VERIFICATIONS.items()}
    last = parts["target"] or parts["rehearsal"]
    return ReportedDatabase(
        name=entry.name,
        tables=[_table(entry, table, parts, records) for table in entry.tables],
        objects_checked=last.objects_checked if last else 0,
        objects_missing=last.objects_missing if last else [],
    )


def _table(
    entry: DatabaseEntry,
    table: TableEntry,
    parts: dict[str, Optional[DatabaseVerification]],
    records: dict[str, PhaseRecord],
) -> ReportedTable:
    imported = _imported(records, "target_import", entry, table) or _imported(records, "rehearsal_import", entry, table)
    return ReportedTable(
        name=table.full_name,
        rows=table.rows,
        rejected=table.rejected,
        checksum=table.checksum,
        bytes=table.text_bytes,
        chunks=len(table.chunks),
        rehearsal=_word(parts["rehearsal"], table),
        target=_word(parts["target"], table),
        import_seconds=imported.seconds if imported else None,
    )


def _part(records: dict[str, PhaseRecord], phase: str, entry: DatabaseEntry) -> Optional[DatabaseVerification]:
    result = _verified(records, phase)
    return result.databases.get(clip(entry.name)) if result else None


def _imported(
    records: dict[str, PhaseRecord], phase: str, entry: DatabaseEntry, table: TableEntry
) -> Optional[TableImport]:
    result = records[phase].result if phase in records else None
    database = result.databases.get(clip(entry.name)) if isinstance(result, ImportResult) else None
    return database.tables.get(table.full_name) if database else None


def _word(part: Optional[DatabaseVerification], table: TableEntry) -> str:
    found = part.tables.get(table.full_name) if part else None
    if found is None:
        return "not done"
    return "identical" if found.succeeded else "DIFFERENT"


def _findings(manifest: Optional[Manifest], records: dict[str, PhaseRecord]) -> list[Finding]:
    """Join the findings of the export and of the import, each once, the gravest first.

    What the throw-away server lacked counts until the target is loaded: its own import knows what is so now. Before
    any import, the validation knows which keys may be too long.
    """
    found: list[Finding] = list(manifest.findings) if manifest else []
    phases = ("target_import", "rehearsal_import", "validate")
    results = [records[phase].result for phase in phases if phase in records]
    found += next((result.findings for result in results if isinstance(result, (ImportResult, ValidateResult))), [])
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in found:
        seen.setdefault((finding.code, finding.object, finding.message), finding)
    severities: list[str] = list(SEVERITIES)
    return sorted(seen.values(), key=lambda item: (severities.index(item.severity), item.code.value, item.object))
