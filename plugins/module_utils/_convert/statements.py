# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The result of a conversion: SQL commands in load order, and findings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Optional

from .._model.finding_codes import FindingCode, Severity
from .._model.findings import Finding
from .._model.full_name import FullName
from .definitions import Definition

WRITTEN_FUNCTION = "written_function"
PRE_DATA_STEPS = ("role", "extension", "schema", WRITTEN_FUNCTION, "type", "sequence", "function", "table")
POST_DATA_STEPS = (
    "primary_key",
    "index",
    "check",
    "foreign_key",
    "sequence_value",
    "view",
    "late",
    "trigger",
    "policy",
    "comment",
    "schema_grant",
    "owner",
    "grant",
    "setting",
)
STEPS = PRE_DATA_STEPS + POST_DATA_STEPS
"""Load order. Every statement of a step may rely on all earlier steps; ``written_function`` are functions that stand
for CockroachDB's own and rely on nothing, ``late`` are defaults and checks that call
functions which read tables. Who is to own something has to be allowed to create in its schema: ``schema_grant`` comes
before ``owner``."""

RIGHTS_STEPS = ("role", "schema_grant", "owner", "grant")
"""Steps that set owners, privileges and roles."""


class Need(NamedTuple):
    """An object that another one depends on. ``kind``: schema, relation (table, view or sequence), type, routine, role
    or extension."""

    kind: str
    name: str
    schema: str = ""


class Subject(NamedTuple):
    """What a command makes or sets: its kind (table, index, unique_constraint, sequence_value ...), its bare name in
    PostgreSQL, its schema, and the bare name of the table, or of the domain, that it belongs to, if any."""

    kind: str
    name: str
    schema: str = ""
    table: str = ""


@dataclass(frozen=True)
class Statement:
    """One SQL command without a semicolon at its end; see Subject for ``kind`` to ``table``."""

    section: str
    step: str
    kind: str
    schema: str
    name: str
    table: str
    sql: str
    secret: bool = False
    """The command holds a password verifier: it must not be printed."""
    expects: Optional[Definition] = None
    """The object's expected definition in the catalog; None only for objects of the whole server, such as roles."""
    needs: frozenset[Need] = frozenset()
    """The objects that must exist before it; its schema and its table are always among them."""
    alternatives: tuple[Statement, ...] = ()
    """Commands for the same object, of which the first one that PostgreSQL accepts stands in where its limits refuse
    this one."""

    @property
    def full_name(self) -> FullName:
        """Its object's name in any database, table included."""
        return FullName("object", "", self.schema, self.table, name=self.name)


@dataclass
class Conversion:
    """The commands in load order (see STEPS), and the findings."""

    statements: list[Statement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(
        self,
        step: str,
        subject: Subject,
        sql: str,
        expects: Optional[Definition] = None,
        needs: Iterable[Need] = (),
        secret: bool = False,
    ) -> None:
        """Append one command to its step; its schema and table are added to what it needs."""
        kind, name, schema, table = subject
        section = "pre-data" if step in PRE_DATA_STEPS else "post-data"
        implied = [Need("schema", schema)] if schema else []
        implied += [Need("type" if kind == "domain_check" else "relation", table, schema)] if table else []
        self.statements.append(
            Statement(section, step, kind, schema, name, table, sql, secret, expects, frozenset((*implied, *needs)))
        )

    def add_alternative(self, kind: str, sql: str, expects: Definition) -> None:
        """Give the last command one more alternative, which makes an object of ``kind`` with the same name."""
        last = self.statements[-1]
        other = replace(last, kind=kind, sql=sql, expects=expects, alternatives=())
        self.statements[-1] = replace(last, alternatives=(*last.alternatives, other))

    def find(
        self,
        code: FindingCode,
        about: FullName,
        message: str = "",
        advice: str = "",
        severity: Optional[Severity] = None,
    ) -> None:
        """Append one finding (see Finding.of)."""
        self.findings.append(Finding.of(code, about, message, advice, severity))

    def sort(self) -> None:
        """Sort the commands into load order; within a step they keep their order."""
        self.statements.sort(key=lambda statement: STEPS.index(statement.step))


def render(conversion: Conversion) -> tuple[str, str]:
    """Return the text of pre-data.sql and post-data.sql, for use with psql."""
    texts = {"pre-data": [], "post-data": []}  # type: dict[str, list[str]]
    for statement in conversion.statements:
        if statement.secret:
            texts[statement.section].append(
                f"-- {statement.kind} {statement.name}: omitted from this file, since it holds a password"
            )
        else:
            texts[statement.section].append(statement.sql + ";")
    return "\n\n".join(texts["pre-data"]) + "\n", "\n\n".join(texts["post-data"]) + "\n"
