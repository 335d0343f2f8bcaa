# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The report's two files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Optional

from ..._dump.manifest import is_complete, read_manifest
from ..._model.results import IF_KNOWN
from ..._system.json_file import read_json, write_json
from ..._system.text_file import difference, write_text
from ..result_file import without_times
from ..state import current_records
from .report import report_json
from .report_facts import build_report
from .report_text import render_text

TEXT = "validation_report.txt"
JSON = "report.json"


@dataclass(frozen=True)
class WrittenReport:
    """The report's first line, and where the report is."""

    changed: bool
    verdict: str
    verified: bool
    """Whether the last verification found everything in the target, and nothing has failed since."""
    report: str
    """The path of the text."""
    diff: Optional[list[dict[str, str]]] = field(default=None, metadata=IF_KNOWN)
    """Of the text, where it is asked for, as Ansible shows it."""


@dataclass(frozen=True)
class ReportRequest:
    """The arguments of the module migration_report."""

    dump_dir: str
    state_dir: str
    report_dir: str
    target: str = ""
    failure: str = ""
    run: str = ""


def write_report(request: ReportRequest, *, check: bool, diff: bool = False) -> WrittenReport:
    """Write both files where they would say something else, apart from times; ``diff`` asks for the difference.

    With ``check`` nothing is written. Raises MigrationError.
    """
    manifest = read_manifest(request.dump_dir) if is_complete(request.dump_dir) else None
    records = current_records(request.state_dir, manifest, request.target)
    report = build_report(manifest, records, request.target, request.failure, request.run)
    content = report_json(report)
    path = os.path.join(request.report_dir, JSON)
    text_path = os.path.join(request.report_dir, TEXT)
    changed = not os.path.exists(text_path) or without_times(read_json(path)) != without_times(content)
    text = render_text(report)
    shown = ([difference(text_path, text)] if changed else []) if diff else None
    if changed and not check:
        write_text(text_path, text)
        write_json(path, content)
    return WrittenReport(changed, report.verdict, report.verified, text_path, shown)
