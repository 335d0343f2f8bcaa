# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What of a dump is imported: all of it, only the schema, or only the rows into tables that the user has made."""

from __future__ import annotations

from collections.abc import Iterable

from ..._convert.statements import Statement
from ..._errors import TargetError
from . import ledger

ALL, SCHEMA, DATA = ("all", "schema", "data")

_SEQUENCE_VALUE = "sequence_value"
_HELD = {ALL: "schema and rows", SCHEMA: "the schema", DATA: "the rows"}


def statements_of(content: str, statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements that belong to this content; the values of sequences belong to the rows."""
    if content == ALL:
        return list(statements)
    return [statement for statement in statements if (statement.kind == _SEQUENCE_VALUE) == (content == DATA)]


def mark(content: str) -> list[tuple[str, str]]:
    """Return what the ledger notes when the import of this content begins; nothing for all of a dump."""
    return [] if content == ALL else [("content", content)]


def complete_key(content: str) -> tuple[str, str]:
    """Return what the ledger notes when the import of this content has ended."""
    return ledger.COMPLETE if content == ALL else (ledger.COMPLETE[0], f"{content} complete")


def require_compatible(content: str, done: Iterable[ledger.Key], name: str) -> None:
    """Refuse what does not fit to an earlier import of the same dump: rows may follow a schema that is complete,
    nothing else. Raises TargetError."""
    earlier = {found for step, found in done if step == "content"} or {ALL}
    if content in earlier:
        return
    if content == DATA and earlier == {SCHEMA}:
        if complete_key(SCHEMA) not in done:
            raise TargetError(
                f"the import of the schema into the database {name} was interrupted: end it with content: schema "
                "before the rows are loaded"
            )
        return
    held = " and ".join(_HELD[found] for found in sorted(earlier))
    advice = "set content: data to add its rows" if earlier == {SCHEMA} else f"set content: {sorted(earlier)[0]}"
    raise TargetError(
        f"the database {name} on the target holds an import of {held} of this dump, not of {_HELD[content]}: "
        f"{advice}, or drop the database"
    )
