# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The report's two files."""
from __future__ import annotations

import json
import os

from ..dump.layout import is_complete, read_manifest
from ..state import current_results
from ..text_file import write_text
from .content import build_report
from .text import render_text

TEXT = "validation_report.txt"
JSON = "report.json"


def write_report(dump_dir: str, state_dir: str, report_dir: str, target: str, failure: str, check: bool) -> dict:
    """Write both files where they differ; return ``changed``, ``verdict``, ``verified`` and ``report`` (a path). Raises MigrationError.

    With ``check`` nothing is written.
    """
    manifest = read_manifest(dump_dir) if is_complete(dump_dir) else None
    results = current_results(state_dir, manifest.dump_id if manifest else "", target)
    report = build_report(manifest, results, target, failure)
    files = {TEXT: render_text(report), JSON: json.dumps(report, indent=1, ensure_ascii=False) + "\n"}
    changed = [name for name, text in files.items() if _read(os.path.join(report_dir, name)) != text]
    if not check:
        for name in changed:
            write_text(os.path.join(report_dir, name), files[name])
    return {"changed": bool(changed), "verdict": report["verdict"], "verified": report["verified"], "report": os.path.join(report_dir, TEXT)}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
