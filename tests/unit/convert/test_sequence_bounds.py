# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Sequences whose options a smaller integer type of PostgreSQL cannot hold, on a real server: identity columns, CREATE SEQUENCE AS, values beyond."""
from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Database,
    Index,
    IndexColumn,
    Schema,
    Sequence,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

TYPES = {"INT2": SqlType("int", 21, 16), "INT4": SqlType("int", 23, 32), "INT8": SqlType("int", 20, 64)}
HIGHEST = {"INT2": 2**15 - 1, "INT4": 2**31 - 1, "INT8": 2**63 - 1}
NAMES = {"INT2": "smallint", "INT4": "integer", "INT8": "bigint"}
LONGEST = 2**63 - 1
INSERT = "INSERT INTO t (v) VALUES ('x') RETURNING n"
AT_ITS_END = "reached m(ax|in)imum value"


def identity_database(kind: str, identity: str = "BY DEFAULT", **options) -> Database:
    """As descriptors describe it: the sequence's options are its own, whatever the column's type is."""
    sequence = Sequence(9, "t_n_seq", 1, owner_table_id=1, owner_column_id=1, **options)
    column = Column(1, "n", TYPES[kind], False, "nextval(9:::REGCLASS)", identity=identity, uses_sequence_ids=[9], owns_sequence_ids=[9])
    table = Table(1, "t", 1, [column, Column(2, "v", SqlType("string", 25))], Index(1, "t_pkey", True, [IndexColumn(1)]))
    return Database(100, "db", [Schema(1, "public")], tables=[table], sequences=[sequence])


def options(trial, name: str = "t_n_seq"):
    return trial.rows(f"SELECT data_type::text, min_value, max_value, start_value, increment_by, cache_size FROM pg_sequences WHERE sequencename = '{name}'")[0]


@pytest.mark.parametrize("kind", list(TYPES))
@pytest.mark.parametrize("identity", ["ALWAYS", "BY DEFAULT"])
def test_an_identity_column_of_any_type_goes_on(trial, kind, identity):
    result = trial(identity_database(kind, identity, value=41))
    assert options(result) == (NAMES[kind], 1, HIGHEST[kind], 1, 1, 1) and not result.differences()
    assert result.rows(INSERT) == [(42,)]
    assert result.findings() == ({"sequence_bounds": "info"} if kind != "INT8" else {})


@pytest.mark.parametrize("kind", list(TYPES))
def test_an_identity_column_of_any_type_from_text(trial, kind):
    database = read_schema_text(f"""CREATE TABLE public.t (
	n {kind} NOT NULL GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3 CACHE 5),
	v STRING NULL,
	CONSTRAINT t_pkey PRIMARY KEY (n ASC)
);""", "db").databases[0]
    database.sequences[0].value = 10
    result = trial(database)
    assert options(result) == (NAMES[kind], 1, HIGHEST[kind], 7, 3, 5) and not result.differences()
    assert [*result.rows(INSERT), *result.rows(INSERT)] == [(13,), (16,)]


@pytest.mark.parametrize("kind", ["INT2", "INT4"])
@pytest.mark.parametrize("given, fitted, following, severity", [
    ({"increment": -1, "minimum": -LONGEST - 1, "maximum": -1, "start": -1, "value": -5}, ("low", -1, -1, -1, 1), -6, "info"),
    ({"increment": 2**40, "cache": 2**40, "value": -(2**40)}, (1, "high", 1, 2**40, 2**40), 1, "info"),
    ({"minimum": -(2**40), "maximum": 2**40, "start": -(2**40), "value": 6}, ("low", "high", "low", 1, 1), 7, "warning"),
    ({"minimum": 5, "maximum": 2**40, "start": 2**39, "value": 6}, (5, "high", "high", 1, 1), 7, "warning"),
    ({"value": 2**40}, (1, "high", 1, 1, 1), None, "warning"),
    ({"value": "high"}, (1, "high", 1, 1, 1), None, "warning"),
    ({"minimum": -(2**40), "increment": -1, "maximum": 10, "start": 10, "value": -(2**39)}, ("low", 10, 10, -1, 1), None, "warning"),
])
def test_every_option_is_fitted(trial, kind, given, fitted, following, severity):
    named = {"low": -HIGHEST[kind] - 1, "high": HIGHEST[kind]}
    result = trial(identity_database(kind, **{name: named.get(value, value) for name, value in given.items()}))
    assert options(result) == (NAMES[kind], *(named.get(value, value) for value in fitted)) and not result.differences()
    assert result.findings() == {"sequence_bounds": severity}
    if following is not None:
        assert result.rows(INSERT) == [(following,)]
    else:
        result.refuses(INSERT, AT_ITS_END)


