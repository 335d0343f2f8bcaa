# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which regular expressions mean the same to CockroachDB (RE2) and to PostgreSQL."""

from __future__ import annotations

_SAME_ESCAPES = frozenset("dDwWsSnrtfv.*+?()[]{}|^$\\/-_@#%&=:;,!<>~\"' ")


def difference(pattern: str) -> str:
    """Return how PostgreSQL interprets a pattern differently; empty if it does not."""
    position, bracket = 0, False
    while position < len(pattern):
        character, following = pattern[position], pattern[position + 1 : position + 2]
        if character == "\\":
            if following not in _SAME_ESCAPES:
                return f"the regular expression has \\{following}, which PostgreSQL reads otherwise"
            position += 2
            continue
        if bracket:
            bracket = character != "]"
        elif character == "[":
            bracket = True
        elif character == "(" and following == "?":
            return "the regular expression has (?…), which PostgreSQL reads otherwise"
        elif character == ".":
            return "a dot in a regular expression matches the end of a line, too"
        elif character in "*+?}" and following == "?":
            return "the regular expression has a lazy repetition, which PostgreSQL matches otherwise"
        position += 1
    return ""


def has_optional_group(pattern: str) -> bool:
    """Whether a capturing group of a pattern may take no part in a match; also true where that is not certain."""
    has_group = "(" in pattern.replace("(?:", "")
    return has_group and ("|" in pattern or any(f"){sign}" in pattern for sign in "?*{"))
