# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which of the objects that an import has made may be removed, and why the others are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Callable

from ..._model.names import first_of
from ..target.created_objects import SEQUENCE_VALUE
from ..target.object_states import DATABASE, DEFAULT_PRIVILEGES, Address
from .recorded import RecordedObject, State

_VALUE = "value"
"""The part of a sequence's state that every nextval() changes."""
_OF_DATABASE = frozenset((DATABASE, DEFAULT_PRIVILEGES, SEQUENCE_VALUE))
"""Classes of what is set back, or goes with the whole database, but is not removed by itself."""
_PARTS_SHOWN = 5


def removable(item: RecordedObject) -> bool:
    """Whether a command of its own removes the object, if nothing keeps it."""
    return item.made and item.now is not None and item.address.kind not in _OF_DATABASE


def was_changed(item: RecordedObject) -> bool:
    """Whether a part of what the import has changed is neither as the import left it nor as it was before, as which an
    earlier rollback has left it."""
    if item.now is None or item.before is None:
        return item.now != item.state
    before, state, now = item.before, item.state, item.now
    return any(now.get(part) not in (state.get(part), before.get(part)) for part in {*before, *state, *now})


def difference(item: RecordedObject, *, values_known: bool) -> str:
    """Return how an object differs from what the import left: "column x was added", "owner was changed" …; empty if it
    does not. ``values_known`` says whether the recorded values of sequences are the last ones that the import set."""
    now: State = item.now or {}
    found = []
    for part in sorted(set(item.state) | set(now)):
        old, new = item.state.get(part), now.get(part)
        if old == new or part == _VALUE and not values_known:
            continue
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            found += _parts(part, old or {}, new or {})
        elif part == _VALUE:
            found.append(f"value was changed from {_shown(old)} to {_shown(new)}")
        else:
            found.append(f"{part} {'were' if part.endswith('s') else 'was'} changed")
    return first_of(found, _PARTS_SHOWN)


def _shown(value: Any) -> str:
    return "unused" if value is None else str(value)


_SINGULAR = {
    "columns": "column",
    "indexes": "index",
    "policies": "policy",
    "statistics": "statistics",
    "settings of roles": "setting of role",
}


def _parts(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    one = _SINGULAR.get(kind, kind.removesuffix("s"))
    return [
        f"{one} {name} was {'removed' if name not in new else 'added' if name not in old else 'changed'}"
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]


def kept_objects(
    reasons: Mapping[Address, str],
    candidates: Collection[Address],
    needed_by: Mapping[Address, Collection[Address]],
    describe: Callable[[Address], str],
) -> dict[Address, str]:
    """Return what is to be kept of the ``candidates``, each with the reason: what ``reasons`` has, and everything that
    something needs which is kept or is no candidate."""
    kept = {address: reason for address, reason in reasons.items() if address in candidates}
    waiting = list(kept)
    for address in candidates:
        if address not in kept:
            others = sorted(other for other in needed_by.get(address, ()) if other not in candidates)
            if others:
                kept[address] = f"{describe(others[0])} needs it, which the migration has not made"
                waiting.append(address)
    needs: dict[Address, list[Address]] = {}
    for needed, dependents in needed_by.items():
        for dependent in dependents:
            needs.setdefault(dependent, []).append(needed)
    while waiting:
        dependent = waiting.pop()
        for needed in needs.get(dependent, ()):
            if needed in candidates and needed not in kept:
                kept[needed] = f"{describe(dependent)} needs it, which is kept"
                waiting.append(needed)
    return kept


def in_order_of_removal(
    addresses: Collection[Address], needed_by: Mapping[Address, Collection[Address]]
) -> list[frozenset[Address]]:
    """Return the objects in groups: what needs something is in an earlier group, or in the same one. The objects of a
    circle, such as tables whose foreign keys refer to each other, are one group; all others are alone."""
    group = {address: frozenset((address,)) for address in addresses}
    while True:
        graph: dict[frozenset[Address], set[frozenset[Address]]] = {members: set() for members in group.values()}
        for address, members in group.items():
            graph[members] |= {group[other] for other in needed_by.get(address, ()) if other in group} - {members}
        try:
            return list(TopologicalSorter({key: graph[key] for key in sorted(graph, key=sorted)}).static_order())
        except CycleError as error:
            circle = frozenset().union(*error.args[1])
            group.update(dict.fromkeys(circle, circle))
