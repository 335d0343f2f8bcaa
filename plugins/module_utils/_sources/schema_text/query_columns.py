# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The columns of a query whose text does not name them: those of ``*`` and ``t.*``, and the names of expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from ..._convert.expressions.families import Scope
from ..._convert.expressions.trees import identifier_name
from ..._convert.expressions.type_inference import type_of
from ..._model.catalog import Sequence, SqlType
from ..._model.names import quote
from .cursor import Cursor
from .expression_types import UNKNOWN, named_type
from .model_builder import Builder
from .parsing import NAME, WORD, Word

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

UNNAMED = "?column?"
_NAMES_OF_NODES = {
    "Array": "array",
    "AtTimeZone": "timezone",
    "CurrentDate": "current_date",
    "CurrentTime": "current_time",
    "CurrentTimestamp": "current_timestamp",
    "CurrentUser": "current_user",
    "Exists": "exists",
    "Extract": "extract",
    "GroupConcat": "string_agg",
    "If": "if",
    "Localtime": "localtime",
    "Localtimestamp": "localtimestamp",
    "Overlay": "overlay",
    "SessionUser": "session_user",
    "StrPosition": "strpos",
    "Substring": "substring",
    "Trim": "btrim",
}
"""Functions that the parser does not keep as such, by CockroachDB's names."""
_NAMES_OF_TYPES = {
    16: "bool",
    17: "bytea",
    18: "char",
    20: "int8",
    21: "int2",
    23: "int4",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "varchar",
    1560: "bit",
    1562: "varbit",
    1700: "numeric",
}
"""PostgreSQL's internal names by oid where they are not those that SqlType's families have."""
_NO_NAME, _SECOND_BEST, _GOOD = range(3)

Output = tuple[str, SqlType]
"""The name and the type of a query's column; the type UNKNOWN if it is not known."""
_Column = tuple[str, Output]
"""The part of FROM that a column is of, and the column."""
_Known = dict[str, list[Output]]
"""The columns of WITH queries by name."""


def output_names(tree: Any, builder: Builder, cursor: Cursor) -> list[str]:
    """Return the names of a query's columns; its stars are expanded already. Raises UnsupportedError for a query whose
    columns are not known."""
    if isinstance(tree, exp.Query):
        first = tree
        while isinstance(first, (exp.SetOperation, exp.Subquery)):
            first = first.this
        if isinstance(first, exp.Select):
            return [_Names(builder, cursor).output(item) for item in first.selects]
    return cursor.fail("the names of the query's columns are missing")


@dataclass(frozen=True)
class _Names:
    """Names of expressions, as ComputeColNameInternal makes them (CockroachDB's pkg/sql/sem/tree/col_name.go)."""

    builder: Builder
    cursor: Cursor

    def output(self, item: Any) -> str:
        """Return the name of a column of a query's result."""
        return identifier_name(item.args["alias"]) if isinstance(item, exp.Alias) else self._name(item)[1] or UNNAMED

    def _name(self, node: Any) -> tuple[int, str]:
        """Return how good a name is, and the name."""
        if isinstance(node, exp.Column):
            return _GOOD, identifier_name(node.this)
        if isinstance(node, exp.Dot):
            last = node.expression
            return self._name(last) if isinstance(last, exp.Anonymous) else (_GOOD, identifier_name(last))
        if isinstance(node, exp.Anonymous):
            return _GOOD, node.name.lower()
        if isinstance(node, (exp.Paren, exp.Bracket, exp.Collate, exp.Window, exp.Filter, exp.WithinGroup)):
            return self._name(node.this)
        if isinstance(node, exp.Cast):
            return self._of_cast(node)
        if isinstance(node, exp.Case):
            strength, name = self._name(node.args["default"]) if node.args.get("default") else (_NO_NAME, "")
            return (strength, name) if strength > _SECOND_BEST else (_SECOND_BEST, "case")
        if isinstance(node, exp.Boolean):
            return _SECOND_BEST, "bool"
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and len(node.this.selects) == 1:
            item = node.this.selects[0]
            return (_GOOD, self.output(item)) if isinstance(item, exp.Alias) else self._name(item)
        name = _NAMES_OF_NODES.get(type(node).__name__, "")
        return (_GOOD if name else _NO_NAME), name

    def _of_cast(self, node: Any) -> tuple[int, str]:
        strength, name = self._name(node.this)
        if strength > _SECOND_BEST:
            return strength, name
        kind = named_type(node.args["to"], self.builder, self.cursor.statement)
        return (_NO_NAME, _type_name(kind.element or kind)) if kind is not None else (_NO_NAME, "")


