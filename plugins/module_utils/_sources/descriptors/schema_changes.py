# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Schema changes that were running at the moment of the data: what they add does not exist yet, what they drop does not
exist any more."""

from __future__ import annotations

from ..._formats import protobuf
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName, Kind

_COLUMN, _INDEX, _DIRECTION, _CONSTRAINT = 1, 2, 4, 8
_ADD = 1
_ADDED: tuple[tuple[int, int, Kind], ...] = (
    (_COLUMN, 1, "column"),
    (_INDEX, 1, "index"),
    (_CONSTRAINT, 2, "constraint"),
)


def unfinished_changes(message: protobuf.Message, table: FullName) -> list[Finding]:
    """Return a finding for each column, index and constraint that a table's descriptor says was being added."""
    found = []
    for data in protobuf.blobs(message, 14):
        mutation = protobuf.parse(data)
        if protobuf.integer(mutation, _DIRECTION) != _ADD:
            continue
        for field, name_field, kind in _ADDED:
            if field in mutation:
                name = protobuf.text(protobuf.parse(protobuf.blob(mutation, field)), name_field)
                about = table.column_named(name) if field == _COLUMN else table.part(kind, name)
                found.append(
                    Finding.of(
                        FindingCode.SCHEMA_CHANGE_UNDER_WAY,
                        about,
                        f"The {kind} is omitted: a schema change was adding it at that moment. CockroachDB itself "
                        "continues the change after a restore.",
                        f"Add the {kind} by hand.",
                    )
                )
    return found
