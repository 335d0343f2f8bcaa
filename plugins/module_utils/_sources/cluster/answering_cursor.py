# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Statements that do not wait for good: a CockroachDB that hangs, or has lost the majority of its nodes, keeps its
connections open and never answers."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, Optional

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import CockroachError
from ..._system.time_limit import TimeLimitError, within


def answering_cursor(place: str, seconds: float) -> type:
    """Return a cursor class for a connection to the CockroachDB at ``place`` (for messages), whose statements raise
    CockroachError after so many seconds without an answer. A COPY may last longer, as long as rows come."""

    class AnsweringCursor(psycopg2.extensions.cursor):
        """``copy_expert`` takes a file that counts in ``received`` what it got."""

        def execute(self, query: Any, vars: Any = None) -> None:
            self._answered(lambda: super(AnsweringCursor, self).execute(query, vars))

        def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
            self._answered(lambda: super(AnsweringCursor, self).copy_expert(sql, file, size), lambda: file.received)

        def _answered(self, call: Callable[[], None], moved: Optional[Callable[[], int]] = None) -> None:
            try:
                within(seconds, call, moved)
            except TimeLimitError:
                # The statement fails then, and its thread ends.
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.connection.fileno())) as end:
                    end.shutdown(socket.SHUT_RDWR)
                raise CockroachError(
                    f"CockroachDB at {place} has not answered a statement for {seconds:.0f} s: look into its log, and "
                    "whether a majority of its nodes runs. Where a table takes longer to be counted, set a longer "
                    "cockroach_answer_timeout (of the module: answer_timeout)"
                ) from None

    return AnsweringCursor
