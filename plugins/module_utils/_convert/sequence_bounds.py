# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Sequences whose bounds exceed PostgreSQL's integer types.

CockroachDB's sequences count in 64 bits, whatever type they are declared AS and whatever the type of their identity
column is. In PostgreSQL a sequence has a type, that of the column for an identity column, and bounds outside of the
type are refused (init_params in sequence.c).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from .._model.catalog import Column, Database, Sequence
from .._model.catalog_names import full_names
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName

_BITS = {21: 16, 23: 32}
"""Number of bits by the oid of an integer type; other types have 64."""
_OIDS = {"INT2": 21, "SMALLINT": 21, "INT4": 23}
_NAMES = {16: "smallint", 32: "integer", 64: "bigint"}


def fit_sequences(database: Database) -> tuple[Database, list[Finding]]:
    """Return the database with sequences that PostgreSQL accepts, and a finding for each that was changed.

    The sequence of an identity column gets bounds within the column's type; if no value is left, or if the column's
    type is a domain, which PostgreSQL does not allow for identity columns, the column gets an ordinary sequence as its
    default. A sequence that does not fit the type it is declared AS becomes bigint.
    """
    sequences = {sequence.id: sequence for sequence in database.sequences}
    names = full_names(database)
    findings: list[Finding] = []
    columns: dict[int, list[Column]] = {}
    identities: set[int] = set()
    for table in database.tables:
        columns[table.id] = list(table.columns)
        for position, column in enumerate(table.columns):
            sequence = identity_sequence(column, sequences) if column.identity else None
            if sequence is None:
                continue
            fitted = _fitted(sequence, _BITS.get(column.type.oid, 64))
            if fitted is None or column.type.domain_id:
                columns[table.id][position] = replace(column, identity="")
                findings.append(_omitted(names[table.id].column_named(column.name), column))
                continue
            identities.add(sequence.id)
            sequences[sequence.id] = fitted
            findings += _changes(sequence, fitted, names[sequence.id], column)
    for sequence in database.sequences:
        if sequence.id not in identities:
            sequences[sequence.id] = made = _declared(sequence)
            if made.start != sequence.start:
                findings.append(_other_start(names[sequence.id], sequence, made))
            if made.integer_type != sequence.integer_type:
                findings.append(
                    Finding.of(
                        FindingCode.SEQUENCE_TYPE,
                        names[sequence.id],
                        f"The sequence becomes a bigint one: its bounds go beyond its type {sequence.integer_type}.",
                    )
                )
    tables = [
        table if columns[table.id] == table.columns else replace(table, columns=columns[table.id])
        for table in database.tables
    ]
    return replace(database, sequences=list(sequences.values()), tables=tables), findings


def identity_sequence(column: Column, sequences: dict[int, Sequence]) -> Optional[Sequence]:
    """Return the sequence of an identity column."""
    for sequence_id in [*column.owns_sequence_ids, *column.uses_sequence_ids]:
        if sequence_id in sequences:
            return sequences[sequence_id]
    return None


def _declared(sequence: Sequence) -> Sequence:
    """Return the sequence with its declared type, or as bigint if its bounds exceed that type."""
    bits = _BITS.get(_OIDS.get(sequence.integer_type.upper(), 0), 64)
    fitted = _fitted(sequence, bits)
    if fitted is not None and (fitted.minimum, fitted.maximum) == (sequence.minimum, sequence.maximum):
        return fitted
    return replace(_fitted(sequence, 64) or sequence, integer_type="" if bits < 64 else sequence.integer_type)


def _fitted(sequence: Sequence, bits: int) -> Optional[Sequence]:
    """Return the sequence with bounds within a type; None if no value is left. PostgreSQL requires at least two values:
    a single one gets a neighbour that is never reached."""
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    minimum, maximum = max(sequence.minimum, lowest), min(sequence.maximum, highest)
    if minimum > maximum:
        return None
    start = min(max(sequence.start, minimum), maximum)
    if minimum == maximum:
        below = minimum > lowest and (sequence.increment > 0 or maximum == highest)
        minimum, maximum = (minimum - 1, maximum) if below else (minimum, maximum + 1)
    return replace(sequence, minimum=minimum, maximum=maximum, start=start)


def _changes(sequence: Sequence, fitted: Sequence, name: FullName, column: Column) -> list[Finding]:
    """Return the changed bounds of an identity column's sequence in words, and whether the sequence is exhausted."""
    options = (
        ("MINVALUE", sequence.minimum, fitted.minimum),
        ("MAXVALUE", sequence.maximum, fitted.maximum),
        ("START", sequence.start, fitted.start),
    )
    changed = [f"{option} {after} instead of {before}" for option, before, after in options if before != after]
    if not changed:
        return []
    following = None if sequence.value is None else sequence.value + sequence.increment
    ended = (
        following is not None
        and sequence.minimum <= following <= sequence.maximum
        and not fitted.minimum <= following <= fitted.maximum
    )
    bits = _BITS.get(column.type.oid, 64)
    message = (
        f"The sequence's bounds are those of the column {column.name}, which is {_NAMES[bits]}: {', '.join(changed)}."
    )
    if ended:
        message += (
            f" Its next value {following} lies outside: the sequence is at its end, as no such value fits into the "
            "column in CockroachDB either."
        )
    advice = "Make the column bigint, in CockroachDB or later, if it needs more values." if ended else ""
    return [
        Finding.of(
            FindingCode.SEQUENCE_BOUNDS,
            name,
            message,
            advice,
            severity="warning" if ended or sequence.start != fitted.start else "info",
        )
    ]


def _other_start(name: FullName, sequence: Sequence, made: Sequence) -> Finding:
    return Finding.of(
        FindingCode.SEQUENCE_BOUNDS,
        name,
        f"The sequence starts at {made.start} instead of {sequence.start}, which lies outside of its bounds.",
        "Set its value with setval() if it is to begin elsewhere.",
        severity="warning",
    )


def _omitted(name: FullName, column: Column) -> Finding:
    reason = (
        "PostgreSQL gives none to columns of a domain"
        if column.type.domain_id
        else "its sequence has no value that the column's type can hold"
    )
    return Finding.of(
        FindingCode.IDENTITY_LEFT_OUT,
        name,
        f"GENERATED {column.identity} AS IDENTITY becomes a default that draws from the sequence: {reason}.",
    )
