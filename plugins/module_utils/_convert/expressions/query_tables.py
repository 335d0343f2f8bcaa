# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Tables in queries: names, functions in FROM, the scope of columns, and the conflict action of UPSERT.

``converter`` is the one of expressions.py in every function.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Union

from ..._errors import UnsupportedError
from ..._model.catalog import SqlType, Table, View
from ..._model.full_name import FullName
from ..._model.names import clip
from ..._model.stored_columns import written_keys
from ..context import Context, Relation
from .families import Scope, declared_family, family_of
from .tokens import TABLE_PREFIX

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

SYSTEM_SCHEMAS = frozenset(("crdb_internal", "pg_extension"))
_POSTGRES_SCHEMAS = frozenset(("pg_catalog", "information_schema"))


def _table(converter: Any, node: Any) -> Any:
    if node.name.startswith(TABLE_PREFIX):
        relation = converter.context.relations.get(int(node.name[len(TABLE_PREFIX) :]))
        if relation is None:
            raise converter.refusal(f"the table with the id {node.name[len(TABLE_PREFIX) :]} is not in the backup")
        node.set("this", exp.to_identifier(clip(relation.name), quoted=True))
        node.set("db", exp.to_identifier(converter.context.schema(relation), quoted=True))
        return node
    schema = node.args.get("db")
    if isinstance(schema, str):
        # sqlglot has no identifier for what stands between two dots.
        raise converter.refusal("a name between two dots is missing")
    if schema is not None and isinstance(node.this, exp.Anonymous):
        return _table_function(converter, node)
    if schema is not None and schema.name in SYSTEM_SCHEMAS:
        raise converter.refusal(f"it reads CockroachDB's own table {schema.name}.{node.name}")
    elif schema is not None and schema.name in _POSTGRES_SCHEMAS:
        converter.differs(f"{schema.name}.{node.name} describes PostgreSQL's own objects")
    _check_database(converter, node)
    node.set("catalog", None)
    return node


def _derived_table(converter: Any, node: Any) -> Any:
    """A query in FROM needs an alias before PostgreSQL 16; a join in parentheses must have none, for it would hide
    its tables."""
    if (
        isinstance(node.parent, (exp.From, exp.Join))
        and not node.alias
        and isinstance(node.unnest(), (exp.Select, exp.SetOperation, exp.Values))
    ):
        converter.derived_tables += 1
        node.set("alias", exp.TableAlias(this=exp.to_identifier(f"derived_{converter.derived_tables}", quoted=True)))
    return node


def _check_database(converter: Any, table: Any) -> None:
    catalog = table.args.get("catalog")
    if catalog is not None and catalog.name != converter.context.database.name:
        raise converter.refusal(
            f"it reads the other database {catalog.name}, and PostgreSQL's queries stay in one database"
        )


def _table_function(converter: Any, node: Any) -> Any:
    """Convert a function in FROM; it becomes another node, so that its arguments are not converted twice."""
    _check_database(converter, node)
    parts = {key: value for key, value in node.args.items() if key not in ("this", "db", "catalog")}
    made = {
        key: [converter.convert(item) for item in value]
        if isinstance(value, list)
        else converter.convert(value)
        if isinstance(value, exp.Expression)
        else value
        for key, value in parts.items()
    }
    return exp.Table(
        this=converter.qualified(exp.Dot(this=node.args["db"].copy(), expression=node.this.copy())), **made
    )


def scope_of(tree: Any, context: Context, columns: dict[str, SqlType]) -> Scope:
    """Return the columns that the text can name: those given, and those of the tables that it reads."""
    scope = Scope(dict(columns))
    clashes: set[str] = set()
    for table in tree.find_all(exp.Table):
        relation = _relation(table, context)
        for column in relation.columns if relation is not None else []:
            scope.qualified[table.alias or table.name, column.name] = column.type
            known = scope.columns.setdefault(column.name, column.type)
            if declared_family(known) != declared_family(column.type):
                clashes.add(column.name)
    for alias in tree.find_all(exp.Alias):
        family = family_of(alias.this, scope)
        if family and alias.alias not in scope.columns:
            scope.columns[alias.alias] = SqlType(family)
        elif alias.alias in scope.columns and declared_family(scope.columns[alias.alias]) != family:
            clashes.add(alias.alias)
    for alias in tree.find_all(exp.TableAlias):
        clashes |= {column.name for column in alias.args.get("columns") or []}
    for name in clashes:
        scope.columns.pop(name, None)
    return scope


def table_by_id(source: Any, context: Context) -> Optional[Relation]:
    """Return what ``[id AS alias]`` reads; None for a source that is named otherwise, or is not there."""
    if not source.name.startswith(TABLE_PREFIX):
        return None
    return context.relations.get(int(source.name[len(TABLE_PREFIX) :]))


def _relation(source: Any, context: Context) -> Optional[Union[Table, View]]:
    found = table_by_id(source, context) or context.relation_named(source.db, source.name)
    return found if isinstance(found, (Table, View)) else None


def require_relations(tree: Any, context: Context, where: FullName) -> None:
    """Raise UnsupportedError if a converted query reads a table, view or sequence that the database does not have:
    PostgreSQL looks for it when it stores a view or a SQL function."""
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db in _POSTGRES_SCHEMAS:
            continue
        is_own = not table.db and (table.name in local or table.name.startswith("pg_"))
        schemas = [table.db] if table.db else context.schemas.values()
        if not is_own and not any((schema, table.name) in context.relation_names for schema in schemas):
            raise UnsupportedError(f"{where}: it reads {table.name}, which is not there")


def add_conflict(tree: Any, converter: Any) -> None:
    """Add ON CONFLICT … DO UPDATE for an UPSERT, which replaces the row with the same primary key."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = converter.context.relation_named(target.db, target.name)
    if not isinstance(table, Table):
        raise converter.refusal(f"UPSERT into {target.name}, which is not a table of the backup")
    columns = converter.context.columns(table)
    keys = [columns[part.column_id].name for part in written_keys(table.primary_index, columns)]
    written = (
        [item.name for item in tree.this.expressions]
        if isinstance(tree.this, exp.Schema)
        else [
            column.name
            for column in table.columns
            if not column.hidden and not column.inaccessible and not column.computed
        ]
    )
    sets = [
        exp.EQ(this=exp.column(name, quoted=True), expression=exp.column(name, table="excluded", quoted=True))
        for name in written
        if name not in keys
    ]
    action = "DO UPDATE" if sets else "DO NOTHING"
    tree.set(
        "conflict",
        exp.OnConflict(
            conflict_keys=[exp.to_identifier(name, quoted=True) for name in keys],
            action=exp.Var(this=action),
            expressions=sets,
        ),
    )


HANDLERS: dict[Any, Callable[[Any, Any], Any]] = (
    {}
    if exp is None
    else {
        exp.Subquery: _derived_table,
        exp.Table: _table,
        exp.Values: _derived_table,
    }
)
"""The functions by the class of the node."""
