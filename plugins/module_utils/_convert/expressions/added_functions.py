# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Calls of functions that PostgreSQL lacks: each is created in the schema public, under CockroachDB's name, when an
expression first calls it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Optional

from ..._errors import UnsupportedError
from ..._model.conversion_policies import UUID
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from ..._model.names import quote
from ..context import Context
from ..statements import WRITTEN_FUNCTION, Subject
from . import trees
from .written_functions import WrittenFunction, key_function, under_setting, written_function

_SCHEMA = "public"
_ULID, _KEYS = "gen_random_ulid", "datums_to_bytes"


def added_call(node: Any, name: str, family: str, converter: Any) -> Optional[Any]:
    """Return the call of the function that is created for CockroachDB's, None if there is none for these arguments.

    ``family`` is that of the first argument; ``converter`` is the one of expressions.py.
    """
    context = converter.context
    if name == _ULID and context.options.policies.gen_random_ulid == UUID:
        return trees.call("gen_random_uuid")
    made = written_function(name, family, len(node.expressions), context.features.major)
    return _call(name, made, [converter.convert(argument) for argument in node.expressions], context) if made else None


@contextlib.contextmanager
def functions_of_one_expression(context: Context) -> Iterator[None]:
    """Take the functions back that were added inside the block if the expression that calls them is refused."""
    forms, conversion = set(context.added_forms), context.conversion
    statements, findings = len(conversion.statements), len(conversion.findings)
    try:
        yield
    except UnsupportedError:
        context.added_forms = forms
        conversion.statements[statements:] = [
            item for item in conversion.statements[statements:] if item.step != WRITTEN_FUNCTION
        ]
        conversion.findings[findings:] = [
            item for item in conversion.findings[findings:] if item.code != FindingCode.COCKROACH_FUNCTION
        ]
        raise


def encoded_key(node: Any, converter: Any) -> Any:
    """Return what stands for crdb_internal.datums_to_bytes(): the encoded values, one after the other.

    Raises UnsupportedError for types whose values are not encoded here.
    """
    families = [converter.family(argument) for argument in node.expressions]
    functions = [key_function(family) for family in families]
    if None in functions:
        unknown = families[functions.index(None)] or "an unknown type"
        raise converter.refusal(f"crdb_internal.{_KEYS}() of {unknown} has no counterpart in PostgreSQL")
    parts = [
        _call(_KEYS, made, [converter.convert(argument)], converter.context)
        for made, argument in zip(functions, node.expressions)
        if made
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = trees.exp.DPipe(this=joined, expression=part)
    return trees.exp.Paren(this=joined) if len(parts) > 1 else joined


def styled_cast(name: str, value: Any, types: tuple[str, str, str], setting: tuple[str, str], context: Context) -> Any:
    """Return a cast that does not depend on the session: the call of a function of this name. ``types``: the value's
    and the result's in SQL, and the result's family; ``setting``: DateStyle or IntervalStyle, and its value."""
    return _call(name, under_setting(*types, *setting), [value], context)


def _call(name: str, made: WrittenFunction, arguments: list[Any], context: Context) -> Any:
    return trees.added_call(_quoted_name(name, made, context), arguments, made.family, made.is_immutable)


def _quoted_name(name: str, made: WrittenFunction, context: Context) -> str:
    """Return the function's quoted name; it is created on first use. Forms for other arguments have the same name."""
    if name not in context.added_functions:
        context.added_functions[name] = context.scope.unique_function(_SCHEMA, name)
    bare, definition = context.added_functions[name], made.definition()
    if name not in {known for known, _parameters in context.added_forms}:
        where = FullName("function", context.database.name, _SCHEMA, name=bare)
        context.find(FindingCode.COCKROACH_FUNCTION, where)
    if (name, made.parameters) not in context.added_forms:
        context.added_forms.add((name, made.parameters))
        sql = definition.create(quote(_SCHEMA, bare))
        context.conversion.add(WRITTEN_FUNCTION, Subject("function", bare, _SCHEMA), sql, expects=definition)
    return quote(_SCHEMA, bare)
