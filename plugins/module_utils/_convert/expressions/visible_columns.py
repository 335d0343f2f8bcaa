# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What CockroachDB does not show of a table's hidden columns, which are ordinary ones in PostgreSQL: neither a star,
nor an INSERT without column names, nor the type of the table's rows has them.

CockroachDB expands the stars of SQL functions and views itself when it stores them, from v23.1 on
(pkg/sql/logictest/testdata/logic_test/udf_star, views); those of PL/pgSQL and of texts by hand are expanded here.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from ..._errors import UnsupportedError
from ..._model.catalog import USER_TYPE_OID_BASE, Column, Table, View
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import clip, quote
from ..._model.stored_columns import shard_columns
from ..context import Context
from ..definitions import CompositeDefinition
from ..statements import Subject
from ..types import type_name
from .tokens import TABLE_PREFIX

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None


def row_type(relation: Union[Table, View], context: Context) -> str:
    """Return the quoted name of the type of the relation's rows.

    Where the table has hidden columns, that is a composite type of the others, as in CockroachDB
    (pkg/sql/catalog/typedesc/table_implicit_record_type.go), made at its first use.
    """
    if isinstance(relation, View) or not _hidden(relation):
        return context.qualified(relation)
    if relation.id not in context.row_types:
        where, schema = context.full_name(relation), context.schema(relation)
        name = context.scope.unique(schema, f"{relation.name}_row", "row")
        reported = len(context.conversion.findings)
        made = CompositeDefinition(
            tuple(
                (clip(column.name), type_name(column.type, context, where.column_named(column.name)))
                for column in _visible(relation)
            )
        )
        # CREATE TABLE reports what becomes of the columns' types.
        del context.conversion.findings[reported:]
        context.row_types[relation.id] = quote(schema, name)
        context.conversion.add("type", Subject("type", name, schema), made.create(quote(schema, name)), expects=made)
        context.find(
            FindingCode.ROW_TYPE, where, f"Functions with rows of the table use the composite type {schema}.{name}."
        )
    return context.row_types[relation.id]


def name_visible_columns(tree: Any, context: Context, where: FullName) -> None:
    """Write out, in an unconverted tree, the stars, whole rows and column lists of INSERT that would have hidden
    columns.

    Raises UnsupportedError where a star has other columns, too, that cannot be told.
    """
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for select in reversed(list(tree.find_all(exp.Select))):
        parts = [item for item in (select.args.get("from_"), *(select.args.get("joins") or [])) if item]
        sources = _Sources(parts, local, context, where)
        _expand(select, sources)
        for column in list(select.find_all(exp.Column)):
            row = sources.row(column)
            if row is not None:
                column.replace(row)
    for statement in list(tree.find_all(exp.Insert, exp.Update, exp.Delete)):
        target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        parts = [exp.From(this=target.copy()), statement.args.get("from_"), *(statement.args.get("using") or [])]
        returning = statement.args.get("returning")
        if returning is not None:
            _expand(returning, _Sources([item for item in parts if item], local, context, where))
        if isinstance(statement, exp.Insert) and statement.this is target:
            _name_targets(statement, context, where)


