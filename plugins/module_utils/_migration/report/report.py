# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The parts of a report; its JSON values are report.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from ..._model.findings import Finding
from ..._model.json_form import to_json
from ..._model.results import facts


@dataclass(frozen=True)
class ReportedTable:
    """A table of the dump, and what is known of it in PostgreSQL."""

    name: str
    """``schema.table``."""
    rows: int
    rejected: int
    checksum: str
    bytes: int
    """Of the COPY text."""
    chunks: int
    rehearsal: str
    """``identical``, ``DIFFERENT`` or ``not done``."""
    target: str
    """Likewise."""
    import_seconds: Optional[float]


@dataclass(frozen=True)
class ReportedDatabase:
    """A database of the dump; its objects as the last verification found them."""

    name: str
    tables: list[ReportedTable]
    objects_checked: int
    objects_missing: list[str]


@dataclass(frozen=True)
class ReportedVerification:
    """What the last verification of a server said."""

    ok: bool
    failure: str
    differences: list[str]
    this_run: bool
    """Whether it was in the run of the report."""
    finished_at: str
    run: str


@dataclass(frozen=True)
class PhaseTime:
    """How long a phase took."""

    seconds: float


@dataclass(frozen=True)
class Report:
    """Where a migration stands."""

    verdict: str
    """In one line."""
    verified: bool
    """Whether the last verification found everything in the target, and nothing has failed since."""
    rehearsed: bool
    failure: str
    source: dict[str, Any]
    """What the manifest says of the source."""
    dump_id: str
    encrypted: bool
    """Whether the rows in the dump are encrypted."""
    target: str
    content: str
    """What was verified: ``all``, ``schema`` or ``data``."""
    tables: int
    rows: int
    rejected: int
    databases: list[ReportedDatabase]
    verifications: dict[str, ReportedVerification]
    """By ``rehearsal`` and ``target``."""
    phases: dict[str, PhaseTime]
    findings: list[Finding]
    """Each once, the gravest first."""


def report_json(report: Report) -> dict[str, Any]:
    """Return what report.json holds; findings have an advice there, even an empty one, and what they ask for."""
    findings = [
        {**to_json(item), "advice": item.advice, "action": item.code.action.name.lower()} for item in report.findings
    ]
    return {**facts(report), "findings": findings}
