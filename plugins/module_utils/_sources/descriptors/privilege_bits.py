# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From a descriptor's privilege bits to grants and an owner."""

from __future__ import annotations

from ..._errors import UnsupportedError
from ..._formats import protobuf
from ..._model.catalog import DefaultPrivileges, Grant

_KNOWN, _KNOWN_USER = frozenset((1, 2, 3)), frozenset((1, 2, 3))
_KNOWN_DEFAULT = frozenset((12, 13, 14))
_DEFAULT_KINDS = {1: "TABLES", 2: "SEQUENCES", 3: "TYPES", 4: "SCHEMAS", 5: "FUNCTIONS"}
_NAMES = {
    1: "ALL",
    2: "CREATE",
    3: "DROP",
    4: "GRANT",
    5: "SELECT",
    6: "INSERT",
    7: "DELETE",
    8: "UPDATE",
    9: "USAGE",
    10: "ZONECONFIG",
    11: "CONNECT",
    12: "RULE",
    20: "EXECUTE",
    23: "BACKUP",
    24: "RESTORE",
    26: "CHANGEFEED",
    29: "REPLICATION",
    37: "TRIGGER",
}


def read_privileges(data: bytes, name: str) -> tuple[str, list[Grant]]:
    """Return the owner ('' when the descriptor has none) and the grants, built-in roles included."""
    message = protobuf.parse(data)
    owner = protobuf.text(message, 2)
    return owner, _grants(message, name, old=not owner)


def _grants(message: protobuf.Message, name: str, old: bool) -> list[Grant]:
    """Return the grants. ``old``: the descriptor is of a release without owners, where USAGE's bit means ZONECONFIG."""
    _refuse_unknown(message, _KNOWN, name)
    grants = []
    for item in protobuf.blobs(message, 1):
        user = protobuf.parse(item)
        _refuse_unknown(user, _KNOWN_USER, name)
        grants.append(
            Grant(
                protobuf.text(user, 1), _names(protobuf.integer(user, 2), old), _names(protobuf.integer(user, 3), old)
            )
        )
    return [grant for grant in grants if grant.privileges]


def read_default_privileges(data: bytes, name: str) -> list[DefaultPrivileges]:
    """Return the default privileges; every database has the message, also without any."""
    found = []
    for item in protobuf.blobs(protobuf.parse(data), 1):
        message = protobuf.parse(item)
        _refuse_unknown(message, _KNOWN_DEFAULT, name)
        role = protobuf.text(protobuf.parse(protobuf.blob(message, 12)), 1)
        for entry in protobuf.blobs(message, 14):
            pair = protobuf.parse(entry)
            kind = protobuf.integer(pair, 1)
            if kind not in _DEFAULT_KINDS:
                raise UnsupportedError(f"{name}: the default privileges are for the unknown kind of objects {kind}")
            grants = _grants(protobuf.parse(protobuf.blob(pair, 2)), name, old=False)
            if grants:
                found.append(DefaultPrivileges(role, _DEFAULT_KINDS[kind], grants))
    return found


def _names(bits: int, old: bool) -> list[str]:
    names = []
    for kind in range(64):
        if bits & (1 << kind):
            name = _NAMES.get(kind, f"privilege {kind}")
            names.append("ZONECONFIG" if old and name == "USAGE" else name)
    return names


def _refuse_unknown(message: protobuf.Message, known: frozenset[int], name: str) -> None:
    unknown = sorted(set(message) - known)
    if unknown:
        raise UnsupportedError(f"{name}: the privilege descriptor has the unknown field {unknown[0]}")
