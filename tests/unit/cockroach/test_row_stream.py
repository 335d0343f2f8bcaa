# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What COPY sends is read exactly. PostgreSQL stands in for the releases of CockroachDB that have COPY TO: both write the same text format."""
from __future__ import annotations

import contextlib

import psycopg2
import psycopg2.errors
import pytest
from postgres_servers import postgres17  # noqa: F401

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import CockroachError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Index,
    IndexColumn,
    SqlType,
    Table,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.table_source import TableSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.line_blocks import copy_values
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.row_stream import (
    CopyReceiver,
    TableReader,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import split_lines

TEXTS = ["", "plain", "tab\tnewline\nreturn\r", "back\\slash \\N \\.", "\b\f\v", "é 😀 \u2028", "\x01\x7f", "x" * 100_000, None]


def test_copy_gives_the_values_back(postgres17):  # noqa: F811
    received = []
    receiver = CopyReceiver(lambda text: received.extend(copy_values(line) for line in split_lines(text)))
    with connect(postgres17) as connection, connection.cursor() as cursor:
        query = cursor.mogrify("COPY (SELECT n, t FROM unnest(%s::int[], %s::text[]) AS v(n, t) ORDER BY n) TO STDOUT", (list(range(len(TEXTS))), TEXTS))
        cursor.copy_expert(query.decode(), receiver)
    receiver.flush()
    assert [row[1] for row in received] == TEXTS
    assert [row[0] for row in received] == [str(number) for number in range(len(TEXTS))]


def test_unknown_escape_is_refused():
    with pytest.raises(CockroachError, match="unknown escape"):
        copy_values(b"a\\qb")


def test_a_row_that_is_cut_off_is_refused():
    receiver = CopyReceiver(lambda text: None)
    receiver.write(b"1\tcut")
    with pytest.raises(CockroachError, match="middle of a row"):
        receiver.flush()


class _Breaking:
    """A connection whose COPY is refused after some rows; no server of the tests can be made to do so."""

    closed = 0

    def __init__(self, rows: bytes) -> None:
        self.rows, self.statements = rows, []

    def cursor(self):
        return contextlib.nullcontext(self)

    def execute(self, statement):
        self.statements.append(statement if isinstance(statement, str) else repr(statement))

    def copy_expert(self, _query, receiver):
        if self.rows:
            receiver.write(self.rows)
        raise psycopg2.errors.lookup("0A000")


@pytest.mark.parametrize("rows", [b"", b"1\n"])
def test_a_copy_is_begun_anew_only_if_it_has_given_nothing(rows, monkeypatch):
    monkeypatch.setattr(psycopg2.errors.FeatureNotSupported, "pgcode", "0A000", raising=False)
    table = Table(104, "t", 1, [Column(1, "id", SqlType("int", 20, 64), nullable=False)], Index(1, "t_pkey", True, [IndexColumn(1)]))
    reader, connection, received = TableReader(TableSource("d", "public", table, {}), ["id"], "1795834577600783530.0000000000"), _Breaking(rows), []
    if rows:
        with pytest.raises(psycopg2.errors.FeatureNotSupported):
            reader.copy(connection, None, None, received.append)
    else:
        assert reader.copy(connection, None, None, received.append) is False
    assert "BEGIN AS OF SYSTEM TIME" in connection.statements[0] and connection.statements[1:] == ["ROLLBACK"] and received == []
