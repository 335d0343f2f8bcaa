# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Policies for values that PostgreSQL cannot hold: the kinds of such values, and the policy for each kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ConfigurationError

STOP, REPLACE, NULL, REJECT = "stop", "replace", "null", "reject"
POLICIES = (STOP, REPLACE, NULL, REJECT)


@dataclass(frozen=True)
class Kind:
    """A kind of value. ``replaced_by`` says what the policy ``replace`` writes instead; if it is empty, no replacement
    makes sense and ``replace`` is not offered."""

    meaning: str
    replaced_by: str = ""

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies that can be chosen for this kind."""
        return POLICIES if self.replaced_by else (STOP, NULL, REJECT)


KINDS = {
    "zero_character": Kind("the character U+0000 in text or JSON", "U+FFFD for each"),
    "invalid_utf8": Kind("text that is not UTF-8", "U+FFFD for each wrong byte"),
    "length": Kind(
        'text or bits longer than declared (after ALTER), than NAME (63 bytes) or "char" (1 byte)',
        "the value, cut off after a whole character; bits of another length are cut off or filled with zeros",
    ),
    "decimal_scale": Kind(
        "more digits after the point than declared, or than the 16,383 of any numeric",
        "the decimal rounded half away from zero",
    ),
    "decimal_range": Kind("decimals too large for their declared precision or any numeric, infinities in numeric(p,s)"),
    "real_range": Kind("numbers too large for a real", "Infinity or -Infinity"),
    "timestamp_range": Kind("timestamps before 4714 BC or after 294276 AD", "infinity or -infinity"),
    "interval_range": Kind("intervals with months or days beyond 32 bits"),
    "json_number": Kind("NaN and infinities as numbers in JSON", 'the strings "NaN", "Infinity", "-Infinity"'),
    "json_depth": Kind("JSON nested more than 400 levels deep, text search queries more than 800"),
}


@dataclass(frozen=True)
class ValuePolicies:
    """A policy for each kind; those that are not named stop the export."""

    chosen: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> str:
        """Return the policy of a kind."""
        return self.chosen.get(kind, STOP)

    @property
    def active(self) -> bool:
        """Whether a value may be changed or a row rejected."""
        return bool(self.chosen)

    def identity(self) -> dict[str, Any]:
        """Return what distinguishes exports under these policies from others, as a part of an export's identity."""
        return {"value_policies": dict(sorted(self.chosen.items()))} if self.active else {}


STOP_ALL = ValuePolicies()


def advice(kind: str) -> str:
    """Return what the user can do about a value of a kind, to be appended to the reason; empty if there is no kind."""
    if not kind:
        return ""
    *others, last = KINDS[kind].policies[1:]
    return f" (value_policies can have {', '.join(others)} or {last} for {kind})"


def policy_problems(value: Any) -> list[str]:
    """Return what is wrong with a user's mapping of kinds to policies, one line each."""
    if not isinstance(value, Mapping):
        return [f"it has to be a mapping of kinds ({', '.join(KINDS)}) to policies ({', '.join(POLICIES)})"]
    problems = []
    for kind, policy in _named(value).items():
        if kind not in KINDS:
            nearest = difflib.get_close_matches(str(kind), KINDS, 1)
            problems.append(
                f"the kind {kind} is not known, "
                f"{f'did you mean {nearest[0]}?' if nearest else 'there are: ' + ', '.join(KINDS)}"
            )
        elif policy not in POLICIES:
            nearest = difflib.get_close_matches(str(policy), POLICIES, 1)
            problems.append(
                f"{kind} has the unknown policy {policy}, "
                f"{f'did you mean {nearest[0]}?' if nearest else 'there are: ' + ', '.join(POLICIES)}"
            )
        elif policy not in KINDS[kind].policies:
            problems.append(
                f"{kind} cannot have the policy {policy}: there is nothing to put there; it takes "
                f"{', '.join(KINDS[kind].policies)}"
            )
    return problems


def _named(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy by its name; YAML reads an unquoted ``null`` as nothing, which here is the policy of that
    name."""
    return {kind: NULL if policy is None else policy for kind, policy in value.items()}


def value_policies(value: Any) -> ValuePolicies:
    """Return the policies of a user's mapping. Raises ConfigurationError."""
    problems = policy_problems(value)
    if problems:
        raise ConfigurationError(f"value_policies: {'; '.join(problems)}")
    return ValuePolicies({kind: policy for kind, policy in _named(value).items() if policy != STOP})
