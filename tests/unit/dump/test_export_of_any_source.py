# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The export asks a source for what the protocol says and nothing else: here of one in memory, which is neither a backup nor a cluster."""
from __future__ import annotations

import json

import pytest
import synthetic_dump
from memory_source import ORDERS, Memory, PassingError

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import open_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import is_complete, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError, UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.run import ExportOptions, export
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.source import (
    MomentGoneError,
    TaskReading,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.problem_rows import Change, RejectedRow


@pytest.fixture(name="dump")
def _dump(tmp_path):
    return str(tmp_path / "dump")


def run(source, dump, parallelism=2, **mode):
    return export(source, dump, ExportOptions(chunk_rows=100, parallelism=parallelism), **mode)


def table_of(dump, name):
    return next(table for table in read_manifest(dump).databases[0].tables if table.name == name)


def test_the_rows_arrive_and_a_second_export_changes_nothing(dump):
    result = run(Memory(), dump)
    assert result.changed and result.rows == sum(len(lines) for lines, _computed in synthetic_dump.rows(ORDERS).values())
    assert (result.as_of, result.end_time, result.databases) == ("1", "at 1", ["shop"])
    assert validate_dump(dump).succeeded
    orders = table_of(dump, "orders")
    text = b"".join(open_chunk(f"{dump}/{orders.directory}/{chunk.file}").read() for chunk in orders.chunks).decode()
    assert len(orders.chunks) == 6 and text.splitlines() == synthetic_dump.rows(ORDERS)[orders.id][0]
    again = Memory(as_of="2")
    result = run(again, dump)
    assert not result.changed and result.as_of == "1" and again.asked == []


def test_what_postgresql_cannot_have_is_known_before_a_row_is_read(dump):
    """Reading takes hours; the columns of a table are known at once."""
    for check in (True, False):
        source = Memory(columns_more=1600)
        with pytest.raises(UnsupportedError, match=r"shop\.public\.empty: it has 1601 columns"):
            run(source, dump, check=check)
        assert not hasattr(source, "rows")
    run(Memory(columns_more=1000), dump)
    assert [(finding.code, finding.object) for finding in read_manifest(dump).findings if finding.severity == "warning"] == [("wide_row", "shop.public.empty")]
    assert [finding.code for finding in validate_dump(dump).findings] == ["wide_row"]


def test_a_broken_off_export_goes_on_at_its_moment(dump):
    with pytest.raises(KeyError):
        run(Memory(fails={"101:4": KeyError("broken off")}), dump, parallelism=1)
    assert not is_complete(dump)
    finished = {f"101:{chunk}" for chunk in (1, 2, 3)}
    later = Memory(as_of="2", fails={key: KeyError("read again") for key in finished})
    result = run(later, dump)
    assert later.asked == ["1"] and result.as_of == "1" and validate_dump(dump).succeeded


def test_an_error_that_passes_leaves_nothing_twice(dump):
    run(Memory(fails={"101:2": PassingError()}), dump)
    assert validate_dump(dump).succeeded and table_of(dump, "orders").rows == ORDERS


def test_what_is_not_proved_is_no_dump(dump):
    with pytest.raises(MigrationError, match="only [0-9]+ rows"):
        run(Memory(lost=1), dump)
    assert not is_complete(dump)


def test_a_moment_that_is_gone_names_the_dump(dump):
    with pytest.raises(MomentGoneError, match=rf"^the rows are gone\. If it ends with the same words they have: remove {dump} and start"):
        run(Memory(fails={"101:2": MomentGoneError("the rows are gone")}), dump)


def test_check_mode_plans_only_what_is_known(dump):
    source = Memory()
    plan = run(source, dump, check=True)
    assert plan.changed and plan.chunks >= 6 and plan.as_of == "1"
    source.counts_to_plan = True
    assert run(source, dump, check=True).chunks is None


def test_rejected_rows_and_changed_values_are_told(dump):
    reject = RejectedRow("(id = 1)", "note", "zero_character", "it holds U+0000", {"id": "1", "note": {"bytes": "00"}})
    problems = {"101:1": TaskReading([Change("note", "zero_character", "replace", 2, ["(id = 2)", "(id = 3)"])], [reject])}
    run(Memory(problems=problems, lost=1), dump)
    orders = table_of(dump, "orders")
    assert orders.rejected == 1 and validate_dump(dump).succeeded
    codes = {finding.code for finding in read_manifest(dump).findings}
    assert codes >= {"rows_rejected", "values_replaced"}


def test_a_journal_with_a_task_that_cannot_be_read_is_named(dump):
    with pytest.raises(KeyError):
        run(Memory(fails={"101:4": KeyError("broken off")}), dump, parallelism=1)
    with open(f"{dump}/export.journal", "a", encoding="utf-8") as journal:
        journal.write(json.dumps({"key": "101:4", "table_id": 101, "chunk": "00004.copy.zst"}) + "\n")
    with pytest.raises(MigrationError, match=r"export\.journal is damaged .*make the dump again"):
        run(Memory(), dump)
