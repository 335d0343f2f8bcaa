# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a shell's session holds besides its output: prompts, commands, banners and the status of each command."""

from __future__ import annotations

import re
from typing import Optional

from .pieces import is_whole

_STATUS = re.compile(
    r"(\(\d+ rows?\)|# \d+ rows?|-- \d+ rows?|\(END\)|"
    r"SHOW [A-Z ]+ 0|Time: .*|Server Execution Time: .*|Network Latency: .*|(NOTICE|HINT|DETAIL|Note): .*)\s*"
)
_TAG = re.compile(
    r"(SET|USE|BEGIN|COMMIT|(CREATE|ALTER|DROP) [A-Z]+( VIEW)?|COMMENT( ON)?|GRANT|REVOKE|INSERT 0 \d+|"
    r"(UPDATE|DELETE|SELECT|COPY) \d+)\s*"
)
_STATEMENT = re.compile(r"(CREATE|ALTER|COMMENT|GRANT|SET|USE|SHOW|DROP) |--( |$)|#|\\")
_BANNER = re.compile(
    r"#( .*)?|psql \(.*\)|SSL connection \(.*\)|Type \"help\" for help\.|WARNING: psql .*|\s+Some psql features .*|"
    r"You are now connected to database .*|Output format is .*|Expanded display is .*|Pager usage is .*|"
    r"Null display is .*|Timing is .*|Tuples only is .*|Script started on .*|Script done on .*"
)
_COCKROACH_PROMPT = re.compile(r"[^\s@]+@[^\s@]*:\d+/[^>]*> ?")
_PSQL_PROMPT = re.compile(r"[^\s=]+=[*!]?[#>]( |$)")
_MORE = re.compile(r"\s*-> ?|[^\s=]+[-('\"*$][*!]?[#>]( |$)")
"""Matches the prompt of a command's further lines."""
_PROGRAM = re.compile(r"(\S+ \S+ )?\S*[$#%>] +(sudo +)?(\S*/)?(cockroach|psql|docker|podman|kubectl)\s")
_SHOW = re.compile(r"SHOW CREATE\s.*;\s*|\\[a-z?]+(\s.*)?", re.IGNORECASE)
_ASKS = ("SHOW", "SELECT", "EXPLAIN", "TABLE", "QUIT", "EXIT", "HELP")
"""What commands begin with that only ask."""


def is_status(line: str) -> bool:
    """Tell whether a shell prints this line about a command or about itself."""
    return bool(_STATUS.fullmatch(line) or _BANNER.fullmatch(line) or _PROGRAM.match(line))


def is_tag(line: str) -> bool:
    """Tell whether a shell prints this line after a command; the same words may begin a statement."""
    return bool(_TAG.fullmatch(line))


def begins_statement(line: str) -> bool:
    """Tell whether the line begins as a statement, comment or command does."""
    return bool(_STATEMENT.match(line))


def is_prompt(line: str) -> bool:
    """Tell whether the line begins with a shell's prompt."""
    return bool(_COCKROACH_PROMPT.match(line) or _PSQL_PROMPT.match(line))


def asks(line: str) -> bool:
    """Tell whether the line is a whole command that asks for the schema, or one of the shell itself."""
    return bool(_SHOW.fullmatch(line))


def read_command(lines: list[str], number: int) -> tuple[str, int]:
    """Return the command at a prompt, with its further lines, and the number of the line after it."""
    found = _COCKROACH_PROMPT.match(lines[number]) or _PSQL_PROMPT.match(lines[number])
    command = [lines[number][found.end() :] if found else lines[number]]
    number += 1
    while number < len(lines) and not _is_done("\n".join(command)):
        more: Optional[re.Match[str]] = _MORE.match(lines[number])
        if more is None:
            break
        command.append(lines[number][more.end() :])
        number += 1
    return "\n".join(command), number


def only_asks(command: str) -> bool:
    """Tell whether a command changes nothing, so that it is no part of the schema."""
    words = command.split(None, 1)
    return not words or words[0].upper().rstrip(";") in _ASKS or words[0].startswith("\\")


def shows_statements(command: str) -> bool:
    """Tell whether statements of the schema may be in what the command shows."""
    return "CREATE" in command.upper()


def _is_done(command: str) -> bool:
    return command.lstrip().startswith("\\") or (command.rstrip().endswith(";") and is_whole(command))
