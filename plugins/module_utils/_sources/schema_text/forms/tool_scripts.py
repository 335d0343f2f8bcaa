# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What tools with a window write around the DDL that they make from pg_catalog: pgAdmin, DataGrip, TablePlus."""

from __future__ import annotations

import re

from ...._model.finding_codes import FindingCode
from ...._model.findings import Finding
from ...._model.full_name import FullName
from .pieces import Piece

_PGADMIN = re.compile(r"-- (Table|View|Index|Type|SEQUENCE|FUNCTION): \S+\s*")
_PGADMIN_NEXT = "-- DROP "
_DATAGRIP_OWNER = re.compile(r"(    |alter (table|sequence|type|view) \S+ )owner to \S+;\s*")
_INTEGER = re.compile(r"\binteger\b", re.IGNORECASE)
_TABLEPLUS_WARNING = re.compile(r"-- This script only contains the table creation statements and does not fully .*")
_TABLEPLUS_SEQUENCE = re.compile(r"CREATE SEQUENCE IF NOT EXISTS [^\s;]+\s*")


def is_of_catalog(lines: list[str]) -> bool:
    """Tell whether a tool wrote the text that names types as pg_catalog does, in full."""
    return any(
        _DATAGRIP_OWNER.fullmatch(line)
        or (_PGADMIN.fullmatch(line) and any(after.startswith(_PGADMIN_NEXT) for after in lines[number : number + 2]))
        for number, line in enumerate(lines, 1)
    )


def report_integers(lines: list[str]) -> list[Piece]:
    """Return the finding for the type ``integer``, which means INT4 in such a text."""
    number = next((number for number, line in enumerate(lines, 1) if _INTEGER.search(line)), 0)
    if not number:
        return []
    message = f"From line {number} on INTEGER is read as INT4, since the text is like that of pgAdmin or DataGrip."
    finding = Finding.of(FindingCode.INTEGER_WIDTH, FullName("object", name="the text"), message)
    return [Piece("", number, findings=(finding,))]


def end_sequences(lines: list[str]) -> list[Piece]:
    """End CREATE SEQUENCE in the lines, which TablePlus leaves without a semicolon, and return the finding for its own
    warning that the text is not complete."""
    warnings = [number for number, line in enumerate(lines) if _TABLEPLUS_WARNING.fullmatch(line)]
    if not warnings:
        return []
    for number, line in enumerate(lines[:-1]):
        if _TABLEPLUS_SEQUENCE.fullmatch(line) and not lines[number + 1].strip():
            lines[number] = f"{line.rstrip()};"
    finding = Finding.of(
        FindingCode.TEXT_MAY_BE_INCOMPLETE,
        FullName("object", name="the text"),
        f"The tool that wrote the text says in line {warnings[0] + 1} that indexes and triggers are missing.",
    )
    return [Piece("", warnings[0] + 1, findings=(finding,))]
