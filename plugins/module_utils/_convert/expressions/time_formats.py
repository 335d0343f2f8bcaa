# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""strftime formats as formats of to_char() and to_timestamp()."""

from __future__ import annotations

_PATTERNS = {
    "Y": "YYYY",
    "y": "YY",
    "m": "MM",
    "d": "DD",
    "H": "HH24",
    "I": "HH12",
    "M": "MI",
    "S": "SS",
    "j": "DDD",
    "p": "AM",
    "b": "Mon",
    "B": "FMMonth",
    "a": "Dy",
    "A": "FMDay",
    "F": "YYYY-MM-DD",
    "T": "HH24:MI:SS",
    "R": "HH24:MI",
    "f": "US",
}


def to_char_format(format_text: str) -> str:
    """Return PostgreSQL's format; empty if a part of the format has no counterpart."""
    result, position, plain = "", 0, ""

    def text() -> str:
        return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"' if plain else ""

    while position < len(format_text):
        if format_text[position] != "%":
            plain += format_text[position]
            position += 1
            continue
        code = format_text[position + 1 : position + 2]
        if code == "%":
            plain += "%"
        elif code in _PATTERNS:
            result, plain = result + text() + _PATTERNS[code], ""
        else:
            return ""
        position += 2
    return result + text()
