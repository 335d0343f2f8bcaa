# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The rehearsal needs room for what it loads: about how much is known from the dump, and looked for before a server is started."""
from __future__ import annotations

import json
import pathlib

import pytest
import yaml
from journey import export
from playbook_runs import Run
from postgres_servers import VERSIONS, bin_dir

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.loaded_size import (
    EMPTY_SERVER_BYTES,
    loaded_bytes,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)


def stored(directory: pathlib.Path) -> int:
    """Return the bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.mark.needs_postgres
def test_the_estimate_is_near_what_a_server_takes(work, fixtures_dir):
    export([f"file://{fixtures_dir}/backups/shop"], work / "dump")
    with temporary_server(ServerOptions(str(work / "server"), bin_dir(VERSIONS[-1]))) as parameters:
        empty = stored(work / "server")
        import_dump(str(work / "dump"), parameters, ImportOptions(parallelism=2))
        loaded = stored(work / "server") - empty
    assert empty < EMPTY_SERVER_BYTES
    assert 0.5 * loaded < loaded_bytes(str(work / "dump")) < EMPTY_SERVER_BYTES + 3 * loaded


@pytest.mark.needs_postgres
def test_a_rehearsal_without_room_is_not_begun(work, fixtures_dir):
    """The disk is not made small, the dump says that it holds a petabyte."""
    export([f"file://{fixtures_dir}/backups/types"], work / "dump")
    manifest = json.loads((work / "dump" / "manifest.json").read_text(encoding="utf-8"))
    for table in manifest["databases"][0]["tables"]:
        for chunk in table["chunks"]:
            chunk["text_bytes"] = 1 << 50
    (work / "dump" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    playbook = work / "rehearse.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "roles": [{
        "role": "nomos.cockroach_migrator.rehearsal", "rehearsal_bin_dir": bin_dir(VERSIONS[-1]), "rehearsal_directory": str(work / "rehearsal"),
        "rehearsal_dump_dir": str(work / "dump"), "rehearsal_state_dir": str(work / "state"), "rehearsal_log_file": str(work / "migration.log"),
    }]}]), encoding="utf-8")
    run = Run(str(playbook))
    assert run.code != 0 and "no room for the rehearsal's PostgreSQL" in run.error and "set temp_dir" in run.error, run.output
    assert "Start a throw-away PostgreSQL" not in run.output and not (work / "rehearsal").exists()
