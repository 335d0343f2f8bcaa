# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Arrays whose elements have no type, such as ``ARRAY[]``, ``ARRAY[NULL, 'a']`` and ``ARRAY[1]``: PostgreSQL refuses
the first, and reads the others as text[] and integer[], where CockroachDB gives all of them the type of their place.

So it does with a choice between strings, such as ``CASE WHEN a THEN 'x' ELSE 'y' END``, which is text in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional, Union

from ..._model.catalog import SqlType
from .families import ARRAYS, OPERAND_TYPE, Scope, declared_family, family_of, type_family
from .trees import RESULT_FAMILY, named_type
from .type_inference import representative

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

TypeName = Callable[[SqlType], str]
"""Returns PostgreSQL's text for a type."""
_COMPARED = (
    ()
    if exp is None
    else (
        exp.EQ,
        exp.NEQ,
        exp.GT,
        exp.GTE,
        exp.LT,
        exp.LTE,
        exp.NullSafeEQ,
        exp.NullSafeNEQ,
        exp.ArrayContainsAll,
        exp.ArrayContainedBy,
        exp.ArrayOverlaps,
    )
)
_OF_CONSTANTS = {"int": "integer", "decimal": "numeric", "string": "text"}
_TEXTS = ("string", "collated", "name", "unknown", "")
_ELEMENT_SECOND = ARRAYS - {"array_cat"}
"""Functions whose second argument is an element."""


def cast_untyped_arrays(
    tree: Any, scope: Scope, type_name: TypeName, result: Optional[Union[SqlType, str]] = None
) -> Any:
    """Cast such arrays in an unconverted tree to the types of their places, and return the tree. ``result`` is the type
    of the column, parameter or variable that gets the value of the whole, or PostgreSQL's text of it."""
    finder = _Finder(scope, type_name, result)
    for array in list(tree.find_all(exp.Array)):
        if not _is_untyped(array):
            continue
        wanted = finder.wanted(array)
        if wanted is not None:
            cast = exp.Cast(this=array.copy(), to=wanted)
            tree = cast if array is tree else tree
            array.replace(cast)
    return tree


def cast_choices_of_strings(
    tree: Any, scope: Scope, type_name: TypeName, result: Optional[Union[SqlType, str]] = None
) -> None:
    """Cast the strings of choices between nothing but strings and NULLs to the type of the choice's place, if that is
    not the one of strings. Each string is cast on its own: then it is a constant, as generated columns demand."""
    finder = _Finder(scope, type_name, result)
    for choice in list(tree.find_all(exp.Case, exp.Coalesce, exp.If, exp.Anonymous)):
        parts = [part.unnest() for part in _alternatives(choice)]
        strings = [part for part in parts if isinstance(part, exp.Literal) and part.is_string]
        others = [part for part in parts if part not in strings and not isinstance(part, exp.Null)]
        if not strings or not all(map(_is_choice_of_strings, others)) or _stays_text(choice):
            continue
        wanted = finder.wanted(choice)
        if wanted is not None and (type_family(wanted) not in _TEXTS or _is_users_type(wanted)):
            for string in strings:
                string.replace(exp.Cast(this=string.copy(), to=wanted.copy()))


def _stays_text(choice: Any) -> bool:
    """Whether the place of a choice between strings takes it as text: what is joined to it, or the elements of an array
    that it is compared with, are strings in CockroachDB."""
    node = choice
    while isinstance(node.parent, (exp.Paren, exp.If)) or node.parent is not None and _alternatives(node.parent):
        node = node.parent
    place = node.parent
    return isinstance(place, exp.DPipe) or (
        isinstance(place, _COMPARED) and isinstance(_other(place, node), (exp.All, exp.Any))
    )


def _is_users_type(kind: Any) -> bool:
    """Whether it is an unconverted reference to a user's type, such as ``@100104``."""
    return isinstance(kind.args.get("kind"), exp.Var) and kind.args["kind"].name.startswith("@")


def _is_choice_of_strings(node: Any) -> bool:
    parts = [part.unnest() for part in _alternatives(node)]
    return bool(parts) and all(
        isinstance(part, exp.Null) or (isinstance(part, exp.Literal) and part.is_string) or _is_choice_of_strings(part)
        for part in parts
    )


def _is_untyped(node: Any) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Array):
        return all(_is_untyped(element) for element in node.expressions)
    return isinstance(node, (exp.Null, exp.Literal)) or isinstance(node, exp.Neg) and _is_untyped(node.this)


