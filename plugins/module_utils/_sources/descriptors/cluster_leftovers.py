# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Objects of a cluster outside of its databases that PostgreSQL does not have, a finding for each: zones, schedules,
changefeeds, settings …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Callable, Optional

from ..._errors import MigrationError
from ..._formats import protobuf
from ..._model.catalog import Catalog
from ..._model.catalog_names import full_names
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import ALL_DATABASES, CLUSTER, FullName
from ..._values.value_policies import REPLACE, ValuePolicies
from .cluster_tables import Row

LEFTOVER_TABLES = ("zones", "scheduled_jobs", "jobs", "settings", "external_connections", "privileges")
"""The system tables that are read; the last ones exist since v22.2."""

ANY_TEXT = ValuePolicies({"zero_character": REPLACE, "invalid_utf8": REPLACE})
"""The policies with which system tables are read: a setting's value may contain any bytes."""

STATISTICS = Finding.of(FindingCode.STATISTICS, ALL_DATABASES)

_OWN_SCHEDULES = (
    "scheduled-sql-stats-compaction-executor",
    "scheduled-schema-telemetry-executor",
    "scheduled-row-level-ttl-executor",
)
"""Schedules that CockroachDB creates itself, and row-level TTL, which has a finding for its table."""
_OWN_SETTINGS = frozenset(("version", "cluster.secret", "diagnostics.reporting.enabled"))
"""Settings that every cluster has."""
_ENDED = ("succeeded", "failed", "canceled", "revert-failed")
_CHANGEFEED = 14
"""The field of a job's payload that holds the details of a changefeed."""


def add_leftovers(
    catalog: Catalog, read: Mapping[str, Callable[[], list[Row]]], ignored_settings: frozenset[str] = frozenset()
) -> None:
    """Add the findings of objects that are not migrated; ``read`` returns the rows of those LEFTOVER_TABLES that the
    source has.

    Nothing that is migrated depends on them: a table that cannot be read is a finding, too.
    """
    rows = {}
    for name, give in read.items():
        try:
            rows[name] = give()
        except MigrationError as error:
            catalog.findings.append(
                Finding.of(
                    FindingCode.LEFTOVERS_NOT_READ,
                    CLUSTER,
                    f"What system.{name} says of things that are not migrated could not be read: {error}.",
                    f"Read system.{name} in CockroachDB before it is switched off.",
                )
            )
    catalog.findings += leftover_findings(catalog, rows, ignored_settings)


def leftover_findings(
    catalog: Catalog, rows: dict[str, list[Row]], ignored_settings: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return the findings of objects that are not migrated.

    ``rows`` maps the names of LEFTOVER_TABLES to their rows, each a dict of column name to COPY text or None.
    ``ignored_settings`` are those of a temporary CockroachDB into which the backup was restored. Findings show names
    only, as values and targets may contain secrets. Source: system_schema.go and jobs.proto of v22.1.
    """
    return [
        *_zones(catalog, rows.get("zones", [])),
        *_schedules(rows.get("scheduled_jobs", [])),
        *_changefeeds(rows.get("jobs", [])),
        *_settings(rows.get("settings", []), ignored_settings | _OWN_SETTINGS),
        *_external_connections(rows.get("external_connections", [])),
        *_privileges(rows.get("privileges", [])),
    ]


def _zones(catalog: Catalog, rows: list[Row]) -> Iterator[Finding]:
    names = {database.id: FullName("database", database.name) for database in catalog.databases}
    for database in catalog.databases:
        names.update(full_names(database))
    for name in sorted((names[int(row["id"] or 0)] for row in rows if int(row["id"] or 0) in names), key=str):
        yield Finding.of(FindingCode.ZONE_CONFIGURATION, name)


def _schedules(rows: list[Row]) -> Iterator[Finding]:
    for row in rows:
        executor = row.get("executor_type") or ""
        if executor not in _OWN_SCHEDULES:
            kind = executor.removeprefix("scheduled-").removesuffix("-executor")
            yield Finding.of(
                FindingCode.SCHEDULE,
                FullName("cluster", name=row.get("schedule_name") or "the cluster"),
                f"The schedule ({kind}, {row.get('schedule_expr') or 'paused'}) is omitted.",
            )


def _changefeeds(rows: list[Row]) -> Iterator[Finding]:
    running = sorted(
        (row["id"] or "" for row in rows if row.get("status") not in _ENDED and _is_changefeed(row)), key=int
    )
    if running:
        yield Finding.of(FindingCode.CHANGEFEED, CLUSTER, f"Changefeeds are omitted: the jobs {', '.join(running)}.")


def _is_changefeed(row: Row) -> bool:
    """Whether a job is a changefeed. Later releases store the kind of a job in a column of its own, and the payload
    elsewhere."""
    if row.get("job_type"):
        return row["job_type"] == "CHANGEFEED"
    return _CHANGEFEED in protobuf.parse(_bytes(row.get("payload")))


def _bytes(text: Optional[str]) -> bytes:
    return bytes.fromhex((text or "")[2:])


def _settings(rows: list[Row], ignored: frozenset[str]) -> Iterator[Finding]:
    names = sorted(row["name"] or "" for row in rows if row["name"] not in ignored)
    if names:
        yield Finding.of(FindingCode.CLUSTER_SETTINGS, CLUSTER, f"Cluster settings are omitted: {', '.join(names)}.")


def _external_connections(rows: list[Row]) -> Iterator[Finding]:
    for row in rows:
        yield Finding.of(FindingCode.EXTERNAL_CONNECTION, FullName("cluster", name=row.get("connection_name") or ""))


def _privileges(rows: list[Row]) -> Iterator[Finding]:
    for row in rows:
        yield Finding.of(
            FindingCode.SYSTEM_PRIVILEGES,
            FullName("role", name=row.get("username") or ""),
            f"The privileges on {row.get('path') or ''} are omitted: "
            f"{(row.get('privileges') or '')[1:-1].replace(',', ', ')}.",
        )
