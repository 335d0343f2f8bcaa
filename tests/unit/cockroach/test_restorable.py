# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Which releases restore which backups, as CockroachDB's documentation lists them."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.releases import (
    release_findings,
    release_of,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restorable import (
    require_restorable,
)


@pytest.mark.parametrize(("backup", "server"), [
    ("v20.2.7", "v21.1.21"), ("v21.2.17", "v22.1.0"), ("v22.1.22", "v22.2.19"), ("v22.2.8", "v23.1.30"), ("v23.2.1", "v23.2.28"), ("v23.2.1", "v24.1.2"),
    ("v24.1.3", "v24.3.5"), ("v24.1.3", "v24.2.1"), ("v24.2.1", "v24.3.5"), ("v24.3.5", "v25.1.2"), ("v24.3.5", "v25.2.0"), ("v25.2.4", "v25.4.0"),
    # Before v22.2 a node takes older backups too.
    ("v20.2.6-79-g6559d4a936-dirty", "v22.1.0-alpha.1"), ("v21.1.1", "v22.1.22"), ("v20.1.17", "v21.2.17"), ("v22.1.0-alpha.1", "v22.1.0-alpha.1"),
    ("", "v24.3.5"), ("unknown", "v24.3.5"), ("v27.1.0", "v27.1.3"),
    # Later than all known ones: the next one.
    ("v26.2.1", "v26.4.0"), ("v26.3.0", "v26.4.0-rc.1"), ("v26.4.0", "v27.1.0"),
])
def test_documented_pairs_are_allowed(backup, server):
    require_restorable([backup], server)


@pytest.mark.parametrize(("backup", "server", "able"), [
    ("v24.3.5", "v24.1.2", "v24.3, v25.1, v25.2"),
    ("v22.2.1", "v22.1.22", "v22.2, v23.1"),
    ("v22.1.3", "v24.3.5", "v22.1, v22.2"),
    ("v23.1.9", "v24.1.0", "v23.1, v23.2"),
    ("v24.1.0", "v25.1.0", "v24.1, v24.2, v24.3"),
    ("v20.2.7", "v22.2.0", "v20.2, v21.1, v21.2, v22.1"),
    ("v27.1.0", "v24.3.5", "v27.1 or the one after it"),
    ("v25.4.0", "v26.4.0", "v25.4, v26.1, v26.2"),
    ("v26.2.0", "v26.1.0", "v26.2, v26.3 or the one after it"),
])
def test_others_are_refused_with_the_releases_that_can(backup, server, able):
    with pytest.raises(ConfigurationError) as caught:
        require_restorable([backup], server)
    message = str(caught.value)
    assert message.endswith(f"a release of {able}")
    assert server in message


def test_a_later_release_is_a_finding():
    assert release_findings("v26.3.1") == [] and release_findings("v22.1.0-alpha.1") == []
    (finding,) = release_findings("v26.4.0")
    assert finding.code == "release_not_known" and finding.severity == "warning" and "v26.4.0" in finding.object and "v26.3" in finding.message


def test_a_chain_over_an_upgrade_is_judged_by_its_newest_layer():
    require_restorable(["v23.2.1", "v24.1.4"], "v24.1.4")
    with pytest.raises(ConfigurationError, match="older than the backup"):
        require_restorable(["v23.2.1", "v24.1.4"], "v23.2.1")


def test_what_is_no_release_is_named():
    assert release_of("v24.3.5") == (24, 3)
    with pytest.raises(ConfigurationError, match="nightly"):
        release_of("nightly")
