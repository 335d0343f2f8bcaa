# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which cluster is read, and at which moment of its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import CockroachError
from ..._formats import timestamps
from .sql_connection import CockroachParameters, are_internals_closed, cockroach_message, server_version

_NANOSECONDS = 1e9


@dataclass(frozen=True)
class ClusterIdentity:
    """A cluster and its release."""

    cluster_id: str
    """A UUID. If reading it is not allowed, the cluster's address."""
    cluster_version: str
    """Such as ``v24.3.5``."""


def identify(connection: Any, parameters: CockroachParameters) -> ClusterIdentity:
    """Return which cluster answers. Raises CockroachError, psycopg2.Error."""
    version = server_version(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT crdb_internal.cluster_id()")
            return ClusterIdentity(cursor.fetchone()[0], version)
    except psycopg2.errors.InsufficientPrivilege as error:
        if not are_internals_closed(error):
            raise CockroachError(
                f"the user {parameters.user} may not ask CockroachDB at {parameters.place} which cluster it is: "
                f"{cockroach_message(error)}"
            ) from None
        return ClusterIdentity(f"at {parameters.place}", version)


def moment(connection: Any, asked: str) -> str:
    """Return the moment as the decimal timestamp of the cluster's clock; the present one when none is asked for. Raises
    CockroachError."""
    with connection.cursor() as cursor:
        if not asked:
            cursor.execute("SELECT cluster_logical_timestamp()")
            return cursor.fetchone()[0]
        try:
            cursor.execute(
                "SELECT cluster_logical_timestamp() FROM (VALUES (1)) AS moment AS OF SYSTEM TIME %s", (asked,)
            )
        except psycopg2.Error as error:
            raise CockroachError(
                f"as_of {asked!r} is not a moment that CockroachDB can read at: {cockroach_message(error)}"
            ) from None
        return cursor.fetchone()[0]


class Age:
    """How long ago a moment is, by the cluster's own clock."""

    def __init__(self, connection: Any, as_of: str) -> None:
        self._at_first = max(
            0.0, (timestamps.parse(moment(connection, ""))[0] - timestamps.parse(as_of)[0]) / _NANOSECONDS
        )
        self._asked = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the moment."""
        return self._at_first + time.monotonic() - self._asked
