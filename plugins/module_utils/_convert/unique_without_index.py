# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""UNIQUE WITHOUT INDEX: a unique index, or a trigger that looks for other rows with the same values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._errors import UnsupportedError
from .._model.built_in_types import COCKROACH_OIDS
from .._model.catalog import Column, Index, IndexColumn, Table, UniqueWithoutIndex
from .._model.conversion_policies import TRIGGER
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, dollar_quote, literal, quote
from .._model.postgres_limits import MAX_INDEX_COLUMNS
from .context import Context
from .definitions import RoutineDefinition, TriggerDefinition
from .expressions import expressions
from .indexes import create_index
from .statements import Need, Subject
from .tables import kept_columns
from .types import element_of, operand_type

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_LOCKS = 1024
"""Maximum number of locks that a transaction holds for one constraint, however many rows it writes: PostgreSQL has room
for a few thousand in all."""
_HASHED = frozenset(
    (
        "bool",
        "int",
        "float",
        "decimal",
        "date",
        "timestamp",
        "timestamptz",
        "interval",
        "string",
        "collated",
        "bytes",
        "oid",
        "uuid",
        "inet",
        "time",
        "timetz",
        "enum",
        "json",
        "pg_lsn",
        "geometry",
        "geography",
    )
)
"""Types that PostgreSQL can hash so that equal values have equal hashes. Equal values of other types have equal
texts."""
_OF_EXTENSIONS = frozenset(("ltree", "geometry", "geography", "vector", "box2d"))


def create_unique_without_index(table: Table, context: Context) -> None:
    """Add an index or a trigger that enforces each constraint."""
    for constraint in table.unique_without_index:
        where = context.full_name(table).part("constraint", constraint.name)
        if _is_wide(constraint):
            _create_as_trigger(constraint, table, context, where)
        elif context.options.policies.unique_without_index != TRIGGER:
            _create_as_index(constraint, table, context, where)
        elif _is_referenced(constraint, table, context):
            context.find(FindingCode.UNIQUE_WITHOUT_INDEX_REFERENCED, where)
            _create_as_index(constraint, table, context, where)
        else:
            _create_as_trigger(constraint, table, context, where)


def _create_as_index(constraint: UniqueWithoutIndex, table: Table, context: Context, where: FullName) -> None:
    context.find(FindingCode.UNIQUE_WITHOUT_INDEX, where, "UNIQUE WITHOUT INDEX becomes a unique index.")
    if not constraint.validated:
        context.find(FindingCode.UNIQUE_NOT_VALIDATED, where)
    create_index(index_instead(constraint, table), table, context)


def index_instead(constraint: UniqueWithoutIndex, table: Table) -> Index:
    """Return the index that replaces a constraint and gets its comment; its id is negative, unlike ids of CockroachDB's
    indexes."""
    return Index(
        -1 - table.unique_without_index.index(constraint),
        constraint.name,
        unique=constraint.validated,
        columns=[IndexColumn(column_id) for column_id in constraint.column_ids],
        predicate=constraint.predicate,
        comment=constraint.comment,
    )


def _is_referenced(constraint: UniqueWithoutIndex, table: Table, context: Context) -> bool:
    """Whether a foreign key needs this constraint as its target."""
    wanted = set(constraint.column_ids)
    indexes = [index for index in [table.primary_index, *table.indexes] if index.unique and not index.predicate]
    if any({part.column_id for part in index.columns} == wanted for index in indexes):
        return False
    keys = [
        key for other in context.database.tables for key in other.foreign_keys if key.referenced_table_id == table.id
    ]
    return any(set(key.referenced_column_ids) == wanted for key in keys)


def _create_as_trigger(constraint: UniqueWithoutIndex, table: Table, context: Context, where: FullName) -> None:
    columns = [context.columns(table)[column_id] for column_id in constraint.column_ids]
    try:
        condition = _Condition(constraint, table, context, where)
    except UnsupportedError as error:
        context.find(FindingCode.UNIQUE_LEFT_OUT, where, f"The constraint is omitted: {where.unnamed(error)}.")
        return
    index = replace(index_instead(constraint, table), unique=False, predicate="")
    create_index(replace(index, columns=index.columns[:MAX_INDEX_COLUMNS]), table, context)
    schema, name = context.schema(table), clip(constraint.name)
    function = context.scope.unique_function(schema, f"{table.name}_{constraint.name}", str(where))
    # The function sees all rows, whoever writes one. What extensions bring lies in the schema public.
    path = (
        "pg_catalog, public, pg_temp"
        if any(map(_needs_extension, [*columns, *condition.columns]))
        else "pg_catalog, pg_temp"
    )
    routine = RoutineDefinition(
        "FUNCTION",
        "",
        f"RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = {path}",
        f"AS {dollar_quote(_body(columns, condition, table, context))}",
    )
    context.conversion.add(
        "function", Subject("function", function, schema), routine.create(quote(schema, function)), expects=routine
    )
    made = TriggerDefinition(
        f"AFTER INSERT OR UPDATE{_of([*columns, *condition.columns], table)}",
        f"FOR EACH ROW{_when(columns, condition)} EXECUTE FUNCTION {quote(schema, function)}()",
        constraint=True,
    )
    context.conversion.add(
        "trigger",
        Subject("constraint_trigger", name, schema, clip(table.name)),
        made.create(quote(name), context.qualified(table)),
        expects=made,
        needs=[Need("routine", function, schema)],
    )
    context.find(
        FindingCode.UNIQUE_WITHOUT_INDEX,
        where,
        f"{_kind(constraint)} becomes a trigger and an index that is not unique. The loaded rows are not checked"
        + (
            ", since CockroachDB has validated them."
            if constraint.validated
            else ", and CockroachDB has not validated them either: some may be duplicates."
        ),
        "Note that ON CONFLICT does not know the constraint, and that transactions in REPEATABLE READ may not write "
        "these columns; in READ COMMITTED and SERIALIZABLE the constraint holds.",
        severity="info" if constraint.validated and not _is_wide(constraint) else "warning",
    )


