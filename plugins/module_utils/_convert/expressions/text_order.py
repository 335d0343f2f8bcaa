# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The order of text: CockroachDB compares strings by their bytes, PostgreSQL by the collation of the database.

``COLLATE "C"`` is put wherever the order decides what an object means: into comparisons, greatest(), least(), min(),
max() and ORDER BY. Equality is the same under every collation that a database can have. All functions work on
CockroachDB's tree, before it is converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional

from ..._model.conversion_policies import DATABASE
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName, list_by_table
from ..context import Context
from . import text_kinds
from .families import Scope
from .text_kinds import CONSTANT, TEXT, UNKNOWN, Kinds
from .trees import ADDED_COLLATION, bracketed, collate

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_BYTES, _DATABASE = "C", "default"
_EXTREMES = frozenset(("greatest", "least", "max", "min"))
_AROUND = () if exp is None else (exp.Filter, exp.IgnoreNulls, exp.Window)
"""What surrounds the call of an aggregate or window function."""
_TAKE_COLLATE = (
    ()
    if exp is None
    else (
        *(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between),
        *(exp.Alias, exp.Anonymous, exp.Distinct, exp.Ordered, exp.Paren, exp.Select, exp.Tuple),
    )
)
"""What takes an operand with COLLATE as it is."""
_SORTED = "sorted"
"""The alias of a query whose rows are sorted outside of it."""
_LIMITS = ("order", "limit", "offset", "fetch")


def keep_order_of_text(tree: Any, scope: Scope, context: Context, where: FullName) -> Any:
    """Return the tree with CockroachDB's order of text, as the policy wants it; an object whose meaning depends on the
    order is noted for ``report``."""
    if context.features.sorts_by_bytes:
        return tree
    collator = _Collator(Kinds(tree, scope, context))
    made = collator.collated(tree.copy())
    if collator.depends:
        context.depends_on_text_order[where] = context.depends_on_text_order.get(where, False) or collator.is_unclear
    return tree if context.options.policies.text_order == DATABASE else made


def report(context: Context) -> None:
    """Add the findings of a database that does not sort text by its bytes."""
    if context.features.sorts_by_bytes:
        return
    kept = []
    for where, is_unclear in context.depends_on_text_order.items():
        if context.options.policies.text_order == DATABASE:
            context.find(FindingCode.TEXT_ORDER, where)
        elif is_unclear:
            context.find(
                FindingCode.TEXT_ORDER,
                where,
                "It compares or sorts values whose types are not known, or which cannot have a collation. Text among "
                "them is compared by the database's collation, in CockroachDB by its bytes.",
                'Check what it compares; write COLLATE "C" after a text.',
            )
        else:
            kept.append(where)
    about = FullName("database", context.database.name)
    for code, names in (
        (FindingCode.TEXT_ORDER_KEPT, kept),
        (FindingCode.TEXT_ORDER_OF_QUERIES, context.text_indexes),
    ):
        if names:
            context.find(code, about, f"{code.meaning} These are: {list_by_table(names)}.")


