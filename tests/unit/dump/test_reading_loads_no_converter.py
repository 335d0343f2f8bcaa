# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whoever reads a dump needs neither the SQL converter nor sqlglot."""
from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
COLLECTION = "ansible_collections.nomos.cockroach_migrator.plugins"
UTILS = f"{COLLECTION}.module_utils"
PROGRAM = f"""
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("{COLLECTION}." + name)
print(*sorted(name for name in sys.modules if name.startswith(("sqlglot", "{UTILS}._convert", "{UTILS}._export"))))
"""


def loaded_by(*names: str) -> list[str]:
    """Return the names of the converter's modules that a fresh interpreter has after it imported some of the collection's modules."""
    program = [sys.executable, "-c", PROGRAM, *names]
    return subprocess.run(program, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CHECKOUT / ".collections")}).stdout.split()


def test_a_dump_is_read_without_the_converter():
    modules = sorted(path.stem for path in (CHECKOUT / "plugins" / "module_utils" / "_dump").glob("*.py"))
    assert {"manifest", "validate", "journal"} <= set(modules)
    assert loaded_by(*(f"module_utils._dump.{module}" for module in modules)) == []


@pytest.mark.parametrize("module", ["migration_state", "migration_report", "dump_rows", "dump_validate"])
def test_a_module_that_reads_a_manifest_loads_no_converter(module):
    assert loaded_by(f"modules.{module}") == []


def test_the_check_sees_a_converter_that_is_loaded():
    assert "sqlglot" in loaded_by("module_utils._postgres.schema_needs")
