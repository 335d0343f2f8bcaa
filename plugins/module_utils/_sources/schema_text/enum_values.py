# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER TYPE … RENAME VALUE: the constants of the enum follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

from ..._errors import UnsupportedError
from ..._model.catalog import USER_TYPE_OID_BASE, SqlType, Table, UserType, View
from ..._model.names import literal
from . import parsing
from .model_builder import Builder

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None


def follow_value(item: UserType, old: str, new: str, builder: Builder) -> None:
    """Change a value in the expressions of every table: in defaults of columns of this type, where it is cast to the
    type, and where it is compared with a column of it. Raises UnsupportedError if an expression has the same text in
    other places, too."""
    renamed = _Value(item, old, new, builder)
    for table in builder.tables():
        columns = frozenset(column.name for column in table.columns if _is_of(column.type, item))
        for column in table.columns:
            column.default = renamed.followed(column.default, columns, column.name in columns)
            column.on_update = renamed.followed(column.on_update, columns, column.name in columns)
            column.computed = renamed.followed(column.computed, columns, column.name in columns)
        keys: list[Any] = [table.primary_index, *table.indexes, *table.unique_without_index]
        for key in keys:
            key.predicate = renamed.followed(key.predicate, columns)
        for check in table.checks:
            check.expression = renamed.followed(check.expression, columns)
        for policy in table.policies:
            policy.using = renamed.followed(policy.using, columns)
            policy.with_check = renamed.followed(policy.with_check, columns)
    _follow_in_queries(renamed, builder)


def _follow_in_queries(renamed: _Value, builder: Builder) -> None:
    """Change the value in views and functions that read a column or have a parameter of the enum. The columns of views
    have no known types: a text that reads one follows only where all its constants are compared with other columns."""
    for database in builder.catalog.databases:
        items: list[Union[Table, View]] = [*database.tables, *database.views]
        relations = {item.id: item for item in items}
        for view in database.views:
            read = [relations[number] for number in view.depends_on if number in relations]
            view.query = renamed.followed_in_query(view.query, read, frozenset())
        for function in database.functions:
            read = [relations[number] for number in function.depends_on if number in relations]
            named = frozenset(item.name for item in function.parameters if _is_of(item.type, renamed.item))
            function.body = renamed.followed_in_query(function.body, read, named)
            for parameter in function.parameters:
                parameter.default = renamed.followed(parameter.default, named, parameter.name in named)


def _is_of(kind: SqlType, item: UserType) -> bool:
    return kind.user_type_id == item.id or (kind.element is not None and _is_of(kind.element, item))


@dataclass(frozen=True)
class _Value:
    item: UserType
    old: str
    new: str
    builder: Builder

    def followed(self, text: str, columns: frozenset[str], is_whole: bool = False) -> str:
        """Return the expression with the new value; ``is_whole``: all of it is of the enum's type."""
        places = [word for word in parsing.words(text, "an expression") if self._is_value(word)] if text else []
        if not places:
            return text
        tree = self.builder.tree(text, "an expression")
        values = [] if tree is None else [node for node in tree.find_all(exp.Literal) if self._is_literal(node)]
        of_enum = [node for node in values if is_whole or self._is_of_enum(node, columns)]
        if not of_enum and values:
            return text
        if len(of_enum) != len(values) or not values:
            raise UnsupportedError(f"the value {self.old!r} of the enum {self.item.name} cannot be followed in {text}")
        for word in reversed(places):
            text = text[: word.start] + literal(self.new) + text[word.end :]
        return text

    def followed_in_query(self, text: str, read: list[Union[Table, View]], named: frozenset[str]) -> str:
        """Return a query or a function's body with the new value. ``read`` are the tables and views that it names,
        ``named`` what else is of the enum's type."""
        columns = named.union(item.name for one in read for item in one.columns if _is_of(item.type, self.item))
        made = self.followed(text, columns)
        unclear = any(isinstance(one, View) for one in read)
        if made == text and unclear and any(map(self._is_value, parsing.words(text, "a query"))):
            raise UnsupportedError(f"the value {self.old!r} of the enum {self.item.name} cannot be followed in {text}")
        return made

    def _is_value(self, word: parsing.Word) -> bool:
        return word.kind == parsing.STRING and word.text == self.old

    def _is_literal(self, node: Any) -> bool:
        return node.is_string and node.name == self.old

    def _is_of_enum(self, node: Any, columns: frozenset[str]) -> bool:
        """Whether a constant is cast to the enum, or an operand next to a column of it."""
        around = node.parent
        while isinstance(around, (exp.Paren, exp.Array, exp.Tuple)):
            around = around.parent
        if isinstance(around, exp.Cast):
            oids = (USER_TYPE_OID_BASE + self.item.id, USER_TYPE_OID_BASE + self.item.array_type_id)
            return around.args["to"].sql() in [f"@{oid}" for oid in oids]
        is_operation = isinstance(around, (exp.Binary, exp.In, exp.Between))
        return is_operation and any(column.name in columns for column in around.find_all(exp.Column))
