# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which CockroachDB releases can restore a backup, as their public documentation says.

A backup is restored by its own major release and the next one; from 24.1 on innovation releases may be skipped. Before
v22.2 a node refuses newer backups only, and restores backups of several older releases in fact.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import ConfigurationError

Release = tuple[int, int]

_REGULAR: tuple[Release, ...] = (
    (20, 1), (20, 2), (21, 1), (21, 2), (22, 1), (22, 2), (23, 1), (23, 2), (24, 1), (24, 3), (25, 2), (25, 4), (26, 2),
)
_INNOVATION: tuple[Release, ...] = ((24, 2), (25, 1), (25, 3), (26, 1), (26, 3))
_ALL = tuple(sorted(_REGULAR + _INNOVATION))
_STRICT_SINCE: Release = (22, 2)
"""From this release on a node also refuses backups that are too old."""
_RELEASE = re.compile(r"v?(\d+)\.(\d+)")


def release_of(version: str) -> Release:
    """Return year and number of a release such as ``v22.1.0-alpha.1``. Raises ConfigurationError."""
    match = _RELEASE.match(version)
    if match is None:
        raise ConfigurationError(f"{version!r} is no CockroachDB release, such as v24.3.5")
    return int(match[1]), int(match[2])


def restoring_releases(backup: Release) -> tuple[Release, ...]:
    """Return the releases that can restore a backup of a release, the oldest first; only itself for one that is not known here."""
    following = next((release for release in _REGULAR if release > backup), None)
    # From one regular release to the next, with the innovation releases in between.
    found = [release for release in _ALL if backup < release and (following is None or release <= following)]
    # A server that refuses only newer backups takes the old ones too.
    lenient = [release for release in _ALL if backup < release < _STRICT_SINCE]
    return tuple(sorted({backup, *found, *lenient}))


def require_restorable(backup_versions: Iterable[str], server_version: str) -> None:
    """Raise ConfigurationError when a node of ``server_version`` cannot restore a backup whose layers have these versions (build tags).

    A tag that names no release says nothing: the oldest releases wrote none, and builds of one's own write anything.
    """
    releases = sorted({release_of(version) for version in backup_versions if _RELEASE.match(version)})
    if not releases:
        return
    server = release_of(server_version)
    # A chain that goes across an upgrade is judged by its newest layer: newer releases read the layers before it as they read that one.
    backup = releases[-1]
    able = restoring_releases(backup)
    if server in able or server == backup:
        return
    names = ", ".join(f"v{year}.{number}" for year, number in able)
    direction = "older than the backup" if server < backup else "too new for the backup"
    raise ConfigurationError(
        f"CockroachDB {server_version} cannot restore this backup of v{backup[0]}.{backup[1]}: it is {direction}; set cockroach_version to a release of {names}"
    )
