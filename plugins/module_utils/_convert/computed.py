# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Computed columns that PostgreSQL cannot compute: their stored values are loaded as data."""

from __future__ import annotations

import copy

from .._errors import UnsupportedError
from .._model.catalog import Catalog, Column, Database, Table
from .._model.conversion_policies import DEFAULT_POLICIES, GENERATED, ConversionPolicies
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.postgres_limits import exceeds_modifier
from .._model.stored_columns import shard_columns
from .context import Context
from .expressions import expressions
from .expressions.function_calls import only_words_differ
from .expressions.functions import TEXT_SEARCH
from .expressions.nesting import deep
from .server_features import EXTENSIONS, ConvertOptions, ServerFeatures

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_EXACT_SCALE = 12
"""Largest scale to which both databases round alike if the column's declared type rounds the result."""
_CODES = (
    FindingCode.VIRTUAL_COLUMN_LEFT_OUT,
    FindingCode.COMPUTED_COLUMN_AS_DATA,
    FindingCode.NEEDS_LEFT_OUT_COLUMN,
    FindingCode.TEXT_SEARCH_RECOMPUTED,
)


@deep
def keep_unconvertible_as_data(catalog: Catalog, policies: ConversionPolicies = DEFAULT_POLICIES) -> None:
    """Turn stored computed columns without a counterpart into plain columns, with a finding for each; omit virtual
    ones.

    A stored column also becomes a plain one if PostgreSQL would compute its last digits or its text differently; one of
    text search is computed anew, if the policy says so. This is done before the columns that are loaded are chosen,
    that is before a decoder is built. Whether an expression has a counterpart does not depend on the server, except for
    extensions: stored columns that need one which may be missing are loaded as data, too; virtual ones have no data and
    are kept until the server is known (see ``fit_to_server``).
    """
    options = ConvertOptions(policies=policies)
    for database in catalog.databases:
        plain, extended = (
            Context(database, ServerFeatures(), options),
            Context(database, ServerFeatures(extensions=EXTENSIONS), options),
        )
        for table in database.tables:
            _keep_stored_as_data(table, plain)
            _omit_virtual(table, _impossible(table, extended), extended)
        catalog.findings += [
            finding
            for context in (plain, extended)
            for finding in context.conversion.findings
            if finding.code in _CODES
        ]


def columns_read(column: Column) -> set[str]:
    """Return the names of the columns in a computed column's expression."""
    return expressions.column_names(column.computed, f"the computed column {column.name}")


def fit_to_server(
    database: Database, features: ServerFeatures, options: ConvertOptions
) -> tuple[Database, list[Finding]]:
    """Return the database without the virtual computed columns that this server cannot compute, and a finding for
    each."""
    context = Context(database, features, options)
    impossible = {table.id: _impossible(table, context) for table in database.tables}
    if not any(impossible.values()):
        return database, []
    fitted = copy.deepcopy(database)
    for table in fitted.tables:
        _omit_virtual(table, impossible[table.id], context)
    return fitted, [finding for finding in context.conversion.findings if finding.code in _CODES]


def _computed(table: Table, virtual: bool) -> list[Column]:
    shards = shard_columns(table)
    return [
        column
        for column in table.columns
        if column.computed and column.virtual == virtual and not column.inaccessible and column.name not in shards
    ]


def _keep_stored_as_data(table: Table, context: Context) -> None:
    for column in _computed(table, virtual=False):
        where = context.full_name(table).column_named(column.name)
        try:
            _require_rounding(column, where)
            found = expressions.convert_in_table(
                column.computed, context, where, table.columns, expressions.Use(column.type)
            )
            if _is_recomputed(found, context):
                column.recomputed = True
                context.find(FindingCode.TEXT_SEARCH_RECOMPUTED, where)
            elif found.differences and not _is_rounded(column):
                raise UnsupportedError(f"{where}: {'; '.join(found.differences)}")
        except UnsupportedError as error:
            context.find(
                FindingCode.COMPUTED_COLUMN_AS_DATA,
                where,
                f"The computed column becomes a plain column that keeps its values: {where.unnamed(error)}.",
            )
            column.computed = ""


def _is_rounded(column: Column) -> bool:
    """Whether the declared type rounds the last digits, in which results may differ."""
    return column.type.family == "decimal" and bool(column.type.precision) and column.type.width <= _EXACT_SCALE


def _is_recomputed(found: expressions.Expression, context: Context) -> bool:
    """Whether PostgreSQL computes a column although its words will be others. Without the name of a configuration
    text search depends on a setting."""
    if not found.differences or not only_words_differ(found.differences):
        return False
    calls = [call for call in found.tree.find_all(exp.Anonymous) if call.name in TEXT_SEARCH]
    return context.options.policies.text_search == GENERATED and all(len(call.expressions) > 1 for call in calls)


def _require_rounding(column: Column, where: FullName) -> None:
    """Raise UnsupportedError if PostgreSQL does not round to the column's type, which it cannot have."""
    if column.type.family == "decimal" and exceeds_modifier(column.type):
        raise UnsupportedError(f"{where}: PostgreSQL's numeric has at most 1,000 digits where it has a scale")


def _impossible(table: Table, context: Context) -> dict[int, str]:
    """Return the virtual columns without a counterpart, by id, with the reason."""
    found = {}
    for column in _computed(table, virtual=True):
        where = context.full_name(table).column_named(column.name)
        try:
            _require_rounding(column, where)
            expressions.convert_in_table(column.computed, context, where, table.columns)
        except UnsupportedError as error:
            found[column.id] = where.unnamed(error)
    return found


def _omit_virtual(table: Table, impossible: dict[int, str], context: Context) -> None:
    for column in table.columns:
        if column.id in impossible:
            context.find(
                FindingCode.VIRTUAL_COLUMN_LEFT_OUT,
                context.full_name(table).column_named(column.name),
                f"The virtual computed column is omitted: {impossible[column.id]}.",
            )
    if impossible:
        table.columns = [column for column in table.columns if column.id not in impossible]
        _omit_users(table, set(impossible), context)


def _omit_users(table: Table, gone: set[int], context: Context) -> None:
    """Omit the indexes and constraints that use an omitted column, with a finding for each; expressions and predicates
    use it by name."""
    where, names = context.full_name(table), {column.name for column in table.columns}

    def named(text: str) -> bool:
        return bool(text) and not expressions.column_names(text, where) <= names

    def kept(about: FullName, column_ids: set[int], *texts: str) -> bool:
        uses = bool(gone & column_ids) or any(map(named, texts))
        if uses:
            context.find(FindingCode.NEEDS_LEFT_OUT_COLUMN, about)
        return not uses

    computed = {column.id: column.computed for column in table.columns if column.inaccessible}
    table.indexes = [
        index
        for index in table.indexes
        if kept(
            where.part("index", index.name),
            {part.column_id for part in index.columns} | set(index.stored_column_ids),
            index.predicate,
            *(computed.get(part.column_id, "") for part in index.columns),
        )
    ]
    table.checks = [
        check for check in table.checks if kept(where.part("constraint", check.name), set(check.column_ids))
    ]
    table.foreign_keys = [
        key for key in table.foreign_keys if kept(where.part("constraint", key.name), set(key.column_ids))
    ]
    table.unique_without_index = [
        item
        for item in table.unique_without_index
        if kept(where.part("constraint", item.name), set(item.column_ids), item.predicate)
    ]
