# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which descriptors were valid at the chosen time."""

from __future__ import annotations

from typing import Optional

from ..._formats import protobuf
from ..._formats.timestamps import Timestamp
from ..descriptors.descriptor_fields import ID_FIELDS
from .backup_manifest import Manifest

TABLE, DATABASE, TYPE, SCHEMA, FUNCTION = 1, 2, 3, 4, 5
_STATE = {TABLE: 19, DATABASE: 8, TYPE: 13, SCHEMA: 8, FUNCTION: 16}
_TABLE_DROPPED, _DROPPED = 2, 1


def live_descriptors(manifest: Manifest, time: Timestamp) -> dict[int, bytes]:
    """Return the descriptors at ``time`` by id, without dropped ones, including offline ones, which are
    reported.

    ``manifest`` is the layer that covers ``time``. Descriptors of an unknown kind have negative ids, for it is not
    known where theirs are.
    """
    if manifest.changes and (time != manifest.end_time or manifest.cluster_coverage):
        found = _at(manifest.changes, time)
    else:
        found = {_identify(data)[1] or -place: data for place, data in enumerate(manifest.descriptors, 1)}
    return {number: data for number, data in sorted(found.items()) if not _is_dropped(data)}


def _at(changes: list[tuple[Timestamp, int, Optional[bytes]]], time: Timestamp) -> dict[int, bytes]:
    newest: dict[int, tuple[Timestamp, Optional[bytes]]] = {}
    for changed, number, data in changes:
        if changed <= time and (number not in newest or changed > newest[number][0]):
            newest[number] = (changed, data)
    return {number: data for number, (_changed, data) in newest.items() if data}


def _identify(data: bytes) -> tuple[int, int, protobuf.Message]:
    """Return kind, id and content of a Descriptor message; kind and id are 0 when the kind is not known."""
    message = protobuf.parse(data)
    kinds = [kind for kind in ID_FIELDS if kind in message]
    if len(kinds) != 1:
        return 0, 0, {}
    content = protobuf.parse(protobuf.blob(message, kinds[0]))
    return kinds[0], protobuf.integer(content, ID_FIELDS[kinds[0]]), content


def _is_dropped(data: bytes) -> bool:
    kind, _number, content = _identify(data)
    return bool(kind) and protobuf.integer(content, _STATE[kind]) == (_TABLE_DROPPED if kind == TABLE else _DROPPED)
