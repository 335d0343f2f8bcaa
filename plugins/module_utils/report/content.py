# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a report says, from the dump's manifest and the results of the phases."""
from __future__ import annotations

from typing import Any, Optional

from ..catalog.model import to_json
from ..convert.names import clip
from ..dump.layout import Manifest

SEVERITIES = ("error", "warning", "info")


def build_report(manifest: Optional[Manifest], results: dict[str, dict], target: str, failure: str) -> dict:
    """Return the report as JSON values: ``verdict``, ``verified``, ``source``, ``target``, ``databases``, ``phases``, ``findings``.

    ``results`` are those of the phases (see state.PHASES) that belong to this dump; ``manifest`` is None when there is no complete dump.
    """
    databases = _databases(manifest, results) if manifest else []
    findings = _findings(manifest, results)
    rows = sum(table["rows"] for database in databases for table in database["tables"])
    rejected = sum(table["rejected"] for database in databases for table in database["tables"])
    tables = sum(len(database["tables"]) for database in databases)
    report = {
        "verified": _succeeded(results, "target_verify") and not failure,
        "rehearsed": _succeeded(results, "rehearsal_verify"),
        "failure": failure,
        "source": {key: value for key, value in manifest.source.items() if key != "identity"} if manifest else {},
        "dump_id": manifest.dump_id if manifest else "",
        "target": target,
        "content": (results.get("target_verify") or {}).get("content", "all"),
        "tables": tables,
        "rows": rows,
        "rejected": rejected,
        "databases": databases,
        "phases": {phase: result.get("seconds") for phase, result in results.items() if result},
        "findings": findings,
    }
    return {"verdict": _verdict(report), **report}


def _succeeded(results: dict[str, dict], phase: str) -> bool:
    return phase in results and not results[phase].get("failed")


def _verdict(report: dict) -> str:
    """Say in one line where the migration stands."""
    content = f"{report['tables']} tables with {report['rows']:,} rows"
    attention = sum(finding["severity"] == "error" for finding in report["findings"])
    rejected = f"; {report['rejected']:,} rows were put aside and are not in it" if report["rejected"] else ""
    left_out = f"{rejected}; {attention} things were left out: read the findings" if attention else ""
    if report["failure"]:
        return f"FAILED: {report['failure']}"
    if report["verified"] and report["content"] == "schema":
        return f"VERIFIED: {report['target']} holds the schema of {report['tables']} tables, every object was looked up; no rows were loaded{left_out}"
    if report["verified"] and report["content"] == "data":
        return f"VERIFIED: {report['target']} holds the rows of {content}, proved by row checksums; the schema is its own{left_out}"
    if report["verified"]:
        return f"VERIFIED: {report['target']} holds all of {content}, proved by row checksums and objects{left_out}"
    if report["rehearsed"]:
        return f"REHEARSED: a throw-away PostgreSQL held all of {content}; the target {report['target']} has not been loaded{left_out}"
    if report["dump_id"]:
        return f"EXPORTED: the dump holds {content}; nothing has been imported or proved{left_out}"
    return "NOTHING DONE: there is no dump"


def _databases(manifest: Manifest, results: dict[str, dict]) -> list[dict]:
    databases = []
    for entry in manifest.databases:
        tables = []
        for table in entry.tables:
            tables.append({
                "name": table.full_name,
                "rows": table.rows,
                "rejected": table.rejected,
                "checksum": table.checksum,
                "bytes": table.text_bytes,
                "chunks": len(table.chunks),
                "rehearsal": _verification(results.get("rehearsal_verify"), entry.name, table.full_name),
                "target": _verification(results.get("target_verify"), entry.name, table.full_name),
                "import_seconds": _part(results.get("target_import") or results.get("rehearsal_import"), entry.name, table.full_name).get("seconds"),
            })
        verification = (results.get("target_verify") or results.get("rehearsal_verify") or {}).get("databases", {}).get(clip(entry.name), {})
        databases.append({
            "name": entry.name, "tables": tables, "objects_checked": verification.get("objects_checked", 0),
            "objects_missing": verification.get("objects_missing", []),
        })
    return databases


def _part(result: Optional[dict], database: str, table: str) -> dict[str, Any]:
    return ((result or {}).get("databases", {}).get(clip(database)) or {}).get("tables", {}).get(table) or {}


def _verification(result: Optional[dict], database: str, table: str) -> str:
    part = _part(result, database, table)
    if not part:
        return "not done"
    return "identical" if part["ok"] else "DIFFERENT"


def _findings(manifest: Optional[Manifest], results: dict[str, dict]) -> list[dict]:
    """Join the findings of all phases, each once, the grave ones first."""
    groups = [to_json(manifest.findings) if manifest else []]
    groups += [(results.get(phase) or {}).get("findings", []) for phase in ("target_import", "rehearsal_import")]
    seen: dict[tuple, dict] = {}
    for finding in (finding for group in groups for finding in group):
        seen.setdefault((finding["code"], finding["object"], finding["message"]), {**finding, "advice": finding.get("advice", "")})
    return sorted(seen.values(), key=lambda finding: (SEVERITIES.index(finding["severity"]), finding["code"], finding["object"]))
