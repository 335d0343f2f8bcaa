# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The choices that the user has in the conversion: each question has several possible answers and a default."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigurationError

IDENTITY, FUNCTION = "identity", "function"
OID, TEXT = "oid", "text"
INDEX, TRIGGER = "index", "trigger"
FINDING, JOB = "finding", "job"
UUID = "uuid"
GENERATED, DATA = "generated", "data"
POSTGRES, COCKROACH = "postgres", "cockroach"
BYTES, DATABASE = "bytes", "database"


@dataclass(frozen=True)
class Question:
    """``choices``: each with what it does; the first one is the default."""

    subject: str
    choices: Mapping[str, str]

    @property
    def default(self) -> str:
        """The choice that applies if none is given."""
        return next(iter(self.choices))


QUESTIONS = {
    "unique_rowid": Question(
        "the default `unique_rowid()`",
        {
            IDENTITY: "an identity column (a sequence, where that cannot be) that continues after the highest value; "
            "for values that are no integers, and outside of columns, the function of the other choice",
            FUNCTION: "a function of the same name, whose numbers are of the same kind: the time, then a number that "
            "tells those of one moment apart",
        },
    ),
    "gen_random_ulid": Question(
        "the default `gen_random_ulid()`",
        {
            FUNCTION: "a function of the same name, whose values are of the same kind: the time in milliseconds, then "
            "random bits",
            UUID: "`gen_random_uuid()`, whose values are random throughout",
        },
    ),
    "object_identifiers": Question(
        "columns of REGCLASS, REGTYPE, REGNAMESPACE, REGPROC, REGPROCEDURE and REGROLE",
        {
            OID: "oid: CockroachDB's numbers",
            TEXT: "text: the names of what the numbers mean, as PostgreSQL writes them; a number that means nothing "
            "known keeps its digits",
        },
    ),
    "unique_without_index": Question(
        "UNIQUE WITHOUT INDEX",
        {
            INDEX: "a unique index; a plain one if CockroachDB never validated the constraint",
            TRIGGER: "a plain index, and a trigger that refuses new rows with the values of another one",
        },
    ),
    "row_ttl": Question(
        "row-level TTL",
        {
            FINDING: "a finding with the DELETE for pg_cron",
            JOB: "a procedure that deletes the expired rows in batches, and a finding with the command that has "
            "pg_cron call it",
        },
    ),
    "null_order": Question(
        "the place of NULLs in indexes",
        {
            POSTGRES: "PostgreSQL's: last, with DESC first, so that indexes serve ORDER BY as applications write it",
            COCKROACH: "CockroachDB's: first, with DESC last; only ORDER BY … NULLS FIRST (DESC NULLS LAST) can use "
            "such an index",
        },
    ),
    "text_search": Question(
        "stored computed columns of `to_tsvector()`",
        {
            GENERATED: "a generated column, as new rows need it: PostgreSQL computes the words of all rows anew by its "
            "own rules; they are not compared with CockroachDB's",
            DATA: "a plain column with CockroachDB's words, which are compared; new rows have none",
        },
    ),
    "text_order": Question(
        "the order of text in a database that does not sort it by its bytes",
        {
            BYTES: 'CockroachDB\'s, by bytes: `COLLATE "C"` in the checks, predicates, expressions, views and '
            "functions whose meaning depends on it",
            DATABASE: "that of the database's collation; a finding names each object whose meaning depends on it",
        },
    ),
}


@dataclass(frozen=True)
class ConversionPolicies:
    """A choice for each question."""

    unique_rowid: str = IDENTITY
    gen_random_ulid: str = FUNCTION
    object_identifiers: str = OID
    unique_without_index: str = INDEX
    row_ttl: str = FINDING
    null_order: str = POSTGRES
    text_search: str = GENERATED
    text_order: str = BYTES

    def chosen(self) -> dict[str, str]:
        """Return the choices that are not the defaults."""
        return {name: choice for name, choice in dataclasses.asdict(self).items() if choice != QUESTIONS[name].default}

    def identity(self) -> dict[str, Any]:
        """Return what tells exports under these policies from others, as a part of an export's identity."""
        chosen = self.chosen()
        return {"conversion_policies": chosen} if chosen else {}


DEFAULT_POLICIES = ConversionPolicies()


def conversion_policy_problems(value: Any) -> list[str]:
    """Return what is wrong with a user's mapping of questions to choices, one line each."""
    if not isinstance(value, Mapping):
        return [f"it has to be a mapping with the keys {', '.join(QUESTIONS)}"]
    problems = []
    for name, choice in value.items():
        if name not in QUESTIONS:
            problems.append(f"the key {name} is not known, {_hint(name, QUESTIONS)}")
        elif str(choice) not in QUESTIONS[name].choices:
            problems.append(f"{name} cannot be {choice}, {_hint(choice, QUESTIONS[name].choices)}")
    return problems


def _hint(given: Any, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(str(given), known, 1)
    return f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(known)}"


def conversion_policies(value: Any) -> ConversionPolicies:
    """Return the policies of a user's mapping. Raises ConfigurationError."""
    problems = conversion_policy_problems(value)
    if problems:
        raise ConfigurationError(f"conversion_policies: {'; '.join(problems)}")
    return ConversionPolicies(**value)