class _Finder:
    """Finds the types of places, as types in a tree."""

    def __init__(self, scope: Scope, type_name: TypeName, result: Optional[Union[SqlType, str]]) -> None:
        self.scope, self.type_name, self.result = scope, type_name, result

    def wanted(self, node: Any) -> Optional[Any]:
        """Return the type of the place of a node, None if the place has none."""
        parent = node.parent
        if parent is None:
            return named_type(self.result) if isinstance(self.result, str) else self._type(self.result)
        if isinstance(parent, exp.Paren):
            return self.wanted(parent)
        if isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case):
            return self._of_alternatives(parent.parent, node) if node.arg_key == "true" else None
        if isinstance(parent, (exp.Coalesce, exp.If, exp.Case)) or _name(parent) in OPERAND_TYPE:
            return self._of_alternatives(parent, node)
        if isinstance(parent, exp.DPipe):
            return self.wanted(parent) if _is_untyped(_other(parent, node)) else self._joined(_other(parent, node))
        if isinstance(parent, _COMPARED):
            other = _other(parent, node)
            return self.found(other) or _own_type(other)
        if isinstance(parent, (exp.Any, exp.All)):
            element = parent.parent.this
            return _array_of(self.found(element) or _own_type(element))
        if isinstance(parent, exp.In):
            return self.found(parent.this)
        if isinstance(parent, exp.Tuple):
            return self._inserted(parent, node)
        if _name(parent) in ARRAYS:
            return self._of_argument(parent, node) or self.wanted(parent)
        return None

    def _joined(self, other: Any) -> Optional[Any]:
        found = self.found(other) or _own_type(other)
        return found if _is_array(found) else _array_of(found)

    def _inserted(self, row: Any, node: Any) -> Optional[Any]:
        """Return the type of the column into which INSERT puts a value of a row."""
        insert = row.parent.parent if isinstance(row.parent, exp.Values) else None
        if not isinstance(insert, exp.Insert) or not isinstance(insert.this, exp.Schema):
            return None
        table, columns = insert.this.this, insert.this.expressions
        return self._type(self.scope.qualified.get((table.alias or table.name, columns[node.index].name)))

    def _of_argument(self, call: Any, node: Any) -> Optional[Any]:
        first, *others = call.expressions
        if node is not first:
            return self.found(first) if _name(call) == "array_cat" else None
        found = self.found(others[0]) if others else None
        return _array_of(found) if _name(call) in _ELEMENT_SECOND else found

    def _of_alternatives(self, choice: Any, node: Any) -> Optional[Any]:
        """Return the type of the first alternative that has one, else that of the place of the whole."""
        others = [part for part in _alternatives(choice) if part is not node]
        return _first(map(self.found, others)) or self.wanted(choice) or _first(map(_own_type, others))

    def found(self, node: Any) -> Optional[Any]:
        """Return the type of a node itself, None if it has none or it is not known."""
        node = node.unnest()
        if isinstance(node, exp.Cast):
            return node.args["to"].copy()
        if isinstance(node, exp.Column):
            return self._type(self.scope.find(node) or self._field(node.table, node.name))
        if isinstance(node, exp.Dot):
            return self._type(self._field(node.this.unnest().name, node.expression.name))
        if _is_untyped(node):
            return None
        parts = list(_alternatives(node)) or (node.expressions[:1] if _name(node) in ARRAYS else [])
        if parts:
            return _first(map(self.found, parts))
        return self._type(representative(family_of(node, self.scope)))

    def _field(self, row: str, name: str) -> Optional[SqlType]:
        """Return the type of a field of a row such as NEW, None if it is not known."""
        return self.scope.columns.get(f"{row}.{name}")

    def _type(self, kind: Optional[SqlType]) -> Optional[Any]:
        """Return a type in a tree; of a variable in PL/pgSQL only the family is known."""
        if kind is not None and not kind.oid:
            kind = representative(kind.family)
        if kind is None:
            return None
        made = named_type(self.type_name(kind))
        made.meta[RESULT_FAMILY] = declared_family(kind)
        return made


def _first(kinds: Iterable[Any]) -> Optional[Any]:
    return next((kind for kind in kinds if kind is not None), None)


def _other(operator: Any, operand: Any) -> Any:
    return operator.expression if operand is operator.this else operator.this


def _own_type(node: Any) -> Optional[Any]:
    """Return the type that PostgreSQL gives to constants, None for NULLs and what is empty."""
    if isinstance(node, exp.Array):
        return _array_of(_first(map(_own_type, node.expressions)))
    family = family_of(node, Scope())
    return named_type(_OF_CONSTANTS[family]) if family in _OF_CONSTANTS else None


def _name(node: Any) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def _alternatives(node: Any) -> Iterable[Any]:
    """Return the parts of which one is the result, none for a node that is no choice."""
    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if _name(node) in OPERAND_TYPE:
        return list(node.expressions)
    if isinstance(node, exp.If):
        return [part for part in (node.args.get("true"), node.args.get("false")) if part is not None]
    if isinstance(node, exp.Case):
        parts = [branch.args["true"] for branch in node.args["ifs"]]
        return [*parts, node.args["default"]] if node.args.get("default") is not None else parts
    return []


def _is_array(kind: Any) -> bool:
    return kind is not None and (
        kind.this == exp.DataType.Type.ARRAY or str(kind.meta.get(RESULT_FAMILY, "")).endswith("[]")
    )


def _array_of(kind: Any) -> Optional[Any]:
    """Return the type of arrays of a type."""
    if kind is None:
        return None
    return exp.DataType(this=exp.DataType.Type.ARRAY, expressions=[kind], nested=True)
