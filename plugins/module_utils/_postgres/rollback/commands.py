# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The commands that remove what an import has made. None of them cascades: PostgreSQL itself refuses to remove what
something else still needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..target.object_states import COLLATION, EXTENSION, RELATION, ROUTINE, SCHEMA, TYPE
from .recorded import RecordedObject

_RELATIONS = {"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE"}
_TYPES = {"e": "TYPE", "c": "TYPE", "d": "DOMAIN"}
_ROUTINES = {"f": "FUNCTION", "p": "PROCEDURE"}
_OTHERS = {COLLATION: "COLLATION", SCHEMA: "SCHEMA", EXTENSION: "EXTENSION"}


def word(item: RecordedObject) -> str:
    """Return what SQL calls the object's kind, such as MATERIALIZED VIEW."""
    kind = item.state.get("kind", "")
    by_class = {RELATION: _RELATIONS, TYPE: _TYPES, ROUTINE: _ROUTINES}
    return by_class[item.address.kind][kind] if item.address.kind in by_class else _OTHERS[item.address.kind]


def drop(items: Collection[RecordedObject]) -> list[str]:
    """Return DROP for the objects of a group, one command for each kind. The names are those that PostgreSQL
    has just quoted. What was removed with its table, such as a sequence, need not be there any more."""
    names: dict[str, list[str]] = {}
    for item in sorted(items, key=lambda item: (item.address.kind, item.name)):
        names.setdefault(word(item), []).append((item.now or {})["name"])
    return [f"DROP {kind} IF EXISTS {', '.join(names[kind])} RESTRICT" for kind in _in_order(names)]


def _in_order(kinds: Iterable[str]) -> list[str]:
    return sorted(kinds, key=lambda kind: (kind != "TABLE", kind))
