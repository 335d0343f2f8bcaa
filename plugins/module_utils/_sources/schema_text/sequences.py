# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE SEQUENCE, ALTER SEQUENCE and the options of identity columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..._model.catalog import Sequence, Table
from ..._model.full_name import FullName
from .cursor import Cursor
from .model_builder import Builder
from .parsing import WORD, Word, words

_BITS = {"INT2": 16, "SMALLINT": 16, "INT4": 32}
_TYPES = ("INT2", "SMALLINT", "INT4", "INT8", "BIGINT", "INT", "INTEGER", "INT64")


def create_sequence(cursor: Cursor, builder: Builder) -> None:
    """Read a sequence from its name on."""
    optional = cursor.accept("IF", "NOT", "EXISTS")
    database, schema, name = builder.place(cursor)
    about = FullName("sequence", database.name, schema.name, name=name)
    if builder.exists(cursor, about, builder.taken(database.name, schema.name, name), optional):
        return
    sequence = Sequence(builder.new_id(), name, schema.id)
    read_options(cursor, sequence, builder)
    builder.add_relation(database, schema, sequence, cursor)


def alter_sequence(cursor: Cursor, sequence: Sequence, builder: Builder) -> None:
    """Read changed options."""
    given = _Numbers(sequence.increment, sequence.minimum, sequence.maximum, sequence.start)
    read_options(cursor, sequence, builder, given)


def set_value(cursor: Cursor, builder: Builder) -> None:
    """Read SELECT setval('name', value, called), as `cockroach dump` and pg_dump write it, from the parenthesis
    on."""
    arguments = cursor.parenthesis().items()
    if len(arguments) not in (2, 3):
        cursor.fail("setval() takes two or three arguments")
    name, value, *called = arguments
    path = [word for word in words(name.string(), cursor.statement.beginning) if not word.is_symbol(".")]
    sequence = builder.relation(path, cursor.statement) if path else None
    if not isinstance(sequence, Sequence):
        cursor.fail("the sequence is not there")
    following = value.integer()
    is_called = not called or called[0].accept("TRUE") or not called[0].accept("FALSE")
    for part in (name, value, *called):
        part.end()
    sequence.value = following if is_called else following - sequence.increment


@dataclass
class _Numbers:
    """The options that are numbers; None for what is not given."""

    increment: Optional[int] = None
    minimum: Optional[int] = None
    maximum: Optional[int] = None
    start: Optional[int] = None


def read_options(cursor: Cursor, sequence: Sequence, builder: Builder, given: Optional[_Numbers] = None) -> None:
    """Read options up to the end. Options that are not given have CockroachDB's defaults, which depend on type and
    direction."""
    given = given or _Numbers()
    restarts, restart = False, None
    while not cursor.at_end:
        if cursor.accept("AS"):
            sequence.integer_type = cursor.accept_one(*_TYPES) or cursor.fail("expected an integer type")
        elif cursor.accept("RESTART"):
            restarts = True
            restart = (
                cursor.integer() if cursor.accept("WITH") or not cursor.at_end and cursor.peek().kind != WORD else None
            )
        elif not _read_number(cursor, given) and not _read_flag(cursor, sequence, builder):
            cursor.fail(f"the sequence option {cursor.peek().text!r} is not known")
    _set_numbers(sequence, given)
    if restarts:
        # The value is the last one that was handed out.
        sequence.value = (sequence.start if restart is None else restart) - sequence.increment


def _set_numbers(sequence: Sequence, given: _Numbers) -> None:
    sequence.increment = 1 if given.increment is None else given.increment
    bits = _BITS.get(sequence.integer_type, 64)
    lowest, highest = (1, 2 ** (bits - 1) - 1) if sequence.increment > 0 else (-(2 ** (bits - 1)), -1)
    sequence.minimum = lowest if given.minimum is None else given.minimum
    sequence.maximum = highest if given.maximum is None else given.maximum
    first = sequence.minimum if sequence.increment > 0 else sequence.maximum
    sequence.start = first if given.start is None else given.start


def _read_number(cursor: Cursor, given: _Numbers) -> bool:
    if cursor.accept("INCREMENT"):
        cursor.accept("BY")
        given.increment = cursor.integer() or cursor.fail("INCREMENT must not be zero")
    elif cursor.accept("MINVALUE"):
        given.minimum = cursor.integer()
    elif cursor.accept("MAXVALUE"):
        given.maximum = cursor.integer()
    elif cursor.accept("START"):
        cursor.accept("WITH")
        given.start = cursor.integer()
    else:
        return False
    return True


def _read_flag(cursor: Cursor, sequence: Sequence, builder: Builder) -> bool:
    if cursor.accept("VIRTUAL"):
        sequence.virtual = True
    elif cursor.accept("PER", "NODE", "CACHE") or cursor.accept("PER", "SESSION", "CACHE") or cursor.accept("CACHE"):
        sequence.cache = cursor.integer()
        if sequence.cache < 1:
            cursor.fail("CACHE must be greater than zero")
    elif cursor.accept("OWNED", "BY"):
        if cursor.accept("NONE"):
            builder.defer(lambda: _disown(sequence, builder))
        else:
            path = cursor.path()
            builder.defer(lambda: _own(path, sequence, builder, cursor))
    elif not any(cursor.accept(*words) for words in (("NO", "MINVALUE"), ("NO", "MAXVALUE"), ("NO", "CYCLE"))):
        return False
    return True


def _disown(sequence: Sequence, builder: Builder) -> None:
    sequence.owner_table_id = sequence.owner_column_id = 0
    for table in builder.tables():
        for column in table.columns:
            column.owns_sequence_ids = [number for number in column.owns_sequence_ids if number != sequence.id]


def _own(path: list[Word], sequence: Sequence, builder: Builder, cursor: Cursor) -> None:
    table = builder.relation(path[:-1], cursor.statement) if len(path) > 1 else None
    column = (
        next((item for item in table.columns if item.name == path[-1].identifier), None)
        if isinstance(table, Table)
        else None
    )
    if not isinstance(table, Table) or column is None:
        cursor.fail(f"the column {'.'.join(word.text for word in path)} that owns the sequence is not there")
    _disown(sequence, builder)
    sequence.owner_table_id, sequence.owner_column_id = table.id, column.id
    column.owns_sequence_ids.append(sequence.id)
