# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Exports as the modules run them."""
from __future__ import annotations

import dataclasses

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import (
    ExportOptions,
    ExportPlan,
    ExportResult,
    export,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_source import BackupSource
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.cluster_source import (
    ClusterRequest,
    ClusterSource,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.cluster.sql_connection import (
    CockroachParameters,
)

OF_THE_CLUSTER = {field.name for field in dataclasses.fields(ClusterRequest)}


def export_backup(request: BackupRequest, dump_dir, **options) -> ExportResult:
    """Export a backup in small chunks; ``options`` are fields of ExportOptions, ``written`` gets the chunks."""
    written = options.pop("written", None)
    return export(BackupSource(request), str(dump_dir), ExportOptions(**{"chunk_rows": 2000, "parallelism": 2, **options}), written=written)


def export_cluster(parameters: CockroachParameters, dump_dir, check: bool = False, **values) -> ExportResult | ExportPlan:
    """Export a cluster; ``values`` are fields of ClusterRequest and ExportOptions."""
    request = ClusterRequest(**{name: value for name, value in values.items() if name in OF_THE_CLUSTER})
    options = ExportOptions(**{"chunk_rows": 100000, **{name: value for name, value in values.items() if name not in OF_THE_CLUSTER}})
    return export(ClusterSource(parameters, request), str(dump_dir), options, check=check)
