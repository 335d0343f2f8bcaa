# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""An import that fails says, and keeps in its result file, how far it is and what the two ways on are."""
from __future__ import annotations

import re

import pytest
import synthetic_dump
from postgres_servers import query
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.import_phase import run_import
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.recorded_phase import RecordedPhase
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.result_file import read_record
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.results import ImportResult
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog


def test_an_import_that_fails_tells_how_far_it_is(postgres17, tmp_path):
    def break_check(made):
        made.tables[0].checks[0].expression = "id > 5"

    dump = synthetic_dump.write(str(tmp_path / "bad"), "how_far", change=break_check)
    result, target = tmp_path / "import.json", f"{postgres17.host}:{postgres17.port}"
    with pytest.raises(MigrationError) as error:
        run_import(RecordedPhase(dump, target, str(result), "run"), postgres17, ImportOptions(), MigrationLog("", "import"))
    message = str(error.value)
    assert "check public.positive of table orders" in message
    loaded, rows = map(int, re.search(r"database how_far: (\d+) of ([\d,]+) rows are loaded", message.replace(",", "")).groups())
    assert loaded == sum(query(postgres17, "how_far", sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))[0][0] for name in ("orders", "lines", "One", "Tricky")) < rows
    for words in ("nothing is verified. The same command goes on from there", "playbook rollback", "-e rollback_confirmed=true"):
        assert words in message
    assert read_record(str(result), ImportResult).failure == message
