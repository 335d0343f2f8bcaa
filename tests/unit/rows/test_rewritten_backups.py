# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Backups in forms of which no real one is at hand hold the rows of the real ones that they were made from."""
from __future__ import annotations

import pytest
from backup_rows import decoded_tables
from building import message
from exporting import export_backup
from rewritten_backups import BY_EPOCH, FLAGGED, UNFLAGGED, Form, rewrite

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.arrangement import AS_IN_SOURCE
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._arrange.selection import Selection
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.overview import overview
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

FORMS = {
    "increments": Form(),
    "inside a virtual cluster, whole keys": Form(tenant=10, table_format=("rocksdb", 2)),
    "inside a virtual cluster of a high number, whole keys": Form(tenant=1000, deleted=UNFLAGGED),
    "inside a virtual cluster, elided without the table": Form(tenant=7, elided=1, deleted=FLAGGED),
    "elided keys": Form(elided=2, deleted=FLAGGED, table_format=("pebble", 4)),
    "inside a virtual cluster, elided keys": Form(tenant=2, elided=2, deleted=UNFLAGGED, table_format=("pebble", 4)),
    "under IMPORT INTO, by time": Form(importing="t_string", build_tag="v22.2.0"),
    "under IMPORT INTO, by epoch": Form(tenant=5, elided=2, deleted=FLAGGED, importing="t_string", import_type=BY_EPOCH),
}


@pytest.fixture(scope="module", name="original")
def _original(fixtures_dir):
    return {table.name: table.lines for table in decoded_tables(fixtures_dir / "backups" / "types")}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_rows_are_the_originals(fixtures_dir, tmp_path, original, form):
    layers = rewrite(fixtures_dir / "backups" / "types", tmp_path, form)
    assert {table.name: table.lines for table in decoded_tables(*layers)} == original


def test_a_descriptor_that_is_not_known_stops_nothing_but_its_own_object(fixtures_dir, tmp_path):
    """The backup holds a type of an unknown kind in a second database: backup_info tells of it, the first database is exported."""
    future = (message((2, message((1, b"future"), (2, 9000)))), message((3, message((1, 9000), (2, 29), (3, b"thing"), (4, 9001), (5, 77)))))
    request = BackupRequest(tuple(str(layer) for layer in rewrite(fixtures_dir / "backups" / "types", tmp_path / "backup", Form(descriptors=future))))
    [finding] = [finding for finding in overview(request, Selection(), AS_IN_SOURCE).findings if finding.code == "unknown_descriptor"]
    assert (finding.object, finding.severity) == ("future.public.thing", "info")
    with pytest.raises(UnsupportedError, match=r"type future\.public\.thing: .*unknown kind 77.*exclude it"):
        export_backup(request, tmp_path / "dump", chunk_rows=100000, parallelism=1)
    for number, selection in enumerate((Selection(("types.public.t_bool",)), Selection(("types.public.t_bool", "future"), ("future.public.thing",)))):
        assert export_backup(request, tmp_path / f"dump{number}", selection=selection, chunk_rows=100000, parallelism=1).tables == 1
