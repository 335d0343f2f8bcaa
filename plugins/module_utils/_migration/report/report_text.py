# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A report as text for people."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from ..._model.finding_codes import SEVERITIES, Action
from ..._model.findings import Finding
from .report import Report

_RULE = "=" * 100
_PHASE_NAMES = {
    "export": "export",
    "validate": "validation of the dump",
    "rehearsal_import": "rehearsal, import",
    "rehearsal_verify": "rehearsal, verification",
    "target_import": "target, import",
    "target_verify": "target, verification",
}


def render_text(report: Report) -> str:
    """Return the text of validation_report.txt."""
    lines = ["Migration from CockroachDB to PostgreSQL", _RULE, report.verdict, _RULE, ""]
    lines += _source(report)
    lines += _differences(report)
    lines += _tables(report)
    lines += _phases(report)
    lines += _findings(report)
    return "\n".join(lines) + "\n"


def _source(report: Report) -> list[str]:
    source = report.source
    names = ("kind", "locations", "cluster_id", "cluster_version", "coverage", "end_time", "files_proved")
    lines = ["Source"]
    for name in names:
        if source.get(name) not in (None, "", []):
            value = source[name]
            lines.append(
                f"  {name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
            )
    encrypted = ", encrypted" if report.encrypted else ""
    return [*lines, f"  dump: {report.dump_id or 'none'}{encrypted}", f"Target: {report.target}", ""]


def _differences(report: Report) -> list[str]:
    lines = []
    for where, verification in report.verifications.items():
        if verification.failure:
            lines += [f"The last verification of the {where} could not look: {verification.failure}", ""]
        elif not verification.ok:
            lines += [f"What differs in the {where}", *(f"  {line}" for line in verification.differences), ""]
    return lines


def _tables(report: Report) -> list[str]:
    lines = []
    for database in report.databases:
        names = [table.name for table in database.tables]
        width = max([len(name) for name in names] + [5])
        lines += [
            f"Database {database.name}",
            f"  {'table':<{width}}  {'rows':>14}  {'checksum':>24}  {'seconds':>8}  rehearsal  target",
        ]
        for table in database.tables:
            seconds = "" if table.import_seconds is None else f"{table.import_seconds:.2f}"
            numbers = f"{table.rows:>14,}  {table.checksum:>24}  {seconds:>8}"
            rejected = f"  ({table.rejected:,} rows rejected)" if table.rejected else ""
            lines.append(f"  {table.name:<{width}}  {numbers}  {table.rehearsal:<9}  {table.target}{rejected}")
        checked = database.objects_checked
        lines.append(f"  objects found in PostgreSQL's catalog: {checked - len(database.objects_missing)} of {checked}")
        lines += [f"    {line}" for line in database.objects_missing]
        lines.append("")
    return lines


def _phases(report: Report) -> list[str]:
    lines = [f"  {_PHASE_NAMES[phase]}: {times.seconds:.1f} s" for phase, times in report.phases.items()]
    lines += [
        f"  last verification of the {where}: {verification.finished_at}"
        + (f", run {verification.run}" if verification.run else "")
        for where, verification in report.verifications.items()
    ]
    return ["Times", *lines, ""] if lines else []


def _findings(report: Report) -> list[str]:
    """Group the findings by what they ask for, and in there by the table or other object that they are about."""
    if not report.findings:
        return ["Findings: none. Nothing was changed, weakened or omitted."]
    counts = Counter(finding.severity for finding in report.findings)
    severities = (f"{counts[severity]} {severity} ({meaning})" for severity, meaning in SEVERITIES.items())
    lines = [f"Findings: {', '.join(severities)}"]
    for action in Action:
        asking = [finding for finding in report.findings if finding.code.action is action]
        if asking:
            lines += ["", f"{action.value} ({len(asking)})"]
        for place, findings in groupby(sorted(asking, key=_place), _place):
            lines += ["", f"  {place}"]
            for finding in findings:
                lines += _finding(finding)
    return lines


def _place(finding: Finding) -> str:
    """Return the full name of the table, view or other object of a schema that a finding is about or belongs to; of
    what lies in no schema its own name."""
    if not finding.schema:
        return finding.object
    parts = (finding.database, finding.schema, finding.table or finding.name)
    return ".".join(part for part in parts if part)


def _finding(finding: Finding) -> list[str]:
    lines = [f"    [{finding.severity}] {finding.object} ({finding.code})", f"      {finding.message}"]
    return [*lines, f"      What to do: {finding.advice}"] if finding.advice else lines
