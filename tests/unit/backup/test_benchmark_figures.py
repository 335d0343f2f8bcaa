# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What the benchmark says of its figures, and what its backups' blocks are made of."""
from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "benchmark"))

import benchmarks
import comparison
import tpcc
from backup_files import BLOCK_BYTES, Block, blocks, extrapolated
from measuring import Measured, held, markdown_table, run_command


def run(bare: float, **phases: float) -> tpcc.Run:
    return {"bare": Measured(bare), **{name: Measured(phases.get(name, 1.0), 0.5, 80.0) for name in (*tpcc.PHASES, tpcc.REHEARSAL)}}


def test_the_ratio_is_the_median_of_the_runs_ratios():
    """Not the ratio of the medians, which mixes runs of a busy and of a quiet machine."""
    runs = [run(1.0, read=7.0), run(10.0), run(3.0)]
    lines = tpcc.table(runs, 1000).splitlines()
    assert [line.split("|")[4].strip() for line in lines if line.startswith("| **whole**, `")] == ["1.00"]
    assert "1.8 times the bare load held (1.00)" in tpcc.verdict(runs)


@pytest.mark.parametrize(("whole", "peak", "words"), [
    (1.0, 80, ("load **not held** (3.00)", "2.8 **not held** (4.00)", "a process held (80)")), (2.5, 300, ("load held (1.20)", "2.8 held (1.60)", "a process **not held** (300)")),
])
def test_bars_that_are_not_held_are_named(whole, peak, words):
    measured = run(whole)
    measured["read"] = Measured(1.0, 0.5, peak)
    assert all(word in tpcc.verdict([measured]) for word in words)


def test_a_bar_from_below():
    assert (held(3, 2), held(2, 2), held(3, 2, at_least=True), held(1, 2, at_least=True)) == ("**not held**", "held", "held", "**not held**")


def test_a_command_is_measured_with_its_children(tmp_path):
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(200 << 20)'], check=True); print('{\"rows\": 1}')"
    measured = run_command([sys.executable, "-c", program])
    assert measured.result == {"rows": 1} and measured.peak_mib > 200 and measured.cpu_seconds > 0


def test_a_command_that_fails_stops_the_benchmark():
    with pytest.raises(SystemExit, match="failed"):
        run_command([sys.executable, "-c", "raise SystemExit(3)"])


def test_tables_replace_those_of_their_group_only():
    page = "a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nb\n<!-- bench-scale: begin -->\nkept\n<!-- bench-scale: end -->\n"
    assert benchmarks.replaced(page, "bench", "new\n") == page.replace("old", "new")
    assert markdown_table(["a"], [[1]]) == "| a |\n| --- |\n| 1 |\n"


def test_rows_of_csv_files_are_counted_and_not_their_lines(tmp_path):
    (tmp_path / "a.csv").write_text('name\n"one\nrow"\nanother\n', encoding="utf-8")
    assert list(comparison.rows_of_files(tmp_path)) == [2]


def test_blocks_are_cut_by_bytes_and_by_rows():
    points = [(b"key%06d" % number, b"\0" * 8, b"v" * 1000) for number in range(300)]
    by_bytes, by_rows = list(blocks(points)), list(blocks(points, 7))
    assert [block.rows for block in by_rows] == [7] * 42 + [6] and len(by_bytes) == 3
    assert all(BLOCK_BYTES <= block.data_size < BLOCK_BYTES + 1100 for block in by_bytes[:-1])
    assert by_rows[1].first_key == b"key000007" and sum(block.data_size for block in by_rows) == 300 * 1009


def test_further_blocks_continue_the_step_between_the_first_two():
    first, second = (Block(b"k%c" % number, b"e%c" % number, b"same%c%c" % (number, 2 * number), 1, 9) for number in (0, 1))
    assert extrapolated(first, second, 0) == first and extrapolated(first, second, 1) == second
    assert extrapolated(first, second, 60) == Block(b"k\x3c", b"e\x3c", b"same\x3c\x78", 1, 9)