def _type_name(kind: SqlType) -> str:
    return _NAMES_OF_TYPES.get(kind.oid) or {"string": "text", "json": "jsonb"}.get(kind.family, kind.family)


def with_columns_for_stars(text: str, tree: Any, builder: Builder, cursor: Cursor) -> str:
    """Return a query with the columns in the place of each ``*``, as the tables and views have them now; PostgreSQL's
    tables may have others, such as a hidden rowid. Raises UnsupportedError where they are not known."""
    sources = _Sources(builder, cursor)
    edits: list[tuple[int, int, str]] = []
    for query, known in sources.selects(tree, {}):
        stars = [item for item in query.selects if item.is_star]
        for item in stars if not isinstance(query.parent, exp.Exists) else []:
            star = item if isinstance(item, exp.Star) else item.this
            start = star.meta.get("start")
            if start is None or text[start] != "*":
                cursor.fail("the place of * in the query is not known")
            edits.append((start, start + 1, _written(sources.of_star(item, query, known), item, query)))
    for start, end, columns in sorted(edits, reverse=True):
        text = text[:start] + columns + text[end:]
    return text


def output_columns(tree: Any, builder: Builder, cursor: Cursor) -> list[Output]:
    """Return the names and types of a query's columns, whose stars are expanded already. Raises UnsupportedError where
    a type is not known."""
    found = _Sources(builder, cursor).columns(tree, {})
    for name, kind in found or []:
        if kind.family == UNKNOWN.family:
            cursor.fail(f"the type of the column {name} is not known: create the table with its columns")
    return found or cursor.fail("the columns of the query are not known")


def _written(meant: list[_Column], item: Any, query: Any) -> str:
    """Return what stands in the place of a star; the qualifier of ``t.*`` stands before it."""
    qualified = isinstance(item, exp.Column) or bool(query.args.get("joins"))
    names = [quote(*([name] if qualified else []), column) for name, (column, _kind) in meant]
    return ", ".join([quote(meant[0][1][0]) if isinstance(item, exp.Column) else names[0], *names[1:]])


