# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What COPY sends is read exactly. PostgreSQL stands in for the releases of CockroachDB that have COPY TO: both write the same text format."""
from __future__ import annotations

import pytest
from postgres_servers import postgres17  # noqa: F401

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.cockroach.row_stream import _CopyReceiver, copy_values
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.errors import CockroachError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils.postgres.connection import connect

TEXTS = ["", "plain", "tab\tnewline\nreturn\r", "back\\slash \\N \\.", "\b\f\v", "é 😀 \u2028", "\x01\x7f", "x" * 100_000, None]


def test_copy_gives_the_values_back(postgres17):  # noqa: F811
    received = []
    receiver = _CopyReceiver(received.extend)
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
    receiver = _CopyReceiver(lambda rows: None)
    receiver.write(b"1\tcut")
    with pytest.raises(CockroachError, match="middle of a row"):
        receiver.flush()
