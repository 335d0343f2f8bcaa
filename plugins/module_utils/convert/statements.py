# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The result of a conversion: SQL commands in load order, and findings."""
from __future__ import annotations

from dataclasses import dataclass, field

from ..catalog.model import Finding

PRE_DATA_STEPS = ("role", "extension", "schema", "type", "sequence", "function", "table")
POST_DATA_STEPS = (
    "primary_key", "index", "check", "foreign_key", "sequence_value", "view", "late", "trigger", "policy", "comment", "owner", "grant", "setting",
)
STEPS = PRE_DATA_STEPS + POST_DATA_STEPS
"""Load order. Every statement of a step may rely on all earlier steps; ``late`` are defaults and checks that call functions which read tables."""

PARALLEL_STEPS = frozenset(("primary_key", "index"))
"""Statements of these steps do not need each other."""


@dataclass(frozen=True)
class Statement:
    """One SQL command without a semicolon at its end.

    ``kind`` is what the command makes or sets (table, index, unique_constraint, sequence_value ...), ``name`` the
    object's bare name in PostgreSQL, ``table`` the bare name of the table it belongs to, if any.
    """

    section: str
    step: str
    kind: str
    schema: str
    name: str
    table: str
    sql: str
    secret: bool = False
    """The command holds a password verifier: it must not be printed."""


@dataclass
class Conversion:
    """The commands in load order (see STEPS) and everything that is worth knowing about them."""

    statements: list[Statement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, step: str, kind: str, sql: str, name: str, schema: str = "", table: str = "", secret: bool = False) -> None:
        """Append one command to its step."""
        section = "pre-data" if step in PRE_DATA_STEPS else "post-data"
        self.statements.append(Statement(section, step, kind, schema, name, table, sql, secret))

    def find(self, code: str, severity: str, name: str, message: str, advice: str = "") -> None:
        """Append one finding."""
        self.findings.append(Finding(code, severity, name, message, advice))

    def sort(self) -> None:
        """Bring the commands into load order; inside a step they stay as they were added."""
        self.statements.sort(key=lambda statement: STEPS.index(statement.step))


def render(conversion: Conversion) -> tuple[str, str]:
    """Return the text of pre-data.sql and post-data.sql, for people with psql."""
    texts = {"pre-data": [], "post-data": []}  # type: dict[str, list[str]]
    for statement in conversion.statements:
        if statement.secret:
            texts[statement.section].append(f"-- {statement.kind} {statement.name}: left out of this file, for it holds a password")
        else:
            texts[statement.section].append(statement.sql + ";")
    return "\n\n".join(texts["pre-data"]) + "\n", "\n\n".join(texts["post-data"]) + "\n"
