# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether CockroachDB keeps the rows of a moment (gc.ttlseconds of the zone configurations) for as long as an export
lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import ALL_DATABASES

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = sql = None

from ..._errors import CockroachError
from ..._model.names import quote
from ..schema_text import parsing
from .sql_connection import cockroach_message

ROWS_A_SECOND = 10_000
"""What one connection reads at least, cautiously: real ones read several times as many."""
_MARGIN = 2
"""The advised time to keep rows, as a multiple of the estimate."""
_HOUR = 3600
_SHOWN = 5
_PARTS = ("INDEX", "PARTITION")

TableName = tuple[str, str, str]
"""Database, schema, table."""


@dataclass(frozen=True)
class Zone:
    """One zone configuration: what it is for, as CockroachDB writes it, and the seconds that it keeps old rows; None:
    inherited."""

    target: str
    kind: str
    path: tuple[str, ...]
    seconds: Optional[int]


def read_zones(connection: Any) -> list[Zone]:
    """Return the cluster's zone configurations; no privilege is needed: docs v26.2 show-zone-configurations.md. Raises
    psycopg2.Error."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW ZONE CONFIGURATIONS")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    return [_zone(row["target"], row["raw_config_sql"] or "") for row in rows if row.get("target")]


def _zone(target: str, config: str) -> Zone:
    words = parsing.words(target, target)
    # TABLE shop.public.orders, INDEX shop.public.orders@orders_pkey, PARTITION p OF INDEX
    # shop.public.orders@orders_pkey
    first = next((number + 2 for number, word in enumerate(words) if word.keyword == "OF"), 1)
    return Zone(target, words[0].keyword, _path(words[first:]), _seconds(config))


def _path(words: list[parsing.Word]) -> tuple[str, ...]:
    path = []
    for word in words:
        if word.is_symbol("@"):
            break
        if not word.is_symbol("."):
            path.append(word.identifier)
    return tuple(path)


def _seconds(config: str) -> Optional[int]:
    words = parsing.words(config, "a zone configuration")
    for number in range(len(words) - 4):
        gc, dot, name, equal, value = words[number : number + 5]
        if gc.keyword == "GC" and dot.is_symbol(".") and name.keyword == "TTLSECONDS" and equal.is_symbol("="):
            return int(value.text)
    return None


def zones_of(tables: Iterable[TableName], zones: Iterable[Zone]) -> dict[TableName, Zone]:
    """Return for each table the zone configuration that keeps its rows for the shortest time; without one of its own it
    is its database's or the cluster's."""
    by_path: dict[tuple[str, ...], list[Zone]] = {}
    default = None
    for zone in zones:
        if zone.seconds is None:
            continue
        if zone.kind == "RANGE" and zone.path == ("default",):
            default = zone
        by_path.setdefault(zone.path, []).append(zone)
    found = {}
    for table in tables:
        own = by_path.get(table, [])
        whole = [zone for zone in own if zone.kind not in _PARTS] or [
            zone for zone in by_path.get(table[:1], []) if zone.kind == "DATABASE"
        ]
        candidates = [*own, *(whole or ([default] if default else []))]
        if candidates:
            found[table] = min(candidates, key=lambda zone: zone.seconds or 0)
    return found


def estimated_rows(connection: Any, databases: Iterable[str]) -> dict[TableName, int]:
    """Return CockroachDB's estimates of the tables' rows, from its statistics, as far as it has some (v20.2 and later).
    Raises psycopg2.Error."""
    found: dict[TableName, int] = {}
    for database in databases:
        with connection.cursor() as cursor:
            try:
                cursor.execute(
                    sql.SQL("SELECT schema_name, table_name, estimated_row_count FROM [SHOW TABLES FROM {}]").format(
                        sql.Identifier(database)
                    )
                )
            except psycopg2.errors.UndefinedColumn:
                return found
            found.update(
                {(database, schema, table): int(rows) for schema, table, rows in cursor.fetchall() if rows is not None}
            )
    return found


def estimated_seconds(rows: int, parallelism: int) -> float:
    """Return about how long reading so many rows lasts."""
    return rows / (ROWS_A_SECOND * parallelism)


def require_kept(zones: Mapping[TableName, Zone], age: float, seconds: float) -> None:
    """Raise CockroachError, with what to run, when an export that lasts so many seconds more would outlast the rows of
    its moment, ``age`` seconds ago."""
    short = {table: zone for table, zone in zones.items() if zone.seconds is not None and zone.seconds < age + seconds}
    if not short:
        return
    first = min(short.values(), key=lambda zone: zone.seconds or 0)
    raise CockroachError(
        f"the export will last about {_time(seconds)} (estimated with {ROWS_A_SECOND} rows a second and connection), "
        f"and CockroachDB keeps the rows of its moment for {_time((first.seconds or 0) - age)} more only: run "
        f"{_commands(short, age + seconds)}; or choose fewer tables, or set cockroach_gc_check: false (of the module: "
        "gc_check)"
    )


def _commands(short: Mapping[TableName, Zone], seconds: float) -> str:
    wanted = int(_MARGIN * seconds / _HOUR + 1) * _HOUR
    targets = list(dict.fromkeys(_target(table, zone) for table, zone in short.items()))
    shown = "; ".join(f"ALTER {target} CONFIGURE ZONE USING gc.ttlseconds = {wanted}" for target in targets[:_SHOWN])
    return shown + (f"; and the same for {len(targets) - _SHOWN} more" if len(targets) > _SHOWN else "")


def _target(table: TableName, zone: Zone) -> str:
    """What is inherited from the whole cluster is changed for the database only."""
    return zone.target if zone.kind != "RANGE" else f"DATABASE {quote(table[0])}"


def _time(seconds: float) -> str:
    return f"{seconds / _HOUR:.1f} hours" if abs(seconds) >= _HOUR else f"{max(0, round(seconds))} seconds"


def not_known(error: Any) -> Finding:
    """Return the finding that the zone configurations could not be read."""
    return Finding.of(
        FindingCode.GC_NOT_KNOWN,
        ALL_DATABASES,
        f"How long CockroachDB keeps the rows of the export's moment could not be read: {cockroach_message(error)}.",
    )
