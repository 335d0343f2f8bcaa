# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""References to columns in converted expressions and queries: PostgreSQL looks for each one when it stores them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Optional, Union

from ..._errors import UnsupportedError
from ..._model.catalog import Table, View
from ..._model.full_name import FullName
from ..._model.names import clip
from ..context import Context
from .trees import identifier_name

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_ANYWHERE = frozenset(("default", "tableoid"))
"""Names that are no columns of a table and mean the same in both databases."""
_WITH_COLUMNS_OF_THEIR_OWN = () if exp is None else (exp.CTE, exp.Lateral, exp.Subquery, exp.Unnest, exp.Values)


def require_columns(tree: Any, context: Context, where: FullName, known: Collection[str] = ()) -> None:
    """Raise UnsupportedError for a column that is neither in ``known`` nor in a table or view that the text reads.

    A column without a table's name is passed over if the text reads something else, whose columns are not known.
    """
    sources = [(_alias(table), _columns(table, context)) for table in tree.find_all(exp.Table)]
    names = {name: columns for name, columns in sources if columns is not None}
    closed = all(columns is not None for _name, columns in sources) and not tree.find(*_WITH_COLUMNS_OF_THEIR_OWN)
    if len({name for name, _columns in sources}) < len(sources):
        # One name for several tables: which of them it means depends on the place.
        names = {}
    anywhere = _ANYWHERE.union(map(clip, known), _aliases(tree), *(columns or () for _name, columns in sources))
    anywhere |= {name for name, _columns in sources}
    for column in [*tree.find_all(exp.Column), *_inserted(tree)]:
        if not isinstance(column.this, exp.Identifier) or _is_collation(column):
            continue
        name, table = identifier_name(column.this), column.args.get("table")
        if table is None:
            unknown = closed and name not in anywhere
        else:
            unknown = name not in names.get(identifier_name(table), {name}) | _ANYWHERE
        if unknown:
            raise UnsupportedError(f"{where}: it names the column {name}, which is not there")


def _inserted(tree: Any) -> list[Any]:
    """Return the columns of INSERT INTO t (…) as columns with the table's name."""
    found = []
    for insert in tree.find_all(exp.Insert):
        if isinstance(insert.this, exp.Schema) and isinstance(insert.this.this, exp.Table):
            table = exp.to_identifier(_alias(insert.this.this), quoted=True)
            found += [exp.Column(this=item.copy(), table=table.copy()) for item in insert.this.expressions]
    return found


def _columns(table: Any, context: Context) -> Optional[set[str]]:
    """Return the columns of the tables and views that a part of FROM may mean; None if it means something else."""
    relations: list[Union[Table, View]] = [*context.database.tables, *context.database.views]
    meant = [
        relation
        for relation in relations
        if isinstance(table.this, exp.Identifier)
        and clip(relation.name) == identifier_name(table.this)
        and table.db in ("", context.schema(relation))
    ]
    return {clip(item.name) for relation in meant for item in relation.columns if not item.inaccessible} or None


def _alias(table: Any) -> str:
    alias = table.args.get("alias")
    named = alias.this if alias is not None and alias.this is not None else table.this
    return identifier_name(named) if isinstance(named, exp.Identifier) else ""


def _aliases(tree: Any) -> set[str]:
    """Return the names that a text gives to expressions, columns and tables."""
    nodes = [node.args.get("alias") for node in tree.find_all(exp.Alias)]
    for alias in tree.find_all(exp.TableAlias):
        nodes += [alias.this, *(alias.args.get("columns") or [])]
    return {identifier_name(node) for node in nodes if isinstance(node, exp.Identifier)}


def _is_collation(column: Any) -> bool:
    return isinstance(column.parent, exp.Collate) and column.arg_key == "expression"
