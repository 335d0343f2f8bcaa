# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How phases ended, as JSON files, so that a later run, the clean-up and the report know it. A file is always that of
the last time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Optional

from .._model.json_form import from_json, to_json
from .._model.results import Result
from .._system.json_file import read_json, write_json

FORM = 2
"""Of the file. Version 1.2.0 and earlier wrote files without it, in which a verification that differed could look like
a good one."""
TIMES = frozenset({"changed", "finished_at", "run", "seconds", "this_run"})
"""Keys that differ from run to run although the result is the same."""


@dataclass(frozen=True)
class PhaseRecord:
    """How a phase ended with a dump, and for the phases of a target with this one."""

    dump_id: str
    target: str
    """``host:port``, or empty."""
    run: str
    """Which run it was (see the modules' option ``run``), or empty."""
    finished_at: str
    """The moment in UTC, ISO 8601."""
    failure: str = ""
    """Why there is no result."""
    result: Optional[Result] = None

    @property
    def succeeded(self) -> bool:
        """Whether the phase came to an end, and to a good one."""
        return not self.failure and self.result is not None and self.result.succeeded


def utc_now() -> str:
    """Return the moment in UTC, with a length and order that text has, too."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_record(path: str, record: PhaseRecord) -> None:
    """Keep how a phase ended, whatever was kept before. Raises ConfigurationError."""
    write_json(path, {"form": FORM, **to_json(record)})


def read_record(path: str, kind: type) -> Optional[PhaseRecord]:
    """Return how a phase ended, None where nothing is known: no file, or one of another release. ``kind`` is that of
    the result.

    Raises MigrationError when the file is damaged.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.pop("form", None) != FORM:
        return None
    try:
        result = from_json(kind, value.pop("result")) if "result" in value else None
        return replace(from_json(PhaseRecord, value), result=result)
    except ValueError:
        return None


def without_times(value: Any) -> Any:
    """Return a copy without the keys of ``TIMES``, at any depth."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value
