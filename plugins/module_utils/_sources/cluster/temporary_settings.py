# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Cluster settings of a temporary node, which are none of the source's."""

from __future__ import annotations

NODE_SETTINGS = {
    "diagnostics.reporting.enabled": "false",
    # A moment stays readable after gc.ttlseconds: nobody writes here, so that nothing is collected. Source:
    # pkg/kv/kvserver/replica.go.
    "kv.gc_ttl.strict_enforcement.enabled": "false",
    "sql.stats.automatic_collection.enabled": "false",
    "timeseries.storage.enabled": "false",
}
"""The node sends nothing, neither samples the restored tables nor records its own metrics."""

TEMPORARY_SETTINGS = frozenset((*NODE_SETTINGS, "jobs.registry.interval.adopt", "jobs.scheduler.enabled"))
"""What a temporary node and a restore into it set, whatever the source had."""