class _Collator:
    """Puts the collations into one tree; ``depends``: its meaning depends on the order of text."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.depends = self.is_unclear = False

    def collated(self, tree: Any) -> Any:
        """Return the tree, which is changed, with its collations."""
        holder = exp.Paren(this=tree)
        # The inner ones first: an operand that has got a collation needs the one of its comparison, too.
        for node in reversed(list(tree.walk())):
            handler = _HANDLERS.get(type(node))
            if handler is not None:
                handler(self, node)
        return holder.this.pop()

    def comparison(self, node: Any) -> None:
        """Collate a side of <, <=, > or >=."""
        self._compare([node.this, node.expression])

    def between(self, node: Any) -> None:
        """Collate the value that is compared with both bounds."""
        self._compare([node.this, node.args["low"], node.args["high"]])

    def _compare(self, operands: Sequence[Any]) -> None:
        """Collate the first operand, part by part if it is a tuple, where all of them are text."""
        tuples = [operand.expressions for operand in map(_unnested, operands) if isinstance(operand, exp.Tuple)]
        if not tuples:
            self._collate_one(operands)
        elif len(tuples) == len(operands):
            for parts in zip(*tuples):
                self._compare(parts)
        else:
            for part in tuples[0]:
                self._compare([part])

    def _collate_one(self, operands: Sequence[Any]) -> bool:
        """Collate the first operand if they are text, and others that have a collation; return whether they are."""
        kind = self._kind(operands)
        if kind != TEXT:
            return False
        first = next((item for item in operands if self.kinds.of(item) in (TEXT, CONSTANT)), operands[0])
        if isinstance(first, (exp.All, exp.Any)):
            first = operands[0]
        for operand in operands:
            if operand is first or _has_added_collation(operand):
                _put(operand, _BYTES)
        return True

    def _kind(self, operands: Iterable[Any]) -> str:
        kind = self.kinds.joined(operands)
        if kind == CONSTANT:
            kind = TEXT
        self._note(kind)
        return kind

    def _note(self, kind: str) -> None:
        self.depends = self.depends or kind in (TEXT, UNKNOWN)
        self.is_unclear = self.is_unclear or kind == UNKNOWN

    def extreme(self, node: Any) -> None:
        """Collate an argument of greatest(), least(), min() or max(); the result keeps the database's collation, by
        which lower() and the like know the case of letters."""
        if node.name.lower() not in _EXTREMES or not node.expressions:
            return
        distinct = node.expressions[0] if isinstance(node.expressions[0], exp.Distinct) else None
        if self._collate_one(list((distinct or node).expressions)):
            _restore(node)

    def aggregate(self, node: Any) -> None:
        """Collate the argument of an aggregate with DISTINCT like its ORDER BY, which has to be the same."""
        if isinstance(node.this, exp.Distinct) and any(_has_added_collation(item) for item in node.expressions):
            for argument in list(node.this.expressions):
                if self.kinds.of(argument) == TEXT:
                    _put(argument, _BYTES)
            _restore(node.parent)

    def key(self, node: Any) -> None:
        """Collate a key of an ORDER BY inside of a function call or a window."""
        order = node.parent
        if not isinstance(order.parent, exp.Query):
            self._collate_key(node, node.this)

    def _collate_key(self, node: Any, value: Any) -> None:
        if self.kinds.of(value) != CONSTANT and self._kind([value]) == TEXT:
            node.set("this", collate(bracketed(value.copy()), _BYTES))

    def query(self, node: Any) -> None:
        """Collate the keys of a query's ORDER BY."""
        order = node.args.get("order")
        if order is None:
            return
        outputs, distinct = text_kinds.outputs(node), node.args.get("distinct")
        keys = [(key, _output(key.this, outputs)) for key in order.expressions]
        if not isinstance(node, exp.Select) or distinct is not None and distinct.args.get("on") is None:
            self._sort_outside(node, keys)
            return
        on = distinct.args["on"].expressions if distinct is not None else []
        for key in on:
            found = _output(key, outputs)
            value = outputs[found].unalias() if found is not None else key
            if self.kinds.of(value) == TEXT:
                key.replace(collate(bracketed(value.copy()), _BYTES))
        for ordered, found in keys:
            self._collate_key(ordered, outputs[found].unalias() if found is not None else ordered.this)

    def _sort_outside(self, query: Any, keys: list[tuple[Any, Optional[int]]]) -> None:
        """Sort the rows of a query with DISTINCT or of a set operation in a query around it: its own ORDER BY may have
        no expressions but those that it returns."""
        outputs = text_kinds.outputs(query)
        numbered = [(key, found) for key, found in keys if found is not None]
        if len(numbered) < len(keys):
            self._note(UNKNOWN)
            return
        kinds = [self._kind([outputs[found]]) for _key, found in numbered]
        if TEXT not in kinds:
            return
        names = {found: _named(outputs[found]) for _key, found in numbered}
        for (key, found), kind in zip(numbered, kinds):
            column = exp.column(names[found].copy(), table=exp.to_identifier(_SORTED, quoted=True))
            key.set("this", collate(column, _BYTES) if kind == TEXT else column)
        outside = exp.Select(expressions=[exp.Star()])
        for part in _LIMITS:
            outside.set(part, query.args.get(part))
        query.replace(outside)
        for part in _LIMITS:
            query.set(part, None)
        alias = exp.TableAlias(this=exp.to_identifier(_SORTED, quoted=True))
        outside.set("from_", exp.From(this=exp.Subquery(this=query, alias=alias)))


_HANDLERS: dict[Any, Callable[[_Collator, Any], None]] = (
    {}
    if exp is None
    else {
        exp.Anonymous: _Collator.extreme,
        exp.Between: _Collator.between,
        exp.Order: _Collator.aggregate,
        exp.Ordered: _Collator.key,
        **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE), _Collator.comparison),
        **dict.fromkeys((exp.Select, exp.Subquery, exp.Union, exp.Intersect, exp.Except), _Collator.query),
    }
)


def _unnested(node: Any) -> Any:
    return node.unnest()


def _has_added_collation(node: Any) -> bool:
    return any(item.meta.get(ADDED_COLLATION) for item in node.find_all(exp.Collate))


def _put(node: Any, collation: str) -> None:
    """Put a collation after a node, in its place; in parentheses where PostgreSQL's grammar has a b_expr, which knows
    no COLLATE, such as a bound of BETWEEN."""
    made = collate(exp.Null(), collation)
    node.replace(made if isinstance(node.parent, _TAKE_COLLATE) and node.arg_key != "low" else exp.Paren(this=made))
    made.set("this", bracketed(node))


def _restore(call: Any) -> None:
    """Give the result of a call the database's collation again."""
    while isinstance(call.parent, _AROUND) and call.arg_key == "this":
        call = call.parent
    _put(call, _DATABASE)


def _output(key: Any, outputs: Sequence[Any]) -> Optional[int]:
    """Return the number of the output by which a key sorts: by its number, its name, or as the same expression."""
    key = key.unnest()
    if isinstance(key, exp.Literal) and key.is_int:
        return int(key.name) - 1 if 0 < int(key.name) <= len(outputs) else None
    for number, output in enumerate(outputs):
        plain = isinstance(key, exp.Column) and not key.table
        if plain and output.alias_or_name == key.name or output.unalias() == key:
            return number
    return None


def _named(output: Any) -> Any:
    """Return the name of an output; one that has none gets that which it would have."""
    if isinstance(output, exp.Alias):
        return output.args["alias"]
    if isinstance(output, exp.Column):
        return output.this
    name = exp.to_identifier(output.name.lower() if isinstance(output, exp.Anonymous) else "?column?", quoted=True)
    output.replace(exp.Alias(this=output.copy(), alias=name))
    return name
