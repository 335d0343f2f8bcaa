# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Replacements of CockroachDB's unique_rowid() and unordered_unique_rowid() that return numbers of the same form."""

from __future__ import annotations

from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import literal, quote
from .context import Context
from .definitions import RoutineDefinition, SequenceDefinition
from .statements import Subject

ROW_ID_FUNCTIONS = frozenset(("unique_rowid", "unordered_unique_rowid"))

_SCHEMA = "public"
_UNORDERED = "unordered_unique_rowid"
_EPOCH = 1420070400
"""2015-01-01 in seconds of Unix time."""
_UNITS = 100000
"""Units of ten microseconds in a second."""
_TIME_BITS, _NUMBER_BITS = 48, 15


def row_id_function(name: str, context: Context, where: FullName) -> str:
    """Return the quoted name of the replacement in PostgreSQL, with a finding about ``where``; the function is created
    on first use.

    The upper 48 bits of a number are the time. CockroachDB fills the lower 15 with the node's id; here they are the
    next number of a cycling sequence, which keeps numbers of the same moment apart. For unordered_unique_rowid() the
    bits of the time are reversed.
    """
    if name not in context.row_id_functions:
        units = f"CAST(floor((EXTRACT(epoch FROM pg_catalog.clock_timestamp()) - {_EPOCH}) * {_UNITS}) AS bigint)"
        if name == _UNORDERED:
            bits = f"bit({_TIME_BITS})"
            units = f"CAST(CAST(pg_catalog.reverse(CAST(CAST({units} AS {bits}) AS text)) AS {bits}) AS bigint)"
        function = context.scope.unique_function(_SCHEMA, name)
        # The body is read once, when the function is made. Who may insert rows need not have a right to the sequence.
        body = f"RETURN ({units} << {_NUMBER_BITS}) | pg_catalog.nextval({literal(_sequence(context))})"
        made = RoutineDefinition("FUNCTION", "", "RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER", body)
        context.conversion.add(
            "function", Subject("function", function, _SCHEMA), made.create(quote(_SCHEMA, function)), expects=made
        )
        context.row_id_functions[name] = quote(_SCHEMA, function)
    context.find(
        FindingCode.UNIQUE_ROWID,
        where,
        f"{name}() becomes a call of {context.row_id_functions[name]}, whose numbers are of the same kind.",
        "Note that the numbers hold the time; their lowest bits come from a sequence, where CockroachDB has the node's "
        "id.",
    )
    return context.row_id_functions[name]


def _sequence(context: Context) -> str:
    if not context.row_id_sequence:
        name = context.scope.unique(_SCHEMA, "unique_rowid_seq")
        context.row_id_sequence = quote(_SCHEMA, name)
        made = SequenceDefinition(f"AS integer MINVALUE 0 MAXVALUE {2**_NUMBER_BITS - 1} START WITH 0 CYCLE")
        context.conversion.add(
            "sequence", Subject("sequence", name, _SCHEMA), made.create(context.row_id_sequence), expects=made
        )
    return context.row_id_sequence
