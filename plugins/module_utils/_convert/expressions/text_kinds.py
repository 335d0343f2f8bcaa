# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which parts of an expression or a query are text that the database's collation sorts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ..._model.built_in_types import CHAR, NAME
from ..._model.catalog import USER_TYPE_OID_BASE, SqlType
from ..context import DEFAULT_LOCALE, Context
from ..types import element_of
from .families import OPERAND_TYPE, Scope, declared_family, family_of
from .tokens import FUNCTION_PREFIX
from .trees import ADDED_COLLATION, type_oid

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

TEXT = "text"
"""Text, or an array of it."""
CONSTANT = "constant"
"""An untyped constant in quotes or NULL, which takes the type of what it is compared with."""
OTHER = "other"
"""Another type, text with a collation of its own, or what no collation can be put after."""
UNKNOWN = ""
_WITHOUT_COLLATION = ("json", "tuple")
"""Families that are compared by the database's collation if they hold text, and take none."""
_FAMILIES = {"string": TEXT, "string[]": TEXT, "": UNKNOWN, "[]": UNKNOWN}


class Kinds:
    """The kinds of the parts of one tree."""

    def __init__(self, tree: Any, scope: Scope, context: Context) -> None:
        self._scope, self._context = scope, context
        self._derived: dict[tuple[str, str], str] = {}
        # The inner queries first, for the outer ones read them.
        for node in reversed(list(tree.find_all(exp.CTE, exp.Subquery, exp.Unnest))):
            if node.alias:
                self._add_derived(node)

    def _add_derived(self, node: Any) -> None:
        names = [column.name for column in node.args["alias"].args.get("columns") or []]
        if isinstance(node, exp.Unnest):
            for name, value in zip(names or [node.alias], node.expressions):
                self._derived[node.alias, name] = self.of(value)
            return
        for number, output in enumerate(outputs(node)):
            name = names[number] if number < len(names) else output.alias_or_name
            self._derived[node.alias, name] = self.of(output)

    def joined(self, parts: Iterable[Any]) -> str:
        """Return the kind of parts that are compared or brought to one type."""
        kinds = [self.of(part) for part in parts]
        if OTHER in kinds or TEXT in kinds:
            return OTHER if OTHER in kinds else TEXT
        if UNKNOWN not in kinds:
            return CONSTANT
        return TEXT if any(map(_is_certainly_text, parts)) else UNKNOWN

    def of(self, node: Any) -> str:
        """Return the kind of a part that is not converted yet."""
        node = node.unalias().unnest()
        if isinstance(node, exp.Collate):
            is_default = node.expression.name == DEFAULT_LOCALE and not node.meta.get(ADDED_COLLATION)
            return self.of(node.this) if is_default else TEXT if node.meta.get(ADDED_COLLATION) else OTHER
        if isinstance(node, exp.Null) or isinstance(node, exp.Literal) and node.is_string:
            return CONSTANT
        if isinstance(node, exp.Column):
            return self._of_column(node)
        if isinstance(node, exp.Cast):
            return self._of_cast(node)
        if isinstance(node, (exp.Any, exp.All)):
            return self.of(node.this)
        if isinstance(node, exp.Query):
            found = outputs(node)
            return self.of(found[0]) if len(found) == 1 else UNKNOWN
        if isinstance(node, exp.Dot):
            return self._of_field(node)
        parts = _alternatives(node)
        if parts:
            return self.joined(parts)
        return self._of_result(node)

    def _of_result(self, node: Any) -> str:
        """Return the kind of what a function or an operator gives."""
        routine = self._routine(node) if isinstance(node, exp.Anonymous) else None
        if routine is not None:
            return _of_type(routine)
        return _of_family(family_of(node, self._scope))

    def _of_column(self, node: Any) -> str:
        derived = (
            [self._derived[node.table, node.name]]
            if (node.table, node.name) in self._derived
            else [kind for (_alias, name), kind in self._derived.items() if name == node.name and not node.table]
        )
        found = self._scope.find(node) or self._scope.columns.get(f"{node.table}.{node.name}")
        if derived and (node.table or found is None):
            return derived[0] if len(set(derived)) == 1 else UNKNOWN
        return _of_type(found)

    def _of_cast(self, node: Any) -> str:
        target = node.args["to"]
        kind, oid = target.args.get("kind"), type_oid(target)
        if not oid and not isinstance(kind, (exp.Identifier, exp.Dot)):
            return _of_family(family_of(node, self._scope))
        name = kind.parts[-1].name if isinstance(kind, exp.Dot) else kind.name
        types = self._context.database.types
        bases = [item.base for item in types if (item.id == oid - USER_TYPE_OID_BASE if oid else item.name == name)]
        return _of_type(bases[0]) if bases and bases[0] is not None else OTHER

    def _of_field(self, node: Any) -> str:
        """Return the kind of a field of a row such as NEW, or of a composite value."""
        row = node.this.unnest()
        if isinstance(node.expression, exp.Anonymous):
            return self._of_result(node.expression)
        if not isinstance(row, exp.Column):
            return UNKNOWN
        found = self._scope.columns.get(f"{row.name}.{node.expression.name}")
        kind = self._scope.find(row)
        composite = self._context.types.get(kind.user_type_id) if kind is not None else None
        if found is None and composite is not None and node.expression.name in composite.field_names:
            found = composite.fields[composite.field_names.index(node.expression.name)]
        return _of_type(found)

    def _routine(self, node: Any) -> Optional[SqlType]:
        """Return the result type of a user-defined function."""
        functions = self._context.database.functions
        if node.name.startswith(FUNCTION_PREFIX):
            number = int(node.name[len(FUNCTION_PREFIX) :]) - USER_TYPE_OID_BASE
            found = [function for function in functions if function.id == number]
        else:
            found = [function for function in functions if function.name == node.name]
        return found[0].return_type if found else None


def outputs(query: Any) -> list[Any]:
    """Return the expressions that a query gives, of a set operation those of its first query."""
    while isinstance(query, (exp.CTE, exp.SetOperation, exp.Subquery)):
        query = query.this
    return query.expressions if isinstance(query, exp.Select) else []


def _alternatives(node: Any) -> list[Any]:
    """Return the parts of which a node gives one, or which it joins."""
    if isinstance(node, exp.DPipe):
        return [node.this, node.expression]
    if isinstance(node, exp.If):
        return [part for part in (node.args.get("true"), node.args.get("false")) if part is not None]
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        return branches + ([node.args["default"]] if node.args.get("default") is not None else [])
    if isinstance(node, exp.Anonymous) and node.name.lower() in OPERAND_TYPE:
        return list(node.expressions)
    return []


def is_text(kind: SqlType) -> bool:
    """Whether the database's collation sorts the values of a type."""
    return _of_type(kind) == TEXT


def _of_type(kind: Optional[SqlType]) -> str:
    if kind is None:
        return UNKNOWN
    element = element_of(kind)
    if element.family == "collated" and element.locale != DEFAULT_LOCALE or element.oid in (CHAR, NAME):
        # "char" has no collation, name has C.
        return OTHER
    return _of_family(declared_family(kind))


def _of_family(family: str) -> str:
    return UNKNOWN if family in _WITHOUT_COLLATION else _FAMILIES.get(family, OTHER)


def _is_certainly_text(node: Any) -> bool:
    """Whether an untyped constant can hardly be anything but text: not a number, a date or the like."""
    node = node.unnest()
    begin = node.name[:1] if isinstance(node, exp.Literal) and node.is_string else "0"
    return not begin.isdigit() and begin not in "+-{"
