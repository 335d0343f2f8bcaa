# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The columns of a query whose text does not name them: those of ``*`` and ``t.*``, and the names of expressions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model.catalog import Sequence, SqlType
from ..._model.names import quote
from .cursor import Cursor
from .expression_types import named_type
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
        return _identifier(item.args["alias"]) if isinstance(item, exp.Alias) else self._name(item)[1] or UNNAMED

    def _name(self, node: Any) -> tuple[int, str]:
        """Return how good a name is, and the name."""
        if isinstance(node, exp.Column):
            return _GOOD, _identifier(node.this)
        if isinstance(node, exp.Dot):
            last = node.expression
            return self._name(last) if isinstance(last, exp.Anonymous) else (_GOOD, _identifier(last))
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


def _identifier(node: Any) -> str:
    return str(node.name if node.args.get("quoted") else node.name.lower())


def with_columns_for_stars(text: str, tree: Any, builder: Builder, cursor: Cursor) -> str:
    """Return a query with the columns in the place of each ``*``, as the tables and views have them now; PostgreSQL's
    tables may have others, such as a hidden rowid. Raises UnsupportedError where they are not known."""
    stars = _Stars(text, builder, cursor)
    stars.read(tree, {})
    for start, end, columns in sorted(stars.edits, reverse=True):
        text = text[:start] + columns + text[end:]
    return text


@dataclass
class _Stars:
    text: str
    builder: Builder
    cursor: Cursor
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def read(self, query: Any, outer: dict[str, list[str]]) -> None:
        """Find the stars of a query and of those inside it. ``outer`` are the columns of WITH queries around it."""
        known = self._with_queries(query, outer)
        if isinstance(query, exp.Select) and not isinstance(query.parent, exp.Exists):
            self._read_select(query, known)
        for inner in _inner_queries(query):
            self.read(inner, known)

    def _with_queries(self, query: Any, outer: dict[str, list[str]]) -> dict[str, list[str]]:
        known = dict(outer)
        with_ = query.args.get("with_")
        for item in with_.expressions if with_ is not None else []:
            columns = [_identifier(part) for part in item.args["alias"].args.get("columns") or []]
            own = self._columns(item.this, known) or []
            known[_identifier(item.args["alias"].this)] = [*columns, *own[len(columns) :]]
        return known

    def _read_select(self, query: Any, known: dict[str, list[str]]) -> None:
        stars = [item for item in query.selects if item.is_star]
        if not stars:
            return
        sources = self._sources(query, known)
        for item in stars:
            star = item if isinstance(item, exp.Star) else item.this
            start = star.meta.get("start")
            if start is None or self.text[start] != "*":
                self.cursor.fail("the place of * in the query is not known")
            self.edits.append((start, start + 1, self._expanded(item, sources)))

    def _expanded(self, item: Any, sources: list[tuple[str, Optional[list[str]]]]) -> str:
        """Return what stands in the place of a star."""
        qualifier = _identifier(item.parts[-2]) if isinstance(item, exp.Column) else ""
        meant = [source for source in sources if not qualifier or source[0] == qualifier]
        for name, columns in meant:
            if not columns:
                self.cursor.fail(f"the columns that * means are not known: those of {name or 'a part without a name'}")
        if not meant:
            self.cursor.fail(f"the table {qualifier} that * is of is not there")
        if len(sources) > 1 and not qualifier and not all(name for name, _columns in meant):
            self.cursor.fail("* is of a part without a name")
        names = [
            quote(*([name] if len(sources) > 1 or qualifier else []), column)
            for name, columns in meant
            for column in columns or []
        ]
        # The qualifier of t.* stands before the star.
        return ", ".join([quote(meant[0][1][0]) if qualifier and meant[0][1] else names[0], *names[1:]])

    def _sources(self, query: Any, known: dict[str, list[str]]) -> list[tuple[str, Optional[list[str]]]]:
        """Return the name and the columns of each part of FROM; None for columns that are not known."""
        found = []
        joins = query.args.get("joins") or []
        first = query.args.get("from_")
        for join in joins:
            if join.args.get("using") or join.args.get("method") == "NATURAL":
                self.cursor.fail("* of a join with USING, or a natural one, is not understood: name the columns")
        for source in [*([first.this] if first is not None else []), *(join.this for join in joins)]:
            if source.args.get("joins"):
                self.cursor.fail("* of a join in parentheses is not understood: name the columns")
            found.append((_source_name(source), self._source_columns(source, known)))
        return found

    def _source_columns(self, source: Any, known: dict[str, list[str]]) -> Optional[list[str]]:
        alias = source.args.get("alias")
        given = [_identifier(part) for part in alias.args.get("columns") or []] if alias is not None else []
        columns = self._own_columns(source, known)
        return [*given, *(columns or [])[len(given) :]] if given else columns

    def _own_columns(self, source: Any, known: dict[str, list[str]]) -> Optional[list[str]]:
        if isinstance(source, exp.Lateral):
            return self._own_columns(source.this, known)
        if isinstance(source, exp.Subquery):
            return self._columns(source.this, self._with_queries(source.this, known))
        if not isinstance(source, exp.Table) or not all(isinstance(part, exp.Identifier) for part in source.parts):
            return None
        if len(source.parts) == 1 and _identifier(source.parts[0]) in known:
            return known[_identifier(source.parts[0])]
        path = [Word(NAME if part.args.get("quoted") else WORD, part.name, 0, 0) for part in source.parts]
        found = self.builder.relation(path, self.cursor.statement)
        if found is None or isinstance(found, Sequence):
            return None
        return [column.name for column in found.columns if not column.hidden and not column.inaccessible]

    def _columns(self, query: Any, known: dict[str, list[str]]) -> Optional[list[str]]:
        """Return the names of a query's columns."""
        while isinstance(query, (exp.SetOperation, exp.Subquery)):
            query = query.this
        if not isinstance(query, exp.Select):
            return None
        names: list[str] = []
        sources = self._sources(query, known) if query.is_star else []
        for item in query.selects:
            if not item.is_star:
                names.append(_Names(self.builder, self.cursor).output(item))
                continue
            qualifier = _identifier(item.parts[-2]) if isinstance(item, exp.Column) else ""
            for name, columns in sources:
                if not qualifier or name == qualifier:
                    names += columns or self.cursor.fail(f"the columns that * means are not known: those of {name}")
        return names


def _source_name(source: Any) -> str:
    alias = source.args.get("alias")
    if alias is not None and alias.this is not None:
        return _identifier(alias.this)
    return _identifier(source.this) if isinstance(source, exp.Table) else ""


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
