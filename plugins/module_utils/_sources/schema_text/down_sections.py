# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Files of goose, sql-migrate and dbmate: a comment divides what a migration does from what undoes it.

What undoes it is omitted: it has not been run.
"""

from __future__ import annotations

import re

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName

_MARK = re.compile(r"\s*--\s*(?:\+goose\s+|\+migrate\s+|migrate:)(up|down)\b.*", re.IGNORECASE)
"""https://github.com/pressly/goose, https://github.com/rubenv/sql-migrate, https://github.com/amacneil/dbmate"""


def without_down_sections(text: str) -> tuple[str, list[Finding]]:
    """Return the text with empty lines in the place of the sections that undo migrations, and the finding on them if
    there are any."""
    lines = text.split("\n")
    omitted = []
    is_down = False
    for number, line in enumerate(lines):
        mark = _MARK.fullmatch(line)
        if mark:
            is_down = mark.group(1).lower() == "down"
        elif is_down and line.strip():
            omitted.append(number)
    if not omitted:
        return text, []
    gone = frozenset(omitted)
    message = f"{len(omitted)} lines that undo migrations are omitted, the first is line {omitted[0] + 1}."
    finding = Finding.of(FindingCode.STATEMENT_LEFT_OUT, FullName("object", name="the text"), message, severity="info")
    return "\n".join("" if number in gone else line for number, line in enumerate(lines)), [finding]
