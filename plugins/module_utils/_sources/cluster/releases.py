# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's releases: their numbers, and since when (or until when) they know what this collection asks of them
over SQL."""

from __future__ import annotations

import re

from ..._errors import ConfigurationError
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName

Release = tuple[int, int]
"""Year and number, such as (24, 3)."""

COPY_TO_STDOUT_SINCE: Release = (23, 1)
"""COPY (SELECT …) TO STDOUT. It runs inside of a transaction of its own, which begins at the present moment and refuses
another AS OF SYSTEM TIME
within: pkg/sql/conn_executor.go (execCopyOut), pkg/sql/copy_to.go (runCopyTo), pkg/sql/conn_executor_exec.go
(handleAOST)."""

ROW_LEVEL_SECURITY_SINCE: Release = (25, 2)
"""Row-level security, which hides rows. ``row_security = off`` makes that an error from v26.1 on, and does nothing
before: docs v25.2 and v26.1 row-level-security.md, release notes of v26.1.0-alpha.1 (#155110)."""

UNSAFE_INTERNALS_SINCE: Release = (25, 4)
"""The session variable allow_unsafe_internals, off by default from v26.1 on: pkg/sql/unsafesql/unsafesql.go, release
notes of v26.1.0-alpha.2 (#158085). Accesses are audited, channel SENSITIVE_ACCESS: docs v26.2 crdb-internal.md."""

SHOW_CREATE_ROUTINES_SINCE: Release = (25, 3)
"""SHOW CREATE ALL ROUTINES and … TRIGGERS: pkg/sql/logictest/testdata/logic_test/show_create_all_routines."""

DETACHED_SINCE: Release = (20, 2)
SHOW_BACKUP_FROM_SINCE: Release = (22, 2)
INCREMENTAL_LOCATION: tuple[Release, Release] = ((22, 1), (26, 2))
"""The option of RESTORE and SHOW BACKUP: since, and until (exclusive). Release notes of v26.2.0-alpha.1 (#159189,
#160416)."""
COLLECTIONS_ONLY_SINCE: Release = (24, 3)
"""From here on there is no RESTORE FROM a bare directory: docs v24.3 old-syntax-removed.md."""

REGULAR_RELEASES: tuple[Release, ...] = (
    (20, 1),
    (20, 2),
    (21, 1),
    (21, 2),
    (22, 1),
    (22, 2),
    (23, 1),
    (23, 2),
    (24, 1),
    (24, 3),
    (25, 2),
    (25, 4),
    (26, 2),
)
INNOVATION_RELEASES: tuple[Release, ...] = ((24, 2), (25, 1), (25, 3), (26, 1), (26, 3))
NEWEST_KNOWN = max(REGULAR_RELEASES + INNOVATION_RELEASES)
"""What this collection was written for; later releases are taken for the next ones, with a finding."""
_RELEASE = re.compile(r"v?(\d+)\.(\d+)")


def release_of(version: str) -> Release:
    """Return year and number of a release such as ``v22.1.0-alpha.1``. Raises ConfigurationError."""
    match = _RELEASE.match(version)
    if match is None:
        raise ConfigurationError(f"{version!r} is no CockroachDB release, such as v24.3.5")
    return int(match[1]), int(match[2])


def names_release(version: str) -> bool:
    """Tell whether a build tag names a release: the oldest releases wrote none, and builds of one's own write
    anything."""
    return _RELEASE.match(version) is not None


def shown(release: Release) -> str:
    """Return a release as it is written, such as ``v24.3``."""
    return f"v{release[0]}.{release[1]}"


def release_findings(server_version: str) -> list[Finding]:
    """Return what there is to say of a server whose release is later than those that this collection knows."""
    if release_of(server_version) <= NEWEST_KNOWN:
        return []
    return [
        Finding.of(
            FindingCode.RELEASE_NOT_KNOWN,
            FullName("cluster", name=f"CockroachDB {server_version}"),
            f"The release is later than {shown(NEWEST_KNOWN)}, the last one that this collection knows; it was treated "
            "as the next one after it.",
        )
    ]
