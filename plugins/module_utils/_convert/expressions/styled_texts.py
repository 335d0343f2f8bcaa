# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Conversions between texts and times whose style does not depend on the session: ``to_char(x)``, ``parse_date(x)`` and
the like. Upgrades to v22.1 write them in the place of casts (CockroachDB's pkg/sql/catalog/tabledesc,
ResolveCastForStyleUsingVisitor).

``converter`` is the one of expressions.py in every function.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from . import trees
from .added_functions import styled_cast

_DEFAULT_ORDER, _DEFAULT_STYLE = "MDY", "postgres"
_ORDERS = {"MDY": "MDY", "DMY": "DMY", "YMD": "YMD", "US": "MDY", "NONEURO": "MDY", "EURO": "DMY"}
_DATES = ("date", "timestamp", "time", "timetz")
_INTERVAL_STYLES = (_DEFAULT_STYLE, "iso_8601")
"""PostgreSQL gives the third, sql_standard, other signs."""


def _to_char(node: Any, name: str, family: str, converter: Any) -> Optional[Any]:
    """One argument is written as a cast to STRING does it."""
    return _text(node.expressions[0], converter) if len(node.expressions) == 1 else None


def _text(value: Any, converter: Any) -> Any:
    return converter.convert(trees.exp.Cast(this=value.copy(), to=trees.exp.DataType.build("text")))


def _to_char_with_style(node: Any, name: str, family: str, converter: Any) -> Any:
    value, style = node.expressions
    if family != "interval":
        _order(style, name, converter)
        return _text(value, converter)
    chosen = _interval_style(style, name, converter)
    if chosen == _DEFAULT_STYLE:
        return _text(value, converter)
    types, setting = ("interval", "text", "string"), ("IntervalStyle", chosen)
    return styled_cast(f"to_char_{chosen}", converter.convert(value), types, setting, converter.context)


def _parse_date(node: Any, name: str, family: str, converter: Any) -> Any:
    """Read a date or time in the given order of day, month and year."""
    kind = name[len("parse_") :]
    value = converter.convert(node.expressions[0])
    order = _order(node.expressions[1], name, converter) if len(node.expressions) > 1 else _DEFAULT_ORDER
    if order == _DEFAULT_ORDER:
        return trees.filled(f"CAST(_0 AS {kind})", value)
    types = ("text", kind, kind)
    return styled_cast(f"{name}_{order.lower()}", value, types, ("DateStyle", f"ISO, {order}"), converter.context)


def _parse_interval(node: Any, name: str, family: str, converter: Any) -> Any:
    """Read an interval; PostgreSQL recognises both styles whatever IntervalStyle says."""
    if len(node.expressions) > 1:
        _interval_style(node.expressions[1], name, converter)
    return trees.filled("CAST(_0 AS interval)", converter.convert(node.expressions[0]))


def _order(style: Any, name: str, converter: Any) -> str:
    """Return the order of day, month and year in a DateStyle. Raises UnsupportedError for other styles than ISO, which
    CockroachDB does not accept either, and for one that is computed."""
    words = [word.strip().upper() for word in (trees.constant_text(style) or "?").split(",")]
    if any(word != "ISO" and word not in _ORDERS for word in words):
        raise converter.refusal(f"{name}() with the style {style.sql('postgres')} has no counterpart in PostgreSQL")
    return next((_ORDERS[word] for word in words if word in _ORDERS), _DEFAULT_ORDER)


def _interval_style(style: Any, name: str, converter: Any) -> str:
    chosen = (trees.constant_text(style) or "").lower()
    if chosen not in _INTERVAL_STYLES:
        raise converter.refusal(f"{name}() with the style {style.sql('postgres')} has no counterpart in PostgreSQL")
    return chosen


HANDLERS: dict[str, Callable[[Any, str, str, Any], Any]] = {
    "to_char": _to_char,
    "to_char_with_style": _to_char_with_style,
    "parse_interval": _parse_interval,
    **{f"parse_{kind}": _parse_date for kind in _DATES},
}
"""The functions by CockroachDB's name."""