def _kind(constraint: UniqueWithoutIndex) -> str:
    return f"The key of {len(constraint.column_ids)} columns" if _is_wide(constraint) else "UNIQUE WITHOUT INDEX"


def _is_wide(constraint: UniqueWithoutIndex) -> bool:
    """Whether no index of PostgreSQL holds all columns of the constraint."""
    return len(constraint.column_ids) > MAX_INDEX_COLUMNS


class _Condition:
    """The predicate of a partial constraint, written for the new row and for the rows of the table; empty if there is
    none."""

    def __init__(self, constraint: UniqueWithoutIndex, table: Table, context: Context, where: FullName) -> None:
        self.new = self.other = ""
        self.columns: list[Column] = []
        if not constraint.predicate:
            return
        kept = kept_columns(table)
        tree = expressions.convert_in_table(constraint.predicate, context, where, kept).tree
        names = {node.name for node in tree.find_all(exp.Column)}
        self.columns = [column for column in kept if clip(column.name) in names]
        self.new, self.other = _qualified(tree, "new"), _qualified(tree, "other")


def _qualified(tree: Any, alias: str) -> str:
    tree = tree.copy()
    for column in tree.find_all(exp.Column):
        column.set("table", exp.to_identifier(alias))
    return f"({expressions.generate(tree)})"


def _of(columns: list[Column], table: Table) -> str:
    """Return the columns for UPDATE OF; empty if other triggers change columns that an UPDATE does not name."""
    if table.triggers or any(column.on_update for column in table.columns):
        return ""
    return f" OF {', '.join(dict.fromkeys(quote(clip(column.name)) for column in columns))}"


def _when(columns: list[Column], condition: _Condition) -> str:
    """Return the WHEN condition: NULLs are distinct, and rows outside of the predicate are not checked."""
    terms = [f"NEW.{quote(clip(column.name))} IS NOT NULL" for column in columns if column.nullable]
    terms += [condition.new] if condition.new else []
    return f" WHEN ({' AND '.join(terms)})" if terms else ""


def _body(columns: list[Column], condition: _Condition, table: Table, context: Context) -> str:
    """Return the trigger function's body: it takes a lock on the values and looks for a second row.

    A REPEATABLE READ transaction would not see the row of the transaction that it has waited for and is refused; a
    SERIALIZABLE one does not see it either, but fails when it commits.
    """
    names = [quote(clip(column.name)) for column in columns]
    casts = [
        operand_type(column.type, context, context.full_name(table).column_named(column.name)) for column in columns
    ]
    same = [
        f"CAST(other.{name} AS {kind}) = CAST(NEW.{name} AS {kind})" if kind else f"other.{name} = NEW.{name}"
        for name, kind in zip(names, casts)
    ]
    same += [
        f"interval_send(other.{name}) = interval_send(NEW.{name})"
        for name, column in zip(names, columns)
        if column.type.family == "interval"
    ]
    same += [condition.other] if condition.other else []
    hashed = [
        f"NEW.{name}" if _is_hashed(column) else f"CAST(NEW.{name} AS text)" for name, column in zip(names, columns)
    ]
    detail = (
        f"Key ({', '.join(clip(column.name) for column in columns)})=(".replace("%", "%%")
        + ", ".join(["%s"] * len(columns))
        + ") already exists."
    )
    lock = f"hash_record(ROW({', '.join(hashed)})) & {_LOCKS - 1}"
    twins = f"SELECT FROM {context.qualified(table)} AS other WHERE {' AND '.join(same)} LIMIT 2"
    constraint = "CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA"
    return f"""
BEGIN
    IF current_setting('transaction_isolation') = 'repeatable read' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', {constraint},
            MESSAGE = format('the constraint "%s" cannot be checked in a REPEATABLE READ transaction', TG_NAME),
            HINT = 'Use READ COMMITTED or SERIALIZABLE.';
    END IF;
    PERFORM pg_advisory_xact_lock(hash_record(ROW(TG_RELID, TG_NAME)), {lock});
    IF (SELECT count(*) FROM ({twins}) AS found) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation', {constraint},
            MESSAGE = format('duplicate key value violates unique constraint "%s"', TG_NAME),
            DETAIL = format({literal(detail)}, {", ".join(f"NEW.{name}" for name in names)});
    END IF;
    RETURN NULL;
END
"""


def _is_hashed(column: Column) -> bool:
    return element_of(column.type).family in _HASHED


def _needs_extension(column: Column) -> bool:
    kind = element_of(column.type)
    return kind.family in _OF_EXTENSIONS or kind.oid in COCKROACH_OIDS
