# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""From a descriptor's privilege bits to grants and an owner."""
from __future__ import annotations

from ..backup import protobuf
from ..errors import UnsupportedError
from .model import Grant

_KNOWN, _KNOWN_USER = frozenset((1, 2, 3)), frozenset((1, 2, 3))
_NAMES = {
    1: "ALL", 2: "CREATE", 3: "DROP", 4: "GRANT", 5: "SELECT", 6: "INSERT", 7: "DELETE", 8: "UPDATE", 9: "USAGE", 10: "ZONECONFIG",
    11: "CONNECT", 12: "RULE", 20: "EXECUTE", 23: "BACKUP", 26: "CHANGEFEED",
}


def read_privileges(data: bytes, name: str) -> tuple[str, list[Grant]]:
    """Return the owner ('' when the descriptor has none) and the grants, built-in roles included."""
    message = protobuf.parse(data)
    _refuse_unknown(message, _KNOWN, name)
    old = not protobuf.text(message, 2)
    grants = []
    for item in protobuf.blobs(message, 1):
        user = protobuf.parse(item)
        _refuse_unknown(user, _KNOWN_USER, name)
        grants.append(Grant(protobuf.text(user, 1), _names(protobuf.integer(user, 2), old), _names(protobuf.integer(user, 3), old)))
    return protobuf.text(message, 2), [grant for grant in grants if grant.privileges]


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
