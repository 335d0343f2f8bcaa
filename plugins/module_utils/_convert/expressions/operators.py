# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Operators that PostgreSQL does not have or evaluates differently.

``converter`` is the one of expressions.py in every function; ``node`` is the operator, which is changed in place or
replaced by the returned node.
"""

from __future__ import annotations

from typing import Any, Callable

from ..._model.finding_codes import FindingCode
from . import function_calls, trees
from .trees import as_integer

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_TAKE_CONSTANTS = frozenset(("json", "bytes", "bit"))
"""Families to which || converts an untyped constant."""
_ORDERED_OTHERWISE = {
    "inet": "networks are ordered by their address, in CockroachDB by their mask first",
    "geometry": "geometries have another order",
    "geography": "geographies have another order",
}
_FRACTIONS = ({"interval", "float"}, {"interval", "decimal"})
"""Families of the operands of a product whose parts are rounded separately."""
_TIME_WORDS = frozenset(
    "hour hours min mins minute minutes sec secs second seconds millisecond milliseconds microsecond "
    "microseconds".split()
)


def _distance(converter: Any, node: Any) -> Any:
    converter.need("vector", "the distance of vectors")
    return node


def _limited(converter: Any, node: Any) -> Any:
    if node.args.get("limit") or node.args.get("order"):
        raise converter.refusal(
            f"{type(node).__name__.upper()} with ORDER BY or LIMIT has no counterpart in PostgreSQL"
        )
    return node


def _grouped(converter: Any, node: Any) -> Any:
    """Refuse labels of tuples, which only CockroachDB has."""
    if any(isinstance(part, exp.Alias) for part in (node.this, *node.expressions)):
        raise converter.refusal(f"a tuple with labels has no counterpart in PostgreSQL: {node.sql('postgres')}")
    return node


def _quantified(converter: Any, node: Any) -> Any:
    if not isinstance(node.this, (exp.Paren, exp.Subquery, exp.Select)):
        node.set("this", exp.Paren(this=node.this))
    return node


def _hexadecimal(converter: Any, node: Any) -> Any:
    return _bytes(node.name)


def _sum(converter: Any, node: Any) -> Any:
    """Days that are added to a date and positions taken out of JSON are 4-byte integers; INT2 and INT4 are added as
    INT8 in CockroachDB."""
    left, right = converter.family(node.this), converter.family(node.expression)
    if {left, right} in _FRACTIONS and not any(_is_time_of_day(side) for side in (node.this, node.expression)):
        converter.differs("fractions of months and days become other days and hours")
    if left in ("date", "json") and right == "int":
        node.set("expression", as_integer(node.expression))
    elif right == "date" and left == "int":
        node.set("this", as_integer(node.this))
    elif _is_narrow(converter, node.this) and _is_narrow(converter, node.expression) and not _is_sum(node.this):
        node.set("this", trees.cast(node.this, "bigint"))
    return node


def _is_sum(node: Any) -> bool:
    """Whether it becomes an INT8 by the same rule, if its operands are narrow."""
    return isinstance(node.unnest(), (exp.Add, exp.Sub, exp.Mul))


def _is_narrow(converter: Any, node: Any) -> bool:
    """Whether a value is INT2 or INT4; calculations are looked at once, since a chain would be walked again for each of
    its operators."""
    node = node.unnest()
    if isinstance(node, (exp.Neg, exp.Add, exp.Sub, exp.Mul)):
        if id(node) not in converter.narrow:
            # Without all(), as Python 3.12 counts calls from C and allows few of them.
            right = node.args.get("expression")
            is_narrow = _is_narrow(converter, node.this) and (right is None or _is_narrow(converter, right))
            converter.narrow[id(node)] = node, is_narrow
        return bool(converter.narrow[id(node)][1])
    if isinstance(node, exp.Literal):
        return bool(node.is_int)
    kind = converter.scope.find(node) if isinstance(node, exp.Column) else None
    return kind is not None and kind.family == "int" and kind.width in (16, 32)


def _position_in_json(converter: Any, node: Any) -> Any:
    if converter.family(node.expression) == "int":
        node.set("expression", as_integer(node.expression))
    return node


def _shift(converter: Any, node: Any) -> Any:
    if converter.family(node.this) != "inet" and converter.family(node.expression) in ("int", ""):
        node.set("expression", as_integer(node.expression))
    if _is_narrow(converter, node.this):
        node.set("this", trees.cast(node.this.copy(), "bigint"))
    return node


def _concatenation(converter: Any, node: Any) -> Any:
    """A string takes the text of anything else, which PostgreSQL writes otherwise for some types."""
    sides = [(key, converter.family(node.args[key])) for key in ("this", "expression")]
    if any(trees.is_null(node.args[key]) for key, _family in sides) and any(
        family.endswith("[]") for _key, family in sides
    ):
        raise converter.refusal("|| of an array and NULL is NULL in CockroachDB, and the array in PostgreSQL")
    if any(isinstance(node.args[key], exp.Literal) for key, _family in sides) and any(
        family in _TAKE_CONSTANTS for _key, family in sides
    ):
        return node
    if "string" not in [family for _key, family in sides]:
        return node
    for key, family in sides:
        if family == "uuid":
            raise converter.refusal("a string and a UUID make another text in PostgreSQL")
        if family not in ("string", "") and not family.endswith("[]"):
            node.set(key, exp.Cast(this=node.args[key].copy(), to=exp.DataType.build("text")))
    return node


def _substring(converter: Any, node: Any) -> Any:
    if node.args.get("start") is not None and converter.family(node.args["start"]) == "string":
        function_calls.check_pattern(node.args["start"], converter)
        function_calls.check_group(node.args["start"], "substring", converter)
        return node
    for part in ("start", "length"):
        if node.args.get(part) is not None and converter.family(node.args[part]) in ("int", ""):
            node.set(part, as_integer(node.args[part]))
    return node


def _overlay(converter: Any, node: Any) -> Any:
    for part in ("from_", "from", "for_", "for"):
        if isinstance(node.args.get(part), exp.Expression):
            node.set(part, as_integer(node.args[part]))
    return node


def _subscript(converter: Any, node: Any) -> Any:
    """Arrays begin at 1 on both sides; sqlglot counts from 0 unless it is told the offset."""
    node.set(
        "expressions", [as_integer(item) if converter.family(item) == "int" else item for item in node.expressions]
    )
    node.set("offset", 1)
    return node


def _comparison(converter: Any, node: Any) -> Any:
    for family in (converter.family(node.this), converter.family(node.expression)):
        if family in _ORDERED_OTHERWISE:
            converter.differs(_ORDERED_OTHERWISE[family])
        elif family.endswith("[]"):
            converter.differs("NULL in an array is greater than a value, in CockroachDB smaller")
    return node


def _pattern(converter: Any, node: Any) -> Any:
    """~ of geometries asks whether one's box contains the other's."""
    if "geometry" in (converter.family(node.this), converter.family(node.expression)):
        converter.need("postgis", "the type geometry")
        return node
    function_calls.check_pattern(node.expression, converter)
    return node


def _integer_division(converter: Any, node: Any) -> Any:
    families = {converter.family(node.this), converter.family(node.expression)}
    template = (
        "trunc(_0 / _1)"
        if "float" in families
        else "div(_0, _1)"
        if "decimal" in families
        else "_0 / _1"
        if families == {"int"}
        else ""
    )
    if not template:
        raise converter.refusal("// of operands whose types are not known has no safe counterpart in PostgreSQL")
    left, right = converter.convert(node.this), converter.convert(node.expression)
    if families == {"int"}:
        return exp.Div(this=left, expression=right, typed=True)
    return trees.filled(template, left, right)


def _modulo(converter: Any, node: Any) -> Any:
    if "float" in (converter.family(node.this), converter.family(node.expression)):
        raise converter.refusal("% of floats has no counterpart in PostgreSQL")
    return node


def _extract(converter: Any, node: Any) -> Any:
    return trees.call("date_part", exp.Literal.string(node.name.lower()), converter.convert(node.expression))


def _division(converter: Any, node: Any) -> Any:
    """Integers divided give a decimal in CockroachDB and an integer in PostgreSQL."""
    left, right = converter.family(node.this), converter.family(node.expression)
    if left in ("int", "decimal") and right in ("int", "decimal"):
        converter.differs("a quotient of decimals has another number of digits")
        if left == "int" or not isinstance(node.this.unnest(), (exp.Column, exp.Cast)):
            node.set("this", exp.Cast(this=exp.Paren(this=node.this), to=exp.DataType.build("decimal")))
    elif not left and not right or {left, right} == {"int", ""}:
        converter.context.find(FindingCode.DIVISION, converter.where)
    return node


def _conflict(converter: Any, node: Any) -> Any:
    """Drop the order of the keys of ON CONFLICT."""
    for item in node.args.get("conflict_keys") or []:
        if isinstance(item, exp.Ordered):
            item.replace(item.this)
    return node


def _is_time_of_day(node: Any) -> bool:
    """Whether the node is a constant interval of hours, minutes and seconds only (1-2 is a year and two months)."""
    text = trees.constant_text(node)
    if text is None or "-" in text.lstrip("+-"):
        return False
    return _TIME_WORDS.issuperset(
        "".join(character if character.isalpha() else " " for character in text.lower()).split()
    )


def _bytes(digits: str) -> Any:
    return exp.Cast(this=exp.Literal.string("\\x" + digits), to=trees.named_type("bytea"))


HANDLERS: dict[Any, Callable[[Any, Any], Any]] = (
    {}
    if exp is None
    else {
        exp.Add: _sum,
        exp.All: _quantified,
        exp.Any: _quantified,
        exp.BitwiseLeftShift: _shift,
        exp.BitwiseRightShift: _shift,
        exp.Bracket: _subscript,
        exp.Delete: _limited,
        exp.Distance: _distance,
        exp.Operator: _distance,
        exp.DPipe: _concatenation,
        exp.Div: _division,
        exp.Extract: _extract,
        exp.HexString: _hexadecimal,
        exp.IntDiv: _integer_division,
        exp.JSONExtract: _position_in_json,
        exp.JSONExtractScalar: _position_in_json,
        exp.Mod: _modulo,
        exp.Mul: _sum,
        exp.OnConflict: _conflict,
        exp.Overlay: _overlay,
        exp.RegexpILike: _pattern,
        exp.RegexpLike: _pattern,
        exp.SimilarTo: _pattern,
        exp.Paren: _grouped,
        exp.Sub: _sum,
        exp.Substring: _substring,
        exp.Tuple: _grouped,
        exp.Update: _limited,
        **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE), _comparison),
    }
)
"""The functions by the class of the node."""
