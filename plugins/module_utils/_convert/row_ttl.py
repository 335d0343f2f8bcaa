# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Row-level TTL, which PostgreSQL does not have: a finding shows a job that deletes expired rows, and a procedure for
it can be created."""

from __future__ import annotations

from .._errors import UnsupportedError
from .._model.catalog import Table
from .._model.conversion_policies import JOB
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, dollar_quote, literal, quote
from .context import Context
from .definitions import RoutineDefinition
from .expressions import expressions
from .statements import Subject

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_EXPIRATION = "crdb_internal_expiration"
_SCHEDULES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DEFAULT_SCHEDULE = "@daily"
_CRON_FIELDS = 5
_CRON_CHARACTERS = frozenset("*/,-")
_BATCH = 100
"""CockroachDB's default number of rows that are deleted in one transaction."""


def convert_ttl(table: Table, context: Context) -> None:
    """Add the finding for a table whose rows expire, with the command for pg_cron if the expression has a counterpart,
    and the procedure if the policy asks for it."""
    if not table.ttl:
        return
    where = context.full_name(table)
    message = "Row-level TTL has no counterpart: PostgreSQL does not delete the rows that expire."
    try:
        expires = _expires(table, context, where)
        if context.options.policies.row_ttl == JOB:
            procedure = _create_procedure(expires, table, context, where)
            message = (
                f"Row-level TTL has no counterpart: PostgreSQL does not call the procedure {procedure}, "
                "which deletes the rows that have expired."
            )
            advice = _call(procedure, table, context, where)
        else:
            delete = f"DELETE FROM {context.qualified(table)} WHERE {expires} <= now()"
            arguments = f"{_job_name(table, context)}, {literal(_schedule(table, where))}, {literal(delete)}"
            advice = f"With pg_cron: SELECT cron.schedule({arguments})"
    except UnsupportedError as error:
        advice = f"Schedule a DELETE by hand, for example with pg_cron: {where.unnamed(error)}."
    if table.ttl.get("paused"):
        advice = f"Do nothing while it is paused, as in CockroachDB (ttl_pause); to delete the rows later: {advice}"
    context.find(FindingCode.ROW_TTL, where, message, advice)


def _job_name(table: Table, context: Context) -> str:
    return literal(f"ttl {context.schema(table)}.{table.name}")


def _schedule(table: Table, where: FullName) -> str:
    """Return the schedule in pg_cron's syntax. Raises UnsupportedError for one that pg_cron does not support."""
    cron = table.ttl.get("cron", _DEFAULT_SCHEDULE)
    schedule = _SCHEDULES.get(cron, cron)
    fields = schedule.split()
    if len(fields) != _CRON_FIELDS or not all(
        character.isalnum() or character in _CRON_CHARACTERS for field in fields for character in field
    ):
        raise UnsupportedError(f"{where}: pg_cron has no counterpart of the schedule {cron}")
    return schedule


def _call(procedure: str, table: Table, context: Context, where: FullName) -> str:
    """Return the command that schedules the call. pg_cron is installed in one database of a server and calls procedures
    in all of them."""
    try:
        arguments = (
            _job_name(table, context),
            literal(_schedule(table, where)),
            literal(f"CALL {procedure}()"),
            literal(clip(context.database.name)),
        )
        return f"In pg_cron's database: SELECT cron.schedule_in_database({', '.join(arguments)})"
    except UnsupportedError as error:
        return f"Have the procedure called as often as needed, for example by pg_cron: {where.unnamed(error)}."


def _create_procedure(expires: str, table: Table, context: Context, where: FullName) -> str:
    """Add the procedure and return its quoted name. It commits after each batch; rows that somebody else has locked are
    left to the next call.

    A column can have the name of a variable, the name of a block is hidden by none of the two aliases.
    """
    schema, target = context.schema(table), context.qualified(table)
    name = context.scope.unique_function(schema, f"{table.name}_delete_expired", str(where))
    batch = int(table.ttl.get("delete_batch_size") or _BATCH)
    body = f"""
#variable_conflict use_column
<<job>>
DECLARE
    started CONSTANT timestamptz := pg_catalog.clock_timestamp();
BEGIN
    LOOP
        SET LOCAL "TimeZone" = 'UTC';
        DELETE FROM {target} AS expired WHERE expired.ctid = ANY (ARRAY(
            SELECT candidate.ctid FROM {target} AS candidate WHERE {expires} <= job.started
            LIMIT {batch} FOR UPDATE SKIP LOCKED
        ));
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
"""
    made = RoutineDefinition("PROCEDURE", "", "LANGUAGE plpgsql", f"AS {dollar_quote(body)}")
    context.conversion.add(
        "function", Subject("procedure", name, schema), made.create(quote(schema, name)), expects=made
    )
    return quote(schema, name)


def _expires(table: Table, context: Context, where: FullName) -> str:
    if any(column.name == _EXPIRATION for column in table.columns) and not table.ttl.get("expiration"):
        return quote(_EXPIRATION)
    if not table.ttl.get("expiration"):
        raise UnsupportedError(
            f"{where}: the source does not show the column {_EXPIRATION}, which ttl_expire_after adds to the table, "
            "and has no ttl_expiration_expression"
        )
    expression = expressions.convert(table.ttl["expiration"], context, where, expressions.column_types(table.columns))
    if any(column.table for column in expression.tree.find_all(exp.Column)):
        raise UnsupportedError(f"{where}: the expiration names its columns with their table: {table.ttl['expiration']}")
    return f"({expression.sql})"
