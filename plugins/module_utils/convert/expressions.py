# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""CockroachDB's expressions and queries as PostgreSQL text."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ..catalog.model import USER_TYPE_OID_BASE, SqlType, UserType
from ..errors import UnsupportedError
from . import functions
from .context import Context
from .dialect import generate, parse
from .names import clip, quote

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_SEQUENCE_FUNCTIONS = frozenset(("nextval", "currval", "setval"))
_ROW_ID_FUNCTIONS = frozenset(("unique_rowid", "unordered_unique_rowid"))


@dataclass
class Expression:
    """A converted expression: its PostgreSQL text and its tree."""

    sql: str
    tree: Any


@dataclass
class _Converter:
    context: Context
    where: str
    columns: dict[str, SqlType] = field(default_factory=dict)
    row_id: Optional[Callable[[], str]] = None
    """Gives the quoted name of a sequence that stands for unique_rowid()."""

    def node(self, node: Any) -> Any:
        if isinstance(node, exp.Cast):
            return self._cast(node)
        if isinstance(node, exp.HexString):
            return _bytes(node.name)
        if isinstance(node, exp.Anonymous):
            return self._function(node)
        if isinstance(node, exp.DataType):
            return self._type(node)
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Column) and node.args.get("catalog"):
            node.set("catalog", None)
        elif isinstance(node, exp.Collate) and isinstance(node.expression, (exp.Var, exp.Identifier, exp.Column)):
            return self._collate(node)
        elif isinstance(node, (exp.Any, exp.All)) and not isinstance(node.this, (exp.Paren, exp.Subquery, exp.Select)):
            node.set("this", exp.Paren(this=node.this))
        elif self._takes_integer(node) and self._is_integer(node.expression):
            node.set("expression", _as_integer(node.expression))
        elif isinstance(node, exp.Substring):
            for part in ("start", "length"):
                if node.args.get(part) is not None:
                    node.set(part, _as_integer(node.args[part]))
        elif isinstance(node, exp.Div):
            return self._division(node)
        elif isinstance(node, exp.IntDiv) and self._is_integer(node.this) and self._is_integer(node.expression):
            return exp.Div(this=_transform(node.this, self), expression=_transform(node.expression, self), typed=True)
        return node

    def _takes_integer(self, node: Any) -> bool:
        """Tell whether PostgreSQL wants an integer of 4 bytes on the right: positions in JSON, days added to a date."""
        return isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)) or (isinstance(node, (exp.Add, exp.Sub)) and self._is_date(node.this))

    def _cast(self, node: Any) -> Any:
        target = node.args["to"]
        if isinstance(target, exp.DataType) and _type_oid(target):
            return self._user_type_cast(node, _type_oid(target))
        if target.name.upper() == "REGCLASS" and isinstance(node.this, exp.Literal):
            return _regclass(self._sequence(node.this))
        return node

    def _user_type_cast(self, node: Any, oid: int) -> Any:
        array = next((item for item in self.context.database.types if item.array_type_id and item.array_type_id == oid - USER_TYPE_OID_BASE), None)
        user_type = array or self.context.user_type_of_oid(oid, self.where)
        value = node.this
        if isinstance(value, exp.HexString):
            value = exp.Literal.string(_label(user_type, value.name, self.where))
        else:
            value = _transform(value, self)
        return exp.Cast(this=value, to=_named_type(self.context.qualified(user_type) + ("[]" if array else "")))

    def _sequence(self, value: Any) -> str:
        if not value.is_string:
            sequence = self.context.sequences.get(int(value.name))
            if sequence is None:
                raise UnsupportedError(f"{self.where}: the sequence with the id {value.name} is not in the backup")
            return self.context.qualified(sequence)
        parts = [part.name for part in exp.to_table(value.name, dialect="postgres").parts]
        if len(parts) == 3 and parts[0] != self.context.database.name:
            raise UnsupportedError(f"{self.where}: the sequence {value.name} is in another database")
        schema, name = ("public", *parts)[-2:] if len(parts) < 3 else parts[-2:]
        return quote(schema, name)

    def _function(self, node: Any) -> Any:
        name = node.name.lower()
        if name in _ROW_ID_FUNCTIONS and self.row_id is not None:
            return exp.Anonymous(this="nextval", expressions=[_regclass(self.row_id())])
        if name in functions.KEYWORDS and not node.expressions:
            return exp.Var(this=functions.KEYWORDS[name])
        if name in _SEQUENCE_FUNCTIONS and node.expressions:
            return self._sequence_function(node, name)
        renamed = functions.RENAMED.get(name, name)
        if renamed not in functions.IMMUTABLE and renamed not in functions.OTHER:
            raise UnsupportedError(f"{self.where}: the function {name} has no known counterpart in PostgreSQL")
        node.set("this", renamed)
        for position in functions.INTEGER_ARGUMENTS.get(renamed, ()):
            if position < len(node.expressions):
                node.expressions[position].replace(_as_integer(node.expressions[position]))
        return node

    def _sequence_function(self, node: Any, name: str) -> Any:
        """The sequence is named by a literal, with a type or without; a converted one already is a text cast to regclass."""
        value = node.expressions[0]
        while isinstance(value, (exp.Cast, exp.Paren)) and not _is_regclass(value):
            value = value.this
        if isinstance(value, exp.Literal):
            node.set("expressions", [_regclass(self._sequence(value)), *node.expressions[1:]])
        elif not _is_regclass(value):
            raise UnsupportedError(f"{self.where}: {name} of a sequence that is not named by a constant")
        node.set("this", name)
        return node

    def _type(self, node: Any) -> Any:
        oid = _type_oid(node)
        if oid:
            return _named_type(self.context.qualified(self.context.user_type_of_oid(oid, self.where)))
        if node.this == exp.DataType.Type.TEXT and node.expressions:
            node.set("this", exp.DataType.Type.VARCHAR)
        elif node.this == exp.DataType.Type.JSON:
            node.set("this", exp.DataType.Type.JSONB)
        elif node.this in (exp.DataType.Type.GEOMETRY, exp.DataType.Type.GEOGRAPHY) and not self.context.use_extension("postgis"):
            raise UnsupportedError(f"{self.where}: it needs the type {node.sql()}, and the server does not have the extension postgis")
        return node

    def _table(self, node: Any) -> Any:
        catalog = node.args.get("catalog")
        if catalog is not None:
            if catalog.name != self.context.database.name:
                raise UnsupportedError(f"{self.where}: it reads the other database {catalog.name}")
            node.set("catalog", None)
        return node

    def _collate(self, node: Any) -> Any:
        collation = self.context.collation(node.expression.name, self.where)
        if not collation:
            return _transform(node.this, self)
        node.set("expression", exp.Var(this=collation))
        return node

    def _division(self, node: Any) -> Any:
        """Integers divided give a decimal in CockroachDB and an integer in PostgreSQL."""
        if self._is_integer(node.this) and self._is_integer(node.expression):
            node.set("this", exp.Cast(this=exp.Paren(this=node.this), to=exp.DataType.build("decimal")))
        elif not self._is_known(node.this) and not self._is_known(node.expression):
            self.context.find(
                "division", "warning", self.where, "A division: of two integers it gives a decimal in CockroachDB, but is cut to an integer in PostgreSQL.",
                "Check the expression's operands; cast one to numeric where they are integers.",
            )
        return node

    def _is_date(self, node: Any) -> bool:
        node = node.unnest()
        if isinstance(node, exp.Cast):
            return bool(node.args["to"].this == exp.DataType.Type.DATE)
        return isinstance(node, exp.Column) and node.name in self.columns and self.columns[node.name].family == "date"

    def _is_known(self, node: Any) -> bool:
        node = node.unnest()
        return isinstance(node, (exp.Cast, exp.Literal)) or (isinstance(node, exp.Column) and node.name in self.columns)

    def _is_integer(self, node: Any) -> bool:
        node = node.unnest()
        if isinstance(node, exp.Neg):
            return self._is_integer(node.this)
        if isinstance(node, exp.Cast):
            return node.args["to"].this in exp.DataType.INTEGER_TYPES
        if isinstance(node, exp.Literal):
            return bool(node.is_int)
        if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Mod)):
            return self._is_integer(node.this) and self._is_integer(node.expression)
        return isinstance(node, exp.Column) and node.name in self.columns and self.columns[node.name].family == "int"