@dataclass(frozen=True)
class _Sources:
    """What the parts of FROM are: tables, views, WITH queries and queries in parentheses, with their columns."""

    builder: Builder
    cursor: Cursor

    def selects(self, query: Any, outer: _Known) -> Iterator[tuple[Any, _Known]]:
        """Yield a query and those inside it, with the columns of the WITH queries that each knows."""
        known = self._with_queries(query, outer)
        if isinstance(query, exp.Select):
            yield query, known
        for inner in _inner_queries(query):
            yield from self.selects(inner, known)

    def _with_queries(self, query: Any, outer: _Known) -> _Known:
        known = dict(outer)
        with_ = query.args.get("with_")
        for item in with_.expressions if with_ is not None else []:
            known[identifier_name(item.args["alias"].this)] = _renamed(item, self.columns(item.this, known) or [])
        return known

    def of_star(self, item: Any, query: Any, known: _Known) -> list[_Column]:
        """Return the columns that a star means."""
        qualifier = identifier_name(item.parts[-2]) if isinstance(item, exp.Column) else ""
        sources = self._sources(query, known)
        if any(source.args.get("joins") for source in _parts_of_from(query)):
            self.cursor.fail("* of a join in parentheses is not understood: name the columns")
        meant = [source for source in sources if not qualifier or source[0] == qualifier]
        if not meant:
            self.cursor.fail(f"the table {qualifier} that * is of is not there")
        for name, columns in meant:
            if not columns or not (name or len(sources) == 1):
                self.cursor.fail(f"the columns that * means are not known: those of {name or 'a part without a name'}")
        columns_of_parts = [[(name, column) for column in columns or []] for name, columns in meant]
        joins = [] if qualifier else query.args.get("joins") or []
        if any(map(_merges, joins)):
            return self._of_merging_joins(columns_of_parts, joins)
        return [column for columns in columns_of_parts for column in columns]

    def _of_merging_joins(self, parts: list[list[_Column]], joins: list[Any]) -> list[_Column]:
        """Return the columns of joins with USING and natural ones: first those by which they join, once, then the
        others. A merged column is that of the side whose rows are all there."""
        if not all(_merges(join) or join.kind or join.side or join.args.get("on") is not None for join in joins):
            self.cursor.fail("* of a join with USING beside a comma is not understood: name the columns")
        found = parts[0]
        for right, join in zip(parts[1:], joins):
            names = [identifier_name(part) for part in join.args.get("using") or []]
            if join.method == "NATURAL":
                of_right = {name for _part, (name, _kind) in right}
                names = [name for _part, (name, _kind) in found if name in of_right]
            if names and join.side == "FULL":
                self.cursor.fail("* of a full join with USING, or a natural one, is not understood: name the columns")
            of_sides = [
                [column for name in names for column in side if column[1][0] == name] for side in (found, right)
            ]
            if any([name for _part, (name, _kind) in columns] != names for columns in of_sides):
                self.cursor.fail(f"not each side of a join has each of {', '.join(names)} once")
            merged = of_sides[join.side == "RIGHT"]
            found = [*merged, *(column for column in [*found, *right] if column[1][0] not in names)]
        return found

    def _sources(self, query: Any, known: _Known) -> list[tuple[str, Optional[list[Output]]]]:
        """Return the name and the columns of each part of FROM; None for columns that are not known."""
        return [(_source_name(source), self._source_columns(source, known)) for source in _parts_of_from(query)]

    def _source_columns(self, source: Any, known: _Known) -> Optional[list[Output]]:
        columns = self._own_columns(source, known)
        alias = source.args.get("alias")
        given = alias.args.get("columns") if alias is not None else None
        return _renamed(source, columns or []) if given else columns

    def _own_columns(self, source: Any, known: _Known) -> Optional[list[Output]]:
        if isinstance(source, exp.Lateral):
            return self._own_columns(source.this, known)
        if isinstance(source, exp.Subquery):
            return self.columns(source.this, self._with_queries(source.this, known))
        if not isinstance(source, exp.Table) or not all(isinstance(part, exp.Identifier) for part in source.parts):
            return None
        if len(source.parts) == 1 and identifier_name(source.parts[0]) in known:
            return known[identifier_name(source.parts[0])]
        path = [Word(NAME if part.args.get("quoted") else WORD, part.name, 0, 0) for part in source.parts]
        found = self.builder.relation(path, self.cursor.statement)
        if found is None or isinstance(found, Sequence):
            return None
        return [(item.name, item.type) for item in found.columns if not item.hidden and not item.inaccessible]

    def columns(self, query: Any, outer: _Known) -> Optional[list[Output]]:
        """Return the names and types of a query's columns; None if it is no SELECT."""
        known = self._with_queries(query, outer)
        while isinstance(query, (exp.SetOperation, exp.Subquery)):
            query = query.this
        if not isinstance(query, exp.Select):
            return None
        scope = self._scope(query, known)
        names = _Names(self.builder, self.cursor)
        found: list[Output] = []
        for item in query.selects:
            if item.is_star:
                found += [column for _part, column in self.of_star(item, query, known)]
            else:
                kind = type_of(item.unalias(), scope, lambda to: named_type(to, self.builder, self.cursor.statement))
                found.append((names.output(item), kind or UNKNOWN))
        return found

    def _scope(self, query: Any, known: _Known) -> Scope:
        """Return the types of the columns that an expression of a query may name."""
        scope = Scope()
        several: set[str] = set()
        for name, columns in self._sources(query, known):
            for column, kind in columns or []:
                scope.qualified[name, column] = kind
                if scope.columns.setdefault(column, kind) != kind:
                    several.add(column)
        for column in several:
            del scope.columns[column]
        return scope


def _merges(join: Any) -> bool:
    """Whether a join gives the columns by which it joins once."""
    return bool(join.args.get("using")) or join.method == "NATURAL"


def _parts_of_from(query: Any) -> list[Any]:
    first = query.args.get("from_")
    return [*([first.this] if first is not None else []), *(join.this for join in query.args.get("joins") or [])]


def _renamed(source: Any, columns: list[Output]) -> list[Output]:
    """Return columns with the names that an alias gives to the first of them."""
    given = [identifier_name(part) for part in source.args["alias"].args.get("columns") or []]
    kinds = [kind for _name, kind in columns] + [UNKNOWN] * len(given)
    return [*zip(given, kinds), *columns[len(given) :]]


def _source_name(source: Any) -> str:
    alias = source.args.get("alias")
    if alias is not None and alias.this is not None:
        return identifier_name(alias.this)
    return identifier_name(source.this) if isinstance(source, exp.Table) else ""


def _inner_queries(query: Any) -> list[Any]:
    """Return the queries directly inside a query."""
    found: list[Any] = []
    waiting = list(query.iter_expressions())
    while waiting:
        node = waiting.pop()
        if isinstance(node, (exp.Select, exp.SetOperation)):
            found.append(node)
        else:
            waiting += node.iter_expressions()
    return found
