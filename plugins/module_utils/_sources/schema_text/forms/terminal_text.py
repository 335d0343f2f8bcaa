# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Text that was copied from a terminal, a ticket or a chat: without what only the screen needs.

The line numbers stay those of the input.
"""

from __future__ import annotations

import re

from ...._errors import UnsupportedError

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Z]|[=>78])")
"""Matches a control sequence of ECMA-48, an operating system command of xterm, or a mode of a VT100."""
_HARMLESS = re.compile(r"\x1b(?:\[[0-9;]*m|\[K|\[\?(?:1|25|2004)[hl]|\].*|[()].|[=>])", re.DOTALL)
"""Matches the sequences that neither move the cursor nor replace what is on the screen."""
_IS_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Names may hold single control characters, which CockroachDB prints as they are."""
_CURSOR = re.compile("[\x08\x1b]")
_RAW = re.compile(r"^# row 1$", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(```+|~~~+)\s*([\w+-]*)\s*")
_STATEMENT = re.compile(
    r"\s*((CREATE|ALTER|DROP)\s+(OR\s+REPLACE|TABLE|TYPE|DOMAIN|SEQUENCE|SCHEMA|DATABASE|(MATERIALIZED\s+)?VIEW|FUNCTION|"
    r"PROCEDURE|TRIGGER|POLICY|ROLE|USER|(UNIQUE\s+|INVERTED\s+|VECTOR\s+)?INDEX)|COMMENT\s+ON|GRANT|INSERT\s+INTO)\s",
    re.IGNORECASE,
)


def plain_text(text: str) -> str:
    """Return the text without byte order mark, carriage returns at line ends, colours and Markdown fences.

    Raises UnsupportedError, naming the line, if a program moved the cursor, since what the screen showed is then not
    known, and for a fence that does not end.
    """
    text = text.lstrip("\ufeff")
    if not (_RAW.search(text) and re.search(r"(?<!\r)\n", text)):
        # Raw output counts bytes: there, a carriage return belongs to a function's body unless each line has one.
        text = re.sub(r"\r+\n", "\n", text)
    if _IS_TERMINAL.search(text):
        text = "\n".join(_without_sequences(line, number) for number, line in enumerate(text.split("\n"), 1))
    return "\n".join(_without_fences(text.split("\n")))


def _without_sequences(line: str, number: int) -> str:
    for sequence in _SEQUENCE.findall(line):
        if not _HARMLESS.fullmatch(sequence):
            _refuse(number)
    line = _SEQUENCE.sub("", line).lstrip("\r")
    if _CURSOR.search(line):
        _refuse(number)
    return line


def _refuse(number: int) -> None:
    raise UnsupportedError(
        f"line {number} of the schema text holds cursor movements of a terminal, as a pager or an editor makes them: "
        "write the shell's output into a file instead, as with cockroach sql --format=raw -e '…' > schema.txt"
    )


def _without_fences(lines: list[str]) -> list[str]:
    """Keep what is inside of Markdown's fences where every statement is; without them, the text is no Markdown."""
    inside, fence, begin = [], "", 0
    for number, line in enumerate(lines):
        found = _FENCE.fullmatch(line)
        if found and not fence:
            fence, begin = found.group(1), number
        elif found and fence and found.group(1).startswith(fence) and not found.group(2):
            fence = ""
        elif fence:
            inside.append(number)
        elif _STATEMENT.match(line):
            return lines
    if fence and inside:
        raise UnsupportedError(f"the fence in line {begin + 1} of the schema text does not end: a part is missing")
    if not inside:
        return lines
    keep = set(inside)
    return [line if number in keep else "" for number, line in enumerate(lines)]