class _Sources:
    """The tables that a star stands for."""

    def __init__(self, parts: list[Any], local: set[str], context: Context, where: FullName) -> None:
        self.where = where
        self.merges = False
        self.items: list[Any] = []
        for part in parts:
            self._add(part)
        self.tables = [_table(item, context, local) for item in self.items]

    def _add(self, part: Any) -> None:
        """Add what FROM, USING or a join names, and what is joined in parentheses."""
        item = part.this if isinstance(part, (exp.From, exp.Join)) else part
        self.merges = self.merges or bool(part.args.get("using") or part.args.get("method"))
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table) and not item.alias:
            for inner in (item.this, *(item.this.args.get("joins") or [])):
                self._add(inner)
        else:
            self.items.append(item)

    def columns(self, qualifier: str) -> Optional[list[Any]]:
        """Return what a star is written out as; None if it may stay."""
        chosen = [
            (item, table)
            for item, table in zip(self.items, self.tables)
            if not qualifier or item.alias_or_name.lower() == qualifier.lower()
        ]
        if not any(table is not None and _hidden(table) for _item, table in chosen):
            return None
        if self.merges and not qualifier:
            raise UnsupportedError(f"{self.where}: the columns of * over tables that are joined by USING are not known")
        found: list[Any] = []
        for item, table in chosen:
            name = _alias(item)
            if name is None:
                raise UnsupportedError(f"{self.where}: the columns of * are not known")
            names = [exp.Star()] if table is None else _identifiers(table)
            found += [exp.Column(this=column, table=name.copy()) for column in names]
        return found

    def row(self, column: Any) -> Optional[Any]:
        """Return the row that ``t``, or ``t.*`` in an expression, stands for; None if it is no row of these tables or
        may stay."""
        is_star = isinstance(column.this, exp.Star)
        name = column.table if is_star else "" if column.table else column.name
        if not name or (is_star and isinstance(column.parent, (exp.Select, exp.Returning))):
            return None
        if not is_star and any(item.name == name for table in self.tables if table for item in table.columns):
            return None
        for item, table in zip(self.items, self.tables):
            alias = _alias(item)
            if table is not None and _hidden(table) and alias is not None and alias.name.lower() == name.lower():
                columns = [exp.Column(this=part, table=alias.copy()) for part in _identifiers(table)]
                kind = exp.Var(this=f"@{USER_TYPE_OID_BASE + table.id}")
                return exp.Cast(
                    this=exp.Anonymous(this="row", expressions=columns),
                    to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=kind),
                )
        return None


def _expand(node: Any, sources: _Sources) -> None:
    """Write out the stars among the results of a SELECT or of RETURNING."""
    made: list[Any] = []
    for item in node.expressions:
        is_star = isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
        columns = sources.columns("" if isinstance(item, exp.Star) else item.table) if is_star else None
        made += [item] if columns is None else columns
    node.set("expressions", made)


def _name_targets(insert: Any, context: Context, where: FullName) -> None:
    """Give an INSERT without column names those that CockroachDB means: the first visible ones, as many as there are
    values (pkg/sql/opt/optbuilder/mutation_builder.go, addTargetTableColsForInsert)."""
    table = _table(insert.this, context, set())
    if table is None or not _hidden(table) or insert.expression is None:
        return
    values = insert.expression
    rows = values.expressions[0].expressions if isinstance(values, exp.Values) else values.selects
    if any(isinstance(item, exp.Star) or isinstance(item.this, exp.Star) for item in rows):
        raise UnsupportedError(f"{where}: INSERT INTO {table.name} without column names takes * of other tables")
    insert.set("this", exp.Schema(this=insert.this, expressions=_identifiers(table)[: len(rows)]))


def _table(item: Any, context: Context, local: set[str]) -> Optional[Table]:
    """Return the table that a part of FROM names; None if it is none of the database."""
    if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
        return None
    if item.name.startswith(TABLE_PREFIX):
        found = context.relations.get(int(item.name[len(TABLE_PREFIX) :]))
    elif not item.db and item.name in local:
        found = None
    else:
        name = item.name if item.this.args.get("quoted") else item.name.lower()
        found = context.relation_named(item.db, name)
    return found if isinstance(found, Table) else None


def _alias(item: Any) -> Optional[Any]:
    """Return the identifier by which a query calls a part of FROM; None if it has none."""
    name = item.args["alias"].this if item.args.get("alias") else item.this
    return name if isinstance(name, exp.Identifier) else None


def _identifiers(table: Table) -> list[Any]:
    return [exp.to_identifier(column.name, quoted=True) for column in _visible(table)]


def _visible(table: Table) -> list[Column]:
    return [column for column in table.columns if not column.hidden and not column.inaccessible]


def _hidden(table: Table) -> bool:
    """Whether PostgreSQL's table shows columns that CockroachDB's does not."""
    shards = shard_columns(table)
    return any(column.hidden and not column.inaccessible and column.name not in shards for column in table.columns)
