# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The place of NULLs: first in CockroachDB's ascending order, last in PostgreSQL's.

The dialect writes CockroachDB's place into every ORDER BY. It is not written where no NULL can be: PostgreSQL would not
use an index of the other place, not even on a column without NULLs.
"""

from __future__ import annotations

from typing import Any, Optional

from ..._model.catalog import Column, IndexColumn, Table
from ..._model.conversion_policies import COCKROACH
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName, list_by_table
from ..context import Context
from .query_tables import table_by_id

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None


_COCKROACHS = "CockroachDB's order, which a UNIQUE constraint cannot have"
_POSTGRESQLS = "PostgreSQL's order"


def can_be_null(column: Column) -> bool:
    """Whether an index key can be NULL: a nullable column or an expression."""
    return column.nullable or column.inaccessible


def key_direction(part: IndexColumn, column: Column, context: Context) -> str:
    """Return what follows a key of an index: the direction, with the place of NULLs where the policy asks for it."""
    if context.options.policies.null_order != COCKROACH or not can_be_null(column):
        return " DESC" if part.descending else ""
    return " DESC NULLS LAST" if part.descending else " ASC NULLS FIRST"


def report(context: Context) -> None:
    """Add one finding for the database with all indexes whose keys can be NULL."""
    if not context.indexes_with_nulls:
        return
    as_cockroach = context.options.policies.null_order == COCKROACH
    context.find(
        FindingCode.NULL_ORDER,
        FullName("database", context.database.name),
        f"{FindingCode.NULL_ORDER.meaning} Indexes whose keys can be NULL have "
        f"{_COCKROACHS if as_cockroach else _POSTGRESQLS}: "
        f"{list_by_table(context.indexes_with_nulls)}.",
        "Write ORDER BY … NULLS FIRST (DESC NULLS LAST) in all queries that are to use these indexes."
        if as_cockroach
        else "",
    )


def drop_needless_places(tree: Any, context: Context) -> None:
    """Give every ORDER BY over a column without NULLs PostgreSQL's own place of NULLs, which is not written."""
    shadowed = {expression.alias for expression in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Ordered):
        query = node.find_ancestor(exp.Query)
        column = _value(node, query) if isinstance(query, exp.Select) else None
        if isinstance(column, exp.Column):
            found = _column_of(column, query, context, shadowed)
            if found is not None and not can_be_null(found):
                node.set("nulls_first", bool(node.args.get("desc")))


def _value(key: Any, query: Any) -> Any:
    """Return the expression by which a query sorts: that of an output, if the key is its number or its alias; None
    where that is not certain."""
    value, outputs = key.this.unnest(), query.expressions
    named = {item.alias: item.this for item in outputs if isinstance(item, exp.Alias)}
    of_query = key.parent is query.args.get("order")
    if of_query and isinstance(value, exp.Literal) and value.is_int and 0 < int(value.name) <= len(outputs):
        return outputs[int(value.name) - 1].unalias()
    if isinstance(value, exp.Column) and not value.table and value.name in named:
        return named[value.name] if of_query else None
    return value


def _column_of(column: Any, query: Any, context: Context, shadowed: set[str]) -> Optional[Column]:
    """Return the table's column that a query sorts by; None where that is not certain, or an outer join can make it
    NULL."""
    if query.args.get("laterals"):
        return None
    found = []
    for source, filled in _sources(query):
        if column.table and source.alias_or_name != column.table:
            continue
        table = _table_of(source, context, shadowed)
        if table is None or filled:
            return None
        found += [item for item in table.columns if item.name == column.name]
    return found[0] if len(found) == 1 else None


def _sources(query: Any) -> list[tuple[Any, bool]]:
    """Return what a query reads, and whether an outer join fills it up with NULLs."""
    begin = query.args.get("from_")
    sources = [(begin.this, False)] if begin is not None else []
    for join in query.args.get("joins") or []:
        if join.side in ("RIGHT", "FULL"):
            sources = [(source, True) for source, _filled in sources]
        sources.append((join.this, join.side in ("LEFT", "FULL")))
    return sources


def _table_of(source: Any, context: Context, shadowed: set[str]) -> Optional[Table]:
    if not isinstance(source, exp.Table) or not source.db and source.name in shadowed:
        return None
    found = table_by_id(source, context) or context.named(
        [*context.database.tables, *context.database.views], source.db, source.name
    )
    return found if isinstance(found, Table) else None