def convert(
    text: str, context: Context, where: str, columns: Optional[dict[str, SqlType]] = None, row_id: Optional[Callable[[], str]] = None,
) -> Expression:
    """Return an expression or a query in PostgreSQL's SQL.

    ``columns`` gives the types of the table's columns, so that integer division keeps its meaning. ``row_id``
    is called when the text has unique_rowid() and names the sequence to draw from. Raises UnsupportedError,
    naming ``where``, for text or a function that has no known counterpart.
    """
    converter = _Converter(context, where, columns or {}, row_id)
    tree = parse(text, where)
    tree = _transform(tree, converter)
    return Expression(generate(tree), tree)


def _transform(tree: Any, converter: _Converter) -> Any:
    """Visit the tree from the outside in; what replaces a part is not visited again."""
    return tree.transform(converter.node)


def _type_oid(node: Any) -> int:
    kind = node.args.get("kind")
    if isinstance(kind, exp.Var) and kind.name.startswith("@"):
        return int(kind.name[1:])
    return 0


def _as_integer(node: Any) -> Any:
    """A constant goes without its INT8, anything else is cast."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast) and isinstance(inner.this, exp.Literal) and not inner.this.is_string:
        return inner.this
    if isinstance(inner, exp.Literal):
        return inner
    return exp.Cast(this=node.copy(), to=_named_type("integer"))


def _named_type(name: str) -> Any:
    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=exp.Var(this=name))


def _is_regclass(node: Any) -> bool:
    return isinstance(node, exp.Cast) and node.args["to"].name.upper() == "REGCLASS"


def _regclass(name: str) -> Any:
    return exp.Cast(this=exp.Literal.string(name), to=_named_type("regclass"))


def _bytes(digits: str) -> Any:
    return exp.Cast(this=exp.Literal.string("\\x" + digits), to=_named_type("bytea"))


def _label(user_type: UserType, physical: str, where: str) -> str:
    for member in user_type.members:
        if member.physical == physical.lower():
            return member.name
    raise UnsupportedError(f"{where}: the enum {user_type.name} has no value x'{physical}'")


def column_types(columns: Any) -> dict[str, SqlType]:
    """Return name to type, for convert()."""
    return {clip(column.name): column.type for column in columns}
