# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Findings: what is changed, weakened, omitted or worth knowing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Optional, cast

from .._errors import ConfigurationError
from .finding_codes import FindingCode, Severity
from .full_name import FullName, Kind
from .json_form import from_json


@dataclass(frozen=True)
class Finding:
    """One finding, made by ``of``; the fields are those of its JSON form."""

    code: FindingCode
    severity: str
    """One of SEVERITIES."""
    object: str
    """The full name, such as ``shop.public.customers.nick``."""
    message: str
    advice: str = ""
    kind: str = ""
    """This and what follows are the parts of the name (see FullName); they are empty in dumps of releases before
    1.4.0."""
    database: str = ""
    schema: str = ""
    table: str = ""
    column: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.code, FindingCode):
            raise TypeError(f"{self.code!r} is not a registered finding code")

    @classmethod
    def of(
        cls,
        code: FindingCode,
        about: FullName,
        message: str = "",
        advice: str = "",
        severity: Optional[Severity] = None,
    ) -> Finding:
        """Return a finding about an object. Without a message, advice or severity it has those of its code.

        Raises ValueError for a severity that the code does not have.
        """
        severity = severity or code.severities[0]
        if severity not in code.severities:
            raise ValueError(f"the finding {code} has no severity {severity}")
        return cls(code, severity, str(about), message or code.meaning, advice or code.what_to_do, **vars(about))

    @property
    def full_name(self) -> FullName:
        """The name part by part; one of an earlier release is not known by its parts."""
        if not self.kind:
            return FullName("object", name=self.object)
        return FullName(cast(Kind, self.kind), self.database, self.schema, self.table, self.column, self.name)

    def about(self, name: FullName) -> Finding:
        """Return the same finding about an object of another name."""
        return replace(self, object=str(name), **vars(name))


def read_findings(values: Iterable[Any]) -> tuple[Finding, ...]:
    """Return findings from the JSON form that a module has returned. Raises ConfigurationError for anything else."""
    try:
        return tuple(from_json(Finding, value) for value in values)
    except ValueError as error:
        raise ConfigurationError(f"findings: they are not those of cockroach_restore: {error}") from error
