# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How far a restore has come, in a file that a second run reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Optional

from ..._errors import MigrationError
from ..._model.json_form import from_json
from ..._system.json_file import read_json, write_json
from .backup_contents import Plan


@dataclass(frozen=True)
class RestoreIdentity:
    """What is restored, and into which CockroachDB: a state counts for these only."""

    node: str
    """The id of the cluster that runs RESTORE."""
    cluster_id: str
    """Of the cluster that made the backup; empty if its manifest cannot be read here."""
    locations: list[str]
    subdirectory: str
    end_time: str
    as_of: str
    include: list[str]
    exclude: list[str]
    options: list[str]


@dataclass(frozen=True)
class RestoreState:
    """A restore that was begun."""

    identity: RestoreIdentity
    plan: Optional[Plan] = None
    """None as long as no job was started."""
    jobs: dict[str, str] = field(default_factory=dict)
    """The ids of the RESTORE jobs by the names of their statements."""
    done: bool = False


def read_state(path: str, identity: RestoreIdentity) -> RestoreState:
    """Return what the file says of this restore, a new state where it is of another one or there is no file.

    Raises MigrationError for a damaged file.
    """
    known = read_json(path)
    if known is None or (isinstance(known, dict) and known.get("identity") != asdict(identity)):
        return RestoreState(identity)
    try:
        return from_json(RestoreState, known)
    except ValueError as error:
        raise MigrationError(f"cannot read the result file {path} ({error}): remove it and run again") from error


def write_state(path: str, state: RestoreState) -> None:
    """Keep the state. Raises ConfigurationError."""
    write_json(path, asdict(state))
