# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Row-level TTL: PostgreSQL deletes nothing by itself; the finding holds the job that does."""
from __future__ import annotations

from ..catalog.model import Table
from ..errors import UnsupportedError
from . import expressions
from .context import Context
from .names import literal, quote

_EXPIRATION = "crdb_internal_expiration"
_SCHEDULES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def report_ttl(table: Table, context: Context) -> None:
    """Report a table whose rows expire, with the DELETE for pg_cron where the expression has a counterpart."""
    if not table.ttl:
        return
    where = context.full_name(table)
    schedule = _SCHEDULES.get(table.ttl.get("cron", "@daily"), table.ttl.get("cron", ""))
    try:
        expires = _expires(table, context, where)
        delete = f"DELETE FROM {context.qualified(table)} WHERE {expires} <= now()"
        advice = f"With pg_cron: SELECT cron.schedule({literal(f'ttl {context.schema(table)}.{table.name}')}, {literal(schedule)}, {literal(delete)})"
    except UnsupportedError as error:
        advice = f"Schedule a DELETE by hand, for example with pg_cron. {error}"
    if table.ttl.get("paused"):
        advice = f"Nothing while it is paused, as in CockroachDB (ttl_pause); to delete the rows later: {advice}"
    context.find("row_ttl", "warning", where, "Row-level TTL has no counterpart: PostgreSQL does not delete the rows that expire.", advice)


def _expires(table: Table, context: Context, where: str) -> str:
    if any(column.name == _EXPIRATION for column in table.columns) and not table.ttl.get("expiration"):
        return quote(_EXPIRATION)
    if not table.ttl.get("expiration"):
        raise UnsupportedError(f"{where}: the descriptor does not say when a row expires")
    return f"({expressions.convert(table.ttl['expiration'], context, where, expressions.column_types(table.columns)).sql})"