@pytest.mark.parametrize("increment", [1, -1])
@pytest.mark.parametrize("kind, value", [("INT2", 2**15 - 1), ("INT2", -(2**15)), ("INT4", 7), ("INT8", 2**63 - 1), ("INT8", -(2**63))])
def test_a_sequence_of_one_value(trial, kind, value, increment):
    """CockroachDB has them; PostgreSQL wants MINVALUE to be less than MAXVALUE."""
    database = identity_database(kind, minimum=value, maximum=value, start=value, increment=increment, value=value - increment)
    result = trial(database)
    assert not result.differences() and result.rows(INSERT) == [(value,)]
    database.sequences[0].value = value
    used = trial(database)
    assert not used.differences()
    if value != -increment * (HIGHEST[kind] + (increment > 0)):  # there its neighbour is where it goes to
        used.refuses(INSERT, AT_ITS_END)


def test_an_identity_without_any_value_of_its_type_becomes_a_default(trial):
    result = trial(identity_database("INT4", "ALWAYS", minimum=2**40, start=2**40, value=2**40 + 1))
    assert options(result) == ("bigint", 2**40, LONGEST, 2**40, 1, 1) and not result.differences()
    assert result.findings() == {"identity_left_out": "warning"}
    result.refuses(INSERT, "integer out of range")
    assert result.rows("INSERT INTO t (n) VALUES (3) RETURNING n") == [(3,)]


@pytest.mark.parametrize("declared, maximum, made", [
    ("INT2", HIGHEST["INT2"], "smallint"), ("SMALLINT", 100, "smallint"), ("INT4", HIGHEST["INT4"], "integer"), ("INT8", LONGEST, "bigint"), ("", LONGEST, "bigint"),
    ("INT2", HIGHEST["INT2"] + 1, "bigint"), ("INT4", LONGEST, "bigint"), ("INTEGER", LONGEST, "bigint"),
])
def test_a_sequence_has_the_type_that_it_is_declared_as_or_one_that_holds_its_bounds(trial, declared, maximum, made):
    sequence = Sequence(9, "s", 1, maximum=maximum, integer_type=declared, value=maximum - 1)
    result = trial(Database(100, "db", [Schema(1, "public")], sequences=[sequence]))
    assert options(result, "s") == (made, 1, maximum, 1, 1, 1) and not result.differences()
    assert result.findings() == ({"sequence_type": "info"} if made == "bigint" and declared in ("INT2", "INT4") else {})
    assert result.rows("SELECT nextval('s')") == [(maximum,)]
    result.refuses("SELECT nextval('s')", AT_ITS_END)


@pytest.mark.parametrize("text, made", [("AS INT2", ("smallint", 1, HIGHEST["INT2"])), ("AS INT4 INCREMENT -1", ("integer", -(2**31), -1)), ("AS INTEGER", ("bigint", 1, LONGEST))])
def test_a_sequence_from_text(trial, text, made):
    database = read_schema_text(f"CREATE SEQUENCE public.s {text};", "db").databases[0]
    assert options(trial(database), "s")[:3] == made


def test_a_start_outside_of_the_bounds(trial):
    database = read_schema_text("CREATE SEQUENCE public.s MINVALUE 5 MAXVALUE 50 START 500;", "db").databases[0]
    result = trial(database)
    assert options(result, "s")[:4] == ("bigint", 5, 50, 50) and result.findings()["sequence_bounds"] == "warning"


def test_the_catalog_that_was_read_is_not_changed(trial):
    database = identity_database("INT2", minimum=2**40, start=2**40, value=2**40)
    before = dataclasses.replace(database.sequences[0]), dataclasses.replace(database.tables[0].columns[0])
    trial(database)
    assert (database.sequences[0], database.tables[0].columns[0]) == before
