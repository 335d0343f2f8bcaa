# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which CockroachDB releases can restore a backup, as their public documentation says.

A backup is restored by its own major release and the next one; from 24.1 on innovation releases may be skipped. Before
v22.2 a node refuses newer backups only, and restores backups of several older releases in fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ..._errors import ConfigurationError
from ..cluster.releases import (
    INNOVATION_RELEASES,
    NEWEST_KNOWN,
    REGULAR_RELEASES,
    Release,
    names_release,
    release_of,
    shown,
)

_RELEASES = tuple(sorted(REGULAR_RELEASES + INNOVATION_RELEASES))
_STRICT_SINCE: Release = (22, 2)
"""From this release on a node also refuses backups that are too old."""


def restoring_releases(backup: Release) -> tuple[Release, ...]:
    """Return the known releases that can restore a backup of a release, the oldest first; only itself for one that is
    not known here."""
    following = _following(backup)
    # From one regular release to the next, with the innovation releases in between.
    found = [release for release in _RELEASES if backup < release and (following is None or release <= following)]
    # A server that refuses only newer backups takes the old ones too.
    lenient = [release for release in _RELEASES if backup < release < _STRICT_SINCE]
    return tuple(sorted({backup, *found, *lenient}))


def _following(backup: Release) -> Optional[Release]:
    return next((release for release in REGULAR_RELEASES if release > backup), None)


def require_restorable(backup_versions: Iterable[str], server_version: str) -> None:
    """Raise ConfigurationError when a node of ``server_version`` cannot restore a backup whose layers have these
    versions (build tags).

    A tag that names no release is ignored: the oldest releases wrote none, and custom builds write anything. A
    server of a release that is later than all known ones is taken for the next one, where nothing known comes between
    it and the backup; CockroachDB has the last word.
    """
    releases = sorted({release_of(version) for version in backup_versions if names_release(version)})
    if not releases:
        return
    server = release_of(server_version)
    # A chain that goes across an upgrade is judged by its newest layer: newer releases read the layers before it as
    # they read that one.
    backup = releases[-1]
    able = restoring_releases(backup)
    if server in able or (server >= backup and server > NEWEST_KNOWN and _following(backup) is None):
        return
    names = ", ".join(map(shown, able)) + (" or the one after it" if _following(backup) is None else "")
    direction = "older than the backup" if server < backup else "too new for the backup"
    raise ConfigurationError(
        f"CockroachDB {server_version} cannot restore this backup of {shown(backup)}: it is {direction}; set "
        f"cockroach_version to a release of {names}"
    )
